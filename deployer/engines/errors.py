"""What an engine raises where there is no outcome to return."""

from collections.abc import Sequence

from deployer.engines.problems import Problem
from deployer.errors import FAILED, CommandError


class EngineError(CommandError):
    """An engine could not do what it was asked; `problems` are its own diagnostics, where it got so far."""

    def __init__(
        self,
        what: str,
        why: str = "",
        remedy: str = "",
        code: str = "engine_failed",
        *,
        exit_code: int = FAILED,
        problems: Sequence[Problem] = (),
    ) -> None:
        super().__init__(
            what, why, remedy, code, exit_code=exit_code, details=[problem.as_json() for problem in problems]
        )
        self.problems = tuple(problems)


class Stopped(EngineError):
    """Somebody wished to stop before there was a result."""

    def __init__(self, what: str) -> None:
        super().__init__(what, remedy="Nothing was changed; run it again.", code="stopped")
