"""The tenant file: what it takes, and how it says what is wrong: the line, the field, the value, what is allowed."""

import re
import textwrap
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from deployer.addresses import RULES
from deployer.regions import REGIONS, meant_region
from deployer.tenant.outline import flat, outline
from deployer.tenant.values import check_value
from deployer.tenant_file import TenantError, load_tenant, load_tenant_file, schema_text, tenant_schema
from tests.deployer.tenant_files import DIGEST, EXISTING, NETWORK_ID, SUBSCRIPTION, VNET_ID, with_settings
from tests.deployer.tenant_reference import DOCUMENT, with_tables


@pytest.fixture
def findings(tmp_path):
    """What is wrong with a tenant, as (field and message) without file and line."""

    def read(tenant):
        path = tmp_path / "tenant.yaml"
        path.write_text(tenant if isinstance(tenant, str) else yaml.safe_dump(tenant, sort_keys=False))
        try:
            load_tenant(path)
        except TenantError as error:
            return [each.message for each in error.findings]
        return []

    return read


ACCOUNT = {
    "name": "uks",
    "deployments": [{"name": "gpt-4o", "model": "gpt-4o", "version": "2024-11-20", "capacity": 5}],
}
REGISTRIES = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/images/providers/Microsoft.ContainerRegistry/registries"
CERTIFICATE = {"key_vault_secret_id": "https://contoso-kv.vault.azure.net/secrets/llm"}
EXISTING_NETWORK = {"network": EXISTING}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"region": "UK South"},
        {"region": "eastus9"},  # Azure opens regions faster than this table is brought up to date
        {"region": "ukwest", "zone_redundant": False, "postgres__high_availability": "same_zone"},
        {"postgres__version": 17, "replicas__admin__cpu": 1, "replicas__proxy": None},
        {"redis__mode": "none", "replicas__proxy": {"min": 1, "max": 1}},
        {"network": EXISTING, "egress__mode": "open"},
        {"network": EXISTING, "network__existing__vnet_id": VNET_ID.replace("resourceGroups", "resourcegroups")},
        {"network__subnets": {"apps": "10.80.2.0/23"}},
        {
            "egress": {
                "mode": "firewall",
                "firewall_sku": "Basic",
                "additional_hosts": ["*.openai.com", "API.contoso.com"],
            }
        },
        {"ingress": {"visibility": "external", "front": "front_door", "domain": "LLM.contoso.com"}},
        {"ingress": {"front": "application_gateway", "domain": "llm.contoso.com", "certificate": CERTIFICATE}},
        {"openai__accounts": [ACCOUNT, {**ACCOUNT, "name": "swc", "region": "swedencentral"}]},
        {"event_hubs": {"enabled": True, "sku": "Premium", "capacity": 2, "retention_days": 90}},
        {"state": {"backend": "local"}, "tags": {"cost centre": "4711"}},
    ],
)
def test_what_azure_takes_is_taken(findings, settings):
    assert findings(with_settings(**settings)) == []


