"""Names that the whole of Azure shares, and names that what was deleted keeps."""

from tests.simulators.azurerm.cloud import Resource
from tests.simulators.azurerm.refusals import named
from tests.simulators.azurerm.rules.attempt import Attempt, Session

_SOFT_DELETED = {"azurerm_key_vault", "azurerm_cognitive_account"}

# type: the argument that is unique, and how Azure says that it is taken
_GLOBAL = {
    "azurerm_cognitive_account": ("custom_subdomain_name", "CustomDomainInUse"),
    "azurerm_container_registry": ("name", "AlreadyInUse"),
    "azurerm_cosmosdb_account": ("name", "DatabaseAccountNameTaken"),
    "azurerm_eventhub_namespace": ("name", "NamespaceUnavailable"),
    "azurerm_key_vault": ("name", "VaultAlreadyExists"),
    "azurerm_postgresql_flexible_server": ("name", "ServerNameAlreadyExists"),
    "azurerm_redis_cache": ("name", "NameNotAvailable"),
    "azurerm_storage_account": ("name", "StorageAccountAlreadyTaken"),
}


def is_free(attempt: Attempt) -> None:
    """The name is nobody else's (`taken_names` are), and nothing that was soft-deleted has it."""
    cloud = attempt.cloud
    argument, taken = _GLOBAL.get(attempt.type, ("name", ""))
    name = attempt.text(argument).lower()
    if taken and name:
        elsewhere = {each.lower() for each in cloud.behaviours["taken_names"]}
        kept = [
            each
            for each in cloud.deleted.values()
            if each.type == attempt.type and each.id.lower() != attempt.id.lower()
        ]
        here = any(str(other.values.get(argument)).lower() == name for other in [*attempt.others(), *kept])
        if here or name in elsewhere:
            raise named(taken, value=attempt.text(argument))
    if attempt.id.lower() not in cloud.deleted or not cloud.behaviours["soft_delete"]:
        return
    if attempt.type == "azurerm_key_vault":
        if attempt.session.feature("key_vault", "recover_soft_deleted_key_vaults", True):
            return
        raise named("SoftDeletedVaultNotRecovered")
    raise named("FlagMustBeSetForRestore")


def keep(session: Session, resource: Resource) -> None:
    """What was deleted keeps its name, unless the provider purges it, which protection does not let it."""
    cloud = session.cloud
    if resource.type not in _SOFT_DELETED or not cloud.behaviours["soft_delete"]:
        return
    protected = bool(resource.values.get("purge_protection_enabled"))
    if protected or not session.feature(resource.type.removeprefix("azurerm_"), "purge_soft_delete_on_destroy", True):
        cloud.deleted[resource.id.lower()] = resource
