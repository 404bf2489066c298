"""The models' deployments: whether the region has them, until when, and whether the quota suffices; and existing accounts."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from deployer.azure.documents import Document
from deployer.preflight.checks import Context, Finding, enough, error, info, or_passed, skipped, warning
from deployer.tenant.services import Deployment, OpenAiAccount

_SOON = 180  # days before a model's end that it is worth a word
_QUOTA_HELP = "Ask for more (https://aka.ms/oai/stuquotarequest), or lower `capacity` in the tenant file."


async def look_at_models(context: Context) -> Iterable[Finding]:
    findings: list[Finding] = []
    count = 0
    for account, region in await _accounts(context):
        listed = await context.azure.models(region)
        for deployment in account.deployments:
            count += 1
            findings += _offered(context.now, account, deployment, region, listed)
    return _none(count) or or_passed(
        findings, f"{count} deployments of models that are offered", figures={"deployments": count}
    )


def _offered(
    now: datetime, account: OpenAiAccount, wanted: Deployment, region: str, listed: list[Document]
) -> Iterator[Finding]:
    where = f"openai.accounts.{account.name}.deployments.{wanted.name}"
    named = [each for each in listed if str(each.get("name", "")).lower() == wanted.model.lower()]
    if not named:
        known = sorted({str(each["name"]) for each in listed})
        words = f"{wanted.model} is not offered in {region}"
        yield error(words, f"Choose another region, or a model that is there: {', '.join(known[:12])}.", where)
        return
    model = next((each for each in named if str(each.get("version")) == wanted.version), None)
    if model is None:
        versions = ", ".join(sorted(str(each.get("version")) for each in named))
        words = f"{wanted.model} {wanted.version} is not offered in {region}"
        yield error(words, f"Choose a version that is there: {versions}.", where)
        return
    skus = {str(each.get("name")): each for each in model.get("skus") or []}
    sku = skus.get(wanted.sku)
    if sku is None:
        words = f"{wanted.model} {wanted.version} cannot be deployed as {wanted.sku} in {region}"
        yield error(words, f"Choose a SKU that is there: {', '.join(sorted(skus)) or 'none'}.", where)
        return
    ends = _moment(sku.get("deprecationDate") or (model.get("deprecation") or {}).get("inference"))
    if ends is not None:
        yield from _ending(now, wanted, ends, where)
    yield from _size(wanted, sku.get("capacity") or {}, where)


def _ending(now: datetime, wanted: Deployment, ends: datetime, where: str) -> Iterator[Finding]:
    left = (ends - now).days
    if ends <= now:
        words = f"{wanted.model} {wanted.version} was retired on {ends:%Y-%m-%d}"
        yield error(words, "Deploy a later version.", where, figures={"days": left})
    elif left < _SOON:
        words = f"{wanted.model} {wanted.version} is retired on {ends:%Y-%m-%d}, in {left} days"
        yield warning(words, "Plan its successor, or deploy that at once.", where, figures={"days": left})


def _size(wanted: Deployment, capacity: Document, where: str) -> Iterator[Finding]:
    """Provisioned capacity comes in steps, from a least size on."""
    least, step = capacity.get("minimum"), capacity.get("step")
    if isinstance(least, int | float) and wanted.capacity < least:
        words = f"{wanted.name}: Requested {wanted.capacity} · Least {least:,.0f}"
        yield error(
            words, f"Say capacity: {least:.0f} or more.", where, figures={"requested": wanted.capacity, "least": least}
        )
    elif isinstance(step, int | float) and step > 1 and (wanted.capacity - (least or 0)) % step:
        words = f"{wanted.name}: capacity {wanted.capacity} is no multiple of {step:,.0f}"
        yield error(words, f"Capacity of {wanted.sku} goes in steps of {step:.0f}.", where, figures={"step": step})


async def look_at_quotas(context: Context) -> Iterable[Finding]:
    """https://learn.microsoft.com/azure/ai-services/openai/how-to/quota: a region, a model and a SKU at a time."""
    azure = context.azure
    wanted: dict[tuple[str, str], float] = defaultdict(float)
    shown: dict[tuple[str, str], str] = {}
    provisioned: dict[tuple[str, str, str, str], float] = defaultdict(float)
    new: dict[str, int] = defaultdict(int)
    for account, region in await _accounts(context):
        here = await azure.resource(_id(context, account))
        new[region] += here is None
        made = await _capacities(context, account) if here is not None else {}
        listed = await azure.models(region)
        for each in account.deployments:
            more = each.capacity - made.get(each.name.lower(), 0)
            key = (region, _usage_name(listed, each))
            wanted[key] += more
            shown[key] = f"{each.model} ({each.sku}, {region})"
            if "Provisioned" in each.sku:
                provisioned[region, each.model, each.version, each.sku] += more
    findings: list[Finding] = []
    for (region, name), requested in wanted.items():
        lines = await azure.usages("Microsoft.CognitiveServices", region)
        line = lines.get(name.lower())
        if line is None:
            findings.append(warning(f"{shown[region, name]}: Azure tells no quota named {name}", _QUOTA_HELP, name))
        elif requested > 0:
            findings.append(enough(shown[region, name], requested, line[1] - line[0], _QUOTA_HELP, name))
    for region, accounts in new.items():
        lines = await azure.usages("Microsoft.CognitiveServices", region)
        if accounts and (line := lines.get("openai.s0.accountcount")):
            help = "Delete accounts that nobody uses (and purge them), or ask for more."
            findings.append(enough(f"OpenAI accounts ({region})", accounts, line[1] - line[0], help))
    for (region, model, version, sku), requested in provisioned.items():
        findings += await _provisioned(context, region, model, version, sku, requested)
    return _none(len(wanted) + sum(new.values())) or or_passed(findings, "everything asked for is deployed already")


