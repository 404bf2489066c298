"""New images into a running installation: the tables first, then each service, the proxy last and by shares of its calls; what
fails is taken back by itself.

`run` is the order, `apps` is Container Apps' revisions and traffic, `tenant_images` the tenant file's lines. The state is what
Azure and the tenant file say: an upgrade that was interrupted is run again. It never seeds.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Standing(StrEnum):
    """How a step stands."""

    TO_DO = "to_do"
    DONE = "done"
    IN_PLACE = "in_place"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True, slots=True)
class Step:
    """A step as a plan or a report shows it."""

    id: str
    title: str
    standing: Standing
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "title": self.title, "standing": str(self.standing), "note": self.note}


class UpgradeFailed(Exception):
    """A step failed: why, and what to do."""

    def __init__(self, message: str, remedy: str = "", *, code: str = "upgrade_failed") -> None:
        super().__init__(message)
        self.remedy, self.code = remedy, code