# One thing is wrong with each; the message is whole where it is short.
WRONG = [
    (
        {"name": "Contoso"},
        "name: 'Contoso' is not a name (2 to 32 small letters, digits and single hyphens, beginning with "
        "a letter), such as contoso-prod",
    ),
    ({"name": "a--b"}, "name: 'a--b' is not a name"),
    ({"name": "state"}, "name: 'state' is what the resource group of Terraform's states is called; choose another"),
    (
        {"name": "windows-llm"},
        "name: prefix and name make every resource's name, aduana-windows-llm, and Azure allows windows "
        "nowhere in a name",
    ),
    (
        {"prefix": "a-b"},
        "prefix: 'a-b' is not a prefix (2 to 10 small letters and digits, beginning with a letter), such as aduana",
    ),
    (
        {"subscription_id": "contoso"},
        "subscription_id: 'contoso' is not an id of Azure or Entra (a GUID), such as 3f2b8c1e",
    ),
    ({"subscription_id": "00000000-0000-0000-0000-000000000000"}, "stands for no real id; give the real one"),
    ({"region": "uksoth"}, "region: 'uksoth' is no region of Azure; uksouth is"),
    ({"region": "UK Sout"}, "region: 'UK Sout' is no region of Azure; uksouth is"),
    (
        {"region": "ukwest", "postgres__high_availability": "none"},
        "zone_redundant: must be false: ukwest has no availability zones",
    ),
    (
        {"region": "ukwest", "zone_redundant": False},
        "postgres.high_availability: zone_redundant is not offered in ukwest",
    ),
    (
        {"region": "polandcentral", "postgres__geo_redundant_backup": True},
        "postgres.geo_redundant_backup: must be false: polandcentral has no paired region",
    ),
    (
        {"tags": {"Azure-team": "x"}},
        "tags.Azure-team: 'Azure-team' begins with azure, which Azure keeps for its own tags",
    ),
    ({"tags": {"Cost": "1", "cost": "2"}}, "tags.cost: is Cost already"),
    ({"tags": {"cost": 4711}}, "tags.cost: 4711 is no text; write it in quotes"),
    (
        {"network__adress_space": "10.0.0.0/22"},
        "network.adress_space: there is no such setting; did you mean address_space?",
    ),
    ({"waf": {}}, "waf: there is no such setting; there are name, subscription_id, region"),
    ({"network": []}, "network: a list is no mapping of settings"),
    (
        {"network__address_space": "10.80.0.1/22"},
        "network.address_space: '10.80.0.1/22' does not begin where its range begins; the range is 10.80.0.0/22",
    ),
    (
        {"network__address_space": "ten"},
        "network.address_space: 'ten' is not a range of IPv4 addresses, such as 10.80.0.0/22",
    ),
    ({"network__address_space": "fd00::/64"}, "network.address_space: 'fd00::/64' is not a range of IPv4 addresses"),
    (
        {"network__address_space": "172.31.0.0/20"},
        "network.address_space: address_space 172.31.0.0/20 overlaps 172.31.0.0/16",
    ),
    (
        {"network__subnets": {"apps": "10.80.0.128/25"}},
        "network.address_space: the subnets apps 10.80.0.128/25 and endpoints 10.80.0.128/27 overlap",
    ),
    (
        {"network__subnets": {"dmz": "10.80.0.0/25"}},
        "network.subnets.dmz: 'dmz' is not allowed; allowed: apps, endpoints",
    ),
    ({"network__known_ranges": ["10.80.0.0/16"]}, "overlaps 10.80.0.0/16, which known_ranges says is in use elsewhere"),
    (
        {"network__dns_servers": ["10.0.0.256"]},
        "network.dns_servers.0: '10.0.0.256' is not an IPv4 address, such as 10.0.0.4",
    ),
    ({"network__mode": "existing"}, "network.mode: existing needs `existing`, with the ids and ranges of the subnets"),
    ({"network": EXISTING | {"mode": "new"}}, "network.existing: belongs to `mode: existing`; mode is new"),
    ({"network": EXISTING | {"dns_servers": ["10.0.0.4"]}}, "network.dns_servers: belongs to `mode: new`"),
    (
        EXISTING_NETWORK | {"network__existing__apps_range": "10.4.0.0/28"},
        "network.existing.apps_range: the subnet apps 10.4.0.0/28",
    ),
    (
        EXISTING_NETWORK | {"network__existing__endpoints_range": "10.4.0.32/27"},
        "network.existing.endpoints_range: the subnets apps 10.4.0.0/26 and endpoints 10.4.0.32/27 overlap",
    ),
    (
        EXISTING_NETWORK | {"network__existing__endpoints_subnet_id": f"{VNET_ID}/subnets/APPS"},
        "network.existing.endpoints_subnet_id: is apps_subnet_id already",
    ),
    (
        EXISTING_NETWORK | {"network__existing__apps_subnet_id": f"{VNET_ID}2/subnets/apps"},
        "network.existing.apps_subnet_id: does not lie in the network of vnet_id",
    ),
    (
        EXISTING_NETWORK | {"network__existing__gateway_subnet_id": f"{VNET_ID}/subnets/gw"},
        "network.existing.gateway_subnet_id: needs gateway_range, too",
    ),
    (
        EXISTING_NETWORK | {"network__existing__vnet_id": "hub"},
        "network.existing.vnet_id: 'hub' is not the resource id of a virtual network",
    ),
    (
        EXISTING_NETWORK | {"postgres__connectivity": "injected"},
        "network.existing: postgres.connectivity injected needs postgres_subnet_id and postgres_range",
    ),
    (EXISTING_NETWORK | {"egress__mode": "firewall"}, "egress.mode: firewall is made in a new network"),
    (
        EXISTING_NETWORK | {"replicas__proxy": {"max": 1000}},
        "network.existing.apps_range: the subnet apps 10.4.0.0/26 is too small: "
        "what is to be in it takes 215 addresses",
    ),
    ({"private_dns__mode": "existing"}, "private_dns.mode: existing needs `zones`"),
    (
        {"private_dns__zones": {"redis.azure.net": f"{NETWORK_ID}/privateDnsZones/privatelink.redis.azure.net"}},
        "private_dns.zones: belongs to `mode: existing`; mode is create",
    ),
    (
        {"private_dns": {"mode": "policy", "link_networks": [VNET_ID]}},
        "private_dns.link_networks: belongs to `mode: create`",
    ),
    ({"ingress__domain": "llm"}, "ingress.domain: 'llm' is not a host's name, such as llm.contoso.com"),
    ({"ingress__domain": "x.azurefd.net", "ingress__certificate": CERTIFICATE}, "belongs to Azure (azurefd.net)"),
    ({"ingress__domain": "llm.contoso.com"}, "ingress.domain: needs `certificate`"),
    ({"ingress__certificate": CERTIFICATE}, "ingress.certificate: needs the `domain` that it is for"),
    (
        {"ingress__certificate": {"key_vault_secret_id": "kv://x/y"}, "ingress__domain": "llm.contoso.com"},
        "'kv://x/y' is not the address of a certificate or its secret in a key vault, such as https://",
    ),
    (
        {"ingress": {"domain": "a.b.com", "admin_domain": "a.b.com", "certificate": CERTIFICATE}},
        "ingress.admin_domain: is the proxy's domain, a.b.com; give the dashboard another",
    ),
    ({"ingress__admin_domain": "a.b.com"}, "ingress.admin_domain: needs `domain`, too"),
    ({"ingress": {"front": "front_door", "domain": "a.b.com"}}, "ingress.front: front_door serves the internet"),
    ({"ingress": {"front": "front_door", "visibility": "external"}}, "ingress.front: front_door needs a `domain`"),
    (
        {"ingress__waf": {"mode": "detection"}},
        "ingress.waf: belongs to `front: front_door` or application_gateway; front is none",
    ),
    (
        {"egress__additional_hosts": ["https://api.openai.com"]},
        "'https://api.openai.com' is not a host's name, or *. and a domain",
    ),
    ({"egress__firewall_sku": "Premium"}, "egress.firewall_sku: belongs to `mode: firewall`; mode is nsg"),
    ({"redis__mode": "none"}, "redis.mode: none lets one proxy serve alone"),
    (
        {"redis__sku": "Balanced_B2"},
        "redis.sku: 'Balanced_B2' is not allowed; allowed: Balanced_B0, Balanced_B1, Balanced_B3",
    ),
    ({"postgres__sku": "GP_Standard_E4ds_v5"}, "postgres.sku: 'GP_Standard_E4ds_v5' is not a size of flexible servers"),
    (
        {"postgres__sku": "B_Standard_B2s"},
        "postgres.high_availability: zone_redundant is not offered for the burstable B_Standard_B2s",
    ),
    ({"postgres__version": 15}, "postgres.version: '15' is not allowed; allowed: 16, 17, 18"),
    ({"postgres__backup_retention_days": 36}, "postgres.backup_retention_days: 36 is not allowed; the most is 35"),
    ({"postgres__geo_redundant_backup": "yes"}, "postgres.geo_redundant_backup: 'yes' is neither true nor false"),
    ({"openai__accounts": [ACCOUNT, ACCOUNT]}, "openai.accounts.1.name: 'uks' is the name of another account, too"),
    (
        {"openai__accounts": [ACCOUNT | {"deployments": ACCOUNT["deployments"] * 2}]},
        "openai.accounts.0.deployments.1.name: 'gpt-4o' is the name of another deployment of this account, too",
    ),
    ({"openai__accounts": [ACCOUNT | {"mode": "existing"}]}, "openai.accounts.0.mode: existing needs `resource_id`"),
    ({"openai__accounts": [{"name": f"a{n}"} for n in range(9)]}, "the subnet endpoints 10.80.0.128/27 is too small"),
    ({"logs": {"retention_days": 29}}, "logs.retention_days: 29 is not allowed; the least is 30"),
    (
        {
            "logs": {
                "retention_days": 30,
                "workspace_id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/l/providers/"
                "Microsoft.OperationalInsights/workspaces/w",
            }
        },
        "logs.retention_days: belongs to a workspace made here",
    ),
    (
        {"event_hubs__retention_days": 8},
        "event_hubs.retention_days: 8 is too many: the Standard SKU keeps 7 days at most",
    ),
    (
        {"event_hubs": {"sku": "Premium", "capacity": 3}},
        "event_hubs.capacity: 3 is not allowed for Premium; allowed: 1, 2, 4, 8, 16",
    ),
    ({"replicas__proxy": {"min": 11}}, "replicas.proxy.min: 11 is more than max, 10"),
    ({"replicas__proxy__cpu": "0.3"}, "replicas.proxy.cpu: '0.3' is not allowed; allowed: 0.25, 0.5, 0.75, 1"),
    ({"replicas__writer": {"min": 0}}, "replicas.writer.min: 0 is not allowed: nothing would write the ledger"),
    (
        {"images__proxy": "ghcr.io/aduana/proxy:1.0"},
        "images.proxy: 'ghcr.io/aduana/proxy:1.0' is not an image with its digest",
    ),
    (
        {
            "images__registry_id": f"{REGISTRIES}/Mine",
            "images__admin": f"mine.azurecr.io/admin{DIGEST}",
            "images__job": f"mine.azurecr.io/job{DIGEST}",
        },
        "images.proxy: comes from ghcr.io, and registry_id names mine.azurecr.io",
    ),
    (
        {"private_dns__mode": "policy", "postgres__connectivity": "injected"},
        "postgres.connectivity: injected needs its private zone when it is made, and policies attach zones to private "
        "endpoints alone; say private_endpoint, or another private_dns.mode",
    ),
    (
        {
            "ingress": {
                "domain": "llm.contoso.com",
                "certificate": {
                    **CERTIFICATE,
                    "key_vault_id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/a/providers/Microsoft.KeyVault/vaults/other",
                },
            }
        },
        "ingress.certificate.key_vault_id: is the vault other, and the certificate is in contoso-kv",
    ),
    ({"entra__mode": "existing"}, "entra.mode: existing needs `application_id`"),
    ({"entra__admin_groups": ["admins"]}, "entra.admin_groups.0: 'admins' is not an id of Azure or Entra"),
    ({"seed": "/etc/seed.yaml"}, "seed: '/etc/seed.yaml' is not a path to a seed file from the tenant file's folder"),
    ({"seed": "none.yaml"}, "seed: 'none.yaml' is no file; looked for "),
    ({"billing_currency": "eur"}, "billing_currency: 'eur' is not allowed; allowed: USD, AUD"),
    (
        {"state": {"backend": "local", "storage_account": "contoso"}},
        "state.storage_account: belongs to the backend azurerm",
    ),
    ({"state": {"container": "a--b"}}, "state.container: 'a--b' is not a container's name"),
    ({"images": None}, "images.admin: must be given"),
]


