"""Names that are alone in the world: whether they are free, are ours already, or are held by something deleted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from deployer.azure.documents import Document
from deployer.names import NAME_RULES
from deployer.preflight.checks import Context, Finding, error, or_passed, passed, warning


@dataclass(frozen=True, slots=True)
class WorldName:
    """A name, the type it is for, and where Azure judges it. `resource_id`: what it is when it is ours."""

    kind: str  # for people
    name: str
    type: str
    resource_id: str
    judged_at: str  # path below /subscriptions/…/providers/


def world_names(context: Context) -> Iterator[WorldName]:
    """All that this installation makes; Redis is in no such list, DNS knows it."""
    tenant, names = context.tenant, context.names

    def name(kind: str, its: str, type: str, judged_at: str) -> WorldName:
        return WorldName(kind, its, type, context.in_group(f"{type}/{its}"), judged_at)

    yield name("vault", names.key_vault, "Microsoft.KeyVault/vaults", "Microsoft.KeyVault/checkNameAvailability")
    yield name(
        "server",
        names.postgres,
        "Microsoft.DBforPostgreSQL/flexibleServers",
        f"Microsoft.DBforPostgreSQL/locations/{tenant.region}/checkNameAvailability",
    )
    if tenant.redis.mode == "none":
        storage = "Microsoft.Storage/storageAccounts"
        yield name("storage account", names.storage_account, storage, "Microsoft.Storage/checkNameAvailability")
    if tenant.event_hubs.enabled:
        hubs = "Microsoft.EventHub/namespaces"
        yield name("Event Hubs namespace", names.event_hubs, hubs, "Microsoft.EventHub/checkNameAvailability")
    for account in tenant.openai.accounts:
        if account.mode == "new":
            yield name(
                "OpenAI account",
                names.accounts[account.name],
                "Microsoft.CognitiveServices/accounts",
                "Microsoft.CognitiveServices/checkDomainAvailability",
            )


async def look_at_rules(context: Context) -> Iterable[Finding]:
    """By the file alone."""
    names = context.names
    single = [(kind, getattr(names, kind)) for kind in NAME_RULES if isinstance(getattr(names, kind, None), str)]
    wrong = [
        error(f"{kind} {name!r} is not a name that Azure takes", "Shorten prefix or name.", kind)
        for kind, name in single
        if not NAME_RULES[kind].allows(name)
    ]
    longest = max((name for _, name in single), key=len)
    return or_passed(
        wrong, f"{len(single)} derived, the longest has {len(longest)} characters", figures={"names": len(single)}
    )


async def look_at_availability(context: Context) -> Iterable[Finding]:
    azure = context.azure
    findings: list[Finding] = []
    ours = free = 0
    deleted = await _deleted_accounts(context)
    for each in world_names(context):
        if await azure.resource(each.resource_id) is not None:
            ours += 1
            continue
        answer = await azure.arm.post(f"{azure.path}/providers/{each.judged_at}", _question(each))
        if _is_free(answer):
            free += 1
        elif not await _is_deleted(context, each, deleted):  # of that `names.leftovers` tells
            told = str(answer.get("message") or answer.get("reason") or "Azure says no more")
            words = f"the {each.kind} {each.name} is taken: {told}"
            findings.append(error(words, "Change prefix or name in the tenant file.", each.name))
    redis = f"{context.names.redis}.{context.tenant.region}.redis.azure.net"
    if context.tenant.redis.mode == "managed":
        made = await azure.resource(context.in_group(f"Microsoft.Cache/redisEnterprise/{context.names.redis}"))
        if made is not None:
            ours += 1
        elif await context.resolver.addresses(redis) or await context.resolver.aliases(redis):
            words = f"the Redis {context.names.redis} is taken: {redis} exists"
            findings.append(error(words, "Change prefix or name in the tenant file.", context.names.redis))
        else:
            free += 1
    return findings or [passed(f"{free} free, {ours} ours already", figures={"free": free, "ours": ours})]


def _question(wanted: WorldName) -> dict[str, str]:
    name = "subdomainName" if wanted.judged_at.endswith("checkDomainAvailability") else "name"
    return {name: wanted.name, "type": wanted.type}


def _is_free(answer: Any) -> bool:
    told = answer if isinstance(answer, dict) else {}
    return bool(told.get("nameAvailable", told.get("isSubdomainAvailable", False)))


async def look_at_leftovers(context: Context) -> Iterable[Finding]:
    """What was deleted softly keeps its name until it is purged."""
    azure, names = context.azure, context.names
    findings: list[Finding] = []
    vault = await azure.resource(_deleted_vault(context))
    if vault is not None:
        properties = vault.get("properties") or {}
        ours = (
            str(properties.get("vaultId", "")).lower()
            == context.in_group(f"Microsoft.KeyVault/vaults/{names.key_vault}").lower()
        )
        since, until = (
            str(properties.get("deletionDate", "?"))[:10],
            str(properties.get("scheduledPurgeDate", "?"))[:10],
        )
        words = f"the vault {names.key_vault} was deleted on {since}, and keeps its name until {until}"
        if ours:
            findings.append(warning(words, "Apply recovers it, with the secrets that were in it.", names.key_vault))
        elif properties.get("purgeProtectionEnabled"):
            findings.append(error(words, "It is protected against purging: change prefix or name.", names.key_vault))
        else:
            remedy = f"Purge it: az keyvault purge --name {names.key_vault} --location {context.tenant.region}."
            findings.append(error(words, remedy, names.key_vault))
    deleted = await _deleted_accounts(context)
    for each in world_names(context):
        account = deleted.get(each.name.lower()) if each.kind == "OpenAI account" else None
        if account is not None and await azure.resource(each.resource_id) is None:
            group = (
                str(account.get("id", "")).split("/resourceGroups/")[-1].split("/")[0] or context.names.resource_group
            )
            words = f"the OpenAI account {each.name} was deleted, and keeps its name and quota until it is purged"
            remedy = (
                f"az cognitiveservices account purge --name {each.name} --location {account.get('location', '?')} "
                f"--resource-group {group}."
            )
            findings.append(error(words, remedy, each.name))
    return or_passed(findings, "nothing deleted holds a name")


def _deleted_vault(context: Context) -> str:
    region = context.tenant.region
    return (
        f"{context.azure.path}/providers/Microsoft.KeyVault/locations/{region}/deletedVaults/{context.names.key_vault}"
    )


async def _deleted_accounts(context: Context) -> dict[str, Document]:
    if not context.tenant.openai.accounts:
        return {}
    listed = await context.azure.arm.list(f"{context.azure.path}/providers/Microsoft.CognitiveServices/deletedAccounts")
    return {str(each.get("name", "")).lower(): each for each in listed}


async def _is_deleted(context: Context, wanted: WorldName, deleted: dict[str, Document]) -> bool:
    if wanted.kind == "OpenAI account":
        return wanted.name.lower() in deleted
    return wanted.kind == "vault" and await context.azure.resource(_deleted_vault(context)) is not None
