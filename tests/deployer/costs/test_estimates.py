"""What a tenant file costs a month: arithmetic over a table that is right here, and the table that is shipped."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest

from deployer.azure_ids import RedisSku
from deployer.costs import Estimate, needs
from deployer.costs.estimating import estimate
from deployer.costs.prices import Prices, read_prices, shipped_prices
from deployer.costs.telling import told
from deployer.tenant import Tenant
from tests.deployer.tenant_files import with_settings

TABLE = """
reference_regions = ["eastus"]
[sources.a]
url = "https://example.com/a"
read_on = 2026-01-02
[sources.b]
url = "https://example.com/b"
read_on = 2026-03-04
[meters]
container_apps_vcpu = {unit = "vCPU-hour", prices = [{source = "a", uksouth = "0.10"}]}
container_apps_memory = {unit = "GiB-hour", prices = [{source = "a", uksouth = "0.01"}]}
postgres_gp_ddsv5 = {unit = "vCore-hour", prices = [{source = "a", eastus = "0.09", uksouth = "0.11"}]}
postgres_b_b2s = {unit = "hour", prices = [{source = "a", uksouth = "0.07"}]}
postgres_storage = {unit = "GB-month", prices = [{source = "a", uksouth = "0.125"}]}
redis_balanced_b1 = {unit = "node-hour", prices = [{source = "a", uksouth = "0.04"}]}
private_endpoint = {unit = "hour", prices = [{source = "a", everywhere = "0.01"}]}
private_dns_zone = {unit = "zone-month", prices = [{source = "a", everywhere = "0.50"}]}
public_ip = {unit = "hour", prices = [{source = "b", eastus = "0.005"}]}
application_gateway_waf = {unit = "hour", prices = [{source = "b", eastus = "0.40"}]}
application_gateway_waf_capacity = {unit = "capacity unit-hour", prices = [{source = "b", eastus = "0.01"}]}
front_door_premium = {unit = "month", prices = [{source = "b", everywhere = "330"}]}
firewall_basic = {unit = "hour", prices = [{source = "b", eastus = "0.40"}]}
event_hubs_standard = {unit = "unit-hour", prices = [{source = "a", uksouth = "0.03"}]}
provisioned_global = {unit = "PTU-hour", prices = [{source = "a", everywhere = "1.00"}]}
provisioned_regional = {unit = "PTU-hour", prices = [{source = "a", swedencentral = "2.00", uksouth = "3.00"}]}
log_ingestion = {unit = "GB", prices = [{source = "a", uksouth = "2.80"}]}
"""
SHARE = Path("modules") / "state-volume" / "variables.tf"
STACK = Path(__file__).parents[3] / "terraform"
# What the estimate prices or lists, by kind; everything else that the stack makes has to be free.
IN_THE_ESTIMATE = """
application_gateway cdn_frontdoor_profile cdn_frontdoor_firewall_policy cognitive_account cognitive_deployment container_app
container_app_environment container_app_job eventhub_namespace eventhub firewall firewall_policy key_vault
log_analytics_workspace managed_redis postgresql_flexible_server private_dns_zone private_endpoint public_ip storage_account
storage_share web_application_firewall_policy
"""
FREE = """
cdn_frontdoor_custom_domain cdn_frontdoor_custom_domain_association cdn_frontdoor_endpoint cdn_frontdoor_origin
cdn_frontdoor_origin_group cdn_frontdoor_route cdn_frontdoor_secret cdn_frontdoor_security_policy
container_app_custom_domain container_app_environment_certificate container_app_environment_storage
firewall_policy_rule_collection_group managed_redis_access_policy_assignment management_lock
monitor_diagnostic_setting network_security_group network_security_rule
postgresql_flexible_server_active_directory_administrator postgresql_flexible_server_configuration
postgresql_flexible_server_database private_dns_a_record private_dns_zone_virtual_network_link resource_group
role_assignment route route_table subnet subnet_network_security_group_association subnet_route_table_association
user_assigned_identity virtual_network
"""
PUBLIC = {"visibility": "external", "domain": "llm.contoso.com"}
CERTIFICATE = {"key_vault_secret_id": "https://contoso-kv.vault.azure.net/secrets/llm"}


@pytest.fixture(scope="module")
def prices() -> Prices:
    return read_prices(TABLE)


def of(settings: dict[str, Any], prices: Prices | None = None) -> Estimate:
    return estimate(Tenant.model_validate(with_settings(**settings)), prices)


def account(sku: str, capacity: int, **settings: Any) -> dict[str, Any]:
    deployment = {"name": "gpt-4o", "model": "gpt-4o", "version": "2024-11-20", "sku": sku, "capacity": capacity}
    return {"accounts": ({"name": "one", "deployments": (deployment,), **settings},)}


@pytest.mark.parametrize(
    ("settings", "what", "low", "high"),
    [
        # (0.10 for a vCPU + 2 × 0.01 for its memory) × 730, times the replicas
        ({}, "proxy, 2 to 10 replicas of 1 vCPU and 2 GiB", "175.20", "876.00"),
        ({}, "writer, 1 to 2 replicas of 0.5 vCPU and 1 GiB", "43.80", "87.60"),
        ({"replicas": {"admin": {"min": 1, "max": 1}}}, "admin, 1 replica of 0.5 vCPU and 1 GiB", "43.80", "43.80"),
        ({"replicas": {"admin": {"min": 0}}}, "admin, 0 to 2 replicas of 0.5 vCPU and 1 GiB", "0.00", "87.60"),
        # a standby doubles vCores and storage
        ({}, "GP_Standard_D2ds_v5 and its standby", "321.20", "321.20"),
        ({"postgres": {"high_availability": "none"}}, "GP_Standard_D2ds_v5", "160.60", "160.60"),
        ({"postgres": {"sku": "GP_Standard_D8ds_v5"}}, "GP_Standard_D8ds_v5 and its standby", "1284.80", "1284.80"),
        ({"postgres": {"sku": "B_Standard_B2s", "high_availability": "none"}}, "B_Standard_B2s", "51.10", "51.10"),
        ({}, "128 GB and its standby", "32.00", "32.00"),
        ({"postgres": {"storage_gb": 64, "high_availability": "none"}}, "64 GB", "8.00", "8.00"),
        ({}, "Balanced_B1, 2 nodes", "58.40", "58.40"),
        ({"redis": {"high_availability": False}}, "Balanced_B1, 1 node", "29.20", "29.20"),
        # the vault, Postgres, Redis; each account and Event Hubs one more; injected one less
        ({}, "3 private endpoints", "21.90", "21.90"),
        ({"postgres": {"connectivity": "injected"}}, "2 private endpoints", "14.60", "14.60"),
        ({"event_hubs": {"enabled": True}, "openai": account("Standard", 1)}, "5 private endpoints", "36.50", "36.50"),
        ({}, "4 private DNS zones", "2.00", "2.00"),
        ({"private_dns": {"mode": "policy"}}, "1 private DNS zone", "0.50", "0.50"),
        ({"openai": account("Standard", 1)}, "7 private DNS zones", "3.50", "3.50"),
        ({"event_hubs": {"enabled": True, "capacity": 3}}, "Standard, 3 throughput units", "65.70", "65.70"),
        ({"ingress": {**PUBLIC, "front": "front_door"}}, "Premium", "330.00", "330.00"),
        (
            {"ingress": {**PUBLIC, "front": "application_gateway", "certificate": CERTIFICATE}},
            "WAF v2, 1 to 10 capacity units",
            "299.30",
            "365.00",
        ),
        ({"egress": {"mode": "firewall", "firewall_sku": "Basic"}}, "Basic", "292.00", "292.00"),
        ({"egress": {"mode": "firewall", "firewall_sku": "Basic"}}, "2 public addresses", "7.30", "7.30"),
        (
            {"openai": account("GlobalProvisionedManaged", 15)},
            "one/gpt-4o: 15 PTU of GlobalProvisionedManaged, by the hour",
            "10950.00",
            "10950.00",
        ),
        (  # where the account is, not where the tenant is
            {"openai": account("ProvisionedManaged", 50, region="swedencentral")},
            "one/gpt-4o: 50 PTU of ProvisionedManaged, by the hour",
            "73000.00",
            "73000.00",
        ),
    ],
)
def test_each_thing_is_priced_by_how_much_of_it_there_is(
    prices: Prices, settings: dict[str, Any], what: str, low: str, high: str
) -> None:
    (item,) = [item for item in of(settings, prices).items if item.what == what]
    assert (item.low, item.high) == (Decimal(low), Decimal(high))


def test_the_sum_is_that_of_the_lines_and_says_how_old_its_prices_are(prices: Prices) -> None:
    found = of({"egress": {"mode": "firewall", "firewall_sku": "Basic"}}, prices)
    assert found.low == sum(item.low for item in found.items) < found.high
    assert found.dates == (date(2026, 1, 2), date(2026, 3, 4))
    assert of({}, prices).dates == (date(2026, 1, 2), date(2026, 1, 2))


@pytest.mark.parametrize(
    ("settings", "what", "why"),
    [
        ({"postgres": {"sku": "MO_Standard_E4ds_v5"}}, "MO_Standard_E4ds_v5 and its standby", "not known"),
        ({"redis": {"sku": "MemoryOptimized_M10"}}, "MemoryOptimized_M10, 2 nodes", "not known"),
        ({"egress": {"mode": "firewall"}}, "Standard", "not known"),
        ({"event_hubs": {"enabled": True, "sku": "Premium"}}, "Premium, 1 processing unit", "not known"),
        ({"openai": account("Standard", 100)}, "one/gpt-4o: gpt-4o by tokens", "by use"),
        ({}, "ingestion, and retention beyond what is included", "by use, 2.8 USD a GB in uksouth"),
        (
            {"redis": {"mode": "none"}, "replicas": {"proxy": {"min": 1, "max": 1}}},
            "100 GiB of premium files, for the ledger's queue",
            "not known",
        ),
        ({"region": "westeurope"}, "proxy, 2 to 10 replicas of 1 vCPU and 2 GiB", "not known"),
    ],
)
def test_what_has_no_price_is_listed_and_is_not_zero(
    prices: Prices, settings: dict[str, Any], what: str, why: str
) -> None:
    found = of(settings, prices)
    assert what not in [item.what for item in found.items]
    (listed,) = [each for each in found.unpriced if each.what == what]
    assert why in listed.why


def test_everything_that_the_stack_makes_is_in_the_estimate_or_is_free() -> None:
    made = {
        kind
        for file in STACK.rglob("*.tf")
        if "examples" not in file.parts
        for kind in re.findall(r'^resource "azurerm_(\w+)"', file.read_text(), re.MULTILINE)
    }
    assert made == {*IN_THE_ESTIMATE.split(), *FREE.split()}


def test_what_the_stack_itself_fixes_is_what_is_priced() -> None:
    gateway = (STACK / "modules" / "application-gateway" / "main.tf").read_text()
    units = [int(number) for number in re.findall(r"m(?:in|ax)_capacity = (\d+)", gateway)]
    share = re.search(r'variable "quota_gb".*?default += (\d+)', (STACK / SHARE).read_text(), re.DOTALL)
    assert share is not None and [*units, int(share[1])] == [*needs.GATEWAY_UNITS, needs.SHARE_GB]


def test_another_regions_price_is_taken_only_where_it_says_so(prices: Prices) -> None:
    found = of({"region": "westeurope"}, prices)
    (server,) = [item for item in found.items if item.what.startswith("GP_")]
    assert server.region == "eastus"
    assert any(line.endswith("GP_Standard_D2ds_v5 and its standby (prices of eastus)") for line in told(found))


def test_the_text_adds_up_names_what_is_missing_and_the_currency_of_the_bill(prices: Prices) -> None:
    first, *lines = told(of({"billing_currency": "GBP", "replicas": {"proxy": {"max": 2}}}, prices))
    assert first == "Cost: about 698.30 to 785.90 USD a month, and what is used"
    assert "321.20         Postgres: GP_Standard_D2ds_v5 and its standby" not in lines  # amounts stand right-aligned
    assert "       321.20  Postgres: GP_Standard_D2ds_v5 and its standby" in lines
    assert "43.80 – 87.60  Container Apps: writer, 1 to 2 replicas of 0.5 vCPU and 1 GiB" in lines
    assert "  Key Vault: operations (by use)" in lines
    assert any(line.startswith("List prices of 2026-01-02 for 730 hours") for line in lines)
    assert lines[-1] == "The prices are in US dollars; the bill is in GBP."


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (TABLE.replace('uksouth = "0.04"', 'uksouth = "-0.04"'), "is no price"),
        (TABLE.replace('uksouth = "0.04"', 'uksouth = "NaN"'), "is no price"),
        (TABLE.replace('source = "b", everywhere', 'source = "c", everywhere'), "no source c"),
    ],
)
def test_a_table_that_is_wrong_is_not_read(broken: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_prices(broken)


def test_the_shipped_table_prices_what_a_new_tenant_file_has_and_names_its_sources() -> None:
    table = shipped_prices()
    assert all(source.url.startswith("https://") and source.read_on.year >= 2026 for source in table.sources.values())
    found = of({}, table)
    assert {"Container Apps", "Postgres", "Redis", "Network"} == {item.part for item in found.items}
    assert all(item.region in ("uksouth", "everywhere") for item in found.items)
    redis = {f"redis_{sku}".lower() for sku in get_args(RedisSku)}
    assert {meter for meter in table.meters if re.match("redis_", meter)} <= redis
