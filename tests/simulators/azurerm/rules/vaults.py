"""Key vaults, and the data plane that their secrets, keys and certificates are reached by."""

from tests.simulators.azurerm.cloud import Resource
from tests.simulators.azurerm.refusals import named
from tests.simulators.azurerm.rules import role_assignments
from tests.simulators.azurerm.rules.attempt import Attempt

KEPT = {"azurerm_key_vault_secret", "azurerm_key_vault_key", "azurerm_key_vault_certificate"}
"""What is kept in a vault, and asked for by its data plane."""


def may_be_reached(attempt: Attempt) -> None:
    """Who asks is let in by the vault's network, and has a role there that counts already."""
    cloud = attempt.cloud
    vault = cloud.at(attempt.id.rsplit("/", 2)[0])
    if vault is None or not cloud.behaviours["vault_access"]:
        return
    if not cloud.behaviours["inside_network"]:
        _lets_in(vault)
    if vault.values.get("rbac_authorization_enabled"):
        allowed = role_assignments.writes_secrets(cloud, attempt.session.client, vault.id)
        if not allowed or cloud.counts_down(vault, "role_propagation"):
            raise named("ForbiddenByRbac")


def _lets_in(vault: Resource) -> None:
    if vault.values.get("public_network_access_enabled") is False:
        raise named("ForbiddenByConnection")
    lists = (vault.values.get("network_acls") or [{}])[0]
    if lists.get("default_action") == "Deny" and not lists.get("ip_rules"):
        raise named("ForbiddenByFirewall")


def retention_stays(attempt: Attempt) -> None:
    """How long a vault keeps what is deleted is said once."""
    before = (attempt.prior or {}).get("soft_delete_retention_days")
    if before and attempt.values.get("soft_delete_retention_days") != before:
        raise named("SoftDeleteRetentionCannotBeChanged")


BEFORE_CREATION = dict.fromkeys(KEPT, (may_be_reached,))
BEFORE_CHANGE = {**dict.fromkeys(KEPT, (may_be_reached,)), "azurerm_key_vault": (retention_stays,)}
