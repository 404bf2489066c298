"""The optional settings of upstreams, targets and routes: read from a seed file, kept as JSON with the set ones alone."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from core.model_names import STAR
from core.seed.document import Fields, Node, plain
from core.seed.reading import Entry, Findings

TIMEOUTS = ("connect", "first_byte", "answer", "idle")
UPSTREAM_SETTINGS = ("timeouts", "max_connections", "home", "unknown_objects")
TARGET_SETTINGS = ("spill_at", "max_in_flight")
ROUTE_SETTINGS = ("aliases", "defaults", "overrides", "answer_model", "affinity", "max_attempts")

_LONGEST_TIMEOUT = 86_400
# What the gateway itself decides about a request, and what would pass by its meter.
_NOT_PARAMETERS = frozenset(
    {
        *("model", "stream", "stream_options", "n", "best_of", "messages", "input", "prompt"),
        *("tools", "functions", "web_search_options"),  # a policy allows a caller's
        *("previous_response_id", "conversation", "background"),  # a caller owns what these name
    }
)


def upstream_settings(entry: Entry, findings: Findings) -> dict[str, Any]:
    """Of an upstream."""
    settings: dict[str, Any] = {}
    timeouts = entry.entry("timeouts", "timeouts", TIMEOUTS)
    if timeouts is not None:
        settings["timeouts"] = {
            key: seconds for key in TIMEOUTS if (seconds := _seconds(timeouts, key, findings)) is not None
        }
    settings["max_connections"] = entry.whole("max_connections", low=1, high=100_000)
    if entry.node("home") is not None:
        settings["home"] = entry.flag("home", default=False) or None
    settings["unknown_objects"] = entry.choice("unknown_objects", ("refuse", "forward"), required=False)
    return _set_ones(settings)


def target_settings(entry: Entry) -> dict[str, Any]:
    """Of a target."""
    return _set_ones(
        {
            "spill_at": entry.whole("spill_at", low=1, high=100),
            "max_in_flight": entry.whole("max_in_flight", low=1, high=1_000_000),
        }
    )


def route_settings(entry: Entry, findings: Findings) -> dict[str, Any]:
    """Of a route."""
    settings: dict[str, Any] = {}
    aliases: list[str] = []
    for node in entry.items("aliases"):
        alias = plain(node)
        if not isinstance(alias, str) or not 0 < len(alias) <= 256:
            findings.wrong(node.place, "aliases are model names")
        elif STAR in alias:
            findings.wrong(node.place, "an alias is a whole name; a star belongs at the end of a route's model")
        elif alias in aliases:
            findings.wrong(node.place, f"the alias {alias!r} is given twice")
        else:
            aliases.append(alias)
    settings["aliases"] = aliases or None
    for key in ("defaults", "overrides"):
        given = entry.node(key)
        if given is not None:
            settings[key] = _parameters(key, given, findings)
    settings["answer_model"] = entry.choice("answer_model", ("provider", "requested"), required=False)
    settings["affinity"] = entry.choice("affinity", ("none", "prompt_cache"), required=False)
    settings["max_attempts"] = entry.whole("max_attempts", low=1, high=20)
    return _set_ones(settings)


def _set_ones(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value is not None}


def _seconds(entry: Entry, key: str, findings: Findings) -> float | None:
    node = entry.node(key)
    if node is None:
        return None
    value = plain(node)
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or not 0 < value <= _LONGEST_TIMEOUT:
        findings.wrong(node.place, f"{key} must be seconds, more than 0 and at most {_LONGEST_TIMEOUT}")
        return None
    return float(value)


def _parameters(key: str, node: Node, findings: Findings) -> dict[str, Any] | None:
    if not isinstance(node, Fields):
        findings.wrong(node.place, f"{key} must be a mapping of request parameters, such as {{temperature: 0.2}}")
        return None
    for name in node.values:
        if name in _NOT_PARAMETERS:
            findings.wrong(
                node.key_places[name], f"{key} cannot set {name!r}: it is the caller's, or the gateway's own"
            )
    return {name: _jsonable(plain(value)) for name, value in node.values.items()}


def _jsonable(value: Any) -> Any:
    """Numbers with a point as JSON has them."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_jsonable(each) for each in value]
    if isinstance(value, dict):
        return {name: _jsonable(each) for name, each in value.items()}
    return value
