"""The Valkey launcher."""

from collections.abc import Callable

import pytest
import redis

from deployer.local.valkey import ValkeyServer


def test_a_killed_server_starts_again_on_its_port_and_has_forgotten_everything(valkey: ValkeyServer) -> None:
    client = redis.Redis.from_url(valkey.url)
    client.set("kept", "1")
    valkey.kill()
    valkey.start()
    assert client.get("kept") is None
    client.close()


def test_it_refuses_writes_when_full_and_evicts_nothing(start_valkey: Callable[..., ValkeyServer]) -> None:
    server = start_valkey(max_memory=4 * 1024 * 1024)
    with redis.Redis.from_url(server.url) as client:
        client.set("first", "1")
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            for number in range(100):
                client.set(f"large-{number}", b"x" * 1024 * 1024)
        assert client.get("first") == b"1"


def test_it_asks_for_the_password_which_is_in_no_process_list(valkey: ValkeyServer) -> None:
    with redis.Redis(port=valkey.port) as stranger, pytest.raises(redis.exceptions.AuthenticationError):
        stranger.ping()
    assert valkey.password not in " ".join(valkey.command)
    assert valkey.configuration.stat().st_mode & 0o777 == 0o600


def test_it_listens_on_the_loopback_alone(valkey: ValkeyServer) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        assert client.config_get("bind")["bind"] == "127.0.0.1"
