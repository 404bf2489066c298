"""Which path is which endpoint: a tree of segments, so that a hundred endpoints cost no more than one."""

from typing import Any, Generic, TypeVar

T = TypeVar("T")


class PathTree(Generic[T]):
    """Values by path; `{name}` matches any one segment, where no segment is written out."""

    def __init__(self) -> None:
        self._tree: dict[str, Any] = {}

    def add(self, path: str, value: T) -> None:
        """Put a value at a path."""
        place = self._tree
        for segment in _segments(path):
            if segment.startswith("{"):
                place = place.setdefault("{}", {"name": segment[1:-1], "below": {}})["below"]
            else:
                place = place.setdefault(f"/{segment}", {})
        place["value"] = value

    def find(self, path: str) -> tuple[T, dict[str, str]] | None:
        """The value at a path, with what its parameters are; None: there is none."""
        found: tuple[T, dict[str, str]] | None = _find(self._tree, _segments(path))
        return found


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/")


def _find(place: dict[str, Any], segments: list[str]) -> Any:
    if not segments:
        return (place["value"], {}) if "value" in place else None
    first, rest = segments[0], segments[1:]
    written = place.get(f"/{first}")
    found = _find(written, rest) if written is not None else None
    if found is not None or "{}" not in place or not first:
        return found
    any_segment = place["{}"]
    found = _find(any_segment["below"], rest)
    if found is not None:
        found[1].setdefault(any_segment["name"], first)
    return found