@pytest.mark.parametrize(("settings", "message"), WRONG)
def test_what_is_wrong_is_named_with_its_field_its_value_and_what_is_allowed(findings, settings, message):
    found = findings(with_settings(**settings))
    assert message in "\n".join(found)
    assert len(found) == (3 if settings == {"images": None} else 1)


def test_all_that_is_wrong_is_told_at_once_by_line_and_rules_between_sections_though_another_is_wrong(tmp_path):
    path = tmp_path / "contoso.yaml"
    path.write_text(
        textwrap.dedent(f"""\
            name: contoso-prod
            subscription_id: {SUBSCRIPTION}
            region: ukwest
            logs: {{retention_days: 1}}
            ingress: {{front: application_gateway}}
            postgres:
              high_availability: zone_redundant
            network:
              subnets:
                apps: 10.80.0.0/28
            images: {{}}
            entra: {{tenant_id: {SUBSCRIPTION}}}
            """)
    )
    with pytest.raises(TenantError) as caught:
        load_tenant(path)
    assert [(each.place.line, each.message.split(":")[0]) for each in caught.value.findings] == [
        (1, "zone_redundant"),
        (4, "logs.retention_days"),
        (5, "ingress.front"),
        (7, "postgres.high_availability"),
        (10, "network.subnets.apps"),
        (11, "images.admin"),
        (11, "images.job"),
        (11, "images.proxy"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("- a\n", "a tenant file is a mapping of settings"),
        ("name: a\nname: b\n", "the key 'name' is given twice, first on line 1"),
        ("name: !!python/object:os.system x\n", "the tag 'tag:yaml.org,2002:python/object:os.system' is not allowed"),
        ("name: [\n", "not valid YAML"),
        ("name: x\n---\nname: y\n", "there is a second document"),
    ],
)
def test_a_file_that_is_no_tenant_is_said_to_be_none(findings, text, message):
    assert any(message in each for each in findings(text))


