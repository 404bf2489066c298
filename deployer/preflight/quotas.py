"""Quotas of what runs beside the models: Container Apps and Postgres."""

import re
from collections.abc import Iterable
from decimal import Decimal

from deployer.preflight.checks import Context, Finding, enough, info, or_passed, warning

_MORE = "Ask for more: https://aka.ms/azurequota, or choose another region."
_CORES_OF_A_NEW_ENVIRONMENT = 100
"""https://learn.microsoft.com/azure/container-apps/quotas: cores of the Consumption profile, in a subscription that pays."""


async def look_at_container_apps(context: Context) -> Iterable[Finding]:
    azure, region = context.azure, context.tenant.region
    environment = context.in_group(f"Microsoft.App/managedEnvironments/{context.names.environment}")
    here = await azure.resource(environment)
    cores = float(requested_cores(context))
    lower = "Ask for more (https://aka.ms/azurequota), or lower replicas.*.max or cpu."
    if here is not None:
        lines = {
            str((each.get("name") or {}).get("value", "")).lower(): each
            for each in await azure.arm.list(f"{environment}/usages")
        }
        line = lines.get("managedenvironmentconsumptioncores")
        if line is None:
            return [info("the environment is there, and tells no quota of cores")]
        return [enough("cores of the environment", cores, float(line.get("limit") or 0), lower, environment)]
    lines_of_region = await azure.usages("Microsoft.App", region)
    findings: list[Finding] = []
    if count := lines_of_region.get("managedenvironmentcount"):
        findings.append(enough(f"environments in {region}", 1, count[1] - count[0], _MORE))
    if cores > _CORES_OF_A_NEW_ENVIRONMENT:
        words = f"at their most, replicas take {cores:g} cores; a new environment has {_CORES_OF_A_NEW_ENVIRONMENT}"
        remedy = f"After the first apply: {lower[0].lower()}{lower[1:]}"
        findings.append(
            warning(words, remedy, "replicas", figures={"requested": cores, "available": _CORES_OF_A_NEW_ENVIRONMENT})
        )
    return or_passed(findings, f"{cores:g} cores at most", figures={"requested": cores})


def requested_cores(context: Context) -> Decimal:
    """Of all replicas at their most, and the job's one."""
    replicas = context.tenant.replicas
    scales = (replicas.proxy, replicas.writer, replicas.admin)
    return sum((scale.max * Decimal(scale.cpu) for scale in scales), start=Decimal("0.5"))


async def look_at_postgres(context: Context) -> Iterable[Finding]:
    """https://learn.microsoft.com/rest/api/postgresql/quota-usages/list: a family of machines at a time, and all cores."""
    azure, wanted = context.azure, context.tenant.postgres
    server = context.in_group(f"Microsoft.DBforPostgreSQL/flexibleServers/{context.names.postgres}")
    if await azure.resource(server) is not None:
        return or_passed([], "the server is there")
    cores = vcores(wanted.sku) * (1 if wanted.high_availability == "none" else 2)  # the standby counts, too
    lines = await azure.usages("Microsoft.DBforPostgreSQL", context.tenant.region)
    family = family_of(wanted.sku)
    remedy = "Ask for more (https://aka.ms/postgres-request-quota-increase), or choose a smaller postgres.sku."
    findings = [
        enough(
            f"{name} vCores in {context.tenant.region}", cores, lines[key][1] - lines[key][0], remedy, "postgres.sku"
        )
        for name, key in ((family, family.lower()), ("all", "cores"))
        if key in lines
    ]
    return findings or [
        info(f"Azure tells no quota for {family}; {cores} vCores are asked for", figures={"requested": cores})
    ]


def vcores(sku: str) -> int:
    """Of a size such as `GP_Standard_D2ds_v5`; the smallest burstable ones share theirs."""
    found = re.search(r"_Standard_[A-Z]+(\d+)", sku)
    return int(found[1]) if found else 1


def family_of(sku: str) -> str:
    """What the quota calls a size's machines: `standardDDSv5Family` for `GP_Standard_D2ds_v5`."""
    found = re.fullmatch(r"[A-Z]+_Standard_([A-Z]+)\d+([a-z]*)(?:_(v\d+))?", sku)
    if found is None:
        return sku
    if found[1] == "B":
        return "standardBSFamily"
    return f"standard{found[1]}{found[2].upper()}{found[3] or ''}Family"
