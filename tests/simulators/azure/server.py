"""An HTTP(S) server in threads of its own, whose answers can be held back, replaced by an error, or broken off."""

import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Answer:
    """What goes back."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.status, self.body, self.headers = status, body, headers or {}


class SimulatedService:
    """One service. A subclass says what it answers to a GET, and to a form that is posted."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []  # path, query, in the order they came
        self.away = False  # connections are closed without an answer
        self.error: Answer | None = None  # answered in place of anything else
        self._open = threading.Event()
        self._open.set()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path, query = self._asked()
                self._answer(lambda: service.answer(path, query, dict(self.headers.items())))

            def do_POST(self) -> None:
                path, _ = self._asked()
                form = _first_values(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
                self._answer(lambda: service.answer_form(path, form))

            def _asked(self) -> tuple[str, dict[str, str]]:
                parts = urlsplit(self.path)
                query = _first_values(parts.query)
                service.requests.append((parts.path, query))
                return parts.path, query

            def _answer(self, think: Callable[[], Answer]) -> None:
                service._open.wait(30)
                if service.away:
                    self.close_connection = True
                    return
                answer = service.error or think()
                body = json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls is not None else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

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


def _first_values(encoded: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(encoded).items()}