async def _provisioned(
    context: Context, region: str, model: str, version: str, sku: str, requested: float
) -> list[Finding]:
    """Quota for provisioned units is a right, not the machines: those may be used up.

    https://learn.microsoft.com/rest/api/aiservices/accountmanagement/location-based-model-capacities/list
    """
    path = f"{context.azure.path}/providers/Microsoft.CognitiveServices/locations/{region}/modelCapacities"
    listed = await context.azure.arm.list(path, modelFormat="OpenAI", modelName=model, modelVersion=version)
    for each in listed:
        properties = each.get("properties") or {}
        if properties.get("skuName") == sku and requested > 0:
            free = float(properties.get("availableCapacity") or 0)
            remedy = "Choose another region now, or try later: this is what its machines have left."
            return [enough(f"{model} ({sku}, {region}), machines", requested, free, remedy, model)]
    return []


async def look_at_existing(context: Context) -> Iterable[Finding]:
    findings: list[Finding] = []
    existing = [each for each in context.tenant.openai.accounts if each.resource_id is not None]
    for account in existing:
        assert account.resource_id is not None
        where = f"openai.accounts.{account.name}.resource_id"
        found = await context.azure.resource(account.resource_id)
        if found is None:
            findings.append(error(f"{account.resource_id} is not there", "Correct the id.", where))
            continue
        properties = found.get("properties") or {}
        if found.get("kind") not in ("OpenAI", "AIServices"):
            words = f"{found['name']} is of the kind {found.get('kind')}"
            findings.append(error(words, "Name an account of the kind OpenAI or AIServices.", where))
        if not properties.get("customSubDomainName"):
            words = f"{found['name']} has no custom subdomain: neither Entra ID nor a private endpoint works without"
            remedy = (
                "Give it one: az cognitiveservices account update --custom-domain NAME. It cannot be changed later."
            )
            findings.append(error(words, remedy, where))
        if not properties.get("disableLocalAuth"):
            words = f"{found['name']} lets callers in by its keys, past the gateway"
            findings.append(
                warning(words, "Switch keys off (disableLocalAuth) once its other callers are gone.", where)
            )
        if properties.get("publicNetworkAccess", "Enabled") == "Enabled":
            words = f"{found['name']} is open to the internet"
            findings.append(info(words, "Close it once its other callers come through the gateway.", where))
    return [skipped("there are none")] if not existing else or_passed(findings, f"{len(existing)} found")


async def _accounts(context: Context) -> list[tuple[OpenAiAccount, str]]:
    """Those with deployments or to be made, with the region that each is in."""
    found: list[tuple[OpenAiAccount, str]] = []
    for account in context.tenant.openai.accounts:
        region = account.region or context.tenant.region
        if account.resource_id is not None:
            resource = await context.azure.resource(account.resource_id)
            if resource is None or not account.deployments:
                continue  # `accounts.existing` tells of the former
            region = str(resource.get("location", region)).replace(" ", "").lower()
        found.append((account, region))
    return found


def _id(context: Context, account: OpenAiAccount) -> str:
    if account.resource_id is not None:
        return account.resource_id
    return context.in_group(f"Microsoft.CognitiveServices/accounts/{context.names.accounts[account.name]}")


async def _capacities(context: Context, account: OpenAiAccount) -> dict[str, float]:
    """What is deployed already, by name: it is in use, and asked for no second time."""
    listed = await context.azure.arm.list(f"{_id(context, account)}/deployments")
    return {str(each["name"]).lower(): float((each.get("sku") or {}).get("capacity") or 0) for each in listed}


def _usage_name(listed: list[Document], wanted: Deployment) -> str:
    for model in listed:
        if str(model.get("name", "")).lower() == wanted.model.lower() and str(model.get("version")) == wanted.version:
            for sku in model.get("skus") or []:
                if sku.get("name") == wanted.sku and sku.get("usageName"):
                    return str(sku["usageName"])
    return f"OpenAI.{wanted.sku}.{wanted.model}"


def _none(count: int) -> list[Finding]:
    return [] if count else [skipped("no account is made and no model deployed")]


def _moment(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
