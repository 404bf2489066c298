"""What parts of the tenant file ask of one another. Each rule names what it reads, so that it is told even where another
part is wrong."""

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.addresses import AddressError
from deployer.names import reserved_word
from deployer.regions import REGIONS, RegionFacts
from deployer.tenant.part import Broken

if TYPE_CHECKING:
    from deployer.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Rule:
    """`check` reads the fields `reads` of a tenant, and no others."""

    reads: frozenset[str]
    check: Callable[["Tenant"], Iterator[Broken]]


def broken_rules(tenant: "Tenant", *, known: Set[str] | None = None) -> list[Broken]:
    """The rules that do not hold. `known`: the fields that are right by themselves, where not all are."""
    return [each for rule in RULES if known is None or rule.reads <= known for each in rule.check(tenant)]


def _names(tenant: "Tenant") -> Iterator[Broken]:
    if tenant.name == "state":
        yield Broken(("name",), "'state' is what the resource group of Terraform's states is called; choose another")
    if why := reserved_word(tenant.prefix, tenant.name):
        yield Broken(("name",), f"prefix and name make every resource's name, {tenant.prefix}-{tenant.name}, and {why}")


def _tags(tenant: "Tenant") -> Iterator[Broken]:
    seen: dict[str, str] = {}
    for name in tenant.tags:
        if (other := seen.setdefault(name.lower(), name)) != name:
            yield Broken(("tags", name), f"is {other} already; Azure does not tell large letters from small in tags")


def _region(tenant: "Tenant") -> RegionFacts | None:
    return REGIONS.get(tenant.region)


def _zones(tenant: "Tenant") -> Iterator[Broken]:
    facts = _region(tenant)
    if facts is None or facts.zones:
        return
    if tenant.zone_redundant:
        yield Broken(("zone_redundant",), f"must be false: {tenant.region} has no availability zones")


def _standby(tenant: "Tenant") -> Iterator[Broken]:
    facts = _region(tenant)
    if facts is not None and not facts.zones and tenant.postgres.high_availability == "zone_redundant":
        yield Broken(
            ("postgres", "high_availability"),
            f"zone_redundant is not offered in {tenant.region}, which has no availability zones; say same_zone or none",
        )


def _pair(tenant: "Tenant") -> Iterator[Broken]:
    facts = _region(tenant)
    if facts is not None and facts.pair is None and tenant.postgres.geo_redundant_backup:
        yield Broken(("postgres", "geo_redundant_backup"), f"must be false: {tenant.region} has no paired region")


def _without_redis(tenant: "Tenant") -> Iterator[Broken]:
    if tenant.redis.mode == "none" and tenant.replicas.proxy.max > 1:
        yield Broken(
            ("redis", "mode"),
            "none lets one proxy serve alone, as limits are in its memory: say replicas.proxy.min: 1 and max: 1",
        )


def _existing_network(tenant: "Tenant") -> Iterator[Broken]:
    existing, place = tenant.network.existing, ("network", "existing")
    if existing is None:
        return
    if tenant.postgres.connectivity == "injected" and existing.postgres_subnet_id is None:
        yield Broken(place, "postgres.connectivity injected needs postgres_subnet_id and postgres_range")
    if tenant.ingress.front == "application_gateway" and existing.gateway_subnet_id is None:
        yield Broken(place, "ingress.front application_gateway needs gateway_subnet_id and gateway_range")
    if tenant.egress.mode == "firewall":
        yield Broken(
            ("egress", "mode"), "firewall is made in a new network; in an existing one, routes are its owner's"
        )


def _zones_in_use(tenant: "Tenant") -> Iterator[Broken]:
    if tenant.private_dns.mode != "existing" or not tenant.private_dns.zones:
        return
    for zone in tenant.zones_in_use():
        if zone not in tenant.private_dns.zones:
            yield Broken(("private_dns", "zones"), f"the zone for {zone} is in use and missing")


def _injected_names(tenant: "Tenant") -> Iterator[Broken]:
    if tenant.private_dns.mode == "policy" and tenant.postgres.connectivity == "injected":
        yield Broken(
            ("postgres", "connectivity"),
            "injected needs its private zone when it is made, and policies attach zones to private endpoints alone; say "
            "private_endpoint, or another private_dns.mode",
        )


def _addresses(tenant: "Tenant") -> Iterator[Broken]:
    try:
        tenant.addresses()
    except AddressError as error:
        for problem in error.problems:
            yield Broken(("network", *_place(tenant, problem.subnet)), problem.message)


def _place(tenant: "Tenant", subnet: str | None) -> tuple[str, ...]:
    network = tenant.network
    if network.existing is not None:
        return ("existing", f"{subnet}_range")
    return ("subnets", subnet) if subnet in network.subnets and subnet is not None else ("address_space",)


RULES = (
    Rule(frozenset({"name", "prefix"}), _names),
    Rule(frozenset({"tags"}), _tags),
    Rule(frozenset({"region", "zone_redundant"}), _zones),
    Rule(frozenset({"region", "postgres"}), _standby),
    Rule(frozenset({"region", "postgres"}), _pair),
    Rule(frozenset({"redis", "replicas"}), _without_redis),
    Rule(frozenset({"network", "postgres", "ingress", "egress"}), _existing_network),
    Rule(frozenset({"private_dns", "redis", "openai", "event_hubs"}), _zones_in_use),
    Rule(frozenset({"private_dns", "postgres"}), _injected_names),
    Rule(
        frozenset({"network", "postgres", "ingress", "egress", "redis", "openai", "event_hubs", "replicas"}), _addresses
    ),
)
