"""What the job's commands are told on their command line: a file, `-` for the standard input, or `env:NAME`."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from deployer.errors import USAGE, CommandError

Spec = TypeVar("Spec")


def read_given(given: str, read: Callable[[str], Spec], page: str) -> Spec:
    """What is there, read; `page` shows one. Raises `CommandError`."""
    try:
        if given.startswith("env:"):
            return read(os.environ[given[4:]])
        return read(sys.stdin.read() if given == "-" else Path(given).read_text(encoding="utf-8"))
    except KeyError:
        why = f"the variable {given[4:]} is not set"
    except OSError as error:
        why = f"{given}: {error.strerror or type(error).__name__}"
    except ValueError as error:  # what `read` says is wrong, or no UTF-8
        why = str(error)
    raise CommandError("the spec cannot be read", why, f"{page} shows one.", "spec", exit_code=USAGE)
