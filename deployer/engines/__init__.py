"""Engines: what turns a tenant's description into resources of Azure, behind one port.

An engine plans, does exactly what a reviewed plan shows, and says what it does while it does it. It never prints, never asks,
and never goes beyond the plan: what is left to do after an interruption is done only where the reviewed plan holds it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from deployer.engines.cancellation import Cancellation
from deployer.engines.changes import Action, AttributeChange, Change, OutputChange, Placeholder, Resource, Value
from deployer.engines.errors import EngineError, Stopped
from deployer.engines.events import Event, Watch, unwatched
from deployer.engines.plans import (
    Completed,
    Difference,
    Drift,
    Ignored,
    Inventory,
    Outcome,
    Output,
    Plan,
    Purpose,
    Result,
    StateVersion,
)
from deployer.engines.problems import Problem, Retry, Severity

__all__ = [
    "Action",
    "AttributeChange",
    "Cancellation",
    "Change",
    "Completed",
    "Difference",
    "Drift",
    "Engine",
    "EngineError",
    "Event",
    "Ignored",
    "Inventory",
    "Outcome",
    "Output",
    "OutputChange",
    "Placeholder",
    "Plan",
    "Problem",
    "Purpose",
    "Resource",
    "Result",
    "Retry",
    "Severity",
    "StateVersion",
    "Stopped",
    "Value",
    "Watch",
    "unwatched",
]


class Engine(Protocol):
    """One tenant's engine. Its methods block, and tell `watch` what happens meanwhile, on the caller's thread.

    Each takes a `Cancellation`; without one it has its own, which Ctrl-C and the system's signal to end reach. All raise
    `EngineError`, whose `exit_code` is the command's; `Stopped` where somebody wished to stop and there is nothing to return.
    """

    @property
    def name(self) -> str:
        """`terraform`, `pulumi`."""
        ...

    def prepare(self, *, watch: Watch = unwatched, cancellation: Cancellation | None = None) -> None:
        """Write the engine's input, fetch what it needs and open the state. Safe to repeat; changes no resource."""
        ...

    def plan(
        self,
        file: Path,
        *,
        purpose: Purpose = Purpose.APPLY,
        watch: Watch = unwatched,
        cancellation: Cancellation | None = None,
    ) -> Plan:
        """Find what is to be done, and save it in `file`. After `prepare`."""
        ...

    def load(self, file: Path) -> Plan:
        """A plan that was saved. Raises where it was changed since, is not whole, or is another engine's."""
        ...

    def apply(self, plan: Plan, *, watch: Watch = unwatched, cancellation: Cancellation | None = None) -> Outcome:
        """Do what a plan shows, and nothing else. The same plan may be applied again after any interruption."""
        ...

    def destroy(self, plan: Plan, *, watch: Watch = unwatched, cancellation: Cancellation | None = None) -> Outcome:
        """The same for a plan whose purpose is to destroy, and for such a plan alone."""
        ...

    def outputs(self, *, cancellation: Cancellation | None = None) -> Mapping[str, Output]:
        """What the last apply handed on, by name."""
        ...

    def drift(
        self,
        *,
        ignored: Sequence[Ignored] = (),
        watch: Watch = unwatched,
        cancellation: Cancellation | None = None,
    ) -> Drift:
        """What others changed since the last apply, and what applying again would make of it."""
        ...

    def inventory(self, *, cancellation: Cancellation | None = None) -> Inventory:
        """What the state holds, as it was written last."""
        ...

    def unlock(self, lock: str) -> None:
        """Take the state's lock from an owner who is gone, by the lock's id. Only ever on a person's word."""
        ...
