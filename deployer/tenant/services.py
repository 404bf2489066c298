"""The services of Azure that hold data or answer calls.

The docstrings and descriptions are what docs/tenant-file.md, the JSON Schema and the file that `aduana init` writes say.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from deployer.azure_ids import AccountId, PostgresSku, RedisSku, Region, WorkspaceId
from deployer.forms import Form, shown
from deployer.tenant.part import Broken, NumberOrText, Part


class Redis(Part):
    """Azure Managed Redis."""

    mode: Literal["managed", "none"] = Field(
        "managed", description="none: limits in the memory of the one proxy, the ledger's queue in its files."
    )
    sku: RedisSku = Field("Balanced_B1", description="The number is about the memory in GB.")
    high_availability: bool = Field(True, description="A replica; without one, an update of Azure's empties it.")


class Postgres(Part):
    """The PostgreSQL flexible server."""

    version: Annotated[Literal["16", "17", "18"], NumberOrText()] = Field("17", description="The major version.")
    sku: PostgresSku = Field(
        "GP_Standard_D2ds_v5", description="B_ burstable, GP_ general purpose, MO_ memory optimised, and the machine."
    )
    storage_gb: Literal[32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384] = Field(
        128, description="It grows by itself, and never shrinks."
    )
    high_availability: Literal["zone_redundant", "same_zone", "none"] = Field(
        "zone_redundant", description="Where the standby is; not offered for burstable sizes."
    )
    connectivity: Literal["private_endpoint", "injected"] = Field(
        "private_endpoint", description="injected: in a delegated subnet. It cannot be changed later."
    )
    backup_retention_days: int = Field(14, ge=7, le=35, description="How far back it can be restored.")
    geo_redundant_backup: bool = Field(
        False, description="Backups in the paired region, too. It cannot be changed later."
    )

    def broken(self) -> Iterator[Broken]:
        if self.sku.startswith("B_") and self.high_availability != "none":
            yield Broken(
                ("high_availability",),
                f"{self.high_availability} is not offered for the burstable {self.sku}; say none",
            )


DeploymentSku = Literal[
    "Standard",
    "DataZoneStandard",
    "GlobalStandard",
    "ProvisionedManaged",
    "DataZoneProvisionedManaged",
    "GlobalProvisionedManaged",
    "Batch",
    "DataZoneBatch",
    "GlobalBatch",
]


class Deployment(Part):
    """A model's deployment in an account."""

    name: Annotated[
        str,
        Form(
            r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9]",
            "a deployment's name (2 to 64 letters, digits, points, hyphens and underscores)",
            "gpt-4o",
        ),
    ] = Field(description="As the seed's targets call it.")
    model: str = Field(min_length=1, max_length=128, description="As Azure calls it.", examples=["gpt-4o"])
    version: Annotated[str, NumberOrText()] = Field(
        min_length=1, max_length=64, description="The model's.", examples=["2024-11-20"]
    )
    sku: DeploymentSku = Field("Standard", description="Global and DataZone: answers may be made in other regions.")
    capacity: int = Field(
        description="Thousands of tokens a minute; for provisioned SKUs, units (PTU).", ge=1, le=100_000, examples=[100]
    )


class OpenAiAccount(Part):
    """An Azure OpenAI resource: made here, or an existing one that gets a private endpoint and a role."""

    name: Annotated[
        str,
        Form(
            r"(?!.*--)[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?",
            "an account's name (1 to 64 small letters, digits and single hyphens)",
            "uks",
        ),
    ] = Field(description="What its own name in Azure is made of, and outputs call it.")
    mode: Literal["new", "existing"] = Field("new", description="new: made here; existing: somebody else's.")
    resource_id: AccountId | None = Field(None, description="Of an existing account.")
    region: Region | None = Field(None, description="Of a new account. Left out: the tenant's.")
    access: Literal["models", "everything"] = Field(
        "models",
        description="everything: files, batches and fine-tuning, too, by the role Cognitive Services OpenAI Contributor.",
    )
    deployments: tuple[Deployment, ...] = Field((), description="Made in it, one after the other.")

    def broken(self) -> Iterator[Broken]:
        if self.mode == "existing" and self.resource_id is None:
            yield Broken(("mode",), "existing needs `resource_id`")
        if self.mode == "new" and self.resource_id is not None:
            yield Broken(("resource_id",), "belongs to `mode: existing`; mode is new")
        if self.mode == "existing" and self.region is not None:
            yield Broken(("region",), "belongs to `mode: new`; an existing account is where it is")
        yield from _twice("deployments", [each.name for each in self.deployments], "deployment of this account")


class OpenAi(Part):
    """Azure OpenAI; without an account the seed's upstreams are elsewhere."""

    accounts: tuple[OpenAiAccount, ...] = Field((), description="Any number, in any regions.")

    def broken(self) -> Iterator[Broken]:
        yield from _twice("accounts", [each.name for each in self.accounts], "account")
        existing = [(each.resource_id or "").lower() for each in self.accounts]
        for number, resource in enumerate(existing):
            if resource and resource in existing[:number]:
                yield Broken(("accounts", number, "resource_id"), "is given for an account above already")


def _twice(field: str, names: list[str], what: str) -> Iterator[Broken]:
    for number, name in enumerate(names):
        if name.lower() in (each.lower() for each in names[:number]):
            yield Broken((field, number, "name"), f"{shown(name)} is the name of another {what}, too")


class KeyVault(Part):
    """The vault of this installation."""

    soft_delete_days: int = Field(90, ge=7, le=90, description="It cannot be changed later.")
    purge_protection: bool = Field(True, description="Nobody can empty it before; once on, it stays on.")


class Logs(Part):
    """Log Analytics: a workspace made here, or an existing one."""

    workspace_id: WorkspaceId | None = Field(None, description="Of an existing workspace; left out: one is made.")
    retention_days: int = Field(90, description="Of a workspace made here.", ge=30, le=730)
    daily_quota_gb: int | None = Field(
        None,
        description="Of a workspace made here; what comes beyond it in a day is lost.",
        ge=1,
        le=4000,
        examples=[10],
    )

    def broken(self) -> Iterator[Broken]:
        for name in ("retention_days", "daily_quota_gb"):
            if self.workspace_id is not None and getattr(self, name) != type(self).model_fields[name].default:
                yield Broken((name,), "belongs to a workspace made here; an existing one's is set by its owner")


class EventHubs(Part):
    """Where usage events will be exported to. The services export nothing yet: this makes the namespace ready for it."""

    enabled: bool = Field(False, description="Make a namespace. Nothing is exported to it yet.")
    sku: Literal["Standard", "Premium"] = Field("Standard", description="Premium keeps events for longer.")
    capacity: int = Field(1, description="Throughput units, or processing units of Premium.", ge=1, le=40)
    retention_days: int = Field(7, description="Standard keeps events for 7 days at most.", ge=1, le=90)

    def broken(self) -> Iterator[Broken]:
        if self.sku == "Standard" and self.retention_days > 7:
            yield Broken(
                ("retention_days",), f"{self.retention_days} is too many: the Standard SKU keeps 7 days at most"
            )
        if self.sku == "Premium" and self.capacity not in (1, 2, 4, 8, 16):
            yield Broken(("capacity",), f"{self.capacity} is not allowed for Premium; allowed: 1, 2, 4, 8, 16")
