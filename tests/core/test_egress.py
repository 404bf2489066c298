"""Where upstreams may be: the list, and what no list lets in, in every spelling."""

import ipaddress

import pytest

from core.egress import ANYWHERE, AllowedHosts, address_problem

LIST = AllowedHosts.parse("*.openai.azure.com, api.openai.com ,10.1.2.3, [fd12::5]")


@pytest.mark.parametrize(
    "host",
    [
        "api.openai.com",
        "API.OpenAI.com",
        "api.openai.com.",
        "a.openai.azure.com",
        "a.b.openai.azure.com",
        "10.1.2.3",
        "fd12::5",
    ],
)
def test_what_is_on_the_list_may_be_called(host):
    assert LIST.problem(host) is None


@pytest.mark.parametrize(
    "host",
    [
        "openai.com",
        "xapi.openai.com",
        "api.openai.com.evil.example",
        "openai.azure.com",  # a pattern stands for what is below it
        "xopenai.azure.com",
        "evil.example",
        "10.1.2.4",
        "fd12::6",
        "localhost",
        "127.0.0.1",
    ],
)
def test_what_is_not_on_the_list_may_not_be_called(host):
    assert "ADUANA_EGRESS_HOSTS" in LIST.problem(host)
    assert ANYWHERE.problem(host) is None


NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fe80::a9fe:a9fe%eth0",
    "febf::1",
    "ff02::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::ffff:168.63.129.16",
    "0:0:0:0:0:ffff:a9fe:a9fe",
    "::169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::1",  # Teredo: the server
    "2001:0:1:2:3:4:5601:5601",  # and the client, its bits turned over
]


@pytest.mark.parametrize("address", NEVER)
def test_no_upstream_is_at_a_metadata_link_local_or_multicast_address(address):
    assert address_problem(address) is not None
    assert ANYWHERE.problem(address) is not None
    assert AllowedHosts((address.partition("%")[0],)).problem(address) is not None  # the list cannot let it in


@pytest.mark.parametrize(
    "host",
    [
        "2852039166",  # 169.254.169.254
        "0xa9fea9fe",
        "0xA9.0xFE.0xA9.0xFE",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.16689662",
        "0251.254.169.254",
        "2130706433",  # 127.0.0.1
        "127.1",
        "0",
        "0x",
        "10.0x1.2.3",
        "010.1.2.3",
    ],
)
def test_an_address_in_an_odd_spelling_is_never_called(host):
    assert "odd spelling" in ANYWHERE.problem(host)
    assert "odd spelling" in ANYWHERE.problem(f"{host}.")


@pytest.mark.parametrize("host", ["metadata.google.internal", "METADATA.google.internal.", "metadata.azure.internal"])
def test_a_metadata_service_is_known_by_name(host):
    assert "metadata" in ANYWHERE.problem(host)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "10.0.0.4",
        "192.168.1.1",
        "100.64.0.1",
        "20.1.2.3",
        "fd12::5",
        "2603:1030::1",
        "::ffff:10.0.0.4",
    ],
)
def test_other_addresses_may_be_called(address):
    assert address_problem(ipaddress.ip_address(address)) is None


@pytest.mark.parametrize(
    "pattern",
    [
        "https://api.openai.com",
        "*",
        "*.",
        "a.*.com",
        "api.openai.com/v1",
        "a b",
        "2852039166",
        "a..b",
        "10.0.0.0/8",
    ],
)
def test_what_is_no_host_pattern_is_said_so(pattern):
    with pytest.raises(ValueError, match="host pattern"):
        AllowedHosts.parse(f"api.openai.com,{pattern}")


def test_an_empty_list_is_none():
    assert AllowedHosts.parse(" , ") == ANYWHERE
