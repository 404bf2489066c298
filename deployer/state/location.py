"""Where a tenant's state is."""

from dataclasses import dataclass

from deployer.tenant import Tenant


@dataclass(frozen=True, slots=True)
class StateLocation:
    """A blob in a storage account of its own."""

    subscription_id: str
    tenant_id: str
    region: str
    resource_group: str
    account: str
    container: str
    key: str

    @property
    def group_id(self) -> str:
        return f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"

    @property
    def account_id(self) -> str:
        return f"{self.group_id}/providers/Microsoft.Storage/storageAccounts/{self.account}"

    @property
    def container_id(self) -> str:
        return f"{self.account_id}/blobServices/default/containers/{self.container}"

    def backend(self) -> dict[str, object]:
        """What Terraform's backend `azurerm` is configured with.

        https://developer.hashicorp.com/terraform/language/backend/azurerm
        """
        return {
            "subscription_id": self.subscription_id,
            "tenant_id": self.tenant_id,
            "resource_group_name": self.resource_group,
            "storage_account_name": self.account,
            "container_name": self.container,
            "key": self.key,
            "use_azuread_auth": True,
        }


def locate_state(tenant: Tenant) -> StateLocation | None:
    """Where it is; None where it is kept on this machine (`backend: local`)."""
    if tenant.state.backend == "local":
        return None
    names = tenant.names()
    return StateLocation(
        subscription_id=tenant.state.subscription_id or tenant.subscription_id,
        tenant_id=tenant.entra.tenant_id,
        region=tenant.region,
        resource_group=names.state_resource_group,
        account=names.state_storage_account,
        container=tenant.state.container,
        key=tenant.state_key,
    )
