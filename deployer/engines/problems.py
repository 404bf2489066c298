"""What went wrong in an engine, with its cause and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Retry:
    """How often the same work is tried again, and after how long. Each try is a new plan within the reviewed one."""

    attempts: int  # after the first
    first_delay: float  # seconds before the first of them
    factor: float = 2.0  # each further delay is so many times the last
    longest_delay: float = 120.0  # seconds

    def delay(self, attempt: int) -> float:
        """Seconds before the retry of that number, from 1."""
        return float(min(self.longest_delay, self.first_delay * self.factor ** (attempt - 1)))


@dataclass(frozen=True, slots=True)
class Problem:
    """One diagnostic of the engine, diagnosed."""

    id: str  # stable, for programs: `quota_exceeded`; `unknown` where no row of the table fits
    severity: Severity
    summary: str  # the engine's own words, secrets taken out
    detail: str  # the same, and may have many lines
    cause: str  # why that happens; empty for `unknown`
    remedy: str  # what to do
    address: str = ""  # the resource it befell; empty where it is none's
    retry: Retry | None = None  # None: trying again would not help

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints of it; `message` is one line."""
        return {
            "id": self.id,
            "severity": self.severity,
            "address": self.address,
            "message": self.message,
            "detail": self.detail,
            "cause": self.cause,
            "remedy": self.remedy,
            "retried": self.retry is not None,
        }

    @property
    def message(self) -> str:
        """What befell what, on one line: the engine's words, with the first of its explanation where it gives one."""
        first = next((line.strip() for line in self.detail.splitlines() if line.strip()), "")
        parts = (self.address, " ".join(self.summary.split()), first)
        return ": ".join(part for part in parts if part)
