"""A plan as people read it: what is lost first, then part by part, then what follows the engine's work. Plain lines with a
style each; who prints them decides whether there is colour."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from deployer.costs.telling import told
from deployer.engines import Action, Change, Drift, Purpose
from deployer.engines.changes import AttributeChange
from deployer.review import FurtherStep, ReviewedPlan

_SIGNS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "-/+",
    Action.DELETE: "-",
    Action.IMPORT: "<-",
    Action.MOVE: "->",
    Action.FORGET: "x",
    Action.READ: "?",
}
_STYLES = {
    Action.CREATE: "green",
    Action.UPDATE: "yellow",
    Action.REPLACE: "bold red",
    Action.DELETE: "bold red",
    Action.IMPORT: "cyan",
    Action.MOVE: "cyan",
    Action.FORGET: "yellow",
}
_WORDS = {
    Action.CREATE: "to create",
    Action.UPDATE: "to change",
    Action.REPLACE: "to replace",
    Action.DELETE: "to destroy",
    Action.IMPORT: "to import",
    Action.MOVE: "to move",
    Action.FORGET: "to forget",
}
_MODULE = re.compile(r"module\.([\w-]+)(?:\[\"?([^\"\]]+)\"?\])?")
_KEY = re.compile(r"\[\"?([^\"\]]+)\"?\]$")
_LONGEST_VALUE = 100


@dataclass(frozen=True, slots=True)
class Line:
    """One line, and how it is to stand out: a style of Rich's, or none."""

    text: str
    style: str = ""


def lines_of(reviewed: ReviewedPlan, *, detailed: bool = False) -> Iterator[Line]:
    """The whole plan. `detailed`: with every attribute that is set, not only those that change."""
    plan = reviewed.plan
    acting = plan.acting
    destroying = plan.purpose is Purpose.DESTROY  # then everything is lost, and stands part by part
    lost = [change for change in acting if change.action.destroys and not destroying]
    if plan.drift:
        yield Line("Changed outside since the last apply", "bold")
        yield from _attributes_of_all(plan.drift)
        yield Line("")
    if lost:
        yield Line(f"Destroyed or replaced ({len(lost)})", "bold red")
        for change in lost:
            yield Line(f"  {_SIGNS[change.action]:>3} {change.address}", _STYLES[change.action])
            if why := _why(change):
                yield Line(f"      {why}")
        yield Line("")
    for part, changes in _by_part(acting):
        yield Line(part, "bold")
        for change in changes:
            yield Line(f"  {_SIGNS[change.action]:>3} {_named(change)}", _STYLES[change.action])
            yield from _attributes(change, detailed=detailed)
        yield Line("")
    if not acting:
        empty = (
            "is as the tenant file says: nothing to change." if not destroying else "is not there: nothing to destroy."
        )
        yield Line(f"The infrastructure {empty}")
        yield Line("")
    yield from _steps(reviewed.review.steps)
    if reviewed.review.cost is not None:
        first, *rest = told(reviewed.review.cost)
        yield Line(first, "bold")
        yield from (Line(f"  {each}") for each in rest)
        yield Line("")
    yield Line(_counted(acting), "bold")
    for problem in plan.warnings:
        yield Line(f"warning: {problem.summary}", "yellow")


def drift_lines(drift: Drift) -> Iterator[Line]:
    """What others changed, and what the next apply would make of it."""
    yield Line(f"Changed outside since the last apply ({len(drift.changed)})", "bold")
    for change in drift.changed:
        if change.action is Action.DELETE:
            yield Line(f"  gone {change.address}", "bold red")
        else:
            yield from _attributes_of_all((change,))
    yield Line("")
    yield Line("The next apply would", "bold")
    for change in drift.undone_by_apply:
        yield Line(f"  {_SIGNS[change.action]:>3} {change.address}", _STYLES.get(change.action, ""))
        yield from _attributes(change, detailed=False)
    if not drift.undone_by_apply:
        yield Line("  leave it as it is")


def _steps(steps: Sequence[FurtherStep]) -> Iterator[Line]:
    if not steps:
        return
    yield Line("Then", "bold")
    for number, step in enumerate(steps, 1):
        yield Line(f"  {number}. {step.title}{' (inside the network)' if step.where == 'inside' else ''}")
        for change in step.changes:
            yield Line(f"     {change}")
        if step.note:
            yield Line(f"     {step.note}", "dim")
    yield Line("")


def _counted(acting: Iterable[Change]) -> str:
    counts: dict[Action, int] = defaultdict(int)
    for change in acting:
        counts[change.action] += 1
    said = [f"{counts[action]} {words}" for action, words in _WORDS.items() if counts[action]]
    return "Infrastructure: " + (", ".join(said) if said else "nothing to change")


def _by_part(changes: Iterable[Change]) -> list[tuple[str, list[Change]]]:
    parts: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        parts[_part(change)].append(change)
    return sorted(
        ((part, sorted(those, key=lambda each: each.address)) for part, those in parts.items()),
        key=lambda each: (each[0] != "Installation", each[0]),
    )


def _part(change: Change) -> str:
    """What a resource is part of, in words: the stack's modules within the root's one."""
    names = [
        f"{module.replace('_', ' ').replace('-', ' ')}{f' {key}' if key and not key.isdecimal() else ''}"
        for module, key in _MODULE.findall(change.module)[1:]
    ]
    return ", ".join(names).capitalize() if names else "Installation"


def _named(change: Change) -> str:
    kind = change.kind.removeprefix("azurerm_").replace("_", " ")
    key = _KEY.search(change.name)
    told = next(
        (
            each.after
            for each in change.attributes
            if each.path == "name" and isinstance(each.after, str) and not each.after.startswith("(")
        ),
        None,
    )
    which = key.group(1) if key and not key.group(1).isdecimal() else ""
    plain = change.name.partition("[")[0]
    name = told or which or (plain if plain != "this" else "")
    if told and which and which not in told:
        name += f" ({which})"
    return f"{kind} {name}".rstrip()


def _why(change: Change) -> str:
    if change.forcing:
        return f"cannot be changed in place: {', '.join(change.forcing)}"
    return change.reason


def _attributes_of_all(changes: Iterable[Change]) -> Iterator[Line]:
    for change in changes:
        yield Line(f"  {_SIGNS.get(change.action, '~'):>3} {change.address}", "yellow")
        yield from _attributes(change, detailed=False)


def _attributes(change: Change, *, detailed: bool) -> Iterator[Line]:
    if change.action in (Action.CREATE, Action.IMPORT, Action.DELETE) and not detailed:
        return
    for each in change.attributes:
        yield Line(f"        {_difference(each, change.action)}")


def _difference(each: AttributeChange, action: Action) -> str:
    forced = "  (forces replacement)" if each.forces_replacement else ""
    if action is Action.CREATE:
        return f"{each.path} = {_short(each.after_text)}{forced}"
    return f"{each.path}: {_short(each.before_text)} -> {_short(each.after_text)}{forced}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
