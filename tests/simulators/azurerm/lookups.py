"""Reading the cloud: what a resource shows of others, and what data sources find."""

from collections.abc import Callable
from typing import Any

from tests.simulators.azurerm import ids, roles
from tests.simulators.azurerm.cloud import Cloud, Resource
from tests.simulators.azurerm.refusals import named
from tests.simulators.azurerm.schema import Type, conform, zero


def managed_id(cloud: Cloud, type_: Type, told: str) -> str:
    """Resource Manager's id of what Terraform knows by another (a secret is known by its address)."""
    if type_.name not in ADDRESSED:
        return told
    with cloud.lock:
        for resource in cloud.of_type(type_.name):
            if resource.values["id"].lower() == told.lower():
                return resource.id
    return told


ADDRESSED = {"azurerm_key_vault_secret", "azurerm_key_vault_key", "azurerm_key_vault_certificate"}


def reflected(cloud: Cloud, resource: Resource) -> dict[str, Any]:
    """A resource's values, with what it shows of others."""
    values = dict(resource.values)
    reflect = _REFLECTIONS.get(resource.type)
    if reflect is not None and cloud.behaviours["reflections"]:
        values.update(reflect(cloud, resource))
    return values


def _network(cloud: Cloud, network: Resource) -> dict[str, Any]:
    subnets = [child for child in cloud.below(network.id) if child.type == "azurerm_subnet"]
    if not subnets:
        return {}
    return {"subnet": [_as_shown(cloud, subnet) for subnet in subnets]}


def _as_shown(cloud: Cloud, subnet: Resource) -> dict[str, Any]:
    own = reflected(cloud, subnet)
    shown = (
        "address_prefixes default_outbound_access_enabled delegation id name private_endpoint_network_policies "
        "private_link_service_network_policies_enabled route_table_id service_endpoint service_endpoint_policy_ids"
    )
    return {
        **{name: own.get(name) for name in shown.split()},
        "security_group": own.get("network_security_group_id") or "",
    }


def _subnet(cloud: Cloud, subnet: Resource) -> dict[str, Any]:
    shown = {}
    for type_name, of, name in (
        ("azurerm_subnet_network_security_group_association", "network_security_group_id", "network_security_group_id"),
        ("azurerm_subnet_route_table_association", "route_table_id", "route_table_id"),
    ):
        association = cloud.find(type_name, subnet.id)
        if association is not None:
            shown[name] = association.values[of]
    return shown


def _security_group(cloud: Cloud, group: Resource) -> dict[str, Any]:
    rules = [child for child in cloud.below(group.id) if child.type == "azurerm_network_security_rule"]
    if not rules:
        return {}
    shown = set(rules[0].values) - {"id", "resource_group_name", "network_security_group_name", "timeouts"}
    own = list(group.values.get("security_rule") or [])
    return {"security_rule": own + [{name: rule.values[name] for name in shown} for rule in rules]}


def _zone(cloud: Cloud, zone: Resource) -> dict[str, Any]:
    own = sum(child.type == "azurerm_private_dns_a_record" for child in cloud.below(zone.id))
    written = sum(
        len(config["record_sets"])
        for endpoint in cloud.of_type("azurerm_private_endpoint")
        for config in endpoint.values.get("private_dns_zone_configs") or []
        if config["private_dns_zone_id"].lower() == zone.id.lower()
    )
    return {"number_of_record_sets": 1 + own + written}


def _route_table(cloud: Cloud, table: Resource) -> dict[str, Any]:
    routes = [child for child in cloud.below(table.id) if child.type == "azurerm_route"]
    subnets = [
        association.id
        for association in cloud.of_type("azurerm_subnet_route_table_association")
        if association.values["route_table_id"].lower() == table.id.lower()
    ]
    names = ("address_prefix", "name", "next_hop_in_ip_address", "next_hop_type")
    shown: dict[str, Any] = {"subnets": subnets} if subnets else {}
    if routes:
        shown["route"] = [{name: route.values.get(name) for name in names} for route in routes]
    return shown


_REFLECTIONS: dict[str, Callable[[Cloud, Resource], dict[str, Any]]] = {
    "azurerm_network_security_group": _security_group,
    "azurerm_private_dns_zone": _zone,
    "azurerm_route_table": _route_table,
    "azurerm_subnet": _subnet,
    "azurerm_virtual_network": _network,
}


def told_by_data(cloud: Cloud, resource: Resource) -> dict[str, Any]:
    """A resource's values, with what its data source has beside the resource's own attributes."""
    values = reflected(cloud, resource)
    more = _TOLD.get(resource.type)
    return values if more is None else {**values, **more(cloud, resource)}


def _network_told(cloud: Cloud, network: Resource) -> dict[str, Any]:
    peerings = [child for child in cloud.below(network.id) if child.type == "azurerm_virtual_network_peering"]
    return {
        "subnets": [child.values["name"] for child in cloud.below(network.id) if child.type == "azurerm_subnet"],
        "vnet_peerings": {each.values["name"]: each.values["remote_virtual_network_id"] for each in peerings},
    }


