"""What an engine will do, resource by resource, in words that no engine owns.

Values are plain JSON values. Where one may not be shown, or nobody knows it yet, a `Placeholder` stands in its place, so no
secret is ever in here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

Value: TypeAlias = Any
"""None, bool, int, float, str, `Placeholder`, or a list or dict (by name) of these."""


class Placeholder(StrEnum):
    """What stands for a value that is not shown. Compare with `is`: a resource may hold the same text."""

    UNKNOWN = "(known after apply)"
    SENSITIVE = "(sensitive value)"


class Action(StrEnum):
    """What happens to one resource."""

    CREATE = "create"
    UPDATE = "update"  # in place
    REPLACE = "replace"  # deleted and created anew
    DELETE = "delete"
    READ = "read"  # looked up while applying; changes nothing
    IMPORT = "import"  # taken into the state as it is
    MOVE = "move"  # the state calls it by another address
    FORGET = "forget"  # leaves the state and stays where it is
    NO_OP = "no-op"

    @property
    def acts(self) -> bool:
        """Whether the state or the world is another one afterwards."""
        return self not in (Action.READ, Action.NO_OP)

    @property
    def destroys(self) -> bool:
        """Whether something that exists ends."""
        return self in (Action.REPLACE, Action.DELETE)


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """One value that will be another one."""

    path: str  # `template[0].min_replicas`
    before: Value  # None: not set
    after: Value
    forces_replacement: bool = False

    @property
    def before_text(self) -> str:
        return text_of(self.before)

    @property
    def after_text(self) -> str:
        return text_of(self.after)

    def as_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "before": self.before,
            "after": self.after,
            "forces_replacement": self.forces_replacement,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one resource, and why."""

    address: str  # the engine's name of it: `module.aduana.azurerm_key_vault.this[0]`
    kind: str  # the resource's type: `azurerm_key_vault`
    name: str  # with its key: `this[0]`
    module: str  # the address of what it is part of; empty at the top
    action: Action
    attributes: tuple[AttributeChange, ...] = ()  # those that will differ; for a create all that are set
    reason: str = ""  # why it is replaced, deleted or read, as a clause; empty where the attributes say it
    create_first: bool = False  # a replacement stands before the old one goes
    moved_from: str | None = None  # also where it is changed as well
    import_id: str | None = None
    deposed: str | None = None  # the key of what a replacement left behind, where that is what changes

    @property
    def forcing(self) -> tuple[str, ...]:
        """The paths that cannot be changed in place."""
        return tuple(attribute.path for attribute in self.attributes if attribute.forces_replacement)

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        return {
            "address": self.address,
            "kind": self.kind,
            "name": self.name,
            "module": self.module,
            "action": self.action,
            "reason": self.reason,
            "create_first": self.create_first,
            "moved_from": self.moved_from,
            "import_id": self.import_id,
            "deposed": self.deposed,
            "attributes": [attribute.as_json() for attribute in self.attributes],
        }


@dataclass(frozen=True, slots=True)
class OutputChange:
    """A value that the engine hands to the next step, as it will be."""

    name: str
    action: Action
    before: Value
    after: Value

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "action": self.action, "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource as it is, or as it is planned to be."""

    address: str
    kind: str
    name: str
    module: str
    values: Mapping[str, Value]  # by argument; what is unknown or sensitive is a `Placeholder`

    def as_json(self) -> dict[str, Any]:
        return {
            "address": self.address,
            "kind": self.kind,
            "name": self.name,
            "module": self.module,
            "values": dict(self.values),
        }


def text_of(value: Value) -> str:
    """One value for people: JSON, and a placeholder's own words."""
    if isinstance(value, Placeholder):
        return value.value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
