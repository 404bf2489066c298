"""A log workspace that somebody else keeps."""

from collections.abc import Iterable

from deployer.preflight.checks import Context, Finding, error, or_passed, skipped, warning


async def look_at_workspace(context: Context) -> Iterable[Finding]:
    logs = context.tenant.logs
    if logs.workspace_id is None:
        return [skipped("one is made")]
    found = await context.azure.resource(logs.workspace_id)
    if found is None:
        return [error(f"{logs.workspace_id} is not there", "Correct logs.workspace_id.", "logs.workspace_id")]
    properties = found.get("properties") or {}
    findings: list[Finding] = []
    kept = properties.get("retentionInDays")
    if isinstance(kept, int) and kept < 30:
        words = f"{found['name']} keeps logs for {kept} days"
        findings.append(
            warning(words, "Have it keep them for 30 or more.", "logs.workspace_id", figures={"days": kept})
        )
    if properties.get("publicNetworkAccessForIngestion") == "Disabled":
        words = f"{found['name']} takes logs over a private link alone"
        findings.append(
            warning(words, "See that its link scope (AMPLS) is reached from the network.", "logs.workspace_id")
        )
    return or_passed(findings, f"{found['name']}")
