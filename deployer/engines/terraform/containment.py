"""Whether what is left to do is in the reviewed plan: the rule by which an interrupted apply goes on or stops.

A new change is contained where the reviewed plan has the same address, the same object, the same action and the same planned
values, as far as these were known. Two things more are contained, since they are what an interruption leaves of a reviewed
change: the second half of a replacement, and the repair of what this plan itself had begun to create (`begun`, from the record
of its runs) up to the reviewed values.
"""

import json
from collections.abc import Iterator, Mapping, Set
from typing import Any

from deployer.engines.changes import Action
from deployer.engines.plans import Difference
from deployer.engines.terraform.attributes import Step, path_text
from deployer.engines.terraform.plan_document import TAINTED, PlanDocument, ResourceChange

_HALVES = frozenset({Action.CREATE, Action.REPLACE})
_REPAIRS = frozenset({Action.UPDATE, Action.IMPORT})
_NOTHING: tuple[Any, ...] = (None, [], {})


def differences(reviewed: PlanDocument, now: PlanDocument, begun: Set[str] = frozenset()) -> tuple[Difference, ...]:
    """What the new plan would do that the reviewed one does not. Nothing: it may be applied."""
    known: dict[str, list[ResourceChange]] = {}
    for change in reviewed.resource_changes:
        known.setdefault(change.address, []).append(change)
    found = []
    for change in sorted(now.resource_changes, key=lambda one: one.address):
        if not change.action.acts:
            continue
        reason = _why_not(known.get(change.address, []), change, change.address in begun)
        if reason is not None:
            found.append(Difference(change.address, reason, _says(change)))
    return tuple(found)


def _why_not(reviewed: list[ResourceChange], now: ResourceChange, begun: bool) -> str | None:
    """None where one of the reviewed changes contains it, else what is in the way."""
    whole = next((one for one in reviewed if not one.deposed), None)
    if now.deposed:
        same = any(one.deposed == now.deposed for one in reviewed)
        left_behind = whole is not None and (
            whole.action is Action.REPLACE or (begun and whole.action is Action.CREATE)
        )
        return None if same or left_behind else "does not delete what a replacement left behind"
    if whole is None:
        return "does not name it"
    if not _action_is_contained(whole, now, begun):
        return _says(whole)
    if now.moved_from not in (None, whole.moved_from):
        return f"does not move it from {now.moved_from}"
    if now.import_id is not None and now.import_id != whole.import_id and not begun:
        return f"does not import {now.import_id}"
    if not begun and not _same_object(whole, now):
        return f"means another object ({_id_of(whole)})"
    if now.action in (Action.DELETE, Action.FORGET):
        return None
    place = next(
        _unlike((), whole.change.after, whole.change.after_unknown, now.change.after, now.change.after_unknown), None
    )
    return None if place is None else f"plans another value of {path_text(place) or 'it'}"


def _action_is_contained(reviewed: ResourceChange, now: ResourceChange, begun: bool) -> bool:
    before, after = reviewed.action, now.action
    if before is after:
        return before is not Action.REPLACE or reviewed.change.actions == now.change.actions or begun
    if before is Action.REPLACE and after is Action.CREATE:
        return True  # the old one is gone already
    if begun and before in _HALVES:
        return after in _REPAIRS or (after is Action.REPLACE and now.action_reason == TAINTED)
    # A reviewed move or import may come with a change that is still to be made, or the other way round.
    return after in (Action.MOVE, Action.IMPORT) and (reviewed.moved_from or reviewed.import_id) is not None


def _same_object(reviewed: ResourceChange, now: ResourceChange) -> bool:
    return _id_of(reviewed) is None or _id_of(now) is None or _id_of(reviewed) == _id_of(now)


def _id_of(change: ResourceChange) -> str | None:
    before = change.change.before
    id = before.get("id") if isinstance(before, Mapping) else None
    return id if isinstance(id, str) else None


def _unlike(
    path: tuple[Step, ...], reviewed: Any, unknown: Any, now: Any, now_unknown: Any
) -> Iterator[tuple[Step, ...]]:
    """Where the new values are others than the reviewed ones that were known."""
    if unknown is True:
        return
    if now_unknown is True:
        yield path
    elif isinstance(reviewed, Mapping) or isinstance(now, Mapping):
        if not all(side is None or isinstance(side, Mapping) for side in (reviewed, now)):
            yield path
            return
        for name in sorted({*(reviewed or {}), *(now or {}), *_names(now_unknown)}):
            yield from _unlike(
                (*path, name), _get(reviewed, name), _get(unknown, name), _get(now, name), _get(now_unknown, name)
            )
    elif isinstance(reviewed, list) and isinstance(now, list) and len(reviewed) == len(now):
        if _texts(reviewed) == _texts(now) and not now_unknown:
            return  # a set has no order
        for index in range(len(now)):
            yield from _unlike(
                (*path, index), reviewed[index], _get(unknown, index), now[index], _get(now_unknown, index)
            )
    elif reviewed != now and not (reviewed in _NOTHING and now in _NOTHING):
        yield path


def _get(container: Any, step: str | int) -> Any:
    if container is True:
        return True
    if isinstance(container, Mapping):
        return container.get(step)
    if isinstance(container, list) and isinstance(step, int) and step < len(container):
        return container[step]
    return None


def _names(container: Any) -> list[str]:
    return list(container) if isinstance(container, Mapping) else []


def _texts(values: list[Any]) -> list[str]:
    return sorted(json.dumps(value, sort_keys=True) for value in values)


def _says(change: ResourceChange) -> str:
    words = {
        Action.CREATE: "creates it",
        Action.UPDATE: "changes it in place",
        Action.REPLACE: "replaces it",
        Action.DELETE: "deletes it",
        Action.READ: "only reads it",
        Action.IMPORT: "imports it",
        Action.MOVE: "moves it",
        Action.FORGET: "forgets it",
        Action.NO_OP: "leaves it as it is",
    }
    return words[change.action]
