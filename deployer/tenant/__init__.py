"""The tenant file: one YAML file that says the whole of an installation, and the only thing that an engine reads.

A `Tenant` is valid in itself: what can be known from the file alone (ranges that overlap, a subnet that is too small, a
name that Azure refuses) is an error here. `deployer/tenant_file.py` reads it, and names the line of every error; what only
Azure knows is `deployer/preflight/`'s to ask.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from deployer.addresses import AddressPlan, check_existing, plan_addresses
from deployer.azure_ids import Currency, Region, ResourceGroup, TagName, TagValue, Uuid
from deployer.forms import Form
from deployer.names import ResourceNames, name_resources
from deployer.regions import REGIONS
from deployer.tenant.network import Egress, Ingress, Network, PrivateDns, ZoneName
from deployer.tenant.part import Broken, Part
from deployer.tenant.rules import broken_rules
from deployer.tenant.services import EventHubs, KeyVault, Logs, OpenAi, Postgres, Redis
from deployer.tenant.workload import Entra, Images, Replicas, StateBackend

TenantName = Annotated[
    str,
    Form(
        r"(?!.*--)[a-z][a-z0-9-]{0,30}[a-z0-9]",
        "a name (2 to 32 small letters, digits and single hyphens, beginning with a letter)",
        "contoso-prod",
    ),
]
Prefix = Annotated[
    str, Form(r"[a-z][a-z0-9]{1,9}", "a prefix (2 to 10 small letters and digits, beginning with a letter)", "aduana")
]
SeedPath = Annotated[
    str,
    Form(
        r"(?![/~\\])(?![A-Za-z]:)[^\x00-\x1f]{1,1024}",
        "a path to a seed file from the tenant file's folder",
        "contoso.seed.yaml",
        prepare=lambda path: path.replace("\\", "/"),
    ),
]


class Tenant(Part):
    """One installation."""

    name: TenantName = Field(description="What commands and the state call this installation.")
    subscription_id: Uuid = Field(description="The subscription that it is installed into.")
    region: Region = Field(description="The region that it is installed into.")
    zone_redundant: bool = Field(True, description="Spread over zones all that can be; changing it replaces them.")
    prefix: Prefix = Field("aduana", description="Every resource's name begins with it.")
    tags: dict[TagName, TagValue] = Field(default_factory=dict, max_length=45, description="Tags of every resource.")
    resource_group: ResourceGroup | None = Field(
        None, description="What it is all installed into. Left out: `<prefix>-<name>-<region>`."
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
    seed: SeedPath | None = Field(
        None, description="The seed file of the first configuration, by its path from this file."
    )
    billing_currency: Currency = Field(
        "USD", description="What Azure bills in; the cost estimate is in USD and says so."
    )
    deletion_protection: bool = Field(True, description="Locks on what holds data.")
    state: StateBackend = StateBackend()
    engine: Literal["terraform"] = Field("terraform", description="What makes the resources.")

    def broken(self) -> Iterator[Broken]:
        yield from broken_rules(self)

    @property
    def paired_region(self) -> str | None:
        """Where geo-redundant backups go; None: nowhere, or not known here."""
        facts = REGIONS.get(self.region)
        return facts.pair if facts is not None else None

    @property
    def state_key(self) -> str:
        """What the state is called in its container."""
        return self.state.key or f"{self.name}.tfstate"

    def zones_in_use(self) -> tuple[ZoneName, ...]:
        """The private zones that this installation needs, without `privatelink.`."""
        zones: list[ZoneName] = ["vaultcore.azure.net", "postgres.database.azure.com"]
        zones.append("redis.azure.net" if self.redis.mode == "managed" else "file.core.windows.net")
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
            state_subscription_id=self.state.subscription_id,
            state_resource_group=self.state.resource_group,
            state_storage_account=self.state.storage_account,
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
            if self.egress.firewall_sku == "Basic":
                needs.add("firewall_management")
        network, existing = self.network, self.network.existing
        if existing is None:
            given = {str(name): its_range for name, its_range in network.subnets.items()}
            return plan_addresses(network.address_space, given, needs, network.known_ranges, self.addresses_in_use())
        ranges = {name: getattr(existing, f"{name}_range", None) for name in needs}
        return check_existing(
            {name: its_range for name, its_range in ranges.items() if its_range is not None},
            network.known_ranges,
            self.addresses_in_use(),
        )

    def addresses_in_use(self) -> Mapping[str, int]:
        """How many addresses what is in a subnet takes at most, Azure's own five left out.

        Container Apps takes 14 (Azure's five among them) and one for ten replicas of each app, twice while a revision
        changes: https://learn.microsoft.com/azure/container-apps/custom-virtual-networks. A private endpoint takes one,
        an account's as many as it has names.
        """
        scales = (self.replicas.proxy, self.replicas.writer, self.replicas.admin)
        replicas = sum(-(-scale.max // 10) for scale in scales) + 1  # and the job
        endpoints = 2 + (self.postgres.connectivity == "private_endpoint")  # the vault, and Redis or the volume
        endpoints += self.event_hubs.enabled + 3 * len(self.openai.accounts)
        return {"apps": 14 - 5 + 2 * replicas, "endpoints": endpoints}
