"""What `aduana up` and its companions refuse: each with a word for programs, a remedy, and nothing harmed."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployer import cli
from deployer.directory_lock import DirectoryLock
from deployer.local.layout import Layout

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line; its exit code and what --json printed."""

    def run(*arguments: object) -> tuple[int, dict[str, Any]]:
        code = cli.run([*map(str, arguments), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A tenant's directory as a first start leaves it, without a database in it."""
    layout = Layout.at(tmp_path / "tenant")
    layout.create()
    layout.prepare()
    return layout.root


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def contents(directory: Path) -> dict[str, bytes]:
    """Every file but the lock, whose text says who last held it."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != "lock"
    }


@pytest.mark.parametrize("service", ["proxy", "admin"])
def test_a_taken_port(run: Run, data_dir: Path, taken_port: int, service: str) -> None:
    before = contents(data_dir)
    other = "admin" if service == "proxy" else "proxy"
    code, said = run("up", "--data-dir", data_dir, f"--{service}-port", taken_port, f"--{other}-port", 0)
    assert (code, said["error"]["code"]) == (1, "port_taken")
    assert str(taken_port) in said["error"]["message"]
    assert f"--{service}-port" in said["error"]["remedy"]
    assert contents(data_dir) == before


def test_one_port_for_both_services(run: Run, tmp_path: Path) -> None:
    code, said = run("up", "--data-dir", tmp_path / "new", "--proxy-port", 9000, "--admin-port", 9000)
    assert (code, said["error"]["code"]) == (1, "port_taken")


def test_a_second_up_on_the_same_directory(run: Run, data_dir: Path) -> None:
    first = DirectoryLock(data_dir / "lock")
    assert first.acquire()
    before = contents(data_dir)
    code, said = run("up", "--data-dir", data_dir)
    assert (code, said["error"]["code"]) == (1, "already_running")
    assert "aduana down" in said["error"]["remedy"]
    assert contents(data_dir) == before
    first.release()
    assert first.holder is None


def test_an_environment_that_names_an_unusable_provider(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "contoso")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-secret")
    code, said = run("up", "--data-dir", tmp_path / "new", "--proxy-port", 0, "--admin-port", 0)
    assert (code, said["error"]["code"]) == (1, "bad_environment")
    assert "endpoint must be a URL" in said["error"]["message"]
    assert "AZURE_OPENAI_ENDPOINT" in said["error"]["remedy"]


@pytest.mark.parametrize("file", ["state.json", "tenant.json"])
@pytest.mark.parametrize("garbage", ["{gar", "", "[]", '"text"', "\x00\x01"])
def test_a_damaged_file_is_named_and_left_as_it_is(run: Run, data_dir: Path, file: str, garbage: str) -> None:
    (data_dir / file).write_text(garbage)
    before = contents(data_dir)
    code, said = run("up", "--data-dir", data_dir, "--proxy-port", 0, "--admin-port", 0)
    assert (code, said["error"]["code"]) == (1, "corrupt_data_dir")
    assert file in said["error"]["message"]
    assert said["error"]["remedy"]
    assert contents(data_dir) == before


def test_a_directory_of_a_later_format(run: Run, data_dir: Path) -> None:
    (data_dir / "tenant.json").write_text('{"format": 99}')
    code, said = run("up", "--data-dir", data_dir)
    assert (code, said["error"]["code"]) == (1, "data_dir_version")


@pytest.mark.parametrize("secret", ["pepper", "master-key", "postgres", "redis"])
def test_a_secret_that_is_gone_is_not_replaced_where_there_are_data(run: Run, data_dir: Path, secret: str) -> None:
    (data_dir / "postgres" / "data").mkdir()
    (data_dir / "secrets" / secret).unlink()
    before = contents(data_dir)
    code, said = run("up", "--data-dir", data_dir, "--proxy-port", 0, "--admin-port", 0)
    assert (code, said["error"]["code"]) == (1, "corrupt_data_dir")
    assert f"secrets/{secret}" in said["error"]["message"]
    assert contents(data_dir) == before


def test_a_database_of_another_version(run: Run, data_dir: Path) -> None:
    (data_dir / "postgres" / "data").mkdir()
    (data_dir / "postgres" / "data" / "PG_VERSION").write_text("9.6\n")
    before = contents(data_dir)
    code, said = run("up", "--data-dir", data_dir, "--proxy-port", 0, "--admin-port", 0)
    assert (code, said["error"]["code"]) == (1, "postgres_version")
    assert contents(data_dir) == before


def test_a_directory_of_somebody_else_is_left_as_it_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    code, said = run("up", "--data-dir", tmp_path)
    assert (code, said["error"]["code"]) == (1, "not_a_data_dir")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_place_of_a_directory(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert run("up", "--data-dir", file)[1]["error"]["code"] == "not_a_data_dir"
    assert run("up", "--data-dir", file / "below")[1]["error"]["code"] == "data_dir_unusable"


def test_a_wrong_seed_file_before_anything_is_made(run: Run, tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text("routes:\n  - modell: gpt-4o\n")
    code, said = run("up", "--data-dir", tmp_path / "new", "--seed", seed)
    assert (code, said["error"]["code"]) == (1, "seed_invalid")
    assert {detail["line"] for detail in said["error"]["details"]} == {2}
    assert not (tmp_path / "new").exists()


def test_several_workers_without_redis(run: Run, tmp_path: Path) -> None:
    code, said = run("up", "--data-dir", tmp_path / "new", "--workers", 2, "--no-redis")
    assert (code, said["error"]["code"]) == (2, "workers_need_redis")
    assert not (tmp_path / "new").exists()


def test_detached_it_refuses_in_the_same_words(run: Run, data_dir: Path, taken_port: int) -> None:
    code, said = run("up", "--detach", "--data-dir", data_dir, "--proxy-port", taken_port, "--admin-port", 0)
    assert (code, said["error"]["code"]) == (1, "port_taken")


def test_status_of_nothing_is_an_error_and_stopping_nothing_is_none(run: Run, tmp_path: Path) -> None:
    code, said = run("status", "--data-dir", tmp_path / "none")
    assert (code, said["error"]["code"]) == (1, "no_tenant")
    code, said = run("down", "--data-dir", tmp_path / "none")
    assert (code, said["stopped"]) == (0, False)
    assert not (tmp_path / "none").exists()


def test_secrets_are_for_their_owner_alone(data_dir: Path) -> None:
    assert data_dir.stat().st_mode & 0o777 == 0o700
    assert (data_dir / "secrets").stat().st_mode & 0o777 == 0o700
    for path in (data_dir / "secrets").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
