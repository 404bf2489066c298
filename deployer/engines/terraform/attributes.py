"""Values as Terraform's JSON has them, and where two of them differ.

A value comes with two masks of the same shape, in which `true` says of a part that it is unknown yet, or sensitive.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployer.engines.changes import AttributeChange, Placeholder, Value

Step = str | int | float
"""Of a path: a name, or a place in a list."""

Masked = tuple[Any, Any, Any]
"""A value, what of it is unknown, and what of it is sensitive."""


def masked(value: Any, unknown: Any, sensitive: Any) -> Value:
    """The value with a placeholder wherever it is unknown or sensitive."""
    if sensitive is True and (value is not None or unknown is True):
        return Placeholder.SENSITIVE
    if unknown is True:
        return Placeholder.UNKNOWN
    if isinstance(value, Mapping) or (value is None and isinstance(unknown, Mapping) and unknown):
        names = [*(value or {}), *(name for name in _mapping(unknown) if name not in (value or {}))]
        return {name: masked(*_part((value, unknown, sensitive), name)) for name in names}
    if isinstance(value, list):
        return [masked(*_part((value, unknown, sensitive), index)) for index in range(len(value))]
    return value


def differing(
    before: Masked, after: Masked, replace_paths: Sequence[Sequence[Step]] = ()
) -> tuple[AttributeChange, ...]:
    """The innermost values that are not the same, by path."""
    return tuple(
        AttributeChange(
            path=path_text(pair.path),
            before=masked(*pair.before),
            after=masked(*pair.after),
            forces_replacement=any(_touches(pair.path, forcing) for forcing in replace_paths),
        )
        for pair in _pairs((), before, after)
        if not _alike(pair.before, pair.after)
    )


def path_text(path: Sequence[Step]) -> str:
    """`template[0].container[0].image`."""
    text = ""
    for step in path:
        if isinstance(step, str):
            text += f".{step}" if text else step
        else:
            text += f"[{step:g}]"
    return text


@dataclass(frozen=True, slots=True)
class _Pair:
    """One innermost value, on both sides."""

    path: tuple[Step, ...]
    before: Masked
    after: Masked


def _pairs(path: tuple[Step, ...], before: Masked, after: Masked) -> Iterator[_Pair]:
    """Goes down as long as neither side is a whole."""
    sides = (before, after)
    if any(side[1] is True or side[2] is True for side in sides):
        yield _Pair(path, before, after)
    elif _all_are(sides, Mapping):
        for name in dict.fromkeys(name for side in sides for name in (*(side[0] or {}), *_mapping(side[1]))):
            yield from _pairs((*path, name), _part(before, name), _part(after, name))
    elif _all_are(sides, list):
        for left, right in _aligned(before, after):
            place = right if right is not None else left
            assert place is not None
            yield from _pairs((*path, place), _at(before, left), _at(after, right))
    else:
        yield _Pair(path, before, after)


def _all_are(sides: Sequence[Masked], kind: type) -> bool:
    """Whether every side is such a container or not there, and one of them is not empty."""
    values = [side[0] for side in sides]
    containers = [value for value in values if isinstance(value, kind)]
    shapes = [side[1] for side in sides if isinstance(side[1], kind) and side[0] is None]
    return bool(containers or shapes) and all(value is None or isinstance(value, kind) for value in values)


def _aligned(before: Masked, after: Masked) -> list[tuple[int | None, int | None]]:
    """Which place of one list is which of the other: equal values first, since blocks that are sets have no order."""
    left, right = list(range(_length(before))), list(range(_length(after)))
    if len(left) != len(right):
        places: dict[str, list[int]] = {}
        for index in left:
            places.setdefault(_text(_at(before, index)), []).append(index)
        pairs: list[tuple[int | None, int | None]] = []
        for index in list(right):
            same = places.get(_text(_at(after, index)))
            if same:
                pairs.append((same[0], index))
                left.remove(same.pop(0))
                right.remove(index)
    else:
        pairs = []
    pairs += list(zip(left, right, strict=False))
    pairs += [(None, index) for index in right[len(left) :]]
    pairs += [(index, None) for index in left[len(right) :]]
    return pairs


def _alike(before: Masked, after: Masked) -> bool:
    if before[1] is True or after[1] is True:
        return False
    return _text(before) == _text(after) or (_nothing(before[0]) and _nothing(after[0]))


def _nothing(value: Any) -> bool:
    return value is None or value in ([], {})


def _text(side: Masked) -> str:
    return json.dumps(side[0], sort_keys=True)


def _length(side: Masked) -> int:
    return len(side[0]) if isinstance(side[0], list) else len(side[1]) if isinstance(side[1], list) else 0


def _at(side: Masked, index: int | None) -> Masked:
    return _part(side, index) if index is not None else (None, False, False)


def _part(side: Masked, step: str | int) -> Masked:
    value, unknown, sensitive = side
    return (_within(value, step, None), _within(unknown, step, False), _within(sensitive, step, False))


def _within(container: Any, step: str | int, missing: Any) -> Any:
    if container is True:
        return True  # the whole is unknown or sensitive, so each part is
    if isinstance(container, Mapping):
        return container.get(step, missing)
    if isinstance(container, list) and isinstance(step, int) and step < len(container):
        return container[step]
    return missing


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _touches(path: Sequence[Step], forcing: Sequence[Step]) -> bool:
    shorter = min(len(path), len(forcing))
    return list(path[:shorter]) == list(forcing[:shorter])
