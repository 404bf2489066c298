"""The writer as a process: what it says of itself, and what it wants to be started with."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def _start(*arguments: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "proxy.writer", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def _until(port: int, path: str, status: int) -> str:
    deadline = time.monotonic() + 60
    while (answer := _get(port, path))[0] != status:
        assert time.monotonic() < deadline, answer
        time.sleep(0.05)
    return answer[1]


def test_it_is_ready_when_it_reaches_postgres_and_redis(database_url, redis_url, tmp_path, free_port):
    writer = _start(
        "--metrics-port",
        str(free_port),
        ADUANA_DATABASE_URL=database_url,
        ADUANA_REDIS_URL=redis_url,
        ADUANA_STATE_DIR=str(tmp_path),
    )
    try:
        _until(free_port, "/readyz", 200)
        assert _get(free_port, "/livez") == (200, "ok\n")
        assert "aduana_writer_calls_total 0.0" in _get(free_port, "/metrics")[1]
        assert _get(free_port, "/")[0] == 404
        writer.send_signal(signal.SIGTERM)
        assert writer.wait(20) == 0
    finally:
        writer.kill()
        writer.communicate()


def test_it_waits_for_a_redis_that_is_not_there_and_says_so(database_url, tmp_path, free_port):
    writer = _start(
        "--metrics-port",
        str(free_port),
        ADUANA_DATABASE_URL=database_url,
        ADUANA_REDIS_URL="redis://:sesame@127.0.0.1:1/0",
        ADUANA_STATE_DIR=str(tmp_path),
    )
    try:
        assert "Redis" in _until(free_port, "/readyz", 503)
        assert writer.poll() is None
    finally:
        writer.send_signal(signal.SIGTERM)
        _, said = writer.communicate(timeout=30)
    assert "sesame" not in said


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "ADUANA_DATABASE_URL"),
        ({"ADUANA_DATABASE_URL": "env:NOWHERE"}, "NOWHERE"),
        ({"ADUANA_DATABASE_URL": "postgresql://u:sesame@h/x?nonsense=1"}, "database URL"),
    ],
)
def test_wrong_settings_end_it_with_a_sentence(environment, said):
    writer = _start(**environment)
    _, text = writer.communicate(timeout=60)
    assert writer.returncode == 2
    assert said in text
    assert "Traceback" not in text
    assert "sesame" not in text
