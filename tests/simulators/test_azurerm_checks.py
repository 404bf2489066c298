"""What the simulated provider and the simulated Azure refuse, by their tables; Terraform shows each once."""

from typing import Any

import pytest

from tests.simulators.azurerm import checks, planning, schema
from tests.simulators.azurerm.wire import UNKNOWN

GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg"
SUBNET = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet/subnets/snet"
WORKSPACE = f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/log"
PROFILE = [{"name": "Consumption", "workload_profile_type": "Consumption"}]
IN_GROUP = {"name": "thing", "resource_group_name": "rg", "location": "uksouth"}
APP = {
    **IN_GROUP,
    "container_app_environment_id": f"{GROUP}/providers/Microsoft.App/managedEnvironments/cae",
    "revision_mode": "Single",
    "template": [{"container": [{"name": "proxy", "image": "i", "cpu": 0.5, "memory": "1Gi"}]}],
}
JOINED = {"name": "c", "is_manual_connection": False, "private_connection_resource_id": WORKSPACE}
REDIS = IN_GROUP | {"sku_name": "Balanced_B0"}
VAULT = {
    **IN_GROUP,
    "tenant_id": "11111111-1111-1111-1111-111111111111",
    "sku_name": "standard",
    "rbac_authorization_enabled": True,
}


def said_of(type_name: str, config: dict[str, Any]) -> list[str]:
    type_ = schema.load().resources[f"azurerm_{type_name}"]
    faults = checks.of_resource(type_, schema.conform(type_.block, config))
    return [fault.summary + (f": {fault.detail}" if fault.detail else "") for fault in faults]


@pytest.mark.parametrize(
    ("type_name", "config", "said"),
    [
        ("key_vault", VAULT, None),
        ("key_vault", VAULT | {"sku_name": UNKNOWN, "name": UNKNOWN}, None),
        ("key_vault", VAULT | {"name": "a-name-of-more-than-24-chars"}, "must be between 3-24 chars"),
        ("key_vault", VAULT | {"sku_name": "gold"}, 'expected sku_name to be one of ["standard" "premium"], got gold'),
        (
            "key_vault",
            VAULT | {"soft_delete_retention_days": 5},
            "expected soft_delete_retention_days to be in the range (7 - 90), got 5",
        ),
        ("container_app", APP, None),
        ("container_app", APP | {"revision_mode": "Blue"}, "expected revision_mode to be one of"),
        ("container_app", APP | {"name": "Proxy"}, "must consist of lower case alphanumeric characters"),
        (
            "container_app",
            APP | {"ingress": [{"target_port": 8080, "traffic_weight": [{"percentage": 100}]}]},
            "`either ingress.0.traffic_weight.0.revision_suffix or ingress.0.traffic_weight.0.latest_revision`",
        ),
        ("container_app", APP | {"identity": [{"type": "UserAssigned"}]}, "`identity_ids` must be specified"),
        ("container_app", APP | {"container_app_environment_id": "cae"}, "Expected a Managed Environment ID"),
        (
            "container_app_environment",
            IN_GROUP | {"zone_redundancy_enabled": True},
            "Missing required argument",
        ),
        (
            "container_app_environment",
            IN_GROUP | {"zone_redundancy_enabled": True, "infrastructure_subnet_id": SUBNET},
            None,
        ),
        (
            "container_app_environment",
            IN_GROUP | {"infrastructure_resource_group_name": "rg-infra"},
            "all of `infrastructure_resource_group_name,workload_profile` must be specified",
        ),
        (
            "container_app_environment",
            IN_GROUP | {"log_analytics_workspace_id": WORKSPACE},
            "can only be set when `logs_destination` is set to `log-analytics` or omitted",
        ),
        (
            "container_app_environment",
            IN_GROUP | {"logs_destination": "log-analytics", "log_analytics_workspace_id": UNKNOWN},
            None,
        ),
        ("container_app_job", IN_GROUP, "one of `manual_trigger_config,event_trigger_config,schedule_trigger_config`"),
        (
            "postgresql_flexible_server",
            IN_GROUP | {"authentication": [{"active_directory_auth_enabled": True, "password_auth_enabled": False}]},
            "`tenant_id` is required when `active_directory_auth_enabled` is set to `true`",
        ),
        ("postgresql_flexible_server", IN_GROUP, "`administrator_login` is required when"),
        (
            "postgresql_flexible_server",
            IN_GROUP | {"administrator_login": "a", "sku_name": "Standard_D4"},
            "is not a valid sku name",
        ),
        ("private_endpoint", IN_GROUP | {"subnet_id": SUBNET, "private_service_connection": [JOINED]}, None),
        (
            "private_endpoint",
            IN_GROUP | {"subnet_id": SUBNET, "private_service_connection": [JOINED | {"is_manual_connection": True}]},
            '"private_service_connection":"c" is invalid, the "request_message" attribute must not be empty',
        ),
        ("managed_redis", REDIS, None),
        (
            "managed_redis",
            REDIS | {"default_database": [{"module": [{"name": "RediSearch"}], "eviction_policy": "NoEviction"}]},
            'invalid clustering_policy "OSSCluster", when using RediSearch module',
        ),
        (
            "managed_redis",
            REDIS
            | {
                "default_database": [
                    {
                        "persistence_append_only_file_backup_frequency": "1s",
                        "persistence_redis_database_backup_frequency": "1h",
                    }
                ]
            },
            "Conflicting configuration arguments",
        ),
        ("role_assignment", {"scope": GROUP, "principal_id": "p"}, "one of `role_definition_id,role_definition_name`"),
        ("monitor_diagnostic_setting", {"name": "d", "target_resource_id": WORKSPACE}, "Missing required argument"),
        ("subnet", {**IN_GROUP, "virtual_network_name": "v"}, "one of `address_prefixes,ip_address_pool`"),
    ],
)
def test_a_configuration_is_refused_for_what_is_wrong_with_it_and_for_nothing_else(type_name, config, said):
    told = said_of(type_name, config)
    assert told == [] if said is None else any(said in each for each in told), told


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"subscription_id": "contoso"}, 'expected "subscription_id" to be a valid UUID, got contoso'),
        ({"subscription_id": UNKNOWN}, None),
        ({"resource_provider_registrations": "some"}, "to be one of ["),
        ({"resource_provider_registrations": "none", "tenant_id": GROUP.split("/")[2]}, None),
    ],
)
def test_a_provider_block_is_refused_for_what_is_wrong_with_it(config, said):
    told = [fault.summary for fault in checks.of_provider(config)]
    assert told == [] if said is None else said in told[0]


