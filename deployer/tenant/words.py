"""What pydantic finds wrong, in words that name the value and what is allowed."""

from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from deployer.forms import shown
from deployer.tenant import Tenant
from deployer.tenant.part import Part, part_in

_TYPES = {
    "string_type": "no text; write it in quotes",
    "int_type": "no whole number",
    "int_from_float": "no whole number",
    "bool_type": "neither true nor false",
    "tuple_type": "no list",
    "dict_type": "no mapping of settings",
    "model_type": "no mapping of settings",
}


def in_words(error: Any) -> str:
    """One of pydantic's errors in ours: the value, and what is allowed."""
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    if kind == "value_error":
        return str(context["error"])
    if kind == "missing":
        return "must be given"
    if kind == "extra_forbidden":
        return f"there is no such setting{_meant(error['loc'])}"
    if kind == "literal_error":
        return f"{_value(value)} is not allowed; allowed: {_listed(context['expected'])}"
    if kind in _TYPES:
        return f"{_value(value)} is {_TYPES[kind]}"
    if kind in ("greater_than_equal", "less_than_equal"):
        least = kind == "greater_than_equal"
        return (
            f"{shown(value)} is not allowed; the {'least' if least else 'most'} is {context['ge' if least else 'le']}"
        )
    if kind in ("string_too_short", "string_too_long"):
        bound = (
            f"{context['min_length']} at least" if kind == "string_too_short" else f"{context['max_length']} at most"
        )
        return f"{shown(value)} has {len(value)} characters; allowed: {bound}"
    message = error["msg"]
    return str(message if kind == "rule" else f"{message[0].lower()}{message[1:]}")


def _value(value: Any) -> str:
    if value is None:
        return "an empty value"
    if isinstance(value, dict):
        return "a mapping of settings"
    if isinstance(value, tuple):
        return "a list"
    return shown(value) if isinstance(value, str | int | Decimal) else "this"


def _listed(expected: str) -> str:
    """pydantic's `'a', 'b' or 'c'` as `a, b, c`."""
    return expected.replace("' or '", "', '").replace(" or ", ", ").replace("'", "")


def _meant(path: tuple[int | str, ...]) -> str:
    """What may stand there, where a setting is misspelt or out of place."""
    part: type[Part] | None = Tenant
    for step in path[:-1]:
        if isinstance(step, str) and part is not None and step in part.model_fields:
            part = part_in(part.model_fields[step].annotation)
    if part is None:
        return ""
    near = get_close_matches(str(path[-1]), part.model_fields, 1, 0.7)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(part.model_fields)}"
