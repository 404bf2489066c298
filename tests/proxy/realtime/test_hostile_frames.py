"""Frames that mean harm: each is answered or ends its own session, and the proxy serves on."""

import json
import socket as sockets
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from tests.proxy.realtime.sessions import CREATE, IN_TEXT, Estate, said, told


def still_serves(held: Estate) -> None:
    with held.socket() as socket:
        told(socket, IN_TEXT, last="session.updated")
        assert told(socket, said("write 2 tokens"), CREATE)[-1]["type"] == "response.done"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("not json", "invalid_json"),
        ("[]", "invalid_json"),
        ("{}", "unknown_event"),
        ('{"type": 7}', "unknown_event"),
        (b"\x00\xff\xfe", "invalid_json"),
        ("[" * 100_000, "invalid_json"),
        ('{"type": "session.update", "session": {"tools": ' + "[" * 50_000 + "]" * 50_000 + "}}", "invalid_json"),
    ],
)
def test_what_is_no_event_is_answered_and_goes_no_further(held: Estate, frame: Any, code: str) -> None:
    with held.socket() as socket:
        told(socket, last="session.created")
        socket.send(frame)
        assert json.loads(socket.recv(timeout=60))["error"]["code"] == code
        assert told(socket, IN_TEXT, last="session.updated")[-1]["type"] == "session.updated"


def test_of_a_key_that_stands_twice_one_goes_on(held: Estate) -> None:
    with held.socket() as socket:
        told(socket, last="session.created")
        socket.send(
            '{"type": "session.steal", "type": "session.update", "session": {"instructions": "a", "instructions": "b"}}'
        )
        assert json.loads(socket.recv(timeout=60))["session"]["instructions"] == "b"


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([Frame(Opcode.TEXT, b'"' + b"x" * (16 * 1024 * 1024))], 1009),
        ([Frame(Opcode.TEXT, b"\xff\xfe")], 1007),
        ([Frame(Opcode.TEXT, b"", fin=False)] + [Frame(Opcode.CONT, b"", fin=False)] * 5_000, 1009),
    ],
    ids=["huge", "no UTF-8", "fragments without end"],
)
def test_frames_beyond_the_bounds_end_their_session(held: Estate, frames: list[Frame], code: int) -> None:
    with held.socket() as socket:
        told(socket, last="session.created")
        with pytest.raises(ConnectionClosed) as closed:
            try:
                for frame in frames:
                    socket.socket.sendall(frame.serialize(mask=True))
            except OSError:
                pass
            socket.recv(timeout=60)
    if closed.value.rcvd is not None:
        assert closed.value.rcvd.code == code
    still_serves(held)


def test_a_flood_waits_for_its_own_answers(held: Estate) -> None:
    with held.socket() as socket:
        told(socket, last="session.created")
        socket.socket.settimeout(0.5)
        sent = 0
        try:
            for _ in range(200_000):
                socket.socket.sendall(Frame(Opcode.TEXT, b"{}").serialize(mask=True) * 100)
                sent += 100
        except (TimeoutError, OSError):
            pass
        assert sent < 20_000_000
        still_serves(held)


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v1/realtime HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\ncontent-length: 0\r\n\r\n",
        b"GET /v1/realtime HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        b"GET /v1/realtime HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-key: x\r\nsec-websocket-version: 7\r\n\r\n",
    ],
)
def test_a_handshake_that_is_none_is_a_client_error(held: Estate, head: bytes) -> None:
    with sockets.create_connection(("127.0.0.1", held.stack.port), timeout=30) as raw:
        raw.sendall(head)
        assert raw.recv(4096).startswith((b"HTTP/1.1 4", b""))
    still_serves(held)
