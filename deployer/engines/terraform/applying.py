"""Applying a reviewed plan: once, and where that does not get to the end, again within the same plan.

The first attempt applies the saved plan itself. Each further one makes a new plan and applies that, if all of it is contained
in the reviewed one; so what is retried, resumed or repaired is never more than what was reviewed.
"""

import re
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.engines.cancellation import Cancellation
from deployer.engines.errors import EngineError, Stopped
from deployer.engines.events import Resumed, Retrying, Step, StepStarted, Watch
from deployer.engines.plans import Completed, Difference, Outcome, Result
from deployer.engines.problems import Problem
from deployer.engines.terraform import saved_plan
from deployer.engines.terraform.containment import differences
from deployer.engines.terraform.runs import begun
from deployer.engines.terraform.saved_plan import SavedPlan
from deployer.engines.terraform.ui import Listener

if TYPE_CHECKING:
    from deployer.engines.terraform.engine import TerraformEngine

_STALE_ROUNDS = 3  # how often somebody else may write the state between our plan and our apply
_EXISTING = re.compile(r'A resource with the ID "(?P<id>[^"]+)"\s+already\s+exists')


class Applying:
    """One call of `apply` or `destroy`."""

    def __init__(
        self, engine: "TerraformEngine", reviewed: SavedPlan, watch: Watch, wish: Cancellation, patience: float
    ) -> None:
        self._engine = engine
        self._reviewed = reviewed
        self._watch = watch
        self._wish = wish
        self._patience = patience
        self._began = time.monotonic()
        self._attempts = 0
        self._resumed = False
        self._stale = 0
        self._tried: Counter[str] = Counter()  # retries so far, by the problem's id
        self._taken_over: dict[str, str] = {}  # ids by address
        self._completed: list[Completed] = []
        self._scratch: Path | None = None

    def run(self) -> Outcome:
        """Until it is done, or cannot be."""
        try:
            # A state that could not be written holds what an earlier apply made: with it, the saved plan is stale.
            self._resumed = self._engine.push_errored_state(self._wish)
            next_plan: Path | None = self._reviewed.plan.file
            while True:
                outcome, problems = self._attempt(next_plan)
                if outcome is not None:
                    return outcome
                if self._wish.requested:
                    return self._outcome(Result.STOPPED, problems)
                if not self._may_go_on(problems):
                    return self._outcome(Result.FAILED, problems)
                next_plan = None
        except Stopped:
            return self._outcome(Result.STOPPED)
        finally:
            self._engine.workspace.done_taking_over()
            self._drop_scratch()

    def _attempt(self, plan: Path | None) -> tuple[Outcome | None, tuple[Problem, ...]]:
        """Apply that plan, or a new one within the reviewed. The end, or why there is none yet."""
        if plan is None:
            try:
                refusal, plan = self._plan_again()
            except Stopped:
                raise
            except EngineError as error:
                if not error.problems:
                    raise
                return None, error.problems
            if plan is None:
                return (
                    self._outcome(Result.REFUSED, differences=refusal) if refusal else self._outcome(Result.DONE)
                ), ()
        self._attempts += 1
        self._watch(StepStarted(Step.APPLY, self._attempts))
        listener = Listener(self._engine.scrubber, self._watch)
        log = self._engine.workspace.run_log(self._reviewed.plan.digest, "apply")
        code = self._engine.run_apply(plan, log, listener, self._watch, self._wish)
        self._completed += listener.completed
        if code == 0:
            return self._outcome(Result.DONE, listener.warnings), ()
        return None, listener.errors

    def _plan_again(self) -> tuple[tuple[Difference, ...], Path | None]:
        """A new plan within the reviewed one; None with the differences where it is not, with none where nothing is left."""
        self._drop_scratch()
        self._watch(StepStarted(Step.PLAN, self._attempts + 1))
        self._scratch = self._engine.workspace.new_plan()
        reviewed = self._reviewed
        fresh = self._engine.make_plan(self._scratch, reviewed.plan.purpose, self._watch, self._wish)
        refusal = differences(reviewed.document, fresh.document, self._begun())
        if refusal or fresh.plan.empty:
            return refusal, None
        self._watch(Resumed(fresh.plan.acting))
        return (), self._scratch

    def _may_go_on(self, problems: tuple[Problem, ...]) -> bool:
        """Whether a new attempt makes sense; where it has to wait, it has waited."""
        ids = {problem.id for problem in problems}
        if self._engine.workspace.errored_state.exists():
            self._engine.push_errored_state(self._wish)
            ids.discard("state_not_saved")
            if not ids:
                return True
        if ids == {"state_changed"}:
            self._stale += 1
            self._resumed = True
            return self._stale <= _STALE_ROUNDS
        rest = [problem for problem in problems if problem.id in ids and not self._takes_over(problem)]
        if any(problem.retry is None for problem in rest):
            return False
        return self._waits_for(rest) if rest else True

    def _takes_over(self, problem: Problem) -> bool:
        """Whether what exists is what this plan's own apply had made, and is imported by the next plan."""
        found = _EXISTING.search(f"{problem.summary}\n{problem.detail}") if problem.id == "exists_already" else None
        if found is None or problem.address not in self._begun() or problem.address in self._taken_over:
            return False
        self._taken_over[problem.address] = found["id"]
        self._engine.workspace.take_over(self._taken_over)
        return True

    def _waits_for(self, problems: Iterable[Problem]) -> bool:
        """Wait as long as the slowest of them needs; False where one was tried often enough."""
        delay, attempt, attempts = 0.0, 0, 0
        for id, retry in {problem.id: problem.retry for problem in problems}.items():
            assert retry is not None
            self._tried[id] += 1
            if self._tried[id] > retry.attempts:
                return False
            if retry.delay(self._tried[id]) >= delay:
                delay, attempt, attempts = retry.delay(self._tried[id]), self._tried[id], retry.attempts
        delay *= self._patience
        self._watch(Retrying(tuple(problems), attempt, attempts, delay))
        if self._wish.wait(delay):
            raise Stopped("it was stopped while it waited")
        return True

    def _begun(self) -> frozenset[str]:
        return begun(self._engine.workspace.run_logs(self._reviewed.plan.digest))

    def _drop_scratch(self) -> None:
        if self._scratch is not None:
            saved_plan.remove(self._scratch)
            self._scratch = None

    def _outcome(
        self, result: Result, problems: tuple[Problem, ...] = (), *, differences: tuple[Difference, ...] = ()
    ) -> Outcome:
        return Outcome(
            result=result,
            plan_digest=self._reviewed.plan.digest,
            completed=tuple(self._completed),
            problems=problems,
            differences=differences,
            attempts=self._attempts,
            resumed=self._resumed,
            seconds=time.monotonic() - self._began,
        )
