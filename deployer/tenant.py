"""The tenant file: one YAML file that says the whole of an installation, and the only thing that an engine reads.

A `Tenant` is valid in itself: what can be known from the file alone (ranges that overlap, a subnet that is too small, a
name that Azure refuses) is an error here. `deployer/tenant_file.py` reads it, and names the line of every error; what only
Azure knows is `deployer/preflight/`'s to ask.
"""

from decimal import Decimal
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from deployer.addresses import AddressError, AddressPlan, Range, plan_addresses
from deployer.azure_ids import (
    AccountId,
    Currency,
    HostName,
    ImageReference,
    Region,
    RegistryId,
    SubnetId,
    TagName,
    TagValue,
    Uuid,
    VnetId,
    WorkspaceId,
    ZoneId,
)
from deployer.names import ResourceNames, name_resources, reserved_word


class Part(BaseModel):
    """A part of the file: nothing unknown in it, nothing guessed from another type, never changed once read."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, regex_engine="python-re", str_strip_whitespace=True
    )


class StateBackend(Part):
    """Where Terraform keeps the state. `azurerm` is reached by Entra ID alone; `local` is for trials on one machine."""

    backend: Literal["azurerm", "local"] = "azurerm"
    resource_group: str | None = Field(None, description="Left out: `<prefix>-state-<region>`.", max_length=90)
    storage_account: str | None = Field(
        None, description="Left out: derived from prefix and subscription.", pattern=r"^[a-z0-9]{3,24}$"
    )
    container: str = Field("tfstate", pattern=r"^[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]$")


class ExistingSubnets(Part):
    """Subnets that somebody else made, with the ranges that they have."""

    vnet_id: VnetId
    apps_subnet_id: SubnetId = Field(description="/27 or larger, delegated to Microsoft.App/environments.")
    apps_range: Range
    endpoints_subnet_id: SubnetId
    endpoints_range: Range
    postgres_subnet_id: SubnetId | None = Field(
        None,
        description="For `postgres.connectivity: injected`; delegated to Microsoft.DBforPostgreSQL/flexibleServers.",
    )
    postgres_range: Range | None = None
    gateway_subnet_id: SubnetId | None = Field(None, description="For Application Gateway.")
    gateway_range: Range | None = None


class Network(Part):
    """A network of its own with derived subnets, or existing subnets."""

    mode: Literal["new", "existing"] = "new"
    address_space: Range | None = Field(
        None, description="Of a new network, /24 to /16; left out: 10.80.0.0/22. The subnets are derived from it."
    )
    subnets: dict[Literal["apps", "endpoints", "postgres", "gateway", "firewall"], Range] = Field(
        default_factory=dict, description="Where a derived range does not suit. Each lies in `address_space`."
    )
    existing: ExistingSubnets | None = None
    known_ranges: tuple[Range, ...] = Field(
        (), description="Ranges in use elsewhere (on premises, peered networks): nothing here may overlap them."
    )
    dns_servers: tuple[Annotated[str, StringConstraints(pattern=r"^\d{1,3}(\.\d{1,3}){3}$")], ...] = ()

    @model_validator(mode="after")
    def _one_of_both(self) -> "Network":
        if self.mode == "existing" and self.existing is None:
            raise ValueError("mode existing needs `existing`, with the ids and ranges of the subnets")
        if self.mode == "existing" and (self.address_space or self.subnets):
            raise ValueError("mode existing takes its ranges from `existing`; leave out address_space and subnets")
        if self.mode == "new" and self.existing is not None:
            raise ValueError("`existing` belongs to mode existing")
        return self


# Each with `privatelink.` before it. https://learn.microsoft.com/azure/private-link/private-endpoint-dns
ZoneName = Literal[
    "openai.azure.com",
    "cognitiveservices.azure.com",
    "services.ai.azure.com",
    "vaultcore.azure.net",
    "postgres.database.azure.com",
    "redis.azure.net",
    "servicebus.windows.net",
    "azurecr.io",
]
ZONES: tuple[str, ...] = get_args(ZoneName)


class PrivateDns(Part):
    """Who answers for the private names: zones made here, zones that exist, or the customer's own policy (DINE)."""

    mode: Literal["create", "existing", "policy"] = "create"
    zones: dict[ZoneName, ZoneId] = Field(default_factory=dict, description="For mode existing: every zone in use.")
    link_networks: tuple[VnetId, ...] = Field((), description="Further networks that the created zones are linked to.")

    @model_validator(mode="after")
    def _zones_where_they_exist(self) -> "PrivateDns":
        if (self.mode == "existing") != bool(self.zones):
            raise ValueError("`zones` names the zones of mode existing, and is left out in every other mode")
        if self.link_networks and self.mode != "create":
            raise ValueError("`link_networks` links zones that are created; existing zones are linked by their owner")
        for name, zone in self.zones.items():
            if zone.rsplit("/", 1)[1].lower() != f"privatelink.{name}":
                raise ValueError(f"the zone for {name} must be privatelink.{name}, this is {zone.rsplit('/', 1)[1]}")
        return self


