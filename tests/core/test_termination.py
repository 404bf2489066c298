"""SIGTERM for the first process of a container."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

WAITS = "import sys; from core.termination import end_when_told; {}; print('on', flush=True); sys.stdin.read()"


def ends_with(statement: str) -> int | None:
    """The exit code of a process 1 that runs this and is told to end; None: it lives on."""
    command = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", WAITS.format(statement)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "on\n"
        (first,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(first), signal.SIGTERM)
        try:
            return process.wait(timeout=20 if statement != "None" else 0.3)
        except subprocess.TimeoutExpired:
            return None
        finally:
            process.kill()


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("unshare"), reason="needs Linux, root and unshare"
)
def test_process_1_ends_when_it_is_told_which_the_kernel_does_not_see_to():
    assert ends_with("None") is None
    assert ends_with("end_when_told()") == 143
