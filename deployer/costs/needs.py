"""What a tenant takes of what has a price: meters and how much of them, part by part of the stack."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from deployer.costs import HOURS
from deployer.tenant import Tenant
from deployer.tenant.services import Deployment
from deployer.tenant.workload import Scale

_DDSV5 = re.compile(r"GP_Standard_D(\d+)ds_v5")
_PROVISIONED = {
    "ProvisionedManaged": "provisioned_regional",
    "DataZoneProvisionedManaged": "provisioned_data_zone",
    "GlobalProvisionedManaged": "provisioned_global",
}
# terraform/modules: what the stack itself fixes.
GATEWAY_UNITS = (1, 10)  # capacity units of the Application Gateway, at least and at most
SHARE_GB = 100  # of the volume that stands in for Redis


@dataclass(frozen=True, slots=True)
class Take:
    """So many units of a meter a month."""

    meter: str
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that the customer pays for all month. Without `takes` the table has no meter of it."""

    part: str
    what: str
    takes: tuple[Take, ...] = ()
    region: str | None = None  # where it is, if not where the tenant is


@dataclass(frozen=True, slots=True)
class ByUse:
    """What costs as much as it is used. `meter`: whose price is named beside it."""

    part: str
    what: str
    meter: str = ""


def needs_of(tenant: Tenant) -> Iterator[Need]:
    """What is there all month."""
    yield from _container_apps(tenant)
    yield from _postgres(tenant)
    yield from _redis(tenant)
    yield from _openai(tenant)
    yield from _event_hubs(tenant)
    yield from _ingress(tenant)
    yield from _egress(tenant)
    yield from _network(tenant)


def by_use_of(tenant: Tenant) -> Iterator[ByUse]:
    """What is billed by use."""
    yield ByUse("Container Apps", "requests, and the bootstrap job's runs")
    yield ByUse("Postgres", f"backups beyond the size of the storage{_geo(tenant)}, and what the storage grows by")
    for account in tenant.openai.accounts:
        for deployment in account.deployments:
            if deployment.sku not in _PROVISIONED:
                yield ByUse("Azure OpenAI", f"{account.name}/{deployment.name}: {deployment.model} by tokens")
    yield ByUse("Key Vault", "operations")
    whose = "an existing workspace" if tenant.logs.workspace_id else "ingestion, and retention beyond what is included"
    yield ByUse("Log Analytics", whose, "log_ingestion")
    if tenant.event_hubs.enabled and tenant.event_hubs.sku == "Standard":  # Premium's units include them
        yield ByUse("Event Hubs", "events")
    if tenant.ingress.front == "front_door":
        yield ByUse("Front Door", "requests and transfer")
    if tenant.egress.mode == "firewall":
        yield ByUse("Firewall", "data that passes, and capacity units")
    yield ByUse("Network", "data through private endpoints, names that are looked up, traffic out of the region")


def _all_month(meter: str, number: int | Decimal, most: int | Decimal | None = None) -> Take:
    """So many, every hour."""
    return Take(meter, Decimal(number) * HOURS, Decimal(number if most is None else most) * HOURS)


def _container_apps(tenant: Tenant) -> Iterator[Need]:
    # At the active rate: a replica asks for news every second, and is never idle as Container Apps means it.
    # https://learn.microsoft.com/azure/container-apps/billing
    for name in ("proxy", "writer", "admin"):
        scale: Scale = getattr(tenant.replicas, name)
        cores, memory = Decimal(scale.cpu), Decimal(scale.memory_gib.removesuffix("Gi"))
        number = str(scale.min) if scale.min == scale.max else f"{scale.min} to {scale.max}"
        replicas = "replica" if number == "1" else "replicas"
        yield Need(
            "Container Apps",
            f"{name}, {number} {replicas} of {scale.cpu} vCPU and {memory:f} GiB",
            (
                _all_month("container_apps_vcpu", scale.min * cores, scale.max * cores),
                _all_month("container_apps_memory", scale.min * memory, scale.max * memory),
            ),
        )
    yield Need("Container Apps", "load balancer and address that the environment makes in a resource group of its own")
    if tenant.ingress.front == "front_door":
        yield Need("Container Apps", "management fee for Front Door's private link to the environment")