@pytest.mark.parametrize(
    ("type_name", "before", "after", "replaces"),
    [
        ("key_vault", VAULT, VAULT | {"location": "ukwest"}, [("location",)]),
        ("key_vault", VAULT, VAULT | {"sku_name": "premium"}, []),
        ("container_app", APP, APP | {"revision_mode": "Multiple"}, []),
        ("container_app_environment", IN_GROUP, IN_GROUP | {"workload_profile": PROFILE}, [("workload_profile",)]),
        (
            "container_app_environment",
            IN_GROUP | {"workload_profile": PROFILE},
            IN_GROUP | {"workload_profile": [*PROFILE, {"name": "D4", "workload_profile_type": "D4"}]},
            [],
        ),
        ("postgresql_flexible_server", IN_GROUP | {"storage_mb": 65536}, IN_GROUP | {"storage_mb": 131072}, []),
        (
            "postgresql_flexible_server",
            IN_GROUP | {"storage_mb": 65536},
            IN_GROUP | {"storage_mb": 32768},
            [("storage_mb",)],
        ),
        (
            "private_endpoint",
            IN_GROUP | {"private_service_connection": [{"name": "a"}]},
            IN_GROUP | {"private_service_connection": [{"name": "b"}]},
            [("private_service_connection", 0, "name")],
        ),
        ("postgresql_flexible_server", IN_GROUP | {"identity": [{"type": "UserAssigned"}]}, IN_GROUP, [("identity",)]),
        ("cognitive_account", IN_GROUP | {"kind": "OpenAI"}, IN_GROUP | {"kind": "AIServices"}, []),
        ("cognitive_account", IN_GROUP | {"kind": "OpenAI"}, IN_GROUP | {"kind": "Face"}, [("kind",)]),
    ],
)
def test_what_cannot_be_changed_in_place_forces_another_resource(type_name, before, after, replaces):
    type_ = schema.load().resources[f"azurerm_{type_name}"]
    prior = schema.conform(type_.block, before)
    assert list(planning.plan(type_, prior, schema.conform(type_.block, after)).replaces) == replaces


def test_a_managed_redis_is_planned_with_its_database_and_changed_without():
    redis = schema.load().resources["azurerm_managed_redis"]
    (fault,) = checks.of_creation(redis, schema.conform(redis.block, REDIS))
    assert fault.summary == "`default_database` must be provided when creating a new resource"
    assert checks.of_creation(redis, schema.conform(redis.block, REDIS | {"default_database": [{}]})) == []


def test_a_plan_has_the_defaults_of_the_provider_and_leaves_open_what_azure_decides():
    app = schema.load().resources["azurerm_container_app"]
    planned = planning.plan(app, None, schema.conform(app.block, APP)).planned
    assert (planned["template"][0]["min_replicas"], planned["template"][0]["max_replicas"]) == (0, 10)
    assert planned["latest_revision_name"] is UNKNOWN
    assert planned["template"][0]["container"][0]["ephemeral_storage"] is UNKNOWN
    assert planned["workload_profile_name"] is None
