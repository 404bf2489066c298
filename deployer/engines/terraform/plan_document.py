"""`terraform show -json`: a saved plan, or the state (developer.hashicorp.com/terraform/internals/json-format).

Versions 1.x are read, fields that are not known are left aside as that page asks, and what a plan would do that is not known
here is an error: a plan is never shown in part. These documents hold sensitive values; what leaves this module does not.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from deployer.engines.changes import Action, Change, OutputChange, Resource
from deployer.engines.errors import EngineError
from deployer.engines.terraform.attributes import differing, masked

_ACTIONS: Mapping[tuple[str, ...], Action] = {
    ("no-op",): Action.NO_OP,
    ("create",): Action.CREATE,
    ("read",): Action.READ,
    ("update",): Action.UPDATE,
    ("delete", "create"): Action.REPLACE,
    ("create", "delete"): Action.REPLACE,
    ("create", "forget"): Action.REPLACE,
    ("delete",): Action.DELETE,
    ("forget",): Action.FORGET,
    ("open",): Action.READ,
}

TAINTED = "replace_because_tainted"

_REASONS: Mapping[str, str] = {
    TAINTED: "it was left half-made",
    "replace_by_request": "its replacement was asked for",
    "replace_by_triggers": "something that it depends on is replaced",
    "delete_because_no_resource_config": "the configuration no longer has it",
    "delete_because_wrong_repetition": "the configuration no longer repeats it in this way",
    "delete_because_count_index": "the configuration has fewer of them",
    "delete_because_each_key": "the configuration no longer names it",
    "delete_because_no_module": "the configuration no longer has its module",
    "delete_because_no_move_target": "it was moved to where the configuration has nothing",
    "read_because_config_unknown": "what it looks up is known after apply",
    "read_because_dependency_pending": "it depends on something that changes",
    "read_because_check_nested": "a check reads it each time",
}


class Importing(msgspec.Struct):
    """What a change imports."""

    id: str | None = None


class Delta(msgspec.Struct):
    """Before and after, with what is unknown and sensitive in the same shape: `true` where it is so."""

    actions: list[str]
    before: Any = None
    after: Any = None
    after_unknown: Any = False
    before_sensitive: Any = False
    after_sensitive: Any = False
    replace_paths: list[list[str | int | float]] = []
    importing: Importing | None = None


class ResourceChange(msgspec.Struct):
    """What happens to one resource."""

    address: str
    type: str
    name: str
    change: Delta
    mode: str = "managed"
    index: str | int | float | None = None
    module_address: str = ""
    previous_address: str = ""
    deposed: str = ""
    action_reason: str = ""

    @property
    def action(self) -> Action:
        """Raises `EngineError` for one that is not known."""
        action = _ACTIONS.get(tuple(self.change.actions))
        if action is None:
            raise _too_new(f"{self.address}: {'/'.join(self.change.actions)}")
        if action is Action.NO_OP and self.change.importing is not None:
            return Action.IMPORT
        if action is Action.NO_OP and self.previous_address not in ("", self.address):
            return Action.MOVE
        return action

    @property
    def moved_from(self) -> str | None:
        return self.previous_address if self.previous_address not in ("", self.address) else None

    @property
    def import_id(self) -> str | None:
        return self.change.importing.id if self.change.importing is not None else None


class _StateResource(msgspec.Struct):
    address: str
    type: str
    name: str
    mode: str = "managed"
    index: str | int | float | None = None
    values: dict[str, Any] | None = None
    sensitive_values: Any = False
    deposed_key: str = ""


class _Module(msgspec.Struct):
    address: str = ""
    resources: list[_StateResource] = []
    child_modules: list["_Module"] = []


class _Values(msgspec.Struct):
    root_module: _Module = msgspec.field(default_factory=_Module)


class StateDocument(msgspec.Struct):
    """The state."""

    format_version: str
    terraform_version: str = ""
    values: _Values | None = None

    def resources(self) -> tuple[Resource, ...]:
        """Every managed resource as the state has it."""
        return tuple(_resources(self.values.root_module, {})) if self.values is not None else ()


class PlanDocument(msgspec.Struct):
    """A saved plan."""

    format_version: str
    terraform_version: str
    planned_values: _Values = msgspec.field(default_factory=_Values)
    prior_state: StateDocument | None = None
    resource_changes: list[ResourceChange] = []
    resource_drift: list[ResourceChange] = []
    output_changes: dict[str, Delta] = {}
    deferred_changes: list[msgspec.Raw] = []
    action_invocations: list[msgspec.Raw] = []
    errored: bool = False

    def changes(self) -> tuple[Change, ...]:
        """Every change, in the order of addresses."""
        return tuple(change_of(one) for one in sorted(self.resource_changes, key=lambda one: one.address))

    def drift(self) -> tuple[Change, ...]:
        """What was found to be otherwise than the state had it."""
        found = (change_of(one) for one in sorted(self.resource_drift, key=lambda one: one.address))
        return tuple(one for one in found if one.attributes or one.action is not Action.UPDATE)

    def state_resources(self) -> tuple[Resource, ...]:
        """Every managed resource of the state that it was made from, as it was found to be."""
        return self.prior_state.resources() if self.prior_state is not None else ()

    def outputs(self) -> tuple[OutputChange, ...]:
        """Every output, by name."""
        return tuple(_output_of(name, delta) for name, delta in sorted(self.output_changes.items()))

    def resources(self) -> tuple[Resource, ...]:
        """Every managed resource as it will be."""
        unknown = {one.address: one.change.after_unknown for one in self.resource_changes if not one.deposed}
        let_go = {one.address for one in self.resource_changes if one.action is Action.FORGET}
        return tuple(one for one in _resources(self.planned_values.root_module, unknown) if one.address not in let_go)


def read_plan(text: bytes) -> PlanDocument:
    """A plan, whole. Raises `EngineError` where it is none, is of another version, or does what is not known here."""
    document = _read(text, PlanDocument, "plan")
    if document.deferred_changes:
        raise _too_new("it puts changes off to a later plan")
    if document.action_invocations:
        raise _too_new("it invokes actions")
    return document


def read_state(text: bytes) -> StateDocument:
    """The state. Raises `EngineError` where it is none or of another version."""
    return _read(text, StateDocument, "state")


def change_of(one: ResourceChange) -> Change:
    """A change, in words that no engine owns."""
    delta = one.change
    return Change(
        address=one.address,
        kind=one.type,
        name=_name(one.name, one.index),
        module=one.module_address,
        action=one.action,
        attributes=differing(
            (delta.before, False, delta.before_sensitive),
            (delta.after, delta.after_unknown, delta.after_sensitive),
            delta.replace_paths,
        )
        if one.action not in (Action.READ, Action.DELETE, Action.FORGET)
        else (),
        reason=_REASONS.get(one.action_reason, ""),
        create_first=one.action is Action.REPLACE and delta.actions[0] == "create",
        moved_from=one.moved_from,
        import_id=one.import_id,
        deposed=one.deposed or None,
    )


def _output_of(name: str, delta: Delta) -> OutputChange:
    action = _ACTIONS.get(tuple(delta.actions))
    if action is None:
        raise _too_new(f"output {name}: {'/'.join(delta.actions)}")
    return OutputChange(
        name,
        action,
        masked(delta.before, False, delta.before_sensitive),
        masked(delta.after, delta.after_unknown, delta.after_sensitive),
    )


def _resources(module: _Module, unknown: Mapping[str, Any]) -> Iterator[Resource]:
    for one in module.resources:
        if one.mode == "managed" and not one.deposed_key:
            values = masked(one.values or {}, unknown.get(one.address, False), one.sensitive_values)
            yield Resource(one.address, one.type, _name(one.name, one.index), module.address, values)
    for child in module.child_modules:
        yield from _resources(child, unknown)


def _name(name: str, index: str | int | float | None) -> str:
    if index is None:
        return name
    return f'{name}["{index}"]' if isinstance(index, str) else f"{name}[{index:g}]"


_Document = TypeVar("_Document", PlanDocument, StateDocument)


def _read(text: bytes, kind: type[_Document], what: str) -> _Document:
    try:
        document = msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        # Where it broke, never what stood there: these documents hold sensitive values.
        where = str(error).rpartition(" - at ")[2] if " - at " in str(error) else "it is no JSON"
        raise EngineError(
            f"Terraform's {what} cannot be read",
            where,
            "Use a Terraform 1.x that this Aduana knows.",
            "unreadable_document",
        ) from None
    if document.format_version.split(".")[0] not in ("0", "1"):
        raise _too_new(f"its format is {document.format_version}")
    return document


def _too_new(what: str) -> EngineError:
    return EngineError(
        "the plan holds what this Aduana cannot show",
        what,
        "Use an older Terraform or a newer Aduana; nothing was done.",
        code="unknown_in_plan",
    )
