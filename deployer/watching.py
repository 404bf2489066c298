"""What an engine does, told while it does it: on a terminal the resources that are under way and how long each takes, elsewhere
a line each, with `--json` nothing but what goes wrong.

Everything is said on stderr: stdout is the result's.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, TextIO

from deployer.engines import Action, Event, Watch
from deployer.engines.events import (
    Diagnosed,
    Refreshed,
    ResourceDone,
    ResourceFailed,
    ResourceProgress,
    ResourceStarted,
    Resumed,
    Retrying,
    Said,
    Step,
    StepStarted,
    Stopping,
)
from deployer.engines.problems import Severity

if TYPE_CHECKING:
    from rich.live import Live

_STEPS = {
    Step.PREPARE: "Preparing the engine",
    Step.PLAN: "Planning",
    Step.APPLY: "Applying",
    Step.DRIFT: "Looking for what changed outside",
}
_DOING = {
    Action.CREATE: "creating",
    Action.UPDATE: "changing",
    Action.DELETE: "destroying",
    Action.REPLACE: "replacing",
    Action.READ: "reading",
    Action.IMPORT: "importing",
}
_DID = {
    Action.CREATE: "created",
    Action.UPDATE: "changed",
    Action.DELETE: "destroyed",
    Action.REPLACE: "replaced",
    Action.READ: "read",
    Action.IMPORT: "imported",
}
_MOST_SHOWN = 12


@contextmanager
def watching(*, quiet: bool = False, out: TextIO | None = None) -> Iterator[Watch]:
    """A watch for an engine's methods. `quiet`: only warnings and errors."""
    out = out or sys.stderr
    if quiet or not out.isatty():
        yield _Lines(out, quiet=quiet).hear
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(file=out, highlight=False), transient=True, refresh_per_second=4) as live:
        board = _Board(live)
        live.get_renderable = board.table  # type: ignore[method-assign]
        yield board.hear


def told(event: Event) -> str | None:
    """An event as a line; None for what is not worth one."""
    if isinstance(event, StepStarted):
        again = f" (attempt {event.attempt})" if event.attempt > 1 else ""
        return f"{_STEPS[event.step]}{again}"
    if isinstance(event, ResourceDone):
        return f"  {_DID.get(event.action, event.action)} {short(event.address)} in {spent(event.seconds)}"
    if isinstance(event, ResourceFailed):
        return f"  failed {short(event.address)} after {spent(event.seconds)}"
    if isinstance(event, Retrying):
        why = "; ".join(problem.cause or problem.summary for problem in event.problems)
        return f"  trying again in {spent(event.seconds)} ({event.attempt} of {event.attempts}): {why}"
    if isinstance(event, Resumed):
        return f"Going on where it was interrupted: {len(event.left)} left to do, all in the reviewed plan"
    if isinstance(event, Stopping):
        return (
            "Stopping at once" if event.hard else "Stopping: what is under way is finished, the state's lock given back"
        )
    if isinstance(event, Said):
        return f"  {event.text}"
    return None


def short(address: str) -> str:
    """An address without what all of them begin with."""
    return address.removeprefix("module.aduana.")


def spent(seconds: float) -> str:
    """`3 s`, `2 min 5 s`."""
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


class _Lines:
    """A line an event."""

    def __init__(self, out: TextIO, *, quiet: bool) -> None:
        self._out = out
        self._quiet = quiet

    def hear(self, event: Event) -> None:
        if isinstance(event, Diagnosed):
            if event.problem.severity is not Severity.ERROR:  # errors are the outcome's to tell
                self._out.write(f"warning: {event.problem.summary}\n")
        elif not self._quiet and (line := told(event)) is not None:
            self._out.write(line + "\n")
        self._out.flush()


class _Board:
    """What is done scrolls by; what is under way stands below it with the time that it took so far."""

    def __init__(self, live: "Live") -> None:
        self._live = live
        self._under_way: dict[str, tuple[Action, float]] = {}
        self._step = ""
        self._refreshed = self._done = 0

    def hear(self, event: Event) -> None:
        if isinstance(event, ResourceStarted):
            self._under_way[event.address] = (event.action, monotonic())
        elif isinstance(event, ResourceProgress):
            self._under_way.setdefault(event.address, (event.action, monotonic() - event.seconds))
        elif isinstance(event, Refreshed):
            self._refreshed += 1
        elif isinstance(event, StepStarted):
            self._step, self._refreshed = told(event) or "", 0
        elif isinstance(event, Diagnosed):
            if event.problem.severity is not Severity.ERROR:
                self._live.console.print(f"warning: {event.problem.summary}", style="yellow", markup=False)
        else:
            if isinstance(event, ResourceDone | ResourceFailed):
                self._under_way.pop(event.address, None)
                self._done += isinstance(event, ResourceDone)
            line = told(event)
            if line is not None:
                style = "red" if isinstance(event, ResourceFailed) else None
                self._live.console.print(line, style=style, markup=False)

    def table(self) -> Any:
        from rich.text import Text

        now = monotonic()
        read = f", {self._refreshed} resources read" if self._refreshed else ""
        done = f", {self._done} done" if self._done else ""
        lines = [f"{self._step}{read}{done}"]
        under_way = sorted(self._under_way.items(), key=lambda each: each[1][1])
        for address, (action, since) in under_way[:_MOST_SHOWN]:
            lines.append(f"  {_DOING.get(action, action)} {short(address)} {spent(now - since)}")
        if len(under_way) > _MOST_SHOWN:
            lines.append(f"  and {len(under_way) - _MOST_SHOWN} more")
        return Text("\n".join(lines))
