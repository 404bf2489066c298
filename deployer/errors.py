"""What a command says when it cannot do its work, to a person on stderr or, with `--json`, to a program on stdout.

A command raises `CommandError`; `deployer.cli` alone prints it. No stack trace and no secret ever reaches a terminal by
this way.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

DONE = 0
FAILED = 1
USAGE = 2
CHECK_SAID_NO = 3


class CommandError(Exception):
    """What happened, why, and what to do about it.

    `code` is the stable word for programs, `exit_code` one of the four above, `details` the single findings where there
    are several (objects of plain JSON values, each with a `message`).
    """

    def __init__(
        self,
        what: str,
        why: str = "",
        remedy: str = "",
        code: str = "failed",
        *,
        exit_code: int = FAILED,
        details: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy
        self.code = code
        self.exit_code = exit_code
        self.details = tuple(details)

    @property
    def message(self) -> str:
        """What and why, on one line."""
        return f"{self.what}: {self.why}" if self.why else self.what

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints; `details` is there only where there are some."""
        error: dict[str, Any] = {"code": self.code, "message": self.message, "remedy": self.remedy}
        if self.details:
            error["details"] = [dict(detail) for detail in self.details]
        return {"error": error}


def print_error(error: CommandError, *, as_json: bool) -> None:
    """Tell it where the caller listens."""
    if as_json:
        sys.stdout.write(json.dumps(error.as_json(), ensure_ascii=False) + "\n")
        sys.stdout.flush()
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
    console.print(Text.assemble(("error: ", "bold red"), error.what))
    if error.why:
        console.print(Text(f"  {error.why}"))
    for detail in error.details:
        console.print(Text(f"  {detail.get('message', '')}"))
    if error.remedy:
        console.print(Text.assemble(("  → ", "bold"), error.remedy))
