"""What preflight takes an installation to use is what the Terraform stack uses."""

import re
from pathlib import Path
from typing import Any

from deployer.engines.terraform.provider import RESOURCE_PROVIDERS
from deployer.preflight.needs import given_roles, needed_types
from deployer.tenant_file import parse_tenant
from tests.deployer.tenant_files import with_settings
from tests.simulators.azurerm import ids

STACK = Path(__file__).parents[3] / "terraform"
CERTIFICATE = {"key_vault_secret_id": "https://contoso-kv.vault.azure.net/certificates/llm"}
GROUP = f"/subscriptions/{'0' * 8}-0000-0000-0000-{'0' * 12}/resourceGroups/shared"
REGISTRY = f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/contoso"
KINDS: tuple[dict[str, Any], ...] = (
    {
        "egress": {"mode": "firewall"},
        "ingress": {"front": "application_gateway", "domain": "llm.contoso.com", "certificate": CERTIFICATE},
        "event_hubs__enabled": True,
        "openai__accounts": [{"name": "uks"}, {"name": "files", "access": "everything"}],
    },
    {
        "redis__mode": "none",
        "replicas__proxy": {"min": 1, "max": 1},
        "ingress": {"visibility": "external", "front": "front_door", "domain": "llm.contoso.com"},
    },
)

# Made with what they belong to, or asked for by an action of their own.
_NOT_MADE_ALONE = {"Microsoft.Authorization/roleAssignments", "Microsoft.Authorization/locks"}
_NOT_MADE_ALONE |= {"Microsoft.Network/frontDoorWebApplicationFirewallPolicies"}
_NOT_MADE_ALONE |= {"Microsoft.Network/applicationGatewayWebApplicationFirewallPolicies"}


def _stack() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in STACK.rglob("*.tf") if "examples" not in path.parts)


def test_every_type_of_the_stack_is_looked_for() -> None:
    used = set(re.findall(r'^resource "(azurerm_\w+)"', _stack(), re.MULTILINE))
    assert len(used) > 40
    types = set()
    for name in used:
        template = ids.NAMINGS[name].template
        found = re.search(r"/providers/(Microsoft\.[A-Za-z]+/[A-Za-z]+)", template)
        if found is not None:  # what lives in another resource is made with it
            types.add(found[1].lower())

    known = {need.full.lower() for kind in KINDS for need in needed_types(parse_tenant(with_settings(**kind)))}

    assert types - known - {each.lower() for each in _NOT_MADE_ALONE} == set()


def test_every_role_of_the_stack_is_one_that_a_condition_is_asked_for() -> None:
    given = set(
        re.findall(
            r'^\s+\w+\s+= "([0-9a-f-]{36})"$', (STACK / "modules/role-assignments/main.tf").read_text(), re.MULTILINE
        )
    )

    images = {name: f"contoso.azurecr.io/{name}@sha256:{'0' * 64}" for name in ("proxy", "admin", "job")}
    tenant = parse_tenant(with_settings(**KINDS[0], images={**images, "registry_id": REGISTRY}))

    assert given == set(given_roles(tenant).values())


def test_every_namespace_in_use_is_one_that_the_engine_registers() -> None:
    used = {need.namespace for kind in KINDS for need in needed_types(parse_tenant(with_settings(**kind)))}

    assert used <= set(RESOURCE_PROVIDERS)