class Waf(Part):
    """The web application firewall of Front Door or Application Gateway."""

    mode: Literal["prevention", "detection"] = "prevention"


class Certificate(Part):
    """A certificate in Key Vault that the domain is served with."""

    key_vault_secret_id: str = Field(
        pattern=r"^https://[a-z0-9-]{3,24}\.vault\.[a-z.]+/(secrets|certificates)/[A-Za-z0-9-]{1,127}(/[0-9a-f]{32})?$",
        description="Without a version the newest is used and renewed.",
    )


class Ingress(Part):
    """Where callers come in."""

    visibility: Literal["internal", "external"] = "internal"
    domain: HostName | None = Field(None, description="The proxy's own name; `admin_domain` the dashboard's.")
    admin_domain: HostName | None = None
    certificate: Certificate | None = None
    front: Literal["none", "front_door", "application_gateway"] = "none"
    waf: Waf = Waf()
    allowed_ranges: tuple[Range, ...] = Field((), description="Who may come in, by address; left out: all that can.")

    @model_validator(mode="after")
    def _a_domain_has_a_certificate(self) -> "Ingress":
        if self.domain and self.certificate is None and self.front != "front_door":
            raise ValueError("a domain needs `certificate` (Front Door alone makes one by itself)")
        if self.certificate and not self.domain:
            raise ValueError("a certificate needs the `domain` that it is for")
        if self.admin_domain and not self.domain:
            raise ValueError("`admin_domain` needs `domain`, too: both are served with the same certificate")
        if self.front != "none" and not self.domain:
            raise ValueError(f"front {self.front} needs a `domain`")
        if self.front == "front_door" and self.visibility != "external":
            raise ValueError(
                "Front Door serves the internet: say `visibility: external`, or choose application_gateway"
            )
        return self


class Egress(Part):
    """What the services may reach. The hosts that the seed's upstreams name are always on the list."""

    mode: Literal["open", "nsg", "firewall"] = "nsg"
    additional_hosts: tuple[
        Annotated[str, StringConstraints(pattern=r"^(\*\.)?([a-z0-9-]{1,63}\.)+[a-z]{2,63}$", to_lower=True)], ...
    ] = ()
    firewall_sku: Literal["Basic", "Standard", "Premium"] = "Standard"


class Redis(Part):
    """Azure Managed Redis; `none` keeps limits in the one proxy's memory and the ledger's queue in its files."""

    mode: Literal["managed", "none"] = "managed"
    sku: str = Field("Balanced_B1", pattern=r"^(Balanced_B|MemoryOptimized_M|ComputeOptimized_X)\d{1,4}$")
    high_availability: bool = True


class Postgres(Part):
    """The flexible server."""

    version: Literal["16", "17", "18"] = "17"
    sku: str = Field("GP_Standard_D2ds_v5", pattern=r"^(B|GP|MO)_Standard_[A-Za-z0-9_]{2,30}$")
    storage_gb: Literal[32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384] = 128
    high_availability: Literal["zone_redundant", "same_zone", "none"] = "zone_redundant"
    connectivity: Literal["private_endpoint", "injected"] = "private_endpoint"
    backup_retention_days: int = Field(14, ge=7, le=35)
    geo_redundant_backup: bool = False

    @model_validator(mode="after")
    def _burstable_has_no_standby(self) -> "Postgres":
        if self.sku.startswith("B_") and self.high_availability != "none":
            raise ValueError(f"high_availability {self.high_availability} is not offered for the burstable {self.sku}")
        return self