def _gateway_told(cloud: Cloud, gateway: Resource) -> dict[str, Any]:
    def associated(what: str) -> list[str]:
        associations = cloud.of_type(f"azurerm_nat_gateway_{what}_association")
        argument = "public_ip_address_id" if what == "public_ip" else "public_ip_prefix_id"
        return [each.values[argument] for each in associations if each.values["nat_gateway_id"] == gateway.id]

    return {"public_ip_address_ids": associated("public_ip"), "public_ip_prefix_ids": associated("public_ip_prefix")}


_TOLD: dict[str, Callable[[Cloud, Resource], dict[str, Any]]] = {
    "azurerm_container_app_environment": lambda _, environment: {
        "log_analytics_workspace_name": str(environment.values.get("log_analytics_workspace_id") or "").rsplit("/", 1)[
            -1
        ]
    },
    "azurerm_eventhub_namespace": lambda _, namespace: {"kafka_enabled": namespace.values["sku"] != "Basic"},
    "azurerm_nat_gateway": _gateway_told,
    "azurerm_subnet": lambda _, subnet: {"address_prefix": (subnet.values.get("address_prefixes") or [""])[0]},
    "azurerm_virtual_network": _network_told,
}


def find(cloud: Cloud, type_: Type, config: dict[str, Any]) -> Resource | None:
    """The resource that a data source's arguments name."""
    wanted = {
        name: str(config[name]).lower()
        for name, attribute in type_.block.attributes.items()
        if isinstance(config.get(name), str) and (attribute.required or attribute.optional) and config[name]
    }
    return next((resource for resource in cloud.of_type(type_.name) if _is(resource, wanted)), None)


def _is(resource: Resource, wanted: dict[str, str]) -> bool:
    segments = resource.id.lower().replace("|", "/").split("/")
    return all(
        value == str(resource.values.get(name)).lower()
        or value in segments
        or (name.endswith("_id") and value in resource.id.lower())
        for name, value in wanted.items()
    )


def wanted(cloud: Cloud, type_: Type, config: dict[str, Any]) -> str:
    """The id that a data source looks for, as far as its arguments tell."""
    naming = ids.NAMINGS.get(type_.name)
    if naming is None or any(not isinstance(config.get(name), str) for name in naming.arguments):
        return f"/subscriptions/{cloud.subscription}"
    return naming.id(cloud.subscription, config)


def missing(type_: Type, config: dict[str, Any]) -> str:
    """The provider's message where a data source finds nothing."""
    named = {name: value for name, value in config.items() if isinstance(value, str) and name != "id"}
    noun = ids.NAMINGS[type_.name].noun
    told = "\n".join(f'{name.replace("_", " ").title()}: "{value}"' for name, value in sorted(named.items()))
    return f"{noun} ({told}) was not found"


def shaped(type_: Type, values: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """What a resource's values look like in a data source: blocks become lists of objects, what is missing is empty."""
    shape = {**values, **{name: value for name, value in config.items() if value is not None}}
    state = conform(type_.block, shape)
    for name, attribute in type_.block.attributes.items():
        if state.get(name) is None and attribute.computed and not isinstance(config.get(name), str):
            state[name] = zero(attribute.type)
    return state


def _client_config(session: Any, _: dict[str, Any]) -> dict[str, Any]:
    cloud = session.cloud
    return {
        "id": f"clientConfigs/clientId={session.application};objectId={session.client};"
        f"subscriptionId={cloud.subscription};tenantId={cloud.tenant}",
        "client_id": session.application,
        "object_id": session.client,
        "subscription_id": cloud.subscription,
        "tenant_id": cloud.tenant,
    }


def _subscription(session: Any, config: dict[str, Any]) -> dict[str, Any]:
    subscription = config.get("subscription_id") or session.cloud.subscription
    return {
        "id": f"/subscriptions/{subscription}",
        "subscription_id": subscription,
        "display_name": "Simulated",
        "location_placement_id": "Public_2014-09-01",
        "quota_id": "EnterpriseAgreement_2014-09-01",
        "spending_limit": "Off",
        "state": "Enabled",
        "tenant_id": session.cloud.tenant,
        "tags": {},
    }


def _role_definition(session: Any, config: dict[str, Any]) -> dict[str, Any]:
    name, guid = config.get("name"), config.get("role_definition_id")
    for resource in session.cloud.of_type("azurerm_role_definition"):
        if resource.values["name"] == name or resource.values["role_definition_id"] == guid:
            return resource.values
    found = roles.definition_id(session.cloud.subscription, name) if name else ""
    if guid and roles.name_of(guid):
        name, found = roles.name_of(guid), roles.definition_id(session.cloud.subscription, roles.name_of(guid))
    if not found:
        raise named("RoleNotFound", role=name or guid)
    return {
        "id": found,
        "name": name,
        "role_definition_id": found.rsplit("/", 1)[-1],
        "type": "Microsoft.Authorization/roleDefinitions",
        "assignable_scopes": ["/"],
        "description": name,
        "permissions": [],
    }


SPECIAL: dict[str, Callable[[Any, dict[str, Any]], dict[str, Any]]] = {
    "azurerm_client_config": _client_config,
    "azurerm_role_definition": _role_definition,
    "azurerm_subscription": _subscription,
}
