"""What an installation needs after its infrastructure and before its first call: the services' roles in Postgres, the tables,
the pepper and the master key, and once the seed. It runs inside the network, as the job's identity, and is safe to repeat.

`steps` is the order, each step a module: it says what it finds to be done before it does it. What runs it from outside is
`deployer/jobs/`. Nothing here asks Resource Manager or Graph, and no secret value leaves for anywhere but the vault.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Standing(StrEnum):
    """How a step stands."""

    TO_DO = "to_do"
    DONE = "done"  # just now
    IN_PLACE = "in_place"  # it was done before
    UNKNOWN = "unknown"  # an earlier step has to be done first


@dataclass(frozen=True, slots=True)
class Step:
    """One step as a plan or a report shows it."""

    id: str
    title: str
    standing: Standing
    changes: tuple[str, ...] = ()  # what is to be done, or was
    facts: dict[str, Any] = field(default_factory=dict)  # for programs: plain JSON values, never a secret's

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "title": self.title,
            "standing": str(self.standing),
            "changes": list(self.changes),
            **({"facts": self.facts} if self.facts else {}),
        }


class BootstrapError(Exception):
    """A step cannot be done; everything before it is done, and it may be run again. `remedy`: what to do first."""

    def __init__(self, step: str, message: str, remedy: str = "", *, code: str = "bootstrap_failed") -> None:
        super().__init__(message)
        self.step, self.remedy, self.code = step, remedy, code
