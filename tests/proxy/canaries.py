"""Values that must never be written anywhere, and a look for them in whatever was, also as base64, hex or percent-encoded."""

import base64
import json
import secrets
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import redis


def canary(name: str) -> str:
    """A value that is unlike any other, with characters that are spelt differently in JSON and URLs."""
    return f"canary-{name}/{secrets.token_hex(12)}+="


class Canaries:
    """What was planted."""

    def __init__(self) -> None:
        self._forms: dict[bytes, str] = {}

    def plant(self, name: str, value: str | bytes) -> None:
        raw = value.encode() if isinstance(value, str) else value
        for form in forms(raw):
            self._forms[form] = name

    def found(self, data: bytes) -> set[str]:
        """The names of those in it."""
        lower = data.lower()
        return {
            name for form, name in self._forms.items() if form in data or (form.isalnum() and form.lower() in lower)
        }


def forms(raw: bytes) -> Iterator[bytes]:
    """A value as it may stand in other text."""
    yield raw
    yield raw.hex().encode()
    yield base64.b32encode(raw).rstrip(b"=")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = ""
    if text:
        yield json.dumps(text)[1:-1].encode()
        yield text.replace("/", "\\/").encode()
        yield quote(text, safe="").encode()
        yield quote(text).encode()
        yield text.encode("utf-16-le")
    for shift in range(3):  # base64 within a longer text: where it begins decides how it looks
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            whole = encode(b"\0" * shift + raw)
            yield whole[(0, 2, 3)[shift] : (len(raw) + shift) // 3 * 4]


def of_postgres(database_url: str) -> Iterator[tuple[str, bytes]]:
    """Every row of every table, as text (bytes as hex), and what binary columns hold."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT LIKE 'pg\\_%'"
        ).fetchall()
        for (table,) in tables:
            for row in connection.execute(f"SELECT t::text FROM {table} AS t").fetchall():
                yield f"Postgres {table}", row[0].encode()
            for row in connection.execute(f"SELECT * FROM {table}").fetchall():
                for value in row:
                    if isinstance(value, bytes):
                        yield f"Postgres {table}", value


def of_redis(url: str) -> Iterator[tuple[str, bytes]]:
    """Every key and all that it holds."""
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(count=1000):
            kind = client.type(key).decode()
            held: Any = {
                "string": lambda key=key: client.get(key),
                "hash": lambda key=key: client.hgetall(key),
                "list": lambda key=key: client.lrange(key, 0, -1),
                "set": lambda key=key: client.smembers(key),
                "zset": lambda key=key: client.zrange(key, 0, -1, withscores=True),
                "stream": lambda key=key: client.xrange(key),
            }[kind]()
            yield f"Redis {key!r}", key
            yield from ((f"Redis {key!r}", piece) for piece in _pieces(held))


def of_files(*folders: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield str(path.relative_to(folder)), path.read_bytes()


def _pieces(held: Any) -> Iterator[bytes]:
    if isinstance(held, bytes):
        yield held
    elif isinstance(held, dict):
        for key, value in held.items():
            yield from _pieces(key)
            yield from _pieces(value)
    elif isinstance(held, (list, tuple, set)):
        for each in held:
            yield from _pieces(each)


class EchoingProvider:
    """A provider that repeats the credential wherever an error of one could: the model's name says how.

    `status-N` answers so; `stream` breaks off in a stream; `reset` closes the connection.
    """

    def __init__(self) -> None:
        self.seen: list[str] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                sent = self.headers.get("api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")
                provider.seen.append(sent)
                kind, _, status = asked["model"].partition("-")
                if kind == "reset":
                    self.close_connection = True
                    return
                error = {"message": f"you sent {sent}, {quote(sent, safe='')}", "code": sent[-64:], "type": sent}
                if kind == "stream":
                    self._stream(error)
                else:
                    self._answer(int(status), error, sent)

            def _answer(self, status: int, error: dict[str, str], sent: str) -> None:
                body = json.dumps({"error": error, "debug": base64.b64encode(sent.encode()).decode()}).encode()
                self.send_response(status)
                for name, value in [
                    ("content-type", "application/json"),
                    ("content-length", str(len(body))),
                    ("x-request-id", sent),
                    ("x-debug", f"authorization: {sent}"),
                ]:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def _stream(self, error: dict[str, str]) -> None:
                chunk = {"choices": [{"index": 0, "delta": {"content": "hello"}}], "object": "chat.completion.chunk"}
                body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in (chunk, {"error": error}))
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
