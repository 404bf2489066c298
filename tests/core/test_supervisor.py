"""The supervisor, with real processes: small Python programs that say what they do in their log."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from core.supervisor import Backoff, Child, ChildFailed, ChildStatus, State, Supervisor, rotate

QUICK = Backoff(first=0.01, longest=0.05)
SLEEPS = "import time\nwhile True: time.sleep(1)"


def program(source: str) -> list[str]:
    return [sys.executable, "-S", "-c", textwrap.dedent(source)]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie whose parent is gone is for init to reap: it runs no more.
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text() if Path("/proc/self").exists() else True


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(backoff=QUICK)
    yield supervisor
    await supervisor.kill_all()


def status(supervisor: Supervisor, name: str) -> ChildStatus:
    return next(child for child in supervisor.children if child.name == name)


async def test_a_child_that_is_killed_is_started_again(supervisor: Supervisor) -> None:
    await supervisor.start(Child("one", program(SLEEPS)))
    first = status(supervisor, "one").pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: status(supervisor, "one").pid not in (None, first))
    await until(lambda: status(supervisor, "one").state is State.RUNNING)
    assert status(supervisor, "one").restarts == 1


async def test_a_child_is_running_only_when_it_says_that_it_is_ready(supervisor: Supervisor, tmp_path: Path) -> None:
    flag = tmp_path / "ready"

    async def ready(pid: int) -> bool:
        return flag.exists() and flag.read_text() == str(pid)

    start = asyncio.create_task(supervisor.start(Child("one", program(SLEEPS), ready=ready)))
    await until(lambda: supervisor.children and status(supervisor, "one").pid)
    assert status(supervisor, "one").state is State.STARTING
    assert not start.done()
    flag.write_text(str(status(supervisor, "one").pid))
    await start
    assert status(supervisor, "one").state is State.RUNNING


async def test_a_child_that_ends_before_it_was_ready_fails_the_start_with_what_it_wrote(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    async def never(_: int) -> bool:
        return False

    child = Child("one", program("print('no such table'); raise SystemExit(3)"), log=tmp_path / "one.log", ready=never)
    with pytest.raises(ChildFailed, match="one ended with exit code 3") as failed:
        await supervisor.start(child)
    assert failed.value.output == ("no such table",)
    assert status(supervisor, "one").state is State.STOPPED


async def test_a_child_that_is_not_ready_in_time_is_stopped(supervisor: Supervisor) -> None:
    async def never(_: int) -> bool:
        return False

    with pytest.raises(ChildFailed, match="not ready within"):
        await supervisor.start(Child("one", program(SLEEPS), ready=never), timeout=0.2)
    assert status(supervisor, "one").state is State.STOPPED
    assert status(supervisor, "one").pid is None


async def test_a_program_that_does_not_exist_fails_the_start(supervisor: Supervisor) -> None:
    with pytest.raises(ChildFailed, match="could not be started"):
        await supervisor.start(Child("one", ["/nonexistent/program"]))


async def test_a_probe_that_finds_something_wrong_fails_the_start_with_it(supervisor: Supervisor) -> None:
    class WrongPassword(Exception):
        pass

    async def ready(_: int) -> bool:
        raise WrongPassword

    with pytest.raises(WrongPassword):
        await supervisor.start(Child("one", program(SLEEPS), ready=ready))
    assert status(supervisor, "one").state is State.STOPPED


async def test_higher_stages_end_before_lower_ones_are_told(supervisor: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "order.log"
    source = f"""
        import signal, sys, time
        def end(*_):
            time.sleep(0.1)
            open({str(log)!r}, "a").write(sys.argv[1] + "\\n")
            sys.exit(0)
        signal.signal(signal.SIGTERM, end)
        open({str(tmp_path)!r} + "/" + sys.argv[1], "w")
        while True: time.sleep(1)
    """
    for name, stage in (("postgres", 0), ("writer", 1), ("proxy-0", 2), ("proxy-1", 2)):

        async def ready(_: int, name: str = name) -> bool:
            return (tmp_path / name).exists()

        await supervisor.start(Child(name, [*program(source), name], stage=stage, ready=ready))
    await supervisor.stop_all()
    order = log.read_text().split()
    assert set(order[:2]) == {"proxy-0", "proxy-1"}
    assert order[2:] == ["writer", "postgres"]


async def test_a_child_that_ignores_its_stop_signal_is_killed_with_what_it_started(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    file = tmp_path / "grandchild"
    source = f"""
        import os, signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        grandchild = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
        open({str(file)!r}, "w").write(str(grandchild.pid))
        os.rename({str(file)!r}, {str(file)!r} + ".pid")
        while True: time.sleep(1)
    """
    pids = file.with_name("grandchild.pid")

    async def ready(_: int) -> bool:
        return pids.exists()

    await supervisor.start(Child("one", program(source), ready=ready, grace=0.2))
    pid = status(supervisor, "one").pid
    assert pid is not None
    await supervisor.stop_all()
    await until(lambda: not alive(pid) and not alive(int(pids.read_text())))


async def test_a_child_that_keeps_dying_is_stopped_while_it_waits(supervisor: Supervisor) -> None:
    slow = Supervisor(backoff=Backoff(first=600.0))
    await slow.start(Child("one", program(SLEEPS)))
    pid = status(slow, "one").pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: status(slow, "one").state is State.BACKOFF)
    assert status(slow, "one").pid is None
    async with asyncio.timeout(10):
        await slow.stop_all()
    assert status(slow, "one").state is State.STOPPED


async def test_preparation_that_fails_once_is_tried_again(supervisor: Supervisor) -> None:
    tries: list[int] = []

    def prepare() -> None:
        tries.append(1)
        if len(tries) == 2:
            raise RuntimeError("the port is not free yet")

    await supervisor.start(Child("one", program(SLEEPS), prepare=prepare))
    pid = status(supervisor, "one").pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: len(tries) == 3 and status(supervisor, "one").state is State.RUNNING)


def test_delays_double_up_to_a_limit() -> None:
    backoff = Backoff(first=0.1, longest=5.0)
    assert [backoff.delay(failures) for failures in (1, 2, 3, 4)] == [0.1, 0.2, 0.4, 0.8]
    assert backoff.delay(10_000) == 5.0


def test_a_long_log_is_kept_as_one_older_file_and_its_writer_goes_on_at_the_start(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, b"x" * 100)
    assert not rotate(log, 100)
    os.write(descriptor, b"y")
    assert rotate(log, 100)
    os.write(descriptor, b"after")
    os.close(descriptor)
    assert log.read_bytes() == b"after"
    assert (tmp_path / "one.log.1").read_bytes() == b"x" * 100 + b"y"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
async def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    source = f"""
        import asyncio, os, sys
        from core.supervisor import Child, Supervisor
        async def main():
            supervisor = Supervisor()
            await supervisor.start(Child("one", [sys.executable, "-S", "-c", {SLEEPS!r}]))
            open({str(file)!r} + ".new", "w").write(str(supervisor.children[0].pid))
            os.rename({str(file)!r} + ".new", {str(file)!r})
            await asyncio.sleep(600)
        asyncio.run(main())
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(source)])
    await until(file.exists)
    child = int(file.read_text())
    assert alive(child)
    parent.kill()
    parent.wait()
    await until(lambda: not alive(child))
