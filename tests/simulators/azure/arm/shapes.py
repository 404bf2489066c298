"""A resource as Terraform's azurerm knows it, in the shape that Resource Manager shows.

What a caller of ours reads has a function below; everything else is shown as azurerm has it, in camel case.
"""

import re
from collections.abc import Callable
from typing import Any

from tests.simulators.azure.arm.subscription import Document, type_of

Values = dict[str, Any]

_ABOVE = ("id", "name", "location", "tags", "identity", "resource_group_name", "timeouts")


def as_arm(type_name: str, resource_id: str, values: Values) -> Document | None:
    """None for what is no resource of its own: an association, a secret of a vault's data plane."""
    if not resource_id.lower().startswith("/subscriptions/") or "|" in resource_id:
        return None
    shape = _SHAPES.get(type_name)
    shown: Document = (
        {"properties": _camel({k: v for k, v in values.items() if k not in _ABOVE})} if shape is None else shape(values)
    )
    shown["properties"].setdefault("provisioningState", "Succeeded")
    document = {"id": resource_id, "name": resource_id.rsplit("/", 1)[1], "type": type_of(resource_id), **shown}
    for name in ("location", "tags"):
        if values.get(name):
            document[name] = values[name]
    if identity := _one(values.get("identity")):
        ids = {each: {} for each in identity.get("identity_ids") or []}
        document["identity"] = {"type": identity["type"], "userAssignedIdentities": ids}
    return document


def as_terraform(type_name: str, document: Document, values: Values) -> Values | None:
    """What of azurerm's values a change by ARM touches; None: changes of this type are not carried over."""
    if type_name not in ("azurerm_container_app", "azurerm_container_app_job"):
        return None
    properties = document["properties"]
    template = _one(values["template"]) or {}
    images = [each["image"] for each in properties["template"]["containers"]]
    containers = [{**each, "image": image} for each, image in zip(template["container"], images, strict=True)]
    changed: Values = {"template": [{**template, "container": containers}]}
    if type_name == "azurerm_container_app":
        changed["revision_mode"] = properties["configuration"]["activeRevisionsMode"]
        if ingress := _one(values.get("ingress")):
            shares = properties["configuration"]["ingress"].get("traffic") or [{"latestRevision": True, "weight": 100}]
            weights = [
                {
                    "label": each.get("label") or "",
                    "latest_revision": bool(each.get("latestRevision")),
                    "percentage": each["weight"],
                    "revision_suffix": str(each.get("revisionName") or "").partition("--")[2],
                }
                for each in shares
            ]
            changed["ingress"] = [{**ingress, "traffic_weight": weights}]
    return changed


def _one(block: Any) -> Values | None:
    """A block that may stand once."""
    return block[0] if block else None


def _camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {re.sub(r"_([a-z])", lambda m: m[1].upper(), name): _camel(each) for name, each in value.items()}
    return [_camel(each) for each in value] if isinstance(value, list) else value


def _openness(values: Values) -> str:
    return "Enabled" if values.get("public_network_access_enabled") else "Disabled"


def _vault(v: Values) -> Document:
    properties = {
        "vaultUri": v["vault_uri"],
        "tenantId": v["tenant_id"],
        "publicNetworkAccess": _openness(v),
        "enableRbacAuthorization": v["rbac_authorization_enabled"],
        "enablePurgeProtection": v["purge_protection_enabled"],
        "softDeleteRetentionInDays": v["soft_delete_retention_days"],
    }
    return {"properties": properties}


def _postgres(v: Values) -> Document:
    tier, _, size = str(v["sku_name"]).partition("_")
    tiers = {"B": "Burstable", "GP": "GeneralPurpose", "MO": "MemoryOptimized"}
    network = {"publicNetworkAccess": _openness(v), "delegatedSubnetResourceId": v.get("delegated_subnet_id")}
    properties = {"fullyQualifiedDomainName": v["fqdn"], "network": network, "state": "Ready", "version": v["version"]}
    return {"sku": {"name": size, "tier": tiers.get(tier, tier)}, "properties": properties}


def _redis(v: Values) -> Document:
    access = v.get("public_network_access") or "Enabled"
    return {"sku": {"name": v["sku_name"]}, "properties": {"hostName": v["hostname"], "publicNetworkAccess": access}}


def _account(v: Values) -> Document:
    properties = {
        "endpoint": v["endpoint"],
        "customSubDomainName": v["custom_subdomain_name"],
        "disableLocalAuth": not v["local_auth_enabled"],
        "publicNetworkAccess": _openness(v),
    }
    return {"kind": v["kind"], "sku": {"name": v["sku_name"]}, "properties": properties}


