"""azurerm's schema, as the real provider told it.

`schema-5.2.0.json.xz` is what `terraform providers schema -json` printed for hashicorp/azurerm 5.2.0, without descriptions and
without the types that the product has no use for: 135 resources, 74 data sources and the provider's own block.
"""

import json
import lzma
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.simulators.azurerm import protocol

VERSION = "5.2.0"
SOURCE = "registry.terraform.io/hashicorp/azurerm"
_FILE = Path(__file__).with_name(f"schema-{VERSION}.json.xz")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One argument or attribute. `type` is Terraform's: `"string"`, `["list", "string"]`, `["object", {…}]`, …"""

    name: str
    type: Any
    required: bool
    optional: bool
    computed: bool
    sensitive: bool
    write_only: bool


@dataclass(frozen=True, slots=True)
class NestedBlock:
    """A block in a block; `nesting` is `single`, `list` or `set`."""

    name: str
    nesting: str
    block: "Block"
    min_items: int
    max_items: int
    """0: any number."""


@dataclass(frozen=True, slots=True)
class Block:
    """What may stand between two braces."""

    attributes: dict[str, Attribute]
    blocks: dict[str, NestedBlock]


@dataclass(frozen=True, slots=True)
class Type:
    """A resource's or data source's type."""

    name: str
    version: int
    """The schema's, for upgrades of a state."""
    block: Block


@dataclass(frozen=True, slots=True)
class Schema:
    """The provider's."""

    provider: Type
    resources: dict[str, Type]
    data_sources: dict[str, Type]


@cache
def load() -> Schema:
    """The schema in this folder."""
    document = json.loads(lzma.decompress(_FILE.read_bytes()))
    return Schema(
        provider=_type("azurerm", document["provider_schema"]),
        resources={name: _type(name, told) for name, told in document["resource_schemas"].items()},
        data_sources={name: _type(name, told) for name, told in document["data_source_schemas"].items()},
    )


def _type(name: str, told: dict[str, Any]) -> Type:
    return Type(name, told.get("version", 0), _block(told["block"]))


def _block(told: dict[str, Any]) -> Block:
    flags = ("required", "optional", "computed", "sensitive", "write_only")
    return Block(
        attributes={
            name: Attribute(name, attribute["type"], *(bool(attribute.get(flag)) for flag in flags))
            for name, attribute in told.get("attributes", {}).items()
        },
        blocks={
            name: NestedBlock(
                name,
                nested["nesting_mode"],
                _block(nested["block"]),
                nested.get("min_items", 0),
                nested.get("max_items", 0),
            )
            for name, nested in told.get("block_types", {}).items()
        },
    )


@cache
def response() -> bytes:
    """The answer to GetSchema, encoded."""
    schema = load()
    answer = protocol.response("GetSchema")(provider=_message(schema.provider))
    for name, resource in schema.resources.items():
        answer.resource_schemas[name].CopyFrom(_message(resource))
    for name, source in schema.data_sources.items():
        answer.data_source_schemas[name].CopyFrom(_message(source))
    encoded: bytes = answer.SerializeToString()
    return encoded


def _message(type_: Type) -> Any:
    message = protocol.Schema(version=type_.version)
    _fill(message.block, type_.block)
    return message


def _fill(message: Any, block: Block) -> None:
    for attribute in block.attributes.values():
        message.attributes.add(
            name=attribute.name,
            type=json.dumps(attribute.type).encode(),
            required=attribute.required,
            optional=attribute.optional,
            computed=attribute.computed,
            sensitive=attribute.sensitive,
            write_only=attribute.write_only,
        )
    for nested in block.blocks.values():
        inner = message.block_types.add(
            type_name=nested.name,
            nesting=protocol.NESTING[nested.nesting],
            min_items=nested.min_items,
            max_items=nested.max_items,
        )
        _fill(inner.block, nested.block)


def zero(type_: Any) -> Any:
    """What the provider's SDK leaves in a computed attribute that nothing was set in."""
    if isinstance(type_, str):
        return {"string": "", "number": 0, "bool": False}[type_]
    return (
        {} if type_[0] == "map" else [] if type_[0] != "object" else {name: zero(of) for name, of in type_[1].items()}
    )


def conform(block: Block, value: dict[str, Any] | None) -> dict[str, Any]:
    """A whole object of the block's: what is missing is null (of a nested block: none), what is not of it is dropped."""
    value = value or {}
    whole: dict[str, Any] = {
        name: conform_value(attribute.type, value.get(name)) for name, attribute in block.attributes.items()
    }
    for name, nested in block.blocks.items():
        items = value.get(name)
        if nested.nesting == "single":
            whole[name] = conform(nested.block, items) if isinstance(items, dict) else items
        elif isinstance(items, list):
            whole[name] = [conform(nested.block, item) for item in items]
        else:
            whole[name] = [] if items is None else items
    return whole


def conform_value(type_: Any, value: Any) -> Any:
    """A value of an attribute's type: objects in it are made whole."""
    if isinstance(type_, str) or value is None:
        return value
    kind, of = type_
    if kind == "object" and isinstance(value, dict):
        return {name: conform_value(inner, value.get(name)) for name, inner in of.items()}
    if kind in ("list", "set") and isinstance(value, list):
        return [conform_value(of, item) for item in value]
    return value
