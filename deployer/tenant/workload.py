"""What runs and how much of it, who signs in to it, and where the state of it is kept.

The docstrings and descriptions are what docs/tenant-file.md, the JSON Schema and the file that `aduana init` writes say.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from deployer.azure_ids import ImageReference, RegistryId, ResourceGroup, Uuid
from deployer.forms import Form
from deployer.tenant.part import Broken, NumberOrText, Part

Cpu = Annotated[
    Literal[
        "0.25", "0.5", "0.75", "1", "1.25", "1.5", "1.75", "2", "2.25", "2.5", "2.75", "3", "3.25", "3.5", "3.75", "4"
    ],
    NumberOrText(),
]


class Scale(Part):
    """How many replicas of a service run, and how large each is."""

    min: int = Field(1, ge=0, le=1000, description="Replicas that always run.")
    max: int = Field(2, ge=1, le=1000, description="Replicas at most.")
    cpu: Cpu = Field("0.5", description="Cores of one replica; memory is twice as many GiB.")

    def broken(self) -> Iterator[Broken]:
        if self.min > self.max:
            yield Broken(("min",), f"{self.min} is more than max, {self.max}")

    @property
    def memory_gib(self) -> str:
        """Of one replica, as Container Apps writes it: `2Gi`."""
        return f"{(Decimal(self.cpu) * 2).normalize():f}Gi"


class RequestScale(Scale):
    """As the others, by the calls that are in flight."""

    concurrent_requests: int = Field(
        100, description="Requests in flight in one replica that start another.", ge=1, le=10_000
    )


class ProxyScale(RequestScale):
    """Of the proxy, which every call goes through."""

    min: int = Field(2, ge=0, le=1000, description="Replicas that always run.")
    max: int = Field(10, ge=1, le=1000, description="Replicas at most.")
    cpu: Cpu = Field("1", description="Cores of one replica; memory is twice as many GiB.")


class Replicas(Part):
    """How many of each service run."""

    proxy: ProxyScale = Field(ProxyScale(), description="What every call goes through.")
    writer: Scale = Field(Scale(), description="What writes the ledger; one at least.")
    admin: RequestScale = Field(RequestScale(), description="The dashboard and its API.")

    def broken(self) -> Iterator[Broken]:
        if self.writer.min < 1:
            yield Broken(("writer", "min"), "0 is not allowed: nothing would write the ledger; the least is 1")


class Images(Part):
    """What runs, by digest; a release prints these lines."""

    proxy: ImageReference = Field(description="The proxy and the writer.")
    admin: ImageReference = Field(description="The dashboard and its API.")
    job: ImageReference = Field(description="Bootstrap, migrations and verification inside the network.")
    registry_id: RegistryId | None = Field(
        None, description="A container registry of the customer's; the identities get AcrPull. Left out: pulled openly."
    )

    def broken(self) -> Iterator[Broken]:
        if self.registry_id is not None:
            registry = self.registry_id.rsplit("/", 1)[1].lower()
            for name in ("proxy", "admin", "job"):
                host = getattr(self, name).partition("/")[0]
                if host.partition(".azurecr.")[0] != registry:
                    yield Broken((name,), f"comes from {host}, and registry_id names {registry}.azurecr.io")


class Entra(Part):
    """The app registration that people sign in to: made through Microsoft Graph, or one that exists."""

    tenant_id: Uuid = Field(description="The directory (tenant) id of Entra ID.")
    mode: Literal["create", "existing"] = Field(
        "create", description="create: through Microsoft Graph; existing: one with the roles llm.admin and llm.reader."
    )
    application_id: Uuid | None = Field(None, description="The client id of an existing registration.")
    admin_groups: tuple[Uuid, ...] = Field((), description="Object ids of the groups with the role llm.admin.")
    reader_groups: tuple[Uuid, ...] = Field((), description="Object ids of the groups with the role llm.reader.")

    def broken(self) -> Iterator[Broken]:
        if self.mode == "existing" and self.application_id is None:
            yield Broken(("mode",), "existing needs `application_id`")
        if self.mode == "create" and self.application_id is not None:
            yield Broken(("application_id",), "belongs to `mode: existing`; mode is create")


StateKey = Annotated[str, Form(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]{0,199}", "a blob's name", "contoso-prod.tfstate")]


class StateBackend(Part):
    """Where Terraform keeps the state."""

    backend: Literal["azurerm", "local"] = Field(
        "azurerm", description="azurerm: a blob that Entra ID alone opens; local: a file here, for trials."
    )
    subscription_id: Uuid | None = Field(None, description="Left out: this installation's.")
    resource_group: ResourceGroup | None = Field(None, description="Left out: `<prefix>-state-<region>`.")
    storage_account: (
        Annotated[str, Form(r"[a-z0-9]{3,24}", "a storage account (3 to 24 small letters and digits)", "contosostate")]
        | None
    ) = Field(None, description="Left out: derived from prefix, subscription and region.")
    container: Annotated[
        str,
        Form(
            r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
            "a container's name (3 to 63 small letters, digits and single hyphens)",
            "tfstate",
        ),
    ] = Field("tfstate", description="The container in the storage account.")
    key: StateKey | None = Field(None, description="The state's name in the container. Left out: `<name>.tfstate`.")

    def broken(self) -> Iterator[Broken]:
        if self.backend == "local":
            for name in ("subscription_id", "resource_group", "storage_account"):
                if getattr(self, name) is not None:
                    yield Broken((name,), "belongs to the backend azurerm; leave it out for local")