def _postgres(tenant: Tenant) -> Iterator[Need]:
    postgres = tenant.postgres
    servers = 1 if postgres.high_availability == "none" else 2  # a standby costs what its primary does
    standby = " and its standby" if servers == 2 else ""
    takes: tuple[Take, ...] = ()
    if size := _DDSV5.fullmatch(postgres.sku):
        takes = (_all_month("postgres_gp_ddsv5", servers * int(size.group(1))),)
    elif postgres.sku == "B_Standard_B2s":
        takes = (_all_month("postgres_b_b2s", servers),)
    yield Need("Postgres", f"{postgres.sku}{standby}", takes)
    storage = Decimal(servers * postgres.storage_gb)
    yield Need("Postgres", f"{postgres.storage_gb} GB{standby}", (Take("postgres_storage", storage, storage),))


def _geo(tenant: Tenant) -> str:
    return ", backups in the paired region" if tenant.postgres.geo_redundant_backup else ""


def _redis(tenant: Tenant) -> Iterator[Need]:
    if tenant.redis.mode == "none":
        yield Need("Storage", f"{SHARE_GB} GiB of premium files, for the ledger's queue")
        return
    family, _, size = tenant.redis.sku.partition("_")
    nodes = 2 if tenant.redis.high_availability else 1
    yield Need(
        "Redis",
        f"{tenant.redis.sku}, {nodes} node{'s' if nodes > 1 else ''}",
        (_all_month(f"redis_{family}_{size}".lower(), nodes),),
    )


def _openai(tenant: Tenant) -> Iterator[Need]:
    for account in tenant.openai.accounts:
        for each in account.deployments:
            if each.sku in _PROVISIONED:
                yield _provisioned(account.name, account.region, each)


def _provisioned(account: str, region: str | None, deployment: Deployment) -> Need:
    return Need(
        "Azure OpenAI",
        f"{account}/{deployment.name}: {deployment.capacity} PTU of {deployment.sku}, by the hour",
        (_all_month(_PROVISIONED[deployment.sku], deployment.capacity),),
        region,
    )


def _event_hubs(tenant: Tenant) -> Iterator[Need]:
    hubs = tenant.event_hubs
    if hubs.enabled:
        units = "throughput units" if hubs.sku == "Standard" else "processing units"
        takes = (_all_month(f"event_hubs_{hubs.sku}".lower(), hubs.capacity),)
        yield Need("Event Hubs", f"{hubs.sku}, {hubs.capacity} {units[:-1] if hubs.capacity == 1 else units}", takes)


def _ingress(tenant: Tenant) -> Iterator[Need]:
    if tenant.ingress.front == "front_door":
        yield Need("Front Door", "Premium", (Take("front_door_premium", Decimal(1), Decimal(1)),))
    if tenant.ingress.front == "application_gateway":
        least, most = GATEWAY_UNITS
        yield Need(
            "Application Gateway",
            f"WAF v2, {least} to {most} capacity units",
            (
                _all_month("application_gateway_waf", 1),
                _all_month("application_gateway_waf_capacity", least, most),
            ),
        )


def _egress(tenant: Tenant) -> Iterator[Need]:
    if tenant.egress.mode == "firewall":
        sku = tenant.egress.firewall_sku
        yield Need("Firewall", sku, (_all_month(f"firewall_{sku}".lower(), 1),))


def _network(tenant: Tenant) -> Iterator[Need]:
    endpoints = private_endpoints(tenant)
    yield Need("Network", f"{endpoints} private endpoints", (_all_month("private_endpoint", endpoints),))
    if zones := private_zones(tenant):
        yield Need(
            "Network",
            f"{zones} private DNS zone{'s' if zones > 1 else ''}",
            (Take("private_dns_zone", Decimal(zones), Decimal(zones)),),
        )
    if addresses := public_addresses(tenant):
        yield Need(
            "Network",
            f"{addresses} public address{'es' if addresses > 1 else ''}",
            (_all_month("public_ip", addresses),),
        )


def private_endpoints(tenant: Tenant) -> int:
    """Of the vault, Redis or what stands in for it, Postgres where it is not injected, Event Hubs and each account."""
    injected = tenant.postgres.connectivity == "injected"
    return 2 + (not injected) + tenant.event_hubs.enabled + len(tenant.openai.accounts)


def private_zones(tenant: Tenant) -> int:
    """Those that are made here: of the services, and of an internal environment's own names."""
    internal = tenant.ingress.visibility == "internal" or tenant.ingress.front == "application_gateway"
    return internal + (len(tenant.zones_in_use()) if tenant.private_dns.mode == "create" else 0)


def public_addresses(tenant: Tenant) -> int:
    """Of the firewall and of the Application Gateway."""
    firewall = tenant.egress.mode == "firewall"
    return firewall * (1 + (tenant.egress.firewall_sku == "Basic")) + (tenant.ingress.front == "application_gateway")
