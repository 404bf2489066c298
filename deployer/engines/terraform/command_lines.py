"""Terraform's command lines, by python-terraform, and the environment that they run in.

Of python-terraform its knowledge of options serves. How it runs them does not: it cannot stream, stop or pass an environment,
reads the state file after each, and writes a file of variables where there are none. That is corrected here.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import python_terraform

from deployer.engines.errors import EngineError

_OURS_TO_DECIDE = re.compile(r"TF_(CLI_ARGS\w*|VAR_\w+|WORKSPACE|DATA_DIR|INPUT|IN_AUTOMATION|STATE_PERSIST_INTERVAL)")
"""What would change what is planned, or how, from outside: `TF_CLI_ARGS=-lock=false` above all."""

_SECRET_NAME = re.compile(r"SECRET|PASSWORD|TOKEN|CREDENTIAL|SAS|ACCESS_KEY|API_KEY|PRIVATE_KEY", re.IGNORECASE)
_SHORTEST_SECRET = 8  # characters: shorter ones stand in honest texts by chance

_SECRET_SHAPES = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # a JSON web token
    r"|(?i:(?<=sig=)[\w%+/=-]{16,})"  # a shared access signature's
    r"|(?i:(?<=AccountKey=)[\w+/=]{16,})"
    r"|(?i:(?<=SharedAccessKey=)[\w+/=]{16,})"
    r"|(?i:(?<=Bearer )[\w.~+/=-]{16,})"
    r"|(?i:(?<=password=)[^\s;&\"']{4,})"
)


class _Options(python_terraform.Terraform):  # type: ignore[misc]
    """Composes command lines and runs none."""

    def cmd(self, cmd: str, *args: str, **kwargs: Any) -> list[str]:
        return [str(part) for part in self.generate_cmd_string(cmd, *args, **kwargs)]

    def read_state_file(self, file_path: str | None = None) -> None:
        pass

    def _generate_default_options(self, input_options: dict[str, Any]) -> dict[str, Any]:
        return input_options


class CommandLines:
    """Every command line that the engine runs. None of them ever switches the state's lock off."""

    def __init__(self, terraform: Path, *, lock_timeout: float) -> None:
        self._options = _Options(terraform_bin_path=str(terraform))
        self._locking = {"input": False, "lock_timeout": f"{lock_timeout:g}s", "json": python_terraform.IsFlagged}

    def init(self, *, locked_providers: bool) -> list[str]:
        return self._checked(
            self._options.init(
                reconfigure=None,  # it would turn to another state without a word
                backend=None,
                lockfile="readonly" if locked_providers else None,
                **self._locking,
            )
        )

    def plan(self, out: Path, *, destroy: bool = False, refresh_only: bool = False) -> list[str]:
        return self._checked(
            self._options.plan(
                detailed_exitcode=None,
                out=out,
                destroy=python_terraform.IsFlagged if destroy else None,
                refresh_only=python_terraform.IsFlagged if refresh_only else None,
                **self._locking,
            )
        )

    def apply(self, plan: Path) -> list[str]:
        # A saved plan asks nothing, for a plan to destroy as for any other.
        return self._checked(self._options.apply(str(plan), no_color=None, **self._locking))

    def show(self, plan: Path | None = None) -> list[str]:
        arguments = [str(plan)] if plan is not None else []
        return self._checked(self._options.cmd("show", *arguments, json=python_terraform.IsFlagged))

    def output(self) -> list[str]:
        return self._checked(self._options.cmd("output", json=python_terraform.IsFlagged))

    def state_pull(self) -> list[str]:
        return self._checked(self._options.cmd("state pull"))

    def state_push(self, state: Path) -> list[str]:
        return self._checked(self._options.cmd("state push", str(state), lock_timeout=self._locking["lock_timeout"]))

    def force_unlock(self, lock: str) -> list[str]:
        return self._checked(self._options.cmd("force-unlock", lock, force=python_terraform.IsFlagged))

    @staticmethod
    def _checked(command: list[str]) -> list[str]:
        if any(part.startswith("-lock=") for part in command):
            raise EngineError("a command line would switch the state's lock off", code="internal")
        return command


def environment_of_terraform(added: Mapping[str, str], base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What Terraform sees: this process's environment less what is ours to decide, and the credentials."""
    environment = {name: value for name, value in base.items() if not _OURS_TO_DECIDE.fullmatch(name)}
    if "TF_LOG_PATH" not in environment:
        # Without a file of its own the trace would run into what is read here, requests and all.
        environment = {name: value for name, value in environment.items() if not name.startswith("TF_LOG")}
    return {**environment, **added, "TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}


class Scrubber:
    """Takes secrets out of what a provider says, by their value where we hold them and by their shape where we do not."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        values = {
            value
            for name, value in environment.items()
            if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET and not _is_path(value)
        }
        self._values = sorted(values, key=len, reverse=True)

    def clean(self, text: str) -> str:
        for value in self._values:
            text = text.replace(value, "***")
        return _SECRET_SHAPES.sub("***", text)


def _is_path(value: str) -> bool:
    return value.startswith(("/", "./", "~")) or re.match(r"[A-Za-z]:\\", value) is not None
