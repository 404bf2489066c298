"""The local tenant as other commands see it: where it is, and what to connect with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployer.directory_lock import DirectoryLock
from deployer.local.errors import LocalTenantError
from deployer.local.layout import DEFAULT_DATA_DIR, Layout


@dataclass(frozen=True, slots=True)
class LocalTenant:
    """A tenant that runs. The URLs hold passwords: they are for the eyes of this machine's user alone."""

    data_dir: Path
    proxy_url: str  # without /v1
    admin_url: str
    database_url: str = field(repr=False)
    redis_url: str | None = field(repr=False)  # None: --no-redis
    environment: Mapping[str, str]  # ADUANA_*, every secret as a reference


def local_tenant(data_dir: Path | None = None) -> LocalTenant:
    """The tenant that runs on a data directory (None: the default one, here). Raises `LocalTenantError` where none does."""
    layout = Layout.at(data_dir or DEFAULT_DATA_DIR)
    state = layout.read_state()
    if not state or DirectoryLock(layout.lock).holder is None:
        raise LocalTenantError(
            "not_running",
            f"no local tenant runs on {layout.root}",
            "Start it with `aduana up`, name its --data-dir, or give a --database-url",
        )
    if state.get("phase") != "ready":
        raise LocalTenantError(
            "not_ready", f"the local tenant on {layout.root} is {state.get('phase')}", "Try again in a moment"
        )
    return describe(layout, state["ports"])


def describe(layout: Layout, ports: Mapping[str, Any]) -> LocalTenant:
    """What there is to connect with, by the ports of a start."""
    redis = "redis" in ports
    return LocalTenant(
        data_dir=layout.root,
        proxy_url=f"http://127.0.0.1:{ports['proxy']}",
        admin_url=f"http://127.0.0.1:{ports['admin']}",
        database_url=layout.secret("database-url"),
        redis_url=layout.secret("redis-url") if redis else None,
        environment=environment(layout, redis=redis),
    )


def environment(layout: Layout, *, redis: bool) -> dict[str, str]:
    """The settings (core.settings) of the services of a tenant."""
    settings = {
        "ADUANA_DATABASE_URL": f"file:{layout.secrets / 'database-url'}",
        "ADUANA_PEPPERS": f"1=file:{layout.secrets / 'pepper'}",
        "ADUANA_MASTER_KEYS": f"1=file:{layout.secrets / 'master-key'}",
        "ADUANA_STATE_DIR": str(layout.state),
    }
    if redis:
        settings["ADUANA_REDIS_URL"] = f"file:{layout.secrets / 'redis-url'}"
    return settings
