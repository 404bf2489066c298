"""The admin service, as a process."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from core.supervisor import die_with_parent


@pytest.fixture
def start_admin(free_port: int) -> Iterator[Callable[[str], httpx.Client]]:
    started: list[subprocess.Popen[bytes]] = []
    client = httpx.Client(base_url=f"http://127.0.0.1:{free_port}", timeout=30)

    def start(database_url: str) -> httpx.Client:
        process = subprocess.Popen(
            [sys.executable, "-m", "admin", "--port", str(free_port)],
            env={**os.environ, "ADUANA_DATABASE_URL": "env:THE_DATABASE", "THE_DATABASE": database_url},
            preexec_fn=die_with_parent(),
        )
        started.append(process)
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            try:
                client.get("/livez")
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return client
        raise AssertionError("the admin service did not start")

    yield start
    client.close()
    for process in started:
        process.terminate()
        assert process.wait(timeout=30) == 0


def test_it_is_ready_on_a_current_schema(start_admin: Callable[[str], httpx.Client], database_url: str) -> None:
    admin = start_admin(database_url)
    answer = admin.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "missing": {}})
    page = admin.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "<strong>ready</strong>" in page.text


def test_it_says_that_the_schema_is_missing(
    start_admin: Callable[[str], httpx.Client], empty_database_url: str
) -> None:
    admin = start_admin(empty_database_url)
    answer = admin.get("/readyz")
    assert answer.status_code == 503
    assert "no schema yet" in answer.json()["missing"]["schema"]
    assert "<strong>not ready</strong>" in admin.get("/").text
    assert admin.get("/livez").status_code == 200


def test_it_starts_without_postgres_says_so_and_tells_nothing_of_the_url(
    start_admin: Callable[[str], httpx.Client],
) -> None:
    admin = start_admin("postgresql://somebody:secret-word@127.0.0.1:1/aduana")
    answer = admin.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["missing"] == {"database": "Postgres cannot be reached"}
    assert "secret-word" not in answer.text


@pytest.mark.parametrize("setting", [{}, {"ADUANA_DATABASE_URL": "mysql://x"}])
def test_wrong_settings_are_told_by_name_and_end_it(setting: dict[str, str], free_port: int) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ADUANA_")} | setting
    done = subprocess.run(
        [sys.executable, "-m", "admin", "--port", str(free_port)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "ADUANA_DATABASE_URL" in done.stderr
