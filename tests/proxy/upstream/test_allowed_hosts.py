"""What an upstream client does not call, whatever a name says and whatever it resolves to."""

import asyncio
import json
import os
import socket

import pytest

from core.egress import AllowedHosts
from proxy.errors import upstream_failed
from proxy.upstream import ClientOptions, Origin, UpstreamClient, UpstreamError
from proxy.upstream.errors import EgressRefused
from tests.proxy.stack import seed_text


class Nothing:
    """A server that counts who connects."""

    def __init__(self) -> None:
        self.connected = 0

    async def __aenter__(self) -> "Nothing":
        def connect(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connected += 1
            writer.close()

        self._server = await asyncio.start_server(connect, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """From here on every name has these addresses."""

    async def getaddrinfo(host: str, port: int, **_: object) -> list:
        given = (host,) if host in addresses else addresses  # uvloop resolves what it is to connect to, too
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (each, port, 0, 0))
            if ":" in each
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port))
            for each in given
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


async def call(url: str, **options: object) -> None:
    client = UpstreamClient(ClientOptions(connect_timeout=2.0, **options))
    try:
        await client.send(Origin.parse(url), method=b"GET", target=b"/")
    finally:
        await client.close()


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "168.63.129.16", "fe80::1", "::ffff:169.254.169.254", "0.0.0.0", "ff02::1", "224.0.0.1"],
)
async def test_a_name_that_resolves_to_a_metadata_address_is_not_called(monkeypatch, caplog, address):
    resolving(monkeypatch, address)
    with pytest.raises(EgressRefused) as refused:
        await call("http://aoai.internal", allowed_hosts=AllowedHosts(("aoai.internal",)))
    assert refused.value.code == "egress_refused" and not refused.value.may_have_been_processed
    assert "aoai.internal" in refused.value.message and address in refused.value.message
    assert "aoai.internal is" in caplog.text


async def test_a_name_that_is_bound_anew_between_two_calls_is_judged_at_each(monkeypatch):
    async with Nothing() as server:
        resolving(monkeypatch, "127.0.0.1")
        with pytest.raises(UpstreamError) as hung_up:
            await call(f"http://aoai.internal:{server.port}")
        assert not isinstance(hung_up.value, EgressRefused) and server.connected == 1
        resolving(monkeypatch, "169.254.169.254")
        with pytest.raises(EgressRefused):
            await call(f"http://aoai.internal:{server.port}")


async def test_of_several_addresses_those_that_may_be_are_called(monkeypatch):
    async with Nothing() as server:
        resolving(monkeypatch, "169.254.169.254", "fe80::1", "127.0.0.1")
        with pytest.raises(UpstreamError) as hung_up:
            await call(f"http://aoai.internal:{server.port}")
        assert not isinstance(hung_up.value, EgressRefused) and server.connected == 1


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::ffff:127.0.0.1]",
        "127.0.0.1.",
        "evil.example",
    ],
)
async def test_what_is_not_on_the_list_is_not_even_resolved(host):
    async with Nothing() as server:
        try:
            with pytest.raises(EgressRefused):
                await call(f"http://{host}:{server.port}", allowed_hosts=AllowedHosts(("*.openai.azure.com",)))
        except ValueError:
            assert host.endswith(".")  # no address of an upstream's
        assert server.connected == 0


async def test_through_an_egress_proxy_the_name_is_checked():
    async with Nothing() as proxy:
        environment = {"HTTP_PROXY": f"http://127.0.0.1:{proxy.port}"}
        only = AllowedHosts(("*.openai.azure.com",))
        for host in ("evil.example", "169.254.169.254", "metadata.google.internal"):
            with pytest.raises(EgressRefused):
                await call(f"http://{host}", environment=environment, allowed_hosts=only)
        assert proxy.connected == 0
        with pytest.raises(UpstreamError) as hung_up:
            await call("http://a.openai.azure.com", environment=environment, allowed_hosts=only)
        assert not isinstance(hung_up.value, EgressRefused) and proxy.connected == 1


def test_the_answer_says_that_it_is_the_installations_choice():
    answer = upstream_failed("egress_refused")
    assert (answer.status, answer.code, answer.should_retry) == (502, "egress_refused", False)
    assert "installation's list" in answer.message


# A proxy whose network's DNS says of one name what it should not.
LYING_DNS = """
import socket
import uvloop


class Loop(uvloop.Loop):
    async def getaddrinfo(self, host, port, **options):
        if host == "aoai.internal":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", port))]
        return await super().getaddrinfo(host, port, **options)


uvloop.Loop = Loop
"""


def test_an_attempt_that_the_allow_list_stops_is_in_the_ledger_and_the_next_target_serves(
    new_stack, fresh_simulator, tmp_path
):
    stack = new_stack()
    seed = json.loads(seed_text(fresh_simulator.url))
    seed["upstreams"].append({**seed["upstreams"][0], "name": "bound-anew", "endpoint": "http://aoai.internal"})
    for route in seed["routes"]:
        route["targets"] = [
            {"upstream": "bound-anew", "deployment": "x", "priority": 0},
            *({**target, "priority": 1} for target in route["targets"]),
        ]
    stack.seed(json.dumps(seed))
    (tmp_path / "sitecustomize.py").write_text(LYING_DNS)
    path = os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))
    stack.start_proxy(PYTHONPATH=path, ADUANA_EGRESS_HOSTS="aoai.internal, 127.0.0.1")
    stack.start_writer()
    with stack.http() as http:
        asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "write 2 tokens"}]}
        answer = http.post("/v1/chat/completions", json=asked)
    assert answer.status_code == 200, answer.text
    attempts = stack.attempts(stack.row(answer.headers["x-request-id"]))
    assert [(each["upstream"], each["status"], each["error_code"]) for each in attempts] == [
        ("bound-anew", None, "egress_refused"),
        ("sim", 200, None),
    ]
