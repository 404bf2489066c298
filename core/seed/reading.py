"""Typed values out of a mapping of the seed file: whatever is wrong becomes a finding at its line, and reading goes on.

A getter answers None where the value is missing or wrong, so one mistake is told once and hides no other.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date
from decimal import Decimal

from core.policies import unknown_key
from core.secrets import SecretRef, SecretReferenceError
from core.seed.document import Fields, Finding, Items, Node, Place, Scalar

_MONEY = re.compile(r"[0-9]{1,11}(\.[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# `/` parts a path, `:` a scope, `~` marks a key that a rotation replaced.
_NAME = re.compile(r"[^\W_](?:[\w .@+()&,'-]{0,126}[\w.@+()&'-])?")
NAME_RULE = "1 to 128 letters, digits, blanks or . _ @ + - ( ) & , ' and begin with a letter or digit"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONGEST_TEXT = 256


def is_name(text: str) -> bool:
    """Whether an entity may be called so (`NAME_RULE`)."""
    return _NAME.fullmatch(text) is not None


class Findings:
    """What is wrong with one file, gathered while it is read."""

    def __init__(self, file: str, found: Iterable[Finding] = ()) -> None:
        self.file = file
        self.errors: list[Finding] = list(found)
        self.warnings: list[Finding] = []

    def wrong(self, place: Place, message: str) -> None:
        """Add an error."""
        self.errors.append(Finding(self.file, place, message))

    def warn(self, place: Place, message: str) -> None:
        """Add what is worth knowing and stops nothing."""
        self.warnings.append(Finding(self.file, place, message))


class Entry:
    """One mapping of the file, such as an upstream or a target, with the keys that it may have."""

    def __init__(self, findings: Findings, fields: Fields, what: str, keys: Collection[str]) -> None:
        self.findings = findings
        self.fields = fields
        self.what = what  # for sentences: "an upstream"
        self.place = fields.place
        for key, place in fields.key_places.items():
            if key not in keys:
                findings.wrong(place, unknown_key(key, keys))

    def node(self, key: str) -> Node | None:
        """The value; None where it is missing or null."""
        node = self.fields.values.get(key)
        return None if node is None or (isinstance(node, Scalar) and node.value is None) else node

    def place_of(self, key: str) -> Place:
        """Where the key's value stands, or the mapping itself."""
        node = self.fields.values.get(key)
        return node.place if node is not None else self.place

    def missing(self, key: str) -> None:
        """Say that a key has to be there."""
        self.findings.wrong(self.place, f"{self.what} needs {key}")

    def text(self, key: str, *, required: bool = False) -> str | None:
        """A text without control characters or blanks around it."""
        node = self.node(key)
        if node is None:
            if required:
                self.missing(key)
            return None
        return text_of(self.findings, node, key)

    def name(self, key: str = "name", *, required: bool = True) -> str | None:
        """A name of an entity: it stands in paths such as client/team/app."""
        value = self.text(key, required=required)
        if value is not None and not is_name(value):
            self.findings.wrong(self.place_of(key), f"{key} must be {NAME_RULE}")
            return None
        return value

    def choice(self, key: str, choices: Sequence[str], *, required: bool = True) -> str | None:
        """One of a few words."""
        value = self.text(key, required=required)
        if value is not None and value not in choices:
            self.findings.wrong(self.place_of(key), f"{key} must be {', '.join(choices[:-1])} or {choices[-1]}")
            return None
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """true or false."""
        node = self.node(key)
        if node is None:
            return default
        if not isinstance(node, Scalar) or not isinstance(node.value, bool):
            self.findings.wrong(node.place, f"{key} must be true or false")
            return default
        return node.value

    def whole(self, key: str, *, low: int, high: int, default: int | None = None) -> int | None:
        """A whole number within bounds."""
        node = self.node(key)
        if node is None:
            return default
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.findings.wrong(node.place, f"{key} must be a whole number from {low} to {high}")
            return default
        return value

    def money(self, key: str, *, required: bool = False) -> Decimal | None:
        """Dollars, exactly as they stand in the file, quoted or not; nine decimals at most."""
        node = self.node(key)
        if node is None:
            if required:
                self.missing(key)
            return None
        text = node.text if isinstance(node, Scalar) else ""
        if not _MONEY.fullmatch(text):
            self.findings.wrong(node.place, f'{key} must be an amount in US dollars, such as "2.50"')
            return None
        amount = Decimal(text)
        if amount != amount.quantize(Decimal("1e-9")):
            self.findings.wrong(node.place, f"{key} is finer than a nano-dollar: nine decimals at most")
            return None
        return amount

    def day(self, key: str) -> date | None:
        """A date, required."""
        value = self.text(key, required=True)
        if value is None:
            return None
        try:
            if _DATE.fullmatch(value):
                return date.fromisoformat(value)
        except ValueError:
            pass  # such as the 30th of February: told below like any other text
        self.findings.wrong(self.place_of(key), f"{key} must be a date, such as 2024-10-01")
        return None

    def secret_ref(self, key: str, *, required: bool = False) -> SecretRef | None:
        """A secret reference. What stands there instead is never repeated: it may be the secret."""
        node = self.node(key)
        if node is None:
            if required:
                self.missing(key)
            return None
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            self.findings.wrong(node.place, f"{key} must be a secret reference")
            return None
        try:
            return SecretRef.parse(node.value)
        except SecretReferenceError as error:
            self.findings.wrong(node.place, f"{key}: {error}")
            return None

    def items(self, key: str) -> tuple[Node, ...]:
        """The list under a key; empty where there is none."""
        node = self.node(key)
        if node is None:
            return ()
        if not isinstance(node, Items):
            self.findings.wrong(node.place, f"{key} must be a list")
            return ()
        return node.values

    def entries(self, key: str, what: str, keys: Collection[str]) -> "tuple[Entry, ...]":
        """The mappings in the list under a key."""
        found = []
        for node in self.items(key):
            if isinstance(node, Fields):
                found.append(Entry(self.findings, node, what, keys))
            else:
                self.findings.wrong(node.place, f"{what} must be a mapping of {', '.join(keys)}")
        return tuple(found)

    def entry(self, key: str, what: str, keys: Collection[str]) -> "Entry | None":
        """The mapping under a key."""
        node = self.node(key)
        if node is None:
            return None
        if not isinstance(node, Fields):
            self.findings.wrong(node.place, f"{key} must be a mapping of {', '.join(keys)}")
            return None
        return Entry(self.findings, node, what, keys)

    def check(self, key: str, problem: Callable[[str], str | None]) -> str | None:
        """A required text that a rule of its own judges: the rule answers what is wrong, or None."""
        value = self.text(key, required=True)
        if value is None:
            return None
        wrong = problem(value)
        if wrong is not None:
            self.findings.wrong(self.place_of(key), f"{key} {wrong}")
            return None
        return value


def text_of(findings: Findings, node: Node, key: str) -> str | None:
    """The text that a node is."""
    if not isinstance(node, Scalar) or node.value is None:
        findings.wrong(node.place, f"{key} must be a text")
        return None
    if not isinstance(node.value, str):
        findings.wrong(node.place, f"{key} must be a text; put it in quotes if it is meant as one")
        return None
    text = node.value
    if not text or len(text) > _LONGEST_TEXT or text != text.strip() or _CONTROL.search(text):
        findings.wrong(
            node.place,
            f"{key} must be a text of 1 to {_LONGEST_TEXT} characters without control characters or blanks around it",
        )
        return None
    return text
