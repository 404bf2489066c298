"""What resources are called: allowed by Azure whatever the tenant is called, never the same for two, and never changed."""

import re
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.names import NAME_RULES, name_resources, reserved_word

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
CONTOSO = {
    "subscription_id": SUBSCRIPTION,
    "prefix": "aduana",
    "name": "contoso-prod",
    "region": "uksouth",
    "resource_group": None,
    "accounts": ("uks", "swc"),
}

prefixes = st.from_regex(r"[a-z][a-z0-9]{1,9}", fullmatch=True)
names = st.from_regex(r"(?!.*--)[a-z][a-z0-9-]{0,30}[a-z0-9]", fullmatch=True)
accounts = st.from_regex(r"(?!.*--)[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?", fullmatch=True)
regions = st.sampled_from(["uksouth", "germanywestcentral", "australiacentral2"])

# Which rule holds each field; what is not here is a word of ours inside another resource.
KINDS = {
    "environment_resource_group": "resource_group",
    "state_resource_group": "resource_group",
    "state_storage_account": "storage_account",
    "network_security_groups": "network_security_group",
    "firewall_public_ip": "public_ip",
    "firewall_management_public_ip": "public_ip",
    "application_gateway_public_ip": "public_ip",
    "application_gateway_identity": "identity",
    "front_door_identity": "identity",
    "application_gateway_waf_policy": "gateway_waf_policy",
    "apps": "app",
    "identities": "identity",
    "accounts": "account",
    "private_endpoints": "private_endpoint",
    "account_private_endpoints": "private_endpoint",
}


def every(made):
    """(kind, name) of all that one installation would make."""
    for field, value in asdict(made).items():
        if field == "subnets":
            continue
        for name in value.values() if isinstance(value, dict) else (value,):
            yield KINDS.get(field, field), name


@given(prefix=prefixes, name=names, region=regions, accounts=st.lists(accounts, unique=True, max_size=4))
def test_whatever_the_tenant_is_called_azure_takes_each_name_and_no_two_are_the_same(prefix, name, region, accounts):
    made = name_resources(
        **CONTOSO | {"prefix": prefix, "name": name, "region": region, "accounts": accounts},
    )
    pairs = list(every(made))
    assert [pair for pair in pairs if not NAME_RULES[pair[0]].allows(pair[1])] == []
    assert len(set(pairs)) == len(pairs)
    assert all(each.startswith(prefix) for _, each in pairs)


def test_names_are_what_they_were_in_the_first_release():
    # What is installed is found again by these: a change here renames every customer's resources.
    made = name_resources(**CONTOSO)
    assert made.resource_group == "aduana-contoso-prod-uksouth"
    assert made.virtual_network == "aduana-contoso-prod-vnet"
    assert made.apps == {
        "proxy": "aduana-contoso-prod-proxy",
        "writer": "aduana-contoso-prod-writer",
        "admin": "aduana-contoso-prod-admin",
    }
    assert made.key_vault == "aduana-contoso-kv-hhgaw3"
    assert made.postgres == "aduana-contoso-prod-psql-hhgaw3"
    assert made.storage_account == "aduanacontosoprosthhgaw3"
    assert made.accounts == {"uks": "aduana-contoso-prod-uks-oai-5vchrl", "swc": "aduana-contoso-prod-swc-oai-fj6ouc"}
    assert made.state_storage_account == "aduanastatestmtl6c6"
    assert made.subnets["firewall"] == "AzureFirewallSubnet"
    # Cut where a hyphen is.
    assert re.fullmatch(r"aduana-contos-kv-[a-z2-7]{6}", name_resources(**CONTOSO | {"name": "contos-prod"}).key_vault)


@pytest.mark.parametrize(
    "other",
    [{"subscription_id": SUBSCRIPTION.replace("1", "2")}, {"region": "swedencentral"}, {"name": "contoso-test"}],
)
def test_what_must_be_alone_in_the_world_differs_between_installations(other):
    one, two = name_resources(**CONTOSO), name_resources(**CONTOSO | other)
    alone = [kind for kind, rule in NAME_RULES.items() if rule.in_the_world]
    assert {n for k, n in every(one) if k in alone}.isdisjoint(
        n for k, n in every(two) if k in alone and n != two.state_storage_account
    )


def test_installations_of_one_prefix_subscription_and_region_share_the_account_for_their_states():
    other = name_resources(**CONTOSO | {"name": "contoso-test"})
    assert other.state_storage_account == name_resources(**CONTOSO).state_storage_account
    assert other.state_resource_group == "aduana-state-uksouth"


def test_the_letters_of_a_subscription_id_may_be_large_or_small():
    upper = "ABCDEF00-0000-4000-8000-000000000001"
    assert name_resources(**CONTOSO | {"subscription_id": upper}) == name_resources(
        **CONTOSO | {"subscription_id": upper.lower()}
    )


@pytest.mark.parametrize(
    ("prefix", "name", "word"),
    [
        ("aduana", "contoso", None),
        ("aduana", "login", None),
        ("login", "x1", "login"),
        ("a1", "micro-soft", "microsoft"),
        ("win", "dows-10", "windows"),
    ],
)
def test_words_that_azure_keeps_for_itself_are_found_across_hyphens(prefix, name, word):
    said = reserved_word(prefix, name)
    assert (said is None) if word is None else re.search(word, said)
