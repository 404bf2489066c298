"""Each baseline forwards whole answers and streams untouched: what it is measured by is the same work."""

import os
import shutil
import subprocess
import sys

import pytest

from bench import machine
from bench.processes import Cores
from bench.subjects import Site
from bench.subjects.direct import Direct
from bench.subjects.fastapi_aiohttp import FastApiAiohttp
from bench.subjects.nginx import Nginx
from bench.traffic import CREDIT
from bench.upstream import serve
from tests.bench.upstreams import load

NGINX = pytest.param(
    Nginx, marks=pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed (make debian)")
)


@pytest.mark.parametrize("kind", [Direct, NGINX, FastApiAiohttp])
async def test_a_baseline_forwards_answers_and_streams_untouched(kind, tmp_path):
    server = await serve("127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    core = min(os.sched_getaffinity(0))
    subject = kind()
    # Its first answer comes from the upstream in this very loop, so it is only started here, and asked below.
    subject.start(Site(tmp_path, Cores(core, core, core, core), port))
    try:
        for wishes in (
            {"port": subject.port, "connections": 8},
            {"port": subject.stream_port, "connections": 8, "chunks": 20, "pace_ms": 1},
            # Each event must come through at once, or the next one is never sent.
            {"port": subject.stream_port, "connections": 8, "chunks": 20, "pace_ms": CREDIT, "credit_port": port},
        ):
            report = await load(**wishes)
            assert report.answered == report.sent > 0, report.complaints
            assert (report.wrong, report.broken, report.unanswered) == (0, 0, 0), report.complaints
        for pid in subject.pids:
            for member in machine.tree(pid):
                assert os.sched_getaffinity(member) == {core}
            assert machine.resident_bytes(pid) > 1_000_000
    finally:
        subject.stop()
        server.close()


def test_cpu_time_holds_that_of_children_living_and_ended():
    work = "import os,time\nwhile time.process_time() < 0.3: pass\n"
    program = (
        f"import subprocess,sys\nsubprocess.run([sys.executable, '-c', {work!r}])\nprint('done', flush=True)\ninput()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while machine.cpu_seconds([process.pid]) < 0.1:  # seen while the child lives (the test's timeout bounds it)
            assert process.poll() is None
        assert process.stdout.readline() == "done\n"
        assert machine.cpu_seconds([process.pid]) >= 0.3
        process.communicate("\n")
    assert machine.cpu_seconds([process.pid]) == 0.0


def test_a_core_is_busy_idle_or_stolen_all_of_the_time():
    core = min(os.sched_getaffinity(0))
    first = machine.core_times(core)
    assert first.busy > 0
    later = machine.core_times(core).since(first)
    assert min(later.busy, later.idle, later.steal) >= 0
    with pytest.raises(LookupError, match="no core 9999"):
        machine.core_times(9999)