class Deployment(Part):
    """A model's deployment in an account."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9]$|^[A-Za-z0-9]{2}$")
    model: str = Field(min_length=1, max_length=128)
    version: str = Field(min_length=1, max_length=64)
    sku: Literal[
        "Standard",
        "DataZoneStandard",
        "GlobalStandard",
        "ProvisionedManaged",
        "DataZoneProvisionedManaged",
        "GlobalProvisionedManaged",
        "Batch",
        "DataZoneBatch",
        "GlobalBatch",
    ] = "Standard"
    capacity: int = Field(
        description="Thousands of tokens a minute; for provisioned SKUs, units (PTU).", ge=1, le=100_000
    )


class OpenAiAccount(Part):
    """An Azure OpenAI resource: made here, or an existing one that gets a private endpoint and a role."""

    name: str = Field(
        pattern=r"^(?!.*--)[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$", description="As the seed's upstream calls it."
    )
    mode: Literal["new", "existing"] = "new"
    resource_id: AccountId | None = None
    region: Region | None = Field(None, description="Left out: the tenant's region.")
    deployments: tuple[Deployment, ...] = ()

    @model_validator(mode="after")
    def _an_existing_one_has_an_id(self) -> "OpenAiAccount":
        if (self.mode == "existing") != (self.resource_id is not None):
            raise ValueError("`resource_id` names an account of mode existing, and is left out for a new one")
        names = [deployment.name.lower() for deployment in self.deployments]
        if len(set(names)) < len(names):
            raise ValueError("two deployments of one account have the same name")
        return self


class OpenAi(Part):
    """The accounts; none: the seed's upstreams are elsewhere."""

    accounts: tuple[OpenAiAccount, ...] = ()

    @field_validator("accounts")
    @classmethod
    def _names_once(cls, accounts: tuple[OpenAiAccount, ...]) -> tuple[OpenAiAccount, ...]:
        names = [account.name for account in accounts]
        if len(set(names)) < len(names):
            raise ValueError("two accounts have the same name")
        return accounts


class KeyVault(Part):
    """The vault of this installation."""

    soft_delete_days: int = Field(90, ge=7, le=90)
    purge_protection: bool = True


class Logs(Part):
    """Log Analytics: a workspace made here, or an existing one."""

    workspace_id: WorkspaceId | None = None
    retention_days: int = Field(90, description="30 to 730.", ge=30, le=730)
    daily_quota_gb: int | None = Field(None, ge=1, le=4000)


class EventHubs(Part):
    """Where usage events are exported to. Off by default."""

    enabled: bool = False
    sku: Literal["Standard", "Premium"] = "Standard"
    capacity: int = Field(1, description="Throughput units, or processing units of Premium.", ge=1, le=40)
    retention_days: int = Field(7, ge=1, le=90)

    @model_validator(mode="after")
    def _standard_keeps_a_week(self) -> "EventHubs":
        if self.sku == "Standard" and self.retention_days > 7:
            raise ValueError("the Standard SKU keeps events for 7 days at most")
        if self.sku == "Premium" and self.capacity not in (1, 2, 4, 8, 16):
            raise ValueError("the Premium SKU has 1, 2, 4, 8 or 16 processing units")
        return self


