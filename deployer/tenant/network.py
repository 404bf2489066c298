"""The network, names in it, and the ways in and out.

The docstrings and descriptions are what docs/tenant-file.md, the JSON Schema and the file that `aduana init` writes say.
"""

from collections.abc import Iterator
from typing import Literal, get_args

from pydantic import Field

from deployer.addresses import Address, Range
from deployer.azure_ids import CertificateId, EgressHost, HostName, SubnetId, VaultId, VnetId, ZoneId
from deployer.tenant.part import Broken, Part


class ExistingSubnets(Part):
    """Subnets that somebody else made, with the ranges that they have."""

    vnet_id: VnetId = Field(description="The network that they all lie in.")
    apps_subnet_id: SubnetId = Field(description="/27 or larger, delegated to Microsoft.App/environments.")
    apps_range: Range = Field(description="Its range, as it is in Azure.", examples=["10.4.0.0/26"])
    endpoints_subnet_id: SubnetId = Field(description="For the private endpoints; /28 or larger.")
    endpoints_range: Range = Field(description="Its range, as it is in Azure.", examples=["10.4.0.64/27"])
    postgres_subnet_id: SubnetId | None = Field(
        None,
        description="For `postgres.connectivity: injected`; delegated to Microsoft.DBforPostgreSQL/flexibleServers.",
    )
    postgres_range: Range | None = Field(None, description="Its range, as it is in Azure.", examples=["10.4.0.96/28"])
    gateway_subnet_id: SubnetId | None = Field(None, description="For Application Gateway; /26 or larger.")
    gateway_range: Range | None = Field(None, description="Its range, as it is in Azure.", examples=["10.4.0.128/26"])

    def broken(self) -> Iterator[Broken]:
        seen: dict[str, str] = {}
        for name in ("apps", "endpoints", "postgres", "gateway"):
            subnet, its_range = getattr(self, f"{name}_subnet_id"), getattr(self, f"{name}_range")
            if subnet is None and its_range is not None:
                yield Broken((f"{name}_range",), f"needs {name}_subnet_id, too")
            if subnet is None:
                continue
            if its_range is None:
                yield Broken((f"{name}_subnet_id",), f"needs {name}_range, too")
            if subnet.lower().rsplit("/subnets/", 1)[0] != self.vnet_id.lower():
                yield Broken((f"{name}_subnet_id",), "does not lie in the network of vnet_id")
            if (other := seen.setdefault(subnet.lower(), name)) != name:
                yield Broken((f"{name}_subnet_id",), f"is {other}_subnet_id already; each needs a subnet of its own")


SubnetName = Literal["apps", "endpoints", "postgres", "gateway", "firewall", "firewall_management"]


class Network(Part):
    """A network of its own with derived subnets, or existing subnets."""

    mode: Literal["new", "existing"] = Field("new", description="new: made here; existing: somebody else's.")
    address_space: Range | None = Field(
        None,
        description="Of a new network: private, /16 to /24. Left out: 10.80.0.0/22. The subnets are derived from it.",
        examples=["10.80.0.0/22"],
    )
    subnets: dict[SubnetName, Range] = Field(
        default_factory=dict, description="Where a derived range does not suit. Each lies in `address_space`."
    )
    existing: ExistingSubnets | None = Field(None, description="The subnets of mode existing.")
    known_ranges: tuple[Range, ...] = Field(
        (), description="Ranges in use elsewhere (on premises, peered networks): nothing here may overlap them."
    )
    dns_servers: tuple[Address, ...] = Field((), description="Of a new network, where Azure's own do not serve.")

    def broken(self) -> Iterator[Broken]:
        if self.mode == "new" and self.existing is not None:
            yield Broken(("existing",), "belongs to `mode: existing`; mode is new")
        if self.mode == "existing" and self.existing is None:
            yield Broken(("mode",), "existing needs `existing`, with the ids and ranges of the subnets")
        if self.mode == "existing":
            for name, why in (
                ("address_space", "the ranges are those of `existing`"),
                ("subnets", "the ranges are those of `existing`"),
                ("dns_servers", "an existing network's are set by its owner"),
            ):
                if getattr(self, name):
                    yield Broken((name,), f"belongs to `mode: new`: {why}")


# Each with `privatelink.` before it. https://learn.microsoft.com/azure/private-link/private-endpoint-dns
ZoneName = Literal[
    "openai.azure.com",
    "cognitiveservices.azure.com",
    "services.ai.azure.com",
    "vaultcore.azure.net",
    "postgres.database.azure.com",
    "redis.azure.net",
    "servicebus.windows.net",
    "file.core.windows.net",
    "azurecr.io",
]
ZONES: tuple[str, ...] = get_args(ZoneName)


