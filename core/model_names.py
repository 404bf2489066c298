"""What callers call models: whole names, and names that end in a star and stand for all that begin like them.

Two such patterns are apart, or one holds the other: what several lists have in common is exact.
"""

from collections.abc import Iterable

STAR = "*"


def is_wildcard(name: str) -> bool:
    """Whether a name stands for many: `o3-*`, or `*` for all."""
    return name.endswith(STAR)


def covers(pattern: str, name: str) -> bool:
    """Whether a pattern (or whole name) stands for a name (or for all that another pattern stands for)."""
    return pattern == name or (is_wildcard(pattern) and name.startswith(pattern[:-1]))


def common(some: Iterable[str], others: Iterable[str]) -> frozenset[str]:
    """What both lists allow."""
    others = frozenset(others)
    found: set[str] = set()
    for one in some:
        found.update(
            other if covers(one, other) else one for other in others if covers(one, other) or covers(other, one)
        )
    return frozenset(found)


def prefixes(names: Iterable[str]) -> tuple[str, ...]:
    """How the names begin that a list's patterns stand for: for `str.startswith`."""
    return tuple(sorted(name[:-1] for name in names if is_wildcard(name)))
