"""The provider's side of a session: who is asked, as whom, and what it does of its own accord."""

import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from deployer.local.ports import free_port
from tests.proxy.realtime.sessions import CREATE, IN_TEXT, MODEL, Estate, request_id, said, told
from tests.proxy.realtime.test_door import refused
from tests.proxy.stack import Stack
from tests.simulators.fixtures import Simulator

NewStack = Callable[..., Stack]
USAGE = {
    "total_tokens": 30,
    "input_tokens": 20,
    "output_tokens": 10,
    "input_token_details": {"text_tokens": 20, "audio_tokens": 0, "cached_tokens": 0},
    "output_token_details": {"text_tokens": 10, "audio_tokens": 0},
}


class Provider:
    """A provider that follows a script: it speaks first, as one does that hears a pause."""

    def __init__(self, turns: int, *, tells_credential: bool = False) -> None:
        self.turns = turns
        self.tells_credential = tells_credential
        self.headers: dict[str, str] = {}
        self.path = ""
        self.heard: list[dict[str, Any]] = []

    def __call__(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.headers = {name.lower(): value for name, value in connection.request.headers.raw_items()}
        self.path = connection.request.path
        connection.send(json.dumps({"type": "session.created", "session": {"id": "sess_1"}}))
        if self.tells_credential:
            problem = {"message": f"Incorrect API key provided: {self.headers['authorization']}"}
            connection.send(json.dumps({"type": "error", "error": problem}))
        for turn in range(self.turns):
            response: dict[str, Any] = {"id": f"resp_{turn}", "status": "in_progress"}
            connection.send(json.dumps({"type": "response.created", "response": response}))
            done = {**response, "status": "completed", "usage": USAGE}
            connection.send(json.dumps({"type": "response.done", "response": done}))
        try:
            for message in connection:
                self.heard.append(json.loads(message))
        except ConnectionClosed:
            pass


@contextmanager
def served(provider: Provider, context: ssl.SSLContext | None = None) -> Iterator[int]:
    with serve(provider, "127.0.0.1", 0, ssl=context) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.socket.getsockname()[1]


def test_it_is_asked_as_the_upstream_says_over_tls_that_a_private_authority_vouches_for(
    new_stack: NewStack, fresh_simulator: Simulator, tmp_path: Path
) -> None:
    authority, provider = trustme.CA(), Provider(turns=1)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    estate = Estate(new_stack(ca_bundle=str(bundle)), fresh_simulator)
    estate.stack.environment["PROVIDER_KEY"] = "sk-the-provider-s"
    with served(provider, context) as port:
        estate.start(upstream={"endpoint": f"https://127.0.0.1:{port}", "auth": {"secret_ref": "env:PROVIDER_KEY"}})
        with estate.socket(origin="https://example.com", cookie="a=b") as socket:
            told(socket)

    assert provider.headers["authorization"] == "Bearer sk-the-provider-s"
    assert not {"cookie", "origin", "api-key", "x-stainless-lang"} & provider.headers.keys()
    assert estate.stack.key not in json.dumps([provider.headers, provider.path])
    assert provider.path == f"/v1/realtime?model={MODEL}"


class Egress(socketserver.ThreadingTCPServer):
    """An HTTP proxy that joins every tunnel to one port."""

    daemon_threads = True

    def __init__(self, to_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.to_port = to_port
        self.asked: list[str] = []


class _Tunnel(socketserver.StreamRequestHandler):
    server: Egress

    def handle(self) -> None:
        self.server.asked.append(self.rfile.readline().decode().strip())
        while self.rfile.readline().strip():
            pass
        with socket.create_connection(("127.0.0.1", self.server.to_port)) as there:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            threading.Thread(target=_pump, args=(there, self.connection), daemon=True).start()
            _pump(self.connection, there)


def _pump(source: socket.socket, to: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)


def test_a_session_goes_out_through_the_egress_proxy(
    new_stack: NewStack, fresh_simulator: Simulator, tmp_path: Path
) -> None:
    authority, provider = trustme.CA(), Provider(turns=1)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("model.example").configure_cert(context)
    estate = Estate(new_stack(ca_bundle=str(bundle)), fresh_simulator)
    with served(provider, context) as port, Egress(port) as egress:
        threading.Thread(target=egress.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{egress.server_address[1]}"
        estate.stack.environment |= {"HTTPS_PROXY": address, "https_proxy": address, "NO_PROXY": "", "no_proxy": ""}
        estate.start(upstream={"endpoint": "https://model.example"})
        with estate.socket() as opened:
            told(opened)
        egress.shutdown()

    assert egress.asked == ["CONNECT model.example:443 HTTP/1.1"]
    assert provider.headers["host"] == "model.example"
    (share,) = estate.shares(estate.session_row(request_id(opened))["id"], 1)
    assert (share["input_tokens"], share["output_tokens"]) == (20, 10)


def test_its_errors_never_hold_the_gateways_credential(new_stack: NewStack, fresh_simulator: Simulator) -> None:
    provider, estate = Provider(turns=0, tells_credential=True), Estate(new_stack(), fresh_simulator)
    estate.stack.environment["PROVIDER_KEY"] = "sk-the-provider-s"
    with served(provider) as port:
        estate.start(upstream={"endpoint": f"http://127.0.0.1:{port}", "auth": {"secret_ref": "env:PROVIDER_KEY"}})
        with estate.socket() as socket:
            error = told(socket, last="error")[-1]["error"]

    assert error["message"] == "Incorrect API key provided: Bearer [redacted]"


def test_a_certificate_that_nobody_vouches_for_is_refused(new_stack: NewStack, fresh_simulator: Simulator) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    estate = Estate(new_stack(), fresh_simulator)
    provider = Provider(turns=0)
    with served(provider, context) as port:
        estate.start(upstream={"endpoint": f"https://127.0.0.1:{port}"})
        status, error = refused(estate)
    assert (status, error["code"]) == (502, "upstream_tls_failed")
    assert not provider.headers


def test_a_turn_that_the_provider_begins_by_itself_is_metered(new_stack: NewStack, fresh_simulator: Simulator) -> None:
    provider, estate = Provider(turns=2), Estate(new_stack(), fresh_simulator)
    with served(provider) as port:
        estate.start(upstream={"endpoint": f"http://127.0.0.1:{port}"})
        with estate.socket() as socket:
            told(socket)
            told(socket)

    shares = estate.shares(estate.session_row(request_id(socket))["id"], 2)
    assert [(share["input_tokens"], share["output_tokens"]) for share in shares] == [(20, 10)] * 2
    assert {share["usage_source"] for share in shares} == {"reported"}


def test_a_turn_beyond_a_limit_is_cancelled_and_what_it_used_is_billed(
    new_stack: NewStack, fresh_simulator: Simulator
) -> None:
    provider, estate = Provider(turns=3), Estate(new_stack(), fresh_simulator)
    with served(provider) as port:
        estate.start(upstream={"endpoint": f"http://127.0.0.1:{port}"}, requests_per_minute=3)
        with estate.socket() as socket:
            told(socket)
            told(socket)
            error = told(socket, last="error")[-1]
            told(socket)

    assert error["error"]["code"] == "rate_limit_exceeded"
    assert [(event["type"], event["response_id"]) for event in provider.heard] == [("response.cancel", "resp_2")]
    assert len(estate.shares(estate.session_row(request_id(socket))["id"], 3)) == 3


@pytest.mark.parametrize("upstream", [{}, {"provider": "azure_openai"}])
def test_the_next_target_is_asked_where_one_does_not_open_a_session(
    new_stack: NewStack, fresh_simulator: Simulator, upstream: dict[str, Any]
) -> None:
    estate = Estate(new_stack(), fresh_simulator)
    estate.start(upstream=upstream, gone=f"http://127.0.0.1:{free_port()}")
    with estate.socket() as socket:
        told(socket, IN_TEXT, last="session.updated")
        told(socket, said("write 2 tokens"), CREATE)

    row = estate.session_row(request_id(socket))
    assert [(each["upstream"], each["status"], each["error_code"]) for each in estate.stack.attempts(row)] == [
        ("gone", None, "upstream_connect_failed"),
        ("sim", 101, None),
    ]
    assert row["upstream"] == "sim"


def test_a_dated_upstream_is_asked_by_deployment_in_its_own_dialect(
    new_stack: NewStack, fresh_simulator: Simulator
) -> None:
    estate = Estate(new_stack(), fresh_simulator)
    estate.start(upstream={"provider": "azure_openai", "api_version": "2025-04-01-preview"}, max_output_tokens=4)
    with estate.socket() as socket:
        session = told(socket, last="session.updated")[-1]["session"]

    assert session["max_response_output_tokens"] == 4
    (seen,) = estate.simulator.requests()
    assert seen["path"] == "/openai/realtime"
    assert f"deployment={MODEL}" in seen["query"]


def test_objects_of_another_app_are_not_there_within_a_session(new_stack: NewStack, fresh_simulator: Simulator) -> None:
    estate = Estate(new_stack(), fresh_simulator)
    estate.start()
    with estate.sdk() as client:
        mine = client.files.create(file=b"x", purpose="vision").id
        others = client.with_options(api_key=estate.other_key).files.create(file=b"x", purpose="vision").id

    def shown(id: str) -> dict[str, Any]:
        part = {"type": "input_image", "file_id": id}
        return {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [part]}}

    with estate.socket() as socket:
        told(socket, last="session.created")
        assert told(socket, shown(others), last="error")[-1]["error"]["code"] == "object_not_found"
        # The same id in the place of a session's own does not hide it.
        hidden = [*shown(others)["item"]["content"], {"type": "item_reference", "id": others, "response_id": others}]
        asked = {"type": "response.create", "response": {"conversation": "none", "input": hidden}}
        assert told(socket, asked, last="error")[-1]["error"]["code"] == "object_not_found"
        own = {
            "conversation": "none",
            "output_modalities": ["text"],
            "input": [{"type": "item_reference", "id": "item_1"}],
        }
        assert told(socket, {"type": "response.create", "response": own})[-1]["type"] == "response.done"
        assert told(socket, shown(mine), last="conversation.item.done")[-1]["type"] == "conversation.item.done"

    assert others not in json.dumps(estate.simulator.requests()[-1]["body"])
