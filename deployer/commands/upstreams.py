"""`aduana upstreams`: the model providers' resources, what routes ask of them, and how replicas see them now."""

import asyncio
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from deployer.access import DatabaseUrlOption, DataDirOption, Tenant, with_tenant
from deployer.live_board import BoardAway, read_live_board
from deployer.output import JsonFlag, note, print_json, print_table, say

if TYPE_CHECKING:
    from core.snapshot import Snapshot
    from core.targets import Notice

_HELP = """Show every upstream and its targets, and which of them are left alone now, why, for how long, and who says so.

`closed` is well; `open`: its circuit is open after failures; `cooling`: it asked not to be called; `spilled`: it is used over
its mark, others are asked first. What replicas share is in Redis; without it each process knows its own (`/metrics`), and the
state is left out. With --json: `{"source": "redis" | "none", "upstreams": [{"name", "provider", "endpoint", "targets":
[{"deployment", "routes": [...], "state", "seconds_left", "replicas": [...]}]}]}`.

Examples:

    aduana upstreams

    aduana upstreams --json
"""


@dataclass(frozen=True, slots=True)
class _TargetShown:
    deployment: str
    routes: list[str]
    state: str | None  # None: nobody was asked
    seconds_left: float | None
    replicas: list[str]


@dataclass(frozen=True, slots=True)
class _UpstreamShown:
    name: str
    provider: str
    endpoint: str
    targets: list[_TargetShown]


@dataclass(frozen=True, slots=True)
class _Found:
    source: str  # redis | none
    upstreams: list[_UpstreamShown]
    why: str | None = None  # Redis was not asked


def register(app: typer.Typer) -> None:
    """Add `upstreams`."""
    app.command("upstreams", help=_HELP)(_upstreams)


def _upstreams(
    database_url: str | None = DatabaseUrlOption, data_dir: Path | None = DataDirOption, as_json: bool = JsonFlag
) -> None:
    async def work(tenant: Tenant) -> _Found:
        redis_url = await tenant.redis_url()
        return await asyncio.to_thread(_look, tenant, redis_url)

    found = with_tenant(database_url, data_dir, work)
    if as_json:
        print_json({"source": found.source, "upstreams": [asdict(each) for each in found.upstreams]})
        return
    if found.why is not None:
        note(found.why)
    if not found.upstreams:
        say("There are no upstreams: `aduana seed FILE` makes them (docs/seed-file.md).")
        return
    rows = [_row(upstream, target) for upstream in found.upstreams for target in upstream.targets]
    rows += [[each.name, each.endpoint, "", "", "", "", ""] for each in found.upstreams if not each.targets]
    titles = ("upstream", "endpoint", "deployment", "routes", "state", "left", "seen by")
    print_table([(title, "right" if title == "left" else "left") for title in titles], rows)


def _look(tenant: Tenant, redis_url: str | None) -> _Found:
    from core.snapshot.picture import build
    from core.snapshot.rows import read_rows

    with tenant.database.connector("aduana-cli").connect() as connection:
        snapshot = build(read_rows(connection), time.time())
    if redis_url is None:
        why = "There is no Redis: each process goes by what it sees itself, and shows it in its /metrics."
        return _Found("none", _shown(snapshot, None), why)
    try:
        return _Found("redis", _shown(snapshot, read_live_board(redis_url, tenant.settings)))
    except BoardAway as error:
        return _Found("none", _shown(snapshot, None), f"Redis cannot be asked ({error}): states are left out.")


def _shown(snapshot: "Snapshot", notices: "list[Notice] | None") -> list[_UpstreamShown]:
    from core.targets import sighting_of

    routes: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for route in snapshot.routes.values():
        for target in route.targets:
            routes[target.upstream.name][target.deployment].append(route.model)

    def shown(upstream: str, deployment: str) -> _TargetShown:
        of = sorted(routes[upstream][deployment])
        if notices is None:
            return _TargetShown(deployment, of, None, None, [])
        own = [each for each in notices if (each.upstream, each.deployment) == (upstream, deployment)]
        sighting = sighting_of(own)
        left = round(sighting.seconds, 3) if own else None
        return _TargetShown(deployment, of, sighting.state, left, list(sighting.replicas))

    return [
        _UpstreamShown(
            each.name,
            each.provider,
            each.endpoint,
            [shown(each.name, deployment) for deployment in sorted(routes[each.name])],
        )
        for each in sorted(snapshot.upstreams.values(), key=lambda each: each.name)
    ]


def _row(upstream: _UpstreamShown, target: _TargetShown) -> list[str]:
    left = "" if target.seconds_left is None else f"{target.seconds_left:.1f} s"
    routes, replicas = ", ".join(target.routes), ", ".join(target.replicas)
    return [upstream.name, upstream.endpoint, target.deployment, routes, target.state or "", left, replicas]
