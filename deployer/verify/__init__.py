"""Whether an installation does what it is for, seen from inside its network and from outside: the report for its hand-over.

`inside` runs in the job, `outside` on the operator's machine; `report` puts both into one document. A check changes nothing but
a key of its own that it makes, uses once and switches off.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """What a check said."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"  # it does not concern this installation, or what it needs has failed already


@dataclass(frozen=True, slots=True)
class Check:
    """One check and what it said: figures for programs, a sentence and a remedy for people."""

    id: str
    status: Status
    message: str
    remedy: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "status": str(self.status),
            "message": self.message,
            "remedy": self.remedy,
            "figures": dict(self.figures),
        }


def passed(id: str, message: str, **figures: Any) -> Check:
    return Check(id, Status.PASSED, message, figures=figures)


def failed(id: str, message: str, remedy: str, **figures: Any) -> Check:
    return Check(id, Status.FAILED, message, remedy, figures)


def skipped(id: str, message: str) -> Check:
    return Check(id, Status.SKIPPED, message)


def check_of(document: Mapping[str, Any]) -> Check:
    """A check as it came back from the job. Raises `KeyError`, `ValueError`."""
    return Check(
        str(document["id"]),
        Status(document["status"]),
        str(document["message"]),
        str(document["remedy"]),
        dict(document["figures"]),
    )
