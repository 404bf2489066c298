"""What follows the engine's part of a destroy: the app registration goes, and where that was asked what Azure keeps of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from deployer.azure import Arm, Refused, Session
from deployer.installation import Installation
from deployer.registration import unregister
from deployer.review import FurtherStep
from deployer.review.applying import Say, Step
from deployer.tenant import Tenant
from deployer.tenant_file import TenantFile


class Unregistration:
    """The app registration that was made here."""

    id = "app_registration"
    title = "App registration"

    async def take(self, session: Session, file: TenantFile, say: Say) -> tuple[tuple[str, ...], Mapping[str, Any]]:
        return await unregister(session.graph, file.tenant), {}


class Purge:
    """What was deleted softly and keeps its name."""

    id = "purge"
    title = "Purge"

    async def take(self, session: Session, file: TenantFile, say: Say) -> tuple[tuple[str, ...], Mapping[str, Any]]:
        return await purge(session.arm, Installation(file.tenant)), {}


def removals(steps: Sequence[FurtherStep]) -> Sequence[Step]:
    """Those that a reviewed plan shows."""
    shown = {step.id for step in steps}
    return tuple(step for step in (Unregistration(), Purge()) if step.id in shown)


async def purge(arm: Arm, installation: Installation) -> tuple[str, ...]:
    """Purge what is this installation's own, and nothing else of that name. What was done, as clauses. Raises `AzureError`."""
    subscription = f"/subscriptions/{installation.tenant.subscription_id}"
    done = []
    vault = await _deleted_vault(arm, installation)
    if vault is not None and not vault["properties"].get("purgeProtectionEnabled"):
        await arm.post(f"{subscription}{_vault_path(installation)}/purge")
        done.append(f"purged the vault {vault['name']}")
    ours = {id.rsplit("/", 1)[1].lower() for id in installation.accounts.values()}
    group = installation.tenant.names().resource_group.lower()
    accounts = await arm.list(f"{subscription}/providers/Microsoft.CognitiveServices/deletedAccounts") if ours else []
    for account in accounts:
        id = str(account["id"])
        if id.rsplit("/", 1)[1].lower() in ours and f"/resourcegroups/{group}/" in id.lower():
            await arm.delete(id)
            done.append(f"purged the OpenAI account {account['name']}")
    return tuple(done)


def remains(tenant: Tenant, *, purged: bool) -> tuple[str, ...]:
    """What there is still of it in Azure after a destroy, as clauses."""
    names = tenant.names()
    left = []
    if tenant.key_vault.purge_protection or not purged:
        left.append(f"the vault {names.key_vault}, deleted, for {tenant.key_vault.soft_delete_days} days")
    if not purged:
        new = (names.accounts[each.name] for each in tenant.openai.accounts if each.mode == "new")
        left += (f"the OpenAI account {name}, deleted, for 48 hours" for name in new)
    if tenant.logs.workspace_id is None:
        left.append(f"the workspace {names.log_workspace}, deleted, for 14 days")
    if tenant.entra.mode == "create":
        left.append("the app registration, deleted, for 30 days")
    if tenant.state.backend == "azurerm":
        left.append(f"the state {tenant.state_key} in {names.state_storage_account}, which other tenants may share")
    return tuple(left)


def _vault_path(installation: Installation) -> str:
    tenant = installation.tenant
    name = tenant.names().key_vault
    return f"/providers/Microsoft.KeyVault/locations/{tenant.region}/deletedVaults/{name}"


async def _deleted_vault(arm: Arm, installation: Installation) -> dict[str, Any] | None:
    try:
        found = await arm.get(f"/subscriptions/{installation.tenant.subscription_id}{_vault_path(installation)}")
    except Refused as error:
        if not error.not_found:
            raise
        return None
    return dict(found) if str(found["properties"].get("vaultId", "")).lower() == installation.vault.lower() else None
