"""Models that a request names below its top level (an eval's graders, a run's samples): each has to be one that the caller may
use, and goes by the name that the upstream has for it."""

from typing import Any

import msgspec

from core.snapshot import Caller
from proxy.bodies import JsonBody
from proxy.endpoints import Endpoint
from proxy.routing import RouteTable

_NOT_READ = frozenset({"metadata", "schema", "item_schema", "json_schema", "parameters"})
_encode = msgspec.json.Encoder().encode


def map_models(
    body: JsonBody, routes: RouteTable, caller: Caller, endpoint: Endpoint, upstream: str, now: float
) -> None:
    """Put the upstream's names into the body. Raises `Refusal` for a model that the caller may not use there."""
    if b'"model"' not in body.data and b"\\u00" not in body.data:
        return
    for name in list(body.fields):
        if name in _NOT_READ:
            continue
        value = body.read(name)
        # Written anew though it be the same: of a key that stands twice, the upstream could read the other one.
        body.fields[name] = msgspec.Raw(_encode(_mapped(name, value, routes, caller, endpoint, upstream, now)))


def _mapped(
    name: str, value: Any, routes: RouteTable, caller: Caller, endpoint: Endpoint, upstream: str, now: float
) -> Any:
    if isinstance(value, list):
        return [_mapped("", each, routes, caller, endpoint, upstream, now) for each in value]
    if isinstance(value, dict):
        return {
            key: inner if key in _NOT_READ else _mapped(key, inner, routes, caller, endpoint, upstream, now)
            for key, inner in value.items()
        }
    if name == "model" and isinstance(value, str) and value:
        return routes.route(caller, value, endpoint, now, upstream=upstream)[1][0].deployment
    return value
