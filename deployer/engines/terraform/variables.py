"""A tenant as the variables of the stack in `terraform/`: the tenant file's words, and what is derived from them.

Plain JSON values without a secret. `terraform/variables.tf` says what each is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from deployer.egress import registry_hosts
from deployer.tenant import Tenant
from deployer.tenant.services import OpenAiAccount
from deployer.tenant.workload import Scale

_ONLY_OURS = frozenset({"state_resource_group", "state_storage_account"})
"""Names of what is made before Terraform runs."""


def render(tenant: Tenant, *, hosts: Sequence[str] = (), audiences: Sequence[str] = ()) -> Mapping[str, object]:
    """The variables. Raises `AddressError` for ranges that Azure would refuse.

    Args:
        hosts: where upstreams are (`deployer.egress.upstream_hosts`).
        audiences: what access tokens of callers have to be for; none: callers have keys alone.
    """
    return {
        "subscription_id": tenant.subscription_id,
        "name": tenant.name,
        "region": tenant.region,
        "zone_redundant": tenant.zone_redundant,
        "tags": dict(tenant.tags),
        "names": {name: each for name, each in _plain(asdict(tenant.names())).items() if name not in _ONLY_OURS},
        "network": _network(tenant),
        "private_dns": _whole(tenant.private_dns),
        "ingress": _whole(tenant.ingress),
        "egress": {
            "mode": tenant.egress.mode,
            "hosts": sorted({*hosts, *tenant.egress.additional_hosts}),
            "registry_hosts": list(registry_hosts(tenant)),
            "firewall_sku": tenant.egress.firewall_sku,
        },
        "redis": _whole(tenant.redis),
        "postgres": _whole(tenant.postgres),
        "openai": {"accounts": {account.name: _account(account) for account in tenant.openai.accounts}},
        "key_vault": _whole(tenant.key_vault),
        "logs": _whole(tenant.logs),
        "event_hubs": _whole(tenant.event_hubs),
        "replicas": {
            "proxy": _scale(tenant.replicas.proxy),
            "writer": _scale(tenant.replicas.writer),
            "admin": _scale(tenant.replicas.admin),
        },
        "images": _whole(tenant.images),
        "entra": {"tenant_id": tenant.entra.tenant_id, "audiences": list(audiences)},
        "deletion_protection": tenant.deletion_protection,
    }


def _network(tenant: Tenant) -> dict[str, Any]:
    existing = tenant.network.existing
    if existing is not None:
        given = _whole(existing)
        ours = ("vnet_id", "apps_subnet_id", "endpoints_subnet_id", "postgres_subnet_id", "gateway_subnet_id")
        ranges = ("apps_range", "gateway_range")
        return {
            "mode": "existing",
            "existing": {name: given[name] for name in (*ours, *ranges) if given.get(name) is not None},
        }
    plan = tenant.addresses()
    return {
        "mode": "new",
        "address_space": plan.space,
        "subnets": dict(plan.subnets),
        "dns_servers": list(tenant.network.dns_servers),
    }


def _account(account: OpenAiAccount) -> dict[str, Any]:
    given = _whole(account)
    deployments = {each.name: _whole(each) for each in account.deployments}
    for each in deployments.values():
        del each["name"]
    return {name: given[name] for name in ("mode", "resource_id", "region", "access") if given[name] is not None} | {
        "deployments": deployments
    }


def _scale(scale: Scale) -> dict[str, Any]:
    return _whole(scale) | {"cpu": float(scale.cpu)}


def _whole(part: Any) -> dict[str, Any]:
    """A part of the file whose words are the variable's."""
    rendered: dict[str, Any] = part.model_dump(mode="json")
    return rendered


def _plain(value: Any) -> Any:
    return {key: _plain(each) for key, each in value.items()} if isinstance(value, Mapping) else value