class PrivateDns(Part):
    """Who answers for the private names."""

    mode: Literal["create", "existing", "policy"] = Field(
        "create", description="create: zones made here; existing: those of `zones`; policy: the customer's own (DINE)."
    )
    zones: dict[ZoneName, ZoneId] = Field(
        default_factory=dict, description="For mode existing: every zone in use, by name without `privatelink.`."
    )
    link_networks: tuple[VnetId, ...] = Field((), description="Further networks that the created zones are linked to.")

    def broken(self) -> Iterator[Broken]:
        if self.mode == "existing" and not self.zones:
            yield Broken(("mode",), "existing needs `zones`, with the id of every zone in use")
        if self.mode != "existing" and self.zones:
            yield Broken(("zones",), f"belongs to `mode: existing`; mode is {self.mode}")
        if self.mode != "create" and self.link_networks:
            yield Broken(
                ("link_networks",), f"belongs to `mode: create`; zones of mode {self.mode} are linked elsewhere"
            )
        for name, zone in self.zones.items():
            if (called := zone.rsplit("/", 1)[1].lower()) != f"privatelink.{name}":
                yield Broken(("zones", name), f"must be the zone privatelink.{name}, and this is {called}")


class Waf(Part):
    """The web application firewall of Front Door or Application Gateway."""

    mode: Literal["prevention", "detection"] = Field("prevention", description="detection: tell, and let through.")


class Certificate(Part):
    """A certificate in Key Vault that the domains are served with."""

    key_vault_secret_id: CertificateId = Field(description="Without a version the newest is used, and renewed.")
    key_vault_id: VaultId | None = Field(
        None, description="Of that vault: whoever serves the certificate is let in. Left out: its owner does that."
    )

    def broken(self) -> Iterator[Broken]:
        if self.key_vault_id is None:
            return
        vault = self.key_vault_secret_id.removeprefix("https://").partition(".")[0].lower()
        if (named := self.key_vault_id.rsplit("/", 1)[1]).lower() != vault:
            yield Broken(("key_vault_id",), f"is the vault {named}, and the certificate is in {vault}")


class Ingress(Part):
    """Where callers come in."""

    visibility: Literal["internal", "external"] = Field(
        "internal", description="internal: from the network and what is peered with it; external: from the internet."
    )
    domain: HostName | None = Field(None, description="The proxy's own name. Left out: the name that Azure gives it.")
    admin_domain: HostName | None = Field(
        None, description="The dashboard's; the certificate serves both.", examples=["llm-admin.contoso.com"]
    )
    certificate: Certificate | None = Field(None, description="For `domain`; Front Door makes its own without one.")
    front: Literal["none", "front_door", "application_gateway"] = Field(
        "none", description="What stands before the proxy, with a web application firewall."
    )
    waf: Waf = Field(Waf(), description="The web application firewall of `front`.")
    allowed_ranges: tuple[Range, ...] = Field((), description="Who may come in, by address. Left out: all that can.")

    def broken(self) -> Iterator[Broken]:
        if self.domain and self.certificate is None and self.front != "front_door":
            yield Broken(("domain",), "needs `certificate` (Front Door alone makes one by itself)")
        if self.certificate and not self.domain:
            yield Broken(("certificate",), "needs the `domain` that it is for")
        if self.admin_domain and not self.domain:
            yield Broken(("admin_domain",), "needs `domain`, too")
        if self.admin_domain and self.admin_domain == self.domain:
            yield Broken(("admin_domain",), f"is the proxy's domain, {self.domain}; give the dashboard another")
        if self.front != "none" and not self.domain:
            yield Broken(("front",), f"{self.front} needs a `domain`")
        if self.front == "front_door" and self.visibility != "external":
            yield Broken(
                ("front",),
                "front_door serves the internet: say `visibility: external`, or choose application_gateway",
            )
        if self.front == "none" and self.waf != Waf():
            yield Broken(("waf",), "belongs to `front: front_door` or application_gateway; front is none")


class Egress(Part):
    """What the services may reach. The hosts that the seed's upstreams name are always among it."""

    mode: Literal["open", "nsg", "firewall"] = Field(
        "nsg", description="nsg: by address and service; firewall: Azure Firewall, by host; open: everything."
    )
    additional_hosts: tuple[EgressHost, ...] = Field((), description="Hosts beside those that the seed names.")
    firewall_sku: Literal["Basic", "Standard", "Premium"] = Field("Standard", description="Of mode firewall.")

    def broken(self) -> Iterator[Broken]:
        if self.mode != "firewall" and self.firewall_sku != "Standard":
            yield Broken(("firewall_sku",), f"belongs to `mode: firewall`; mode is {self.mode}")