def test_a_value_without_end_is_not_repeated_without_end(findings):
    [found] = findings(with_settings(name="x" * 100_000))
    assert len(found) < 400 and "(100002 characters)" in found


def test_the_seed_file_is_looked_for_beside_the_tenant_file(tmp_path):
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "contoso.yaml").write_text("routes: []\n")
    path = tmp_path / "tenant.yaml"
    path.write_text(yaml.safe_dump(with_settings(seed="seeds/contoso.yaml")))
    assert load_tenant_file(path).seed_path == tmp_path / "seeds" / "contoso.yaml"


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("UK South", "uksouth"),
        ("west-europe", "westeurope"),
        ("westeurpoe", "westeurope"),
        ("eastus9", None),
        ("uksouth2", None),
        ("mars", None),
    ],
)
def test_a_misspelt_region_is_known_and_one_that_is_new_is_left_alone(text, region):
    assert meant_region(text) == region


def test_regions_are_named_as_azure_names_them_and_their_pairs_are_regions():
    for name, facts in REGIONS.items():
        assert facts.display_name.replace(" ", "").lower() == name
        assert facts.pair is None or facts.pair in REGIONS


def test_the_published_schema_is_the_models():
    published = Path(__file__).parents[2] / "docs" / "tenant.schema.json"
    assert published.read_text(encoding="utf-8") == schema_text(), "aduana tenants schema > docs/tenant.schema.json"


def test_every_example_is_one_of_what_it_stands_for():
    Draft7Validator.check_schema(tenant_schema())
    for path, setting in flat(outline()):
        if setting.kind == "value" and setting.example is not None:
            check_value(path.replace("[]", ""), setting.example)


def test_the_documents_tables_are_the_codes():
    document = DOCUMENT.read_text(encoding="utf-8")
    assert document == with_tables(document), "python -m tests.deployer.tenant_reference"


def test_the_documents_places_of_subnets_are_the_plans():
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| /(\d+) \|", DOCUMENT.read_text(encoding="utf-8"), re.M)
    assert rows == [(name, str(rule.offset), str(rule.derived)) for name, rule in RULES.items()]
