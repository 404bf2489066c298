"""Where a client's keys are in a cluster, by what its nodes say."""

from uuid import UUID, uuid4

import pytest

from core.ledger.keys import StreamKeys
from core.redis import parse_redis_url
from core.redis.slots import read_slots, slot_of

HOME = parse_redis_url("rediss://contoso.uksouth.redis.azure.net:10000")


def test_a_clients_slot_is_the_one_that_redis_computes_of_each_of_its_keys(start_valkey):
    import redis

    with redis.Redis.from_url(start_valkey(settings=["cluster-enabled yes"]).url) as valkey:
        for client in (uuid4() for _ in range(50)):
            keys = StreamKeys(client)
            for key in (keys.log, keys.state, keys.spent):
                assert valkey.execute_command("CLUSTER", "KEYSLOT", key) == slot_of(client)


def test_a_node_that_is_announced_by_address_is_verified_by_the_configured_name():
    told = read_slots([[0, 8191, [b"10.0.0.5", 8501, b"id"]], [8192, 16383, [b"10.0.0.6", 8502, b"id"]]], HOME)
    assert [(each.node.host, each.node.port, each.node.server_name) for each in told.ranges] == [
        ("10.0.0.5", 8501, HOME.host),
        ("10.0.0.6", 8502, HOME.host),
    ]
    again = read_slots([[0, 16383, [b"10.0.0.7", 8503]]], told.ranges[0].node)
    assert again.ranges[0].node.server_name == HOME.host


def test_a_node_that_is_announced_by_name_is_verified_by_that_name():
    told = read_slots([[0, 16383, [b"node-1.example.net", 7000, b"id", [b"ip", b"10.0.0.5"]]]], HOME)
    assert told.ranges[0].node.server_name == "node-1.example.net"


@pytest.mark.parametrize("host", [None, b""])
def test_a_node_that_does_not_know_its_address_is_where_it_was_reached(host):
    assert read_slots([[0, 16383, [host, 10000]]], HOME).ranges[0].node == HOME


@pytest.mark.parametrize(
    "reply", [Exception("ERR This instance has cluster support disabled"), [], None, [[0, 5, [b"?", 1]]]]
)
def test_what_tells_of_no_slots_is_no_cluster(reply):
    assert read_slots(reply, HOME) is None


def test_a_slot_that_nobody_has_has_no_owner():
    told = read_slots([[0, 10, [b"h", 1]], [12, 16383, [b"h", 1]]], HOME)
    assert told.owner(11) is None and told.owner(12) is not None
    assert 0 <= slot_of(UUID(int=1)) < 16384
