"""The address plan: derived where nothing is given, never moved by what comes later, refused where Azure would refuse it."""

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.addresses import RESERVED, RULES, AddressError, check_existing, plan_addresses

ALL = frozenset(RULES)

# Private spaces of /16 to /23, apart from what Azure keeps.
spaces = st.builds(
    lambda second, third, length: IPv4Network(
        (int(IPv4Network("10.0.0.0/8")[0]) + (second << 16) + (third << 8), length), False
    ),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(16, 23),
).map(str)
needs = st.sets(st.sampled_from(sorted(RULES))).map(lambda some: some | {"apps", "endpoints"})


def problems(*arguments, plan=plan_addresses, **named):
    with pytest.raises(AddressError) as caught:
        plan(*arguments, **named)
    return [(each.subnet, each.message) for each in caught.value.problems]


@given(space=spaces, needs=needs)
def test_derived_subnets_lie_in_the_space_apart_from_each_other_and_large_enough(space, needs):
    plan = plan_addresses(space, {}, needs)
    ranges = {name: IPv4Network(text) for name, text in plan.subnets.items()}
    assert set(ranges) == needs
    assert all(each.subnet_of(IPv4Network(space)) for each in ranges.values())
    assert all(ranges[name].prefixlen <= RULES[name].smallest for name in ranges)
    assert not any(ranges[one].overlaps(ranges[two]) for one in ranges for two in ranges if one < two)


@given(space=spaces, needs=needs, more=st.sampled_from(sorted(RULES)), larger=st.integers(16, 23))
def test_what_is_needed_later_and_a_larger_space_move_no_subnet_that_is_there(space, needs, more, larger):
    before = plan_addresses(space, {}, needs).subnets
    after = plan_addresses(space, {}, needs | {more}).subnets
    assert after.items() >= before.items()
    first = IPv4Network(space)[0]
    if larger <= IPv4Network(space).prefixlen and int(first) % 2 ** (32 - larger) == 0:
        assert plan_addresses(f"{first}/{larger}", {}, needs).subnets == before


def test_all_but_a_firewall_fits_into_the_smallest_network():
    fits = ALL - {"firewall", "firewall_management"}
    assert set(plan_addresses("10.1.2.0/24", {}, fits).subnets) == fits
    [(subnet, message)] = problems("10.1.2.0/24", {}, fits | {"firewall"})
    assert subnet is None
    assert message.startswith("address_space 10.1.2.0/24 has no place for the subnet firewall; give a larger one")


def test_a_range_that_is_given_is_kept_and_moves_no_other():
    derived = plan_addresses(None, {}, {"apps", "endpoints"}).subnets
    assert derived == {"apps": "10.80.0.0/25", "endpoints": "10.80.0.128/27"}
    given = plan_addresses(None, {"apps": "10.80.2.0/23"}, {"apps", "endpoints"}).subnets
    assert given == {"apps": "10.80.2.0/23", "endpoints": "10.80.0.128/27"}


@pytest.mark.parametrize(
    ("space", "given", "known", "subnet", "words"),
    [
        ("10.0.0.0/15", {}, (), None, "must be /16 to /24"),
        ("10.0.0.0/25", {}, (), None, "must be /16 to /24"),
        ("11.0.0.0/22", {}, (), None, "is not private"),
        ("172.32.0.0/22", {}, (), None, "is not private"),
        ("172.30.4.0/22", {}, (), None, "reserved by Container Apps' own Kubernetes"),
        ("172.31.0.0/16", {}, (), None, "reserved by Container Apps' own Kubernetes"),
        ("100.100.64.0/22", {}, (), None, "reserved by Container Apps with workload profiles"),
        (None, {"apps": "10.81.0.0/25"}, (), "apps", "does not lie in address_space 10.80.0.0/22"),
        (None, {"apps": "10.80.1.0/28"}, (), "apps", "Container Apps needs /27 or larger"),
        (None, {"apps": "10.80.0.0/24"}, (), "endpoints", "the subnets apps 10.80.0.0/24 and endpoints"),
        (None, {"gateway": "10.80.1.0/26"}, (), "gateway", "is not used by this installation"),
        (None, {}, ("10.0.0.0/8",), None, "overlaps 10.0.0.0/8, which known_ranges says is in use elsewhere"),
    ],
)
def test_what_azure_would_refuse_is_refused_and_said_where(space, given, known, subnet, words):
    found = problems(space, given, {"apps", "endpoints"}, known)
    assert len(found) == 1
    assert found[0][0] == subnet and words in found[0][1]


def test_a_subnet_has_room_for_what_is_to_be_in_it():
    [(subnet, message)] = problems(
        {"apps": "10.1.0.0/27", "endpoints": "10.1.1.0/28"},
        addresses={"apps": 28, "endpoints": 11},
        plan=check_existing,
    )
    assert subnet == "apps"
    assert "takes 28 addresses, and of its 32 Azure keeps 5" in message


def test_all_that_is_wrong_with_existing_subnets_is_told_at_once():
    found = problems({"apps": "172.30.0.0/27", "endpoints": "172.30.0.16/29"}, ("172.30.0.0/30",), plan=check_existing)
    assert [subnet for subnet, _ in found] == ["endpoints", "endpoints", "apps", "endpoints", "apps"]


def test_every_range_that_azure_keeps_is_refused_wherever_it_is_met():
    for reserved in RESERVED:
        inside = f"{IPv4Network(reserved)[0]}/{max(IPv4Network(reserved).prefixlen, 28)}"
        assert any(reserved in message for _, message in problems({"endpoints": inside}, plan=check_existing))
