"""`aduana drift`, `outputs` and `status`: what stands in a tenant, and what others changed of it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from deployer.commands.plan import TerraformOption
from deployer.errors import CHECK_SAID_NO, CommandError
from deployer.output import JsonFlag, print_json, print_table, say
from deployer.tenant_argument import DirectoryOption, TenantArgument

if TYPE_CHECKING:
    from deployer.review.subject import Subject

_DRIFT = """Look for what others changed since the last apply. It reads Azure and changes nothing.

Ends with exit code 3 where something is no longer as it was applied, and shows what the next apply would make of it. What the
platform changes by itself (revisions and replicas of the services) is no drift, nor are images that an upgrade brought in.

Example:

    aduana drift contoso-prod
"""
_OUTPUTS = """Print what the installation consists of, for other tools: ids, names and addresses. No output is a secret.

Examples:

    aduana outputs contoso-prod

    aduana outputs contoso-prod --json
"""
_STATUS = """Say what is installed: the last apply from this machine, the release and images, how many resources there are, and
where callers come in. It reads the state and asks Azure nothing.

Example:

    aduana status contoso-prod
"""


def register(app: typer.Typer) -> None:
    """Add `drift`, `outputs` and `status`."""
    app.command("drift", help=_DRIFT)(_drift)
    app.command("outputs", help=_OUTPUTS)(_outputs)
    app.command("status", help=_STATUS)(_status)


def _drift(
    tenant: str | None = TenantArgument,
    directory: Path = DirectoryOption,
    terraform: str | None = TerraformOption,
    as_json: bool = JsonFlag,
) -> None:
    from deployer.review.tree import drift_lines
    from deployer.review.upgraded import as_upgraded
    from deployer.watching import watching

    subject = _open(tenant, directory, terraform)
    with watching(quiet=as_json) as watch:
        found = as_upgraded(subject.engine.drift(watch=watch), subject.tenant)
    if as_json:
        print_json(found.as_json())
    elif not found.changed:
        say(f"{subject.tenant.name} is as it was applied.")
    else:
        for line in drift_lines(found):
            say(line.text)
    if found.changed:
        raise typer.Exit(CHECK_SAID_NO)


def _outputs(
    tenant: str | None = TenantArgument,
    directory: Path = DirectoryOption,
    terraform: str | None = TerraformOption,
    as_json: bool = JsonFlag,
) -> None:
    subject = _open(tenant, directory, terraform)
    found = {name: output.value for name, output in subject.engine.outputs().items() if not output.sensitive}
    if not found:
        raise CommandError(f"{subject.tenant.name} is not installed", remedy=_INSTALL, code="not_installed")
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        say(name)
        for line in json.dumps(value, indent=2, ensure_ascii=False).splitlines():
            say(f"  {line}")


_INSTALL = "Plan it with `aduana plan`, then `aduana apply`."


def _status(
    tenant: str | None = TenantArgument,
    directory: Path = DirectoryOption,
    terraform: str | None = TerraformOption,
    as_json: bool = JsonFlag,
) -> None:
    subject = _open(tenant, directory, terraform)
    status = status_of(subject)
    if as_json:
        print_json(status)
        return
    applied = status["applied"] or {}
    print_table(
        (("", "left"), ("", "left")),
        [
            ("tenant", status["tenant"]),
            ("installed", f"{status['resources']} resources" if status["installed"] else "no"),
            ("last apply from here", applied.get("at", "–")),
            ("release", applied.get("release", "–")),
            ("tenant file", "as it was applied" if status["file_unchanged"] else "changed since, or never applied"),
            ("callers", status["url"] or "–"),
            *((f"image {name}", image) for name, image in status["images"].items() if image),
        ],
    )


def status_of(subject: "Subject") -> dict[str, Any]:
    """What is known of an installation without asking Azure. Raises `EngineError` where the state cannot be read."""
    inventory = subject.engine.inventory()
    outputs = subject.engine.outputs() if inventory.resources else {}
    ingress = outputs["ingress"].value if "ingress" in outputs else {}
    applied = _applied(subject)
    return {
        "tenant": subject.tenant.name,
        "installed": bool(inventory.resources),
        "resources": len(inventory.resources),
        "applied": applied,
        "file_unchanged": applied is not None and applied["tenant_digest"] == subject.bound("").tenant_digest,
        "url": (ingress or {}).get("url"),
        "images": subject.tenant.images.model_dump(mode="json", exclude={"registry_id"}),
    }


def _applied(subject: "Subject") -> dict[str, Any] | None:
    try:
        document = json.loads((subject.folder / "applied.json").read_text())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and "tenant_digest" in document else None


def _open(tenant: str | None, directory: Path, terraform: str | None) -> "Subject":
    from deployer.review.subject import open_subject

    return open_subject(tenant, directory, terraform=terraform)
