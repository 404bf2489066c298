"""Large bodies pass by in both directions: none is held, and what goes wrong in the middle of one is told."""

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployer.local.valkey import ValkeyServer
from tests.conftest import open_database
from tests.proxy.stack import Stack, eventually, seed_text
from tests.proxy.surface.sink import Sink, sink

MIB = 1024 * 1024
MOST = 16 * MIB  # of resident memory that one body may add
BODY_TIMEOUT = 1  # seconds
_BOUNDARY = "----large"
_BEGINNING = (
    f'--{_BOUNDARY}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
    f'--{_BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
).encode()
_END = f"\r\n--{_BOUNDARY}--\r\n".encode()

SIZES = [64 * MIB, pytest.param(512 * MIB, marks=pytest.mark.full)]


@pytest.fixture(scope="module")
def provider(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Sink]]:
    """A proxy in front of a provider that holds nothing."""
    valkey = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    valkey.start()
    with open_database(postgres) as url, sink() as state:
        stack = Stack(tmp_path_factory.mktemp("large"), url, valkey.url, body_timeout=str(BODY_TIMEOUT))
        try:
            stack.seed(seed_text(state.url, provider="openai"))
            stack.start_proxy()
            stack.start_writer()
            yield stack, state
        finally:
            stack.close()
            valkey.kill()


@pytest.fixture
def large(provider: tuple[Stack, Sink]) -> Iterator[tuple[Stack, Sink]]:
    _, state = provider
    state.refuse_after = state.pause_after = None
    state.received = 0
    state.hung_up.clear()
    yield provider


def begin(stack: Stack, size: int) -> http.client.HTTPConnection:
    """The head and the beginning of an upload."""
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=120)
    connection.putrequest("POST", "/v1/files")
    connection.putheader("authorization", f"Bearer {stack.key}")
    connection.putheader("content-type", f"multipart/form-data; boundary={_BOUNDARY}")
    connection.putheader("content-length", str(len(_BEGINNING) + size + len(_END)))
    connection.endheaders()
    connection.send(_BEGINNING)
    return connection


def upload(stack: Stack, size: int, each: Callable[[], Any] = lambda: None) -> tuple[int, dict[str, Any]]:
    connection = begin(stack, size)
    for _ in range(size // MIB):
        try:
            connection.send(bytes(MIB))
        except OSError:
            break  # it was refused: the answer is there
        each()
    else:
        connection.send(_END)
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    return answer.status, told


class Memory:
    """How much the proxy's resident memory grew at its highest."""

    def __init__(self, stack: Stack) -> None:
        self._directory = Path(f"/proc/{stack.proxies['proxy-0'].pid}")
        (self._directory / "clear_refs").write_text("5")  # the peak begins anew
        self._before = self._read("VmRSS")

    def grown(self) -> int:
        return self._read("VmHWM") - self._before

    def _read(self, name: str) -> int:
        (line,) = (line for line in (self._directory / "status").read_text().splitlines() if line.startswith(name))
        return int(line.split()[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is read as Linux tells it")
@pytest.mark.parametrize("size", SIZES)
def test_an_upload_is_not_held_in_memory(large: tuple[Stack, Sink], size: int) -> None:
    stack, state = large
    upload(stack, MIB)  # what is there but once is there
    memory = Memory(stack)
    assert upload(stack, size)[0] == 200
    assert state.received >= size
    assert memory.grown() <= MOST


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is read as Linux tells it")
@pytest.mark.parametrize("size", SIZES)
def test_a_download_is_not_held_in_memory(large: tuple[Stack, Sink], size: int) -> None:
    stack, state = large
    upload(stack, MIB)
    state.download = size
    memory = Memory(stack)
    received = 0
    with stack.http() as http, http.stream("GET", "/v1/files/file-large/content") as answer:
        assert answer.status_code == 200
        for piece in answer.iter_bytes():
            received += len(piece)
    assert received == size
    assert memory.grown() <= MOST


def test_an_upload_that_the_upstream_takes_slowly_is_not_the_callers_fault(large: tuple[Stack, Sink]) -> None:
    stack, state = large
    state.pause_after, state.pause = MIB, 3.0 * BODY_TIMEOUT
    assert upload(stack, 32 * MIB)[0] == 200
    assert state.received >= 32 * MIB


def test_a_hang_up_in_the_middle_closes_the_upstreams_request(large: tuple[Stack, Sink]) -> None:
    stack, state = large
    connection = begin(stack, 64 * MIB)
    connection.send(bytes(4 * MIB))
    eventually("the upstream has a part of it", lambda: state.received > MIB)
    connection.close()
    assert state.hung_up.wait(10)


def test_a_caller_who_stops_in_the_middle_is_told_and_the_upstream_let_go(large: tuple[Stack, Sink]) -> None:
    stack, state = large
    connection = begin(stack, 64 * MIB)
    connection.send(bytes(4 * MIB))
    answer = connection.getresponse()  # nothing more is sent
    assert (answer.status, json.loads(answer.read())["error"]["code"]) == (408, "request_timeout")
    assert state.hung_up.wait(10)


def test_what_an_upstream_refuses_early_reaches_the_caller(large: tuple[Stack, Sink]) -> None:
    stack, state = large
    state.refuse_after = 2 * MIB
    status, told = upload(stack, 64 * MIB)
    assert (status, told["error"]["code"]) == (413, "too_large")
