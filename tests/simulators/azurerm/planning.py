"""What a resource will be: defaults filled in, what Azure computes left open, and which changes mean another resource."""

from dataclasses import dataclass
from typing import Any

from tests.simulators.azurerm import arguments
from tests.simulators.azurerm.schema import Block, Type
from tests.simulators.azurerm.wire import UNKNOWN

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A planned object, and the paths in it that force another resource."""

    planned: dict[str, Any]
    replaces: tuple[Path, ...]


def plan(type_: Type, prior: dict[str, Any] | None, proposed: dict[str, Any]) -> Plan:
    """Plan a creation (`prior` is None) or a change.

    `proposed` is Terraform's merge of configuration and prior state: what is null there and computed is neither configured nor
    known from before.
    """
    known = arguments.of(type_.name)
    planned = _planned(type_.block, proposed, prior, known.defaults, "")
    if prior is None:
        return Plan(planned, ())
    if planned == prior:
        return Plan(prior, ())
    for name in arguments.recomputed(type_.name, prior, planned):
        planned[name] = UNKNOWN
    replaces = _replacing(type_.block, known.forces_new, prior, planned, (), "")
    replaces += [(name,) for name in arguments.replaced_by(type_.name, prior, planned)]
    return Plan(planned, tuple(replaces))


def _planned(block: Block, proposed: Any, prior: Any, defaults: dict[str, Any], path: str) -> Any:
    if not isinstance(proposed, dict):
        return proposed
    planned: dict[str, Any] = {}
    before = prior if isinstance(prior, dict) else {}
    for name, attribute in block.attributes.items():
        value = proposed.get(name)
        if attribute.write_only:
            value = None
        elif value is None and attribute.computed:
            value = UNKNOWN
        elif value is None and (path + name) in defaults:
            value = defaults[path + name]
        elif name == "location" and isinstance(value, str):
            value = arguments.location(value)
        if name in before and _same(name, value, before[name]):
            value = before[name]
        planned[name] = value
    for name, nested in block.blocks.items():
        items = proposed.get(name)
        if isinstance(items, list):
            priors = before.get(name)
            older = priors if isinstance(priors, list) else []
            inside = f"{path}{name}."
            if nested.nesting == "list":
                pairs = [(item, older[index] if index < len(older) else None) for index, item in enumerate(items)]
            else:
                found = [_same_element(nested.block, item, older, defaults, inside) for item in items]
                pairs = [(_with_computed(nested.block, *pair), pair[1]) for pair in zip(items, found, strict=True)]
            planned[name] = [_planned(nested.block, item, older_one, defaults, inside) for item, older_one in pairs]
        else:
            planned[name] = items
    return planned


def _same_element(block: Block, item: Any, priors: list[Any], defaults: dict[str, Any], path: str) -> Any:
    """The element of a set from before that is the same but for what Azure computes, as the provider's SDK finds it."""
    wanted = _planned(block, item, None, defaults, path)
    return next((each for each in priors if _configured_alike(block, wanted, each)), None)


def _configured_alike(block: Block, one: Any, other: Any) -> bool:
    if not isinstance(one, dict) or not isinstance(other, dict):
        return False
    attributes = all(
        (attribute.computed and one.get(name) in (None, UNKNOWN))
        or one.get(name) == other.get(name)
        or _same(name, one.get(name), other.get(name))
        for name, attribute in block.attributes.items()
    )
    return attributes and all(
        len(one.get(name) or []) == len(other.get(name) or [])
        and all(_configured_alike(nested.block, *pair) for pair in zip(one[name] or [], other[name] or [], strict=True))
        for name, nested in block.blocks.items()
    )


def _with_computed(block: Block, item: Any, before: Any) -> Any:
    """What is configured, and of what is not, what was computed before."""
    if not isinstance(item, dict) or not isinstance(before, dict):
        return item
    known = {name: before.get(name) for name, attribute in block.attributes.items() if attribute.computed}
    return item | {name: value for name, value in known.items() if item.get(name) is None}


def _same(name: str, value: Any, before: Any) -> bool:
    """Whether the provider holds two values for one: ids in another case, and what is null, empty, zero or false."""
    if value is UNKNOWN or before is UNKNOWN:
        return False
    if isinstance(value, str) and isinstance(before, str) and name.endswith("_id") and value.startswith("/"):
        return value.lower() == before.lower()
    return not value and not before


def _replacing(block: Block, forcing: set[str], prior: Any, planned: Any, steps: Path, path: str) -> list[Path]:
    if not isinstance(prior, dict) or not isinstance(planned, dict):
        return []
    found: list[Path] = [
        (*steps, name)
        for name in block.attributes
        if path + name in forcing and not _unchanged(prior.get(name), planned.get(name))
    ]
    for name, nested in block.blocks.items():
        before, after = prior.get(name), planned.get(name)
        if not isinstance(before, list) or not isinstance(after, list) or _unchanged(before, after):
            continue
        counted = path + name in forcing and len(before) != len(after)
        # An element of a set has no place: a change in it is another element.
        inside = nested.nesting == "set" and any(each.startswith(f"{path}{name}.") for each in forcing)
        if counted or inside:
            found.append((*steps, name))
        elif nested.nesting == "list":
            for index, (older, newer) in enumerate(zip(before, after, strict=False)):
                found += _replacing(nested.block, forcing, older, newer, (*steps, name, index), f"{path}{name}.")
    return found


def _unchanged(before: Any, after: Any) -> bool:
    if after is UNKNOWN or before is UNKNOWN:
        return after is before
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(_unchanged, before, after))
    if isinstance(before, dict) and isinstance(after, dict):
        return before.keys() == after.keys() and all(_unchanged(before[name], after[name]) for name in before)
    # The provider's SDK does not tell what is null from what is empty, zero or false.
    return bool(before == after) or (not before and not after)
