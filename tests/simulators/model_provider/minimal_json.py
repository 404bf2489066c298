"""The smallest JSON that a JSON Schema accepts: what a simulated model answers where it was told to answer in a schema.

Knows what the provider's structured outputs know (types, enum, const, anyOf, $ref, required, bounds), not all of JSON
Schema.
"""

from collections.abc import Mapping
from typing import Any

_DEEPEST = 32

_FORMATS = {
    "date-time": "2024-01-01T00:00:00Z",
    "date": "2024-01-01",
    "time": "00:00:00Z",
    "duration": "P1D",
    "email": "a@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com",
}


def minimal(schema: Any) -> Any:
    """A value that satisfies the schema, with nothing in it that is not required."""
    return _minimal(schema, schema, 0)


def _minimal(schema: Any, root: Any, depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return None
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    if isinstance(schema.get("$ref"), str):
        return _minimal(_resolve(schema["$ref"], root), root, depth + 1)
    for choice in ("anyOf", "oneOf"):
        if schema.get(choice):
            return _minimal(_plainest(schema[choice]), root, depth + 1)
    if schema.get("allOf"):
        merged: dict[str, Any] = {}
        for part in schema["allOf"]:
            value = _minimal(part, root, depth + 1)
            if isinstance(value, dict):
                merged |= value
        return merged
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = "null" if "null" in kind else kind[0]
    if kind is None and ("properties" in schema or "required" in schema):
        kind = "object"
    return _of_type(kind, schema, root, depth)


def _of_type(kind: Any, schema: Mapping[str, Any], root: Any, depth: int) -> Any:
    if kind == "object":
        properties = schema.get("properties") or {}
        return {name: _minimal(properties.get(name, {}), root, depth + 1) for name in schema.get("required") or ()}
    if kind == "array":
        return [_minimal(schema.get("items", {}), root, depth + 1) for _ in range(schema.get("minItems", 0))]
    if kind == "string":
        return _FORMATS.get(schema.get("format", ""), "x" * schema.get("minLength", 0))
    if kind in ("integer", "number"):
        return _number(schema)
    if kind == "boolean":
        return False
    return None


def _number(schema: Mapping[str, Any]) -> Any:
    low = schema.get("minimum")
    if low is None and "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + 1
    high = schema.get("maximum")
    if high is None and "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - 1
    step = schema.get("multipleOf") or 0
    if low is not None and low > 0:
        return -(-low // step) * step if step else low
    if high is not None and high < 0:
        return high // step * step if step else high
    return 0


def _plainest(choices: list[Any]) -> Any:
    """The choice that is null, where one is: it ends a recursive schema."""
    return next((c for c in choices if isinstance(c, Mapping) and c.get("type") == "null"), choices[0])


def _resolve(reference: str, root: Any) -> Any:
    found = root
    for step in reference.lstrip("#").strip("/").split("/"):
        if step:
            found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found
