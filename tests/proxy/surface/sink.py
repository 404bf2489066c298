"""A provider of one kind of answer, for bodies that are too large for a simulator: it holds nothing of them."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

FILE = json.dumps({"id": "file-large", "object": "file", "bytes": 0, "purpose": "assistants"}).encode()
_READ = 64 * 1024


@dataclass
class Sink:
    """What it does, and what came of it."""

    url: str = ""
    refuse_after: int | None = None  # bytes of a body after which it answers 413
    pause_after: int | None = None  # bytes of a body after which it reads nothing for `pause` seconds
    pause: float = 0.0
    download: int = 0  # bytes of what it answers to GET
    received: int = 0
    hung_up: threading.Event = field(default_factory=threading.Event)  # the other side went away in the middle


@contextmanager
def sink() -> Iterator[Sink]:
    listener = socket.create_server(("127.0.0.1", 0))
    state = Sink(f"http://127.0.0.1:{listener.getsockname()[1]}")

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_serve, args=(connection, state), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield state
    finally:
        listener.close()


def _serve(connection: socket.socket, state: Sink) -> None:
    with connection:
        head, body = _head(connection)
        if head.startswith(b"GET"):
            _send_download(connection, state)
            return
        chunked = b"transfer-encoding: chunked" in head.lower()
        length = 0 if chunked else int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        state.received = len(body)
        end = body[-5:]
        while not (end == b"0\r\n\r\n" if chunked else state.received >= length):
            if state.refuse_after is not None and state.received >= state.refuse_after:
                _answer(
                    connection, b"413 Payload Too Large", b'{"error": {"message": "Too large.", "code": "too_large"}}'
                )
                _linger(connection)
                return
            if state.pause_after is not None and state.received >= state.pause_after:
                time.sleep(state.pause)
                state.pause_after = None
            try:
                piece = connection.recv(_READ)
            except OSError:
                piece = b""
            if not piece:
                state.hung_up.set()
                return
            state.received += len(piece)
            end = (end + piece[-5:])[-5:]
        _answer(connection, b"200 OK", FILE)


def _linger(connection: socket.socket) -> None:
    """As servers do, so that a reset does not overtake the answer (RFC 9112 §9.6)."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(5)
    try:
        while connection.recv(_READ):
            pass
    except OSError:
        pass


def _head(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(_READ)
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _answer(connection: socket.socket, status: bytes, body: bytes) -> None:
    connection.sendall(
        b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
        % (status, len(body), body)
    )


def _send_download(connection: socket.socket, state: Sink) -> None:
    connection.sendall(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: %d\r\n\r\n" % state.download
    )
    left = state.download
    try:
        while left > 0:
            connection.sendall(bytes(min(left, _READ)))
            left -= _READ
    except OSError:
        state.hung_up.set()
