"""An HTTP(S) server in threads of its own, whose answers can be held back, replaced by an error, or broken off."""

import json
import ssl
import threading
import time
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


class Answer:
    """What goes back."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.status, self.body, self.headers = status, body, headers or {}


@dataclass(frozen=True, slots=True)
class Request:
    """What came: the path without its escapes, headers by their small names."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        """Its JSON, or None."""
        return json.loads(self.content) if self.content else None

    @property
    def form(self) -> dict[str, str]:
        return _first_values(self.content.decode())

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


class SimulatedService:
    """One service. A subclass says what it answers to a GET, and to a form that is posted; or to all that comes (`respond`)."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []  # path, query, in the order they came
        self.skew = 0.0  # seconds that its clock is ahead
        self.away = False  # connections are closed without an answer
        self.error: Answer | None = None  # answered in place of anything else
        self._open = threading.Event()
        self._open.set()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet: a second one would wait for the first one's acknowledgement
            disable_nagle_algorithm = True

            def _any(self) -> None:
                parts = urlsplit(self.path)
                query = _first_values(parts.query)
                content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                service.requests.append((parts.path, query))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, unquote(parts.path), query, headers, content)
                service._open.wait(30)
                if service.away:
                    self.close_connection = True
                    return
                answer = service.error or service.respond(request)
                body = answer.body if isinstance(answer.body, bytes) else _encoded(answer.body)
                self.send_response_only(answer.status)
                self.send_header("Date", formatdate(time.time() + service.skew, usegmt=True))
                for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _any

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls is not None else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def respond(self, request: Request) -> Answer:
        if request.method == "GET":
            return self.answer(request.path, request.query, request.headers)
        if request.method == "POST":
            return self.answer_form(request.path, request.form)
        return Answer(405, {"error": "method not allowed"})

    def answer(self, path: str, query: dict[str, str], headers: dict[str, str]) -> Answer:
        raise NotImplementedError

    def answer_form(self, path: str, form: dict[str, str]) -> Answer:
        return Answer(405, {"error": "method not allowed"})

    def hold(self) -> None:
        """From here on requests wait."""
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def close(self) -> None:
        self._open.set()
        self._server.shutdown()
        self._server.server_close()


def _encoded(body: Any) -> bytes:
    return b"" if body is None else json.dumps(body).encode()


def _first_values(encoded: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(encoded).items()}
