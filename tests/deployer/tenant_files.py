"""Tenant files for the tests: the least that is one, and what is added to it."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

DIGEST = "@sha256:" + "ab" * 32
SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
NETWORK_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/network/providers/Microsoft.Network"
VNET_ID = f"{NETWORK_ID}/virtualNetworks/hub"

LEAST: Mapping[str, Any] = {
    "name": "contoso-prod",
    "subscription_id": SUBSCRIPTION,
    "region": "uksouth",
    "images": {part: f"ghcr.io/aduana/{part}{DIGEST}" for part in ("proxy", "admin", "job")},
    "entra": {"tenant_id": "66666666-7777-4888-8999-aaaaaaaaaaaa"},
}
EXISTING = {
    "mode": "existing",
    "existing": {
        "vnet_id": VNET_ID,
        "apps_subnet_id": f"{VNET_ID}/subnets/apps",
        "apps_range": "10.4.0.0/26",
        "endpoints_subnet_id": f"{VNET_ID}/subnets/endpoints",
        "endpoints_range": "10.4.0.64/27",
    },
}


def with_settings(**settings: Any) -> dict[str, Any]:
    """The least tenant with `settings` in place of its own; `a__b` is the setting b of a, as it is in the file."""
    tenant = deepcopy(dict(LEAST))
    for path, value in settings.items():
        *sections, last = path.split("__")
        section = tenant
        for each in sections:
            section = section.setdefault(each, {})
        section[last] = deepcopy(value)
    return tenant