def _deployment(v: Values) -> Document:
    sku = _one(v["sku"]) or {}
    return {"sku": {"name": sku["name"], "capacity": sku["capacity"]}, "properties": {"model": _one(v["model"])}}


def _identity(v: Values) -> Document:
    return {"properties": {"principalId": v["principal_id"], "clientId": v["client_id"], "tenantId": v["tenant_id"]}}


def _workspace(v: Values) -> Document:
    return {"properties": {"customerId": v["workspace_id"], "retentionInDays": v["retention_in_days"]}}


def _network(v: Values) -> Document:
    space = {"addressPrefixes": sorted(v["address_space"] or [])}
    return {"properties": {"addressSpace": space, "dhcpOptions": {"dnsServers": v.get("dns_servers") or []}}}


def _subnet(v: Values) -> Document:
    delegations = [
        {"name": each["name"], "properties": {"serviceName": each["service_delegation"][0]["name"]}}
        for each in v.get("delegation") or []
    ]
    prefixes = v["address_prefixes"]
    return {"properties": {"addressPrefix": prefixes[0], "addressPrefixes": prefixes, "delegations": delegations}}


def _link(v: Values) -> Document:
    return {
        "properties": {
            "virtualNetwork": {"id": v["virtual_network_id"]},
            "registrationEnabled": v["registration_enabled"],
        }
    }


def _lock(v: Values) -> Document:
    return {"properties": {"level": v["lock_level"], "notes": v.get("notes")}}


def _role(v: Values) -> Document:
    properties = {"roleDefinitionId": v["role_definition_id"], "principalId": v["principal_id"], "scope": v["scope"]}
    return {"properties": properties}


def _environment(v: Values) -> Document:
    network = {
        "internal": bool(v["internal_load_balancer_enabled"]),
        "infrastructureSubnetId": v["infrastructure_subnet_id"],
    }
    properties = {
        "defaultDomain": v["default_domain"],
        "staticIp": v["static_ip_address"],
        "vnetConfiguration": network,
        "zoneRedundant": v["zone_redundancy_enabled"],
    }
    return {"properties": properties}


def _template(v: Values) -> Document:
    template = _one(v["template"]) or {}
    containers = [
        {
            "name": each["name"],
            "image": each["image"],
            "args": each.get("args") or [],
            "command": each.get("command") or [],
            "env": [{"name": one["name"], "value": one.get("value") or ""} for one in each.get("env") or []],
            "resources": {"cpu": each["cpu"], "memory": each["memory"]},
        }
        for each in template["container"]
    ]
    scale = {"minReplicas": template.get("min_replicas"), "maxReplicas": template.get("max_replicas")}
    return {"containers": containers, "scale": scale}


def _app(v: Values) -> Document:
    configuration: Document = {"activeRevisionsMode": v["revision_mode"]}
    if ingress := _one(v.get("ingress")):
        configuration["ingress"] = {
            "fqdn": ingress["fqdn"],
            "external": bool(ingress["external_enabled"]),
            "targetPort": ingress["target_port"],
            "traffic": [
                {"latestRevision": True, "weight": each["percentage"]}
                if each.get("latest_revision")
                else {"revisionName": f"{v['name']}--{each['revision_suffix']}", "weight": each["percentage"]}
                for each in ingress["traffic_weight"]
            ],
        }
    properties = {
        "managedEnvironmentId": v["container_app_environment_id"],
        "configuration": configuration,
        "template": _template(v),
        "runningStatus": "Running",
    }
    return {"properties": properties}


def _job(v: Values) -> Document:
    configuration = {"triggerType": "Manual" if v.get("manual_trigger_config") else "Schedule"}
    configuration["replicaTimeout"] = v["replica_timeout_in_seconds"]
    template = {"containers": _template(v)["containers"]}
    environment = v["container_app_environment_id"]
    return {"properties": {"environmentId": environment, "configuration": configuration, "template": template}}


_SHAPES: dict[str, Callable[[Values], Document]] = {
    "azurerm_key_vault": _vault,
    "azurerm_postgresql_flexible_server": _postgres,
    "azurerm_managed_redis": _redis,
    "azurerm_cognitive_account": _account,
    "azurerm_cognitive_deployment": _deployment,
    "azurerm_user_assigned_identity": _identity,
    "azurerm_log_analytics_workspace": _workspace,
    "azurerm_virtual_network": _network,
    "azurerm_subnet": _subnet,
    "azurerm_private_dns_zone_virtual_network_link": _link,
    "azurerm_management_lock": _lock,
    "azurerm_role_assignment": _role,
    "azurerm_container_app_environment": _environment,
    "azurerm_container_app": _app,
    "azurerm_container_app_job": _job,
}
