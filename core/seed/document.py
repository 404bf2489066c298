"""YAML read with the place of every value kept: plain data with lines, and nothing that YAML can do beyond data.

No tags, no merge keys, one document, UTF-8; scalars are read as YAML 1.2's core schema does (`no` is a text, so is a
date), numbers with a point as `Decimal` from their source. Size, depth and the growth by aliases are limited.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 32
MAX_VALUES = 200_000  # aliases counted as what they stand for

# The C parser where the wheel has it: thirty times as fast on a file of megabytes.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_INTEGER = re.compile(r"[-+]?[0-9]{1,30}")
_DECIMAL = re.compile(r"[-+]?[0-9]{1,30}\.[0-9]{1,30}")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in the file, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a seed file, and where."""

    file: str
    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.place.line}: {self.message}"


class SeedError(ValueError):
    """A seed file cannot be applied, and nothing of it was; `findings` holds all that is wrong, by line."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = tuple(sorted(set(findings), key=lambda each: (each.place, each.message)))
        super().__init__("\n".join(map(str, self.findings)))


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value: text, bool, int, Decimal or None."""

    value: str | bool | int | Decimal | None
    text: str  # as it stands in the file
    place: Place


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    values: tuple["Node", ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping with texts for keys."""

    values: Mapping[str, "Node"]
    key_places: Mapping[str, Place]
    place: Place


Node = Scalar | Items | Fields


class _Stop(Exception):
    """Reading on would make no sense; the finding says why."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place
        self.message = message


def plain(node: Node) -> Any:
    """The value without its places."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Items):
        return [plain(each) for each in node.values]
    return {key: plain(each) for key, each in node.values.items()}


def read_document(path: Path) -> tuple[Node | None, list[Finding]]:
    """The file's one document and what is wrong with it as YAML. None: nothing could be read.

    Raises `OSError` where the file cannot be opened.
    """
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    return parse_document(data, str(path))


def parse_document(data: bytes, name: str) -> tuple[Node | None, list[Finding]]:
    """As `read_document`, from bytes; `name` is what the findings call the file."""
    reader = _Reader(name)
    try:
        return reader.read(_text(data)), reader.findings
    except _Stop as stop:
        reader.findings.append(Finding(name, stop.place, stop.message))
    except yaml.YAMLError as error:
        reader.findings.append(Finding(name, _place_of(error), _sentence(error)))
    return None, reader.findings


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise _Stop(Place(1, 1), f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _Stop(Place(line, 1), "the file is not UTF-8 text") from None
    bad = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    if bad is not None:
        line = text.count("\n", 0, bad.start()) + 1
        raise _Stop(Place(line, 1), f"the character U+{ord(bad.group()):04X} is not allowed in YAML")
    return text


class _Reader:
    """Builds nodes from the parser's events, one file."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._anchors: dict[str, tuple[Node, int]] = {}  # with the number of values they hold
        self._values = 0
        self.findings: list[Finding] = []

    def read(self, text: str) -> Node | None:
        events = iter(yaml.parse(text, Loader=_Loader))
        root: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise _Stop(_place(event), "there is a second document; a seed file holds one")
                root = self._node(next(events), events, 0)
        if root is None or (isinstance(root, Scalar) and root.value is None):
            raise _Stop(Place(1, 1), "the file is empty")
        return root

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        place = _place(event)
        if depth > MAX_DEPTH:
            raise _Stop(place, f"values are nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, place)
        before = self._values
        self._count(1, place)
        if event.tag is not None:
            self._wrong(place, f"the tag {event.tag[:80]!r} is not allowed; a seed file is plain data")
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = _scalar(event, place)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._items(events, place, depth)
        else:
            node = self._fields(events, place, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, self._values - before)
        return node

    def _alias(self, event: Any, place: Place) -> Node:
        if event.anchor not in self._anchors:
            raise _Stop(place, f"the alias *{event.anchor[:80]} names no anchor that is complete above it")
        node, size = self._anchors[event.anchor]
        self._count(size, place)
        return node

    def _items(self, events: Iterator[Any], place: Place, depth: int) -> Items:
        values: list[Node] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            values.append(self._node(event, events, depth + 1))
        return Items(tuple(values), place)

    def _fields(self, events: Iterator[Any], place: Place, depth: int) -> Fields:
        values: dict[str, Node] = {}
        places: dict[str, Place] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._node(event, events, depth + 1)
            value = self._node(next(events), events, depth + 1)
            if not isinstance(key, Scalar):
                self._wrong(key.place, "a key must be a text")
            elif key.text == "<<":
                self._wrong(key.place, "merge keys (<<) are not supported; write the values out")
            elif key.text in places:
                first = places[key.text].line
                self._wrong(key.place, f"the key {key.text[:80]!r} is given twice, first on line {first}")
            else:
                values[key.text] = value
                places[key.text] = key.place
        return Fields(values, places, place)

    def _count(self, values: int, place: Place) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            raise _Stop(place, f"the file holds more than {MAX_VALUES} values, aliases counted as what they stand for")

    def _wrong(self, place: Place, message: str) -> None:
        self.findings.append(Finding(self._name, place, message))


def _scalar(event: Any, place: Place) -> Scalar:
    text: str = event.value
    return Scalar(_value(text) if event.style is None or event.style == "" else text, text, place)


def _value(text: str) -> str | bool | int | Decimal | None:
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if _INTEGER.fullmatch(text):
        return int(text)
    return Decimal(text) if _DECIMAL.fullmatch(text) else text


def _place(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


def _place_of(error: yaml.YAMLError) -> Place:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return Place(mark.line + 1, mark.column + 1) if mark is not None else Place(1, 1)


def _sentence(error: yaml.YAMLError) -> str:
    # The parser's own words without its snippet: a snippet may hold what somebody pasted by mistake.
    problem = getattr(error, "problem", None) or "it cannot be read"
    context = getattr(error, "context", None)
    return f"not valid YAML: {f'{context}, ' if context else ''}{problem}"
