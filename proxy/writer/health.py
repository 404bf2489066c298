"""`/metrics`, `/livez` and `/readyz` of a writer, on a thread of their own. No figure here names a client."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from proxy.writer.drain import Totals

_STALE = 15.0  # seconds without Postgres or the source: not ready

_COUNTERS = (
    ("records", "Records committed"),
    ("calls", "Rows written"),
    ("corrected", "Estimates replaced by a late settlement"),
    ("ignored", "Settlements of calls that had their row already"),
    ("orphans", "Calls estimated because their proxy was lost"),
    ("rejected", "Records put aside in ledger_rejects"),
    ("missing", "Records lost before they reached a writer"),
    ("objects", "Objects whose owner was written down"),
    ("transactions", "Transactions committed"),
    ("gates", "Clients whose spent amounts were summed and whose calls were let in again"),
    ("alerts", "Budget alerts raised"),
)


class _Figures(Collector):
    def __init__(self, totals: Totals) -> None:
        self._totals = totals

    def collect(self) -> Iterator[Any]:
        for name, text in _COUNTERS:
            yield CounterMetricFamily(f"aduana_writer_{name}", text, value=getattr(self._totals, name))
        yield GaugeMetricFamily(
            "aduana_writer_lag_seconds", "From handing on to commit, of the last piece", value=self._totals.lag
        )


def not_ready(totals: Totals, now: float) -> list[str]:
    """What is missing, in words; empty when the writer works. `now`: monotonic."""
    missing = []
    if now - totals.reached_postgres_at > _STALE:
        missing.append("Postgres does not answer, or has no schema yet")
    if now - totals.reached_sources_at > _STALE:
        missing.append("Redis, or the spool, cannot be read")
    return missing


def serve_health(totals: Totals, host: str, port: int) -> ThreadingHTTPServer:
    """Serve until the process ends. Raises `OSError` where the port is taken."""
    registry = CollectorRegistry()
    registry.register(_Figures(totals))

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._send(200, generate_latest(registry), "text/plain; version=0.0.4; charset=utf-8")
            elif self.path == "/livez":
                self._send(200, b"ok\n")
            elif self.path == "/readyz":
                missing = not_ready(totals, time.monotonic())
                self._send(503 if missing else 200, "\n".join([*missing, ""] if missing else ["ok", ""]).encode())
            else:
                self._send(404, b"/metrics, /livez or /readyz\n")

        def _send(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Probes are not worth a line."""

    server = ThreadingHTTPServer((host, port), Answer)
    threading.Thread(target=server.serve_forever, daemon=True, name="health").start()
    return server
