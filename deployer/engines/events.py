"""What an engine says while it works, as it happens. Whoever watches must not raise."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from deployer.engines.changes import Action, Change
from deployer.engines.problems import Problem


class Step(StrEnum):
    """What the engine is at."""

    PREPARE = "prepare"
    PLAN = "plan"
    APPLY = "apply"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step begins; with a second attempt or after an interruption it does so again."""

    step: Step
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Said:
    """A line that is worth showing and belongs to no resource."""

    text: str


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A resource was read as it is now."""

    address: str


@dataclass(frozen=True, slots=True)
class Planned:
    """A change was found that has to be made (of the attributes nothing is known yet)."""

    change: Change


@dataclass(frozen=True, slots=True)
class ResourceStarted:
    """Work on a resource began."""

    address: str
    kind: str
    action: Action  # of a replacement its two halves: delete, create


@dataclass(frozen=True, slots=True)
class ResourceProgress:
    """It still goes on."""

    address: str
    kind: str
    action: Action
    seconds: float  # since it began


@dataclass(frozen=True, slots=True)
class ResourceDone:
    """It is done."""

    address: str
    kind: str
    action: Action
    seconds: float
    id: str  # the cloud's; empty where there is none


@dataclass(frozen=True, slots=True)
class ResourceFailed:
    """It failed; the `Diagnosed` that says why follows when the step ends."""

    address: str
    kind: str
    action: Action
    seconds: float


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """An error or a warning."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class Retrying:
    """What failed is tried again after a wait, by a new plan within the reviewed one."""

    problems: tuple[Problem, ...]  # those that are why
    attempt: int  # from 1
    attempts: int
    seconds: float  # the wait


@dataclass(frozen=True, slots=True)
class Resumed:
    """The state had moved on from the plan; a new plan is within the reviewed one, and is applied in its place."""

    left: tuple[Change, ...]  # what is still to be done


@dataclass(frozen=True, slots=True)
class Stopping:
    """A wish to stop was passed on: the engine finishes what cannot be broken off, and gives its lock back."""

    hard: bool  # it was asked a second time, and is ended at once


Event: TypeAlias = (
    StepStarted
    | Said
    | Refreshed
    | Planned
    | ResourceStarted
    | ResourceProgress
    | ResourceDone
    | ResourceFailed
    | Diagnosed
    | Retrying
    | Resumed
    | Stopping
)

Watch: TypeAlias = Callable[[Event], None]


def unwatched(_: Event) -> None:
    """Nobody looks."""
