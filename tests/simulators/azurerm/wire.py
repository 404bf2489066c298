"""Terraform's values on the wire: msgpack, with an extension for what is not known yet (`object-wire-format.md`).

Objects and maps are dicts, lists and sets are lists, null is None, numbers are int, float or (where neither holds them) str.
"""

import json
from typing import Any

import msgpack

from tests.simulators.azurerm.protocol import DynamicValue


class Unknown:
    """A value that is known after apply. There is one: `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        raise TypeError("a value that is not known yet is neither true nor false")


UNKNOWN = Unknown()


def read(value: Any) -> Any:
    """What a `DynamicValue` holds.

    Terraform may refine an unknown (not null, a prefix); the refinement is dropped, as the real provider's SDK does.
    """
    if value.json:
        return json.loads(value.json)
    if not value.msgpack:
        return None
    return msgpack.unpackb(value.msgpack, ext_hook=lambda code, data: UNKNOWN, strict_map_key=False)


def write(value: Any) -> Any:
    """A `DynamicValue` of it."""
    return DynamicValue(msgpack=msgpack.packb(value, default=_extension))


def _extension(value: Any) -> msgpack.ExtType:
    if value is UNKNOWN:
        return msgpack.ExtType(0, b"\x00")
    raise TypeError(f"{type(value).__name__} is no value of Terraform's")


def settled(value: Any) -> Any:
    """The same without what is not known: null stands there."""
    if isinstance(value, dict):
        return {name: settled(item) for name, item in value.items()}
    if isinstance(value, list):
        return [settled(item) for item in value]
    return None if value is UNKNOWN else value
