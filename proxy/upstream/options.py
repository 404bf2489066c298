"""What an upstream client is told once, when it is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.egress import ANYWHERE, AllowedHosts


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """Times in seconds, sizes in bytes. `environment` is where `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are looked
    up; left out, every connection is direct."""

    connect_timeout: float = 5.0  # name, TCP, tunnel and TLS together; also the longest wait for a free connection
    max_connections: int = 1000  # to one origin
    max_idle_seconds: float = 60.0  # of a connection in the pool
    allowed_hosts: AllowedHosts = ANYWHERE  # the others are not called
    ca_bundle: Path | None = None  # PEM, trusted besides the system's authorities
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # a proxy's URL may hold a password
    max_header_bytes: int = 64 * 1024  # of an answer's head; also of chunk lines or trailers in a row
    max_unread_bytes: int = 256 * 1024  # of a body that the caller does not fetch; above it the upstream has to wait
