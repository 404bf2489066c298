"""The settings of the services, read once from the environment at the edge and handed in.

Every variable starts with `ADUANA_`; `docs/settings.md` lists them. A value that is a secret may be given as a reference
(`file:/path`, `env:NAME`, later `kv://`), which is how the local tenant and the installer give it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names the variable, the value and what is allowed."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. What an upstream is given before the proxy gives up on it."""

    connect: float = 5.0
    first_byte: float = 60.0  # of a stream
    answer: float = 600.0  # of a whole non-streaming answer: its first byte is its end
    idle: float = 120.0  # between two pieces of a stream


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it, typed, with its defaults."""

    database_url: str  # may be a secret reference
    redis_url: str | None = None  # None: memory mode, and the ledger spools to files
    peppers: Mapping[int, str] = field(default_factory=dict)  # version → secret reference; the highest makes new keys
    master_keys: Mapping[int, str] = field(default_factory=dict)  # version → secret reference; the highest seals
    state_dir: Path = Path("/var/lib/aduana")  # the snapshot's copy and the spool
    max_snapshot_age: float = 86_400.0  # seconds
    on_stale_snapshot: Literal["refuse", "allow"] = "refuse"
    secret_ttl: float = 300.0  # seconds
    max_body_bytes: int = 32 * 1024 * 1024  # of a JSON request
    header_timeout: float = 30.0  # seconds for a caller to send a request's head
    body_timeout: float = 30.0  # seconds between two pieces of a caller's body
    drain_timeout: float = 30.0  # seconds for streams in flight after SIGTERM
    upstream_timeouts: Timeouts = Timeouts()
    max_connections: int = 1000  # to one upstream, from one process
    ca_bundle: Path | None = None  # a private CA for upstreams
    lease_seconds: float = 60.0  # a call whose proxy was not heard for so long is an orphan
    redis_timeout: float = 1.0  # seconds before an unanswered Redis counts as lost
    ledger_buffer_calls: int = 100_000  # calls that one process keeps until Postgres has them
    on_ledger_full: Literal["refuse", "allow"] = "refuse"
    memory_mode_per_replica: bool = False  # without Redis: several replicas, each with its own limits
    log_level: str = "info"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read `ADUANA_*`. Raises `SettingsError`."""
        raise NotImplementedError