class Scale(Part):
    """How many replicas of a service run, and how large each is. CPU and memory go together 1 : 2 (Consumption)."""

    min: int = Field(2, ge=0, le=1000)
    max: int = Field(10, ge=1, le=1000)
    cpu: Literal["0.25", "0.5", "0.75", "1", "1.25", "1.5", "1.75", "2", "2.5", "3", "3.5", "4"] = "1"
    concurrent_requests: int = Field(100, description="Requests in flight in one replica that start another.", ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> "Scale":
        if self.min > self.max:
            raise ValueError(f"min {self.min} is more than max {self.max}")
        return self

    @property
    def memory_gib(self) -> str:
        """Of one replica, as Container Apps writes it: `2Gi`."""
        return f"{(Decimal(self.cpu) * 2).normalize():f}Gi"


class Replicas(Part):
    """Of each service."""

    proxy: Scale = Scale()
    writer: Scale = Scale(min=1, max=2, cpu="0.5")
    admin: Scale = Scale(min=1, max=2, cpu="0.5")


class Images(Part):
    """What runs, by digest; a release prints these lines."""

    proxy: ImageReference
    admin: ImageReference
    job: ImageReference = Field(description="Bootstrap, migrations and verification inside the network.")
    registry_id: RegistryId | None = Field(
        None, description="A container registry of the customer's; the identities get AcrPull. Left out: pulled openly."
    )


class Entra(Part):
    """The app registration that people sign in to: made through Microsoft Graph, or one that exists."""

    tenant_id: Uuid
    mode: Literal["create", "existing"] = "create"
    application_id: Uuid | None = Field(None, description="The client id of an existing registration.")
    admin_groups: tuple[Uuid, ...] = Field((), description="Object ids of the groups with the role llm.admin.")
    reader_groups: tuple[Uuid, ...] = Field((), description="Object ids of the groups with the role llm.reader.")

    @model_validator(mode="after")
    def _an_existing_one_has_an_id(self) -> "Entra":
        if (self.mode == "existing") != (self.application_id is not None):
            raise ValueError("`application_id` names a registration of mode existing, and is left out for a new one")
        return self


class Tenant(Part):
    """One installation."""

    name: str = Field(
        pattern=r"^(?!.*--)[a-z][a-z0-9-]{0,30}[a-z0-9]$", description="What commands and state call this installation."
    )
    subscription_id: Uuid
    region: Region
    paired_region: Region | None = Field(None, description="Where geo-redundant backups are kept; Azure chooses it.")
    zone_redundant: bool = Field(True, description="Spread over zones all that can be; changing it replaces them.")
    prefix: str = Field("aduana", pattern=r"^[a-z][a-z0-9]{1,9}$", description="Every resource's name begins with it.")
    tags: dict[TagName, TagValue] = Field(default_factory=dict, max_length=45)
    resource_group: str | None = Field(
        None, pattern=r"^[\w().-]{0,89}[\w()-]$", description="Left out: `<prefix>-<name>-<region>`."
    )
    network: Network = Network()
    private_dns: PrivateDns = PrivateDns()
    ingress: Ingress = Ingress()
    egress: Egress = Egress()
    redis: Redis = Redis()
    postgres: Postgres = Postgres()
    openai: OpenAi = OpenAi()
    key_vault: KeyVault = KeyVault()
    logs: Logs = Logs()
    event_hubs: EventHubs = EventHubs()
    replicas: Replicas = Replicas()
    images: Images
    entra: Entra
    seed: str | None = Field(None, description="The seed file of the first configuration, beside this file.")
    billing_currency: Currency = "USD"
    deletion_protection: bool = Field(
        True, description="Locks on what holds data; `aduana destroy` says how to lift it."
    )
    state: StateBackend = StateBackend()
    engine: Literal["terraform"] = "terraform"

    @model_validator(mode="after")
    def _holds_together(self) -> "Tenant":
        if self.name == "state":
            raise ValueError("name: `state` is what the resource group of Terraform's states is called; choose another")
        if word := reserved_word(self.prefix, self.name):
            raise ValueError(f"prefix and name make every resource's name, and {word}: {self.prefix}-{self.name}")
        if self.redis.mode == "none" and self.replicas.proxy.max > 1:
            raise ValueError("redis: without it one proxy serves (limits are in its memory): say replicas.proxy.max: 1")
        existing = self.network.existing
        if existing is not None:
            if self.postgres.connectivity == "injected" and not existing.postgres_subnet_id:
                raise ValueError(
                    "network.existing: postgres.connectivity injected needs postgres_subnet_id and its range"
                )
            if self.ingress.front == "application_gateway" and not existing.gateway_subnet_id:
                raise ValueError(
                    "network.existing: ingress.front application_gateway needs gateway_subnet_id and its range"
                )
            if self.egress.mode == "firewall":
                raise ValueError(
                    "egress: a firewall is made in a new network; in an existing one routes are its owner's"
                )
        if self.private_dns.mode == "existing" and (
            missing := [z for z in self.zones_in_use() if z not in self.private_dns.zones]
        ):
            raise ValueError(
                f"private_dns.zones: the zone for {missing[0]} is missing (in use: {', '.join(self.zones_in_use())})"
            )
        try:
            self.addresses()
        except AddressError as error:
            raise ValueError(f"network: {error}") from None
        return self

    def zones_in_use(self) -> tuple[ZoneName, ...]:
        """The private zones that this installation needs, without `privatelink.`."""
        zones: list[ZoneName] = ["vaultcore.azure.net", "postgres.database.azure.com"]
        if self.redis.mode == "managed":
            zones.append("redis.azure.net")
        if self.openai.accounts:
            zones += ["openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"]
        if self.event_hubs.enabled:
            zones.append("servicebus.windows.net")
        return tuple(zones)

    def names(self) -> ResourceNames:
        """What every resource is called."""
        return name_resources(
            subscription_id=self.subscription_id,
            prefix=self.prefix,
            name=self.name,
            region=self.region,
            resource_group=self.resource_group,
            accounts=(account.name for account in self.openai.accounts),
        )

    def addresses(self) -> AddressPlan:
        """The ranges of every subnet in use. Raises `AddressError` for what Azure would refuse."""
        needs = {"apps", "endpoints"}
        if self.postgres.connectivity == "injected":
            needs.add("postgres")
        if self.ingress.front == "application_gateway":
            needs.add("gateway")
        if self.egress.mode == "firewall":
            needs.add("firewall")
        network = self.network
        if (existing := network.existing) is not None:
            given = {
                "apps": existing.apps_range,
                "endpoints": existing.endpoints_range,
                "postgres": existing.postgres_range,
                "gateway": existing.gateway_range,
            }
            return AddressPlan.of_existing({k: v for k, v in given.items() if k in needs and v}, network.known_ranges)
        return plan_addresses(
            network.address_space, {str(k): v for k, v in network.subnets.items()}, needs, network.known_ranges
        )
