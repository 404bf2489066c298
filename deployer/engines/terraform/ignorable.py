"""Drift that was declared to be somebody's right, set apart from the rest."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from deployer.engines.changes import Action, Change
from deployer.engines.plans import Ignored


def without(found: Iterable[Change], ignored: Sequence[Ignored]) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """What of the drift counts, and what of it was declared ignorable. One resource may have some of each."""
    counts: list[Change] = []
    let_be: list[Change] = []
    for change in found:
        patterns = [_pattern(rule.path) for rule in ignored if fnmatchcase(change.kind, rule.kind)]
        if change.action is not Action.UPDATE:
            (let_be if "*" in patterns else counts).append(change)
            continue
        theirs = tuple(one for one in change.attributes if any(fnmatchcase(one.path, pattern) for pattern in patterns))
        ours = tuple(one for one in change.attributes if one not in theirs)
        if theirs:
            let_be.append(replace(change, attributes=theirs))
        if ours:
            counts.append(replace(change, attributes=ours))
    return tuple(counts), tuple(let_be)


def _pattern(path: str) -> str:
    """The path as a shell pattern, in which brackets are the places in lists and nothing else."""
    return path.replace("[", "[[]")
