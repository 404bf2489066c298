"""A plan, what came of it, and what else an engine answers."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from deployer.engines.changes import Action, Change, OutputChange, Resource, Value
from deployer.engines.problems import Problem


class Purpose(StrEnum):
    """What a plan is for. A plan to destroy can be given to `destroy` alone."""

    APPLY = "apply"
    DESTROY = "destroy"


@dataclass(frozen=True, slots=True)
class StateVersion:
    """Which state a plan was made from."""

    lineage: str  # one a state's life; empty where there was no state yet
    serial: int  # one more with every write


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done, saved so that exactly this can be done."""

    engine: str
    engine_version: str
    purpose: Purpose
    file: Path  # the saved plan, 0600
    digest: str  # `sha256:…` of all that follows, and of the file
    made_at: datetime  # UTC
    inputs_digest: str  # `sha256:…` of everything that the engine was given
    state: StateVersion
    changes: tuple[Change, ...]  # every resource that the plan names, also those that stay as they are
    outputs: tuple[OutputChange, ...] = ()
    resources: tuple[Resource, ...] = ()  # all of them, as they will be
    drift: tuple[Change, ...] = ()  # what was found changed outside
    warnings: tuple[Problem, ...] = ()

    @property
    def acting(self) -> tuple[Change, ...]:
        """The changes that do something."""
        return tuple(change for change in self.changes if change.action.acts)

    @property
    def empty(self) -> bool:
        """Whether applying it would leave everything as it is."""
        return not self.acting and not any(output.action.acts for output in self.outputs)

    def counts(self) -> Mapping[Action, int]:
        """How many resources each action befalls."""
        return Counter(change.action for change in self.changes)

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        return {
            "engine": self.engine,
            "engine_version": self.engine_version,
            "purpose": self.purpose,
            "file": str(self.file),
            "digest": self.digest,
            "made_at": self.made_at.isoformat(),
            "inputs_digest": self.inputs_digest,
            "state": {"lineage": self.state.lineage, "serial": self.state.serial},
            "counts": dict(sorted(self.counts().items())),
            "changes": [change.as_json() for change in self.changes],
            "outputs": [output.as_json() for output in self.outputs],
            "drift": [change.as_json() for change in self.drift],
            "warnings": [problem.as_json() for problem in self.warnings],
        }


class Result(StrEnum):
    """How applying ended."""

    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"  # on request; applying the same plan again goes on
    REFUSED = "refused"  # what is left to do is not in the reviewed plan; nothing further was done


@dataclass(frozen=True, slots=True)
class Completed:
    """What was done to one resource."""

    address: str
    kind: str
    action: Action
    seconds: float
    id: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Why a new change is not in the reviewed plan."""

    address: str
    reviewed: str  # what the reviewed plan says of it, as a clause
    now: str

    def as_json(self) -> dict[str, Any]:
        return {
            "address": self.address,
            "reviewed": self.reviewed,
            "now": self.now,
            "message": f"{self.address}: {self.now}; the reviewed plan: {self.reviewed}",
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of applying a plan. All that was completed stays, whatever the result."""

    result: Result
    plan_digest: str  # of the reviewed plan
    completed: tuple[Completed, ...] = ()
    problems: tuple[Problem, ...] = ()  # of the last attempt
    differences: tuple[Difference, ...] = ()  # where it was refused
    attempts: int = 1
    resumed: bool = False  # it went on from where an earlier run had ended
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        return {
            "result": self.result,
            "plan_digest": self.plan_digest,
            "attempts": self.attempts,
            "resumed": self.resumed,
            "seconds": round(self.seconds, 1),
            "completed": [
                {"address": one.address, "action": one.action, "seconds": one.seconds, "id": one.id}
                for one in self.completed
            ],
            "problems": [problem.as_json() for problem in self.problems],
            "differences": [difference.as_json() for difference in self.differences],
        }


@dataclass(frozen=True, slots=True)
class Output:
    """One value that the engine hands to the next step."""

    name: str
    value: Value  # the real one, also where it is sensitive
    sensitive: bool


@dataclass(frozen=True, slots=True)
class Ignored:
    """Drift that is somebody's right: a platform that scales, a policy that tags. Both are shell patterns (`*`, `?`)."""

    kind: str  # `azurerm_container_app`
    path: str = "*"  # `latest_revision_*`; `*` alone also when the whole resource is gone


@dataclass(frozen=True, slots=True)
class Drift:
    """What is no longer as it was applied."""

    changed: tuple[Change, ...]  # by others, since; before: as the state has it, after: as it is
    ignored: tuple[Change, ...]  # the same, of what was declared ignorable
    undone_by_apply: tuple[Change, ...]  # what applying now would do; empty where nothing changed

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        return {
            "drift": bool(self.changed),
            "changed": [change.as_json() for change in self.changed],
            "ignored": [change.as_json() for change in self.ignored],
            "undone_by_apply": [change.as_json() for change in self.undone_by_apply],
        }


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the state holds."""

    state: StateVersion | None  # None: there is none yet
    resources: tuple[Resource, ...]
