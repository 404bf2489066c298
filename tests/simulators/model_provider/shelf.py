"""What the provider keeps: objects of one kind in the order in which they were made, and how they are listed."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.model_provider import errors

_KEPT = 10_000


@dataclass(slots=True)
class Kept:
    """An object: what is shown of it, and what only the provider knows."""

    shown: dict[str, Any]
    inside: Any = None
    parts: dict[str, "Shelf"] = field(default_factory=dict)

    def part(self, kind: str) -> "Shelf":
        """The objects of a kind that are part of it."""
        return self.parts.setdefault(kind, Shelf(kind))


class Shelf:
    """The objects of one kind; the oldest are dropped."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, kept: Kept) -> Kept:
        """Keep it, under its `id`."""
        self._kept[kept.shown["id"]] = kept
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return kept

    def find(self, wanted: Any, *, status: int = 404, param: str | None = None) -> Kept:
        """The object of that id.

        Raises:
            ApiError: there is none.
        """
        kept = self._kept.get(wanted) if isinstance(wanted, str) else None
        if kept is None:
            raise errors.no_object(self._kind, str(wanted), status=status, param=param)
        return kept

    def get(self, wanted: str) -> Kept | None:
        """The object of that id, or None."""
        return self._kept.get(wanted)

    def take(self, wanted: str) -> Kept:
        """The object of that id, which is kept no longer.

        Raises:
            ApiError: there is none.
        """
        kept = self.find(wanted)
        del self._kept[wanted]
        return kept

    def all(self) -> list[Kept]:
        """The objects, oldest first."""
        return list(self._kept.values())

    def page(
        self,
        query: Mapping[str, list[str]],
        *,
        match: Callable[[dict[str, Any]], bool] = lambda shown: True,
        order: str = "desc",
        limit: int = 20,
        most: int = 100,
    ) -> dict[str, Any]:
        """A list as the provider answers it: `after`, `before`, `limit` and `order` of the query."""
        return page(
            [kept.shown for kept in self.all() if match(kept.shown)], query, order=order, limit=limit, most=most
        )


def page(
    shown: list[dict[str, Any]],
    query: Mapping[str, list[str]],
    *,
    order: str = "desc",
    limit: int = 20,
    most: int = 100,
) -> dict[str, Any]:
    """A list of these, which are given oldest first.

    Raises:
        ApiError: 400, the query asks for what cannot be.
    """
    wanted = _one(query, "order") or order
    if wanted not in ("asc", "desc"):
        raise errors.wrong_value("order", f"Invalid value: '{wanted}'. Supported values are: 'asc' and 'desc'.")
    size = _limit(query, limit, most)
    found = shown if wanted == "asc" else shown[::-1]
    ids = [one["id"] for one in found]
    after, before = _one(query, "after"), _one(query, "before")
    if after:
        found = found[_place(ids, after, "after") + 1 :]
    elif before:
        found = found[: _place(ids, before, "before")][-size:]
    data = found[:size]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": len(found) > size}


def _one(query: Mapping[str, list[str]], name: str) -> str:
    return query.get(name, [""])[0]


def _limit(query: Mapping[str, list[str]], limit: int, most: int) -> int:
    asked = _one(query, "limit")
    if not asked:
        return limit
    if not asked.isdigit() or not 1 <= int(asked) <= most:
        raise errors.wrong_value("limit", f"Invalid 'limit': expected a value from 1 to {most}, but got '{asked}'.")
    return int(asked)


def _place(ids: list[str], wanted: str, param: str) -> int:
    if wanted not in ids:
        raise errors.wrong_value(param, f"No object found with id '{wanted}'.")
    return ids.index(wanted)
