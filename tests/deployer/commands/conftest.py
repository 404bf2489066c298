"""The program in this process, over a real database: exit code, stdout, stderr."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployer.cli import run

SEED = """
upstreams:
  - {name: sim, provider: azure_openai, endpoint: "http://127.0.0.1:9", auth: {none: true}}
routes:
  - {model: gpt-4o, targets: [{upstream: sim, deployment: gpt-4o}]}
clients:
  - {name: contoso, teams: [{name: research, apps: [{name: chatbot, keys: [{name: prod}]}, {name: search}]}]}
"""


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Aduana = Callable[..., Answer]


@pytest.fixture
def aduana(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Aduana:
    """`aduana("keys", "list")`, with the tenant's database and secrets in the environment."""
    (tmp_path / "pepper").write_text("p" * 40)
    (tmp_path / "master").write_text("bWFzdGVyLW1hc3Rlci1tYXN0ZXItbWFzdGVyLTEyMzQ=")
    monkeypatch.setenv("ADUANA_DATABASE_URL", database_url)
    monkeypatch.setenv("ADUANA_PEPPERS", f"1=file:{tmp_path / 'pepper'}")
    monkeypatch.setenv("ADUANA_MASTER_KEYS", f"1=file:{tmp_path / 'master'}")
    monkeypatch.delenv("ADUANA_DEBUG", raising=False)

    def call(*arguments: str) -> Answer:
        capsys.readouterr()
        code = run(arguments)
        told = capsys.readouterr()
        return Answer(code, told.out, told.err)

    return call


@pytest.fixture
def seed_file(tmp_path: Path) -> Path:
    path = tmp_path / "tenant.seed.yaml"
    path.write_text(SEED)
    return path


@pytest.fixture
def seeded(aduana: Aduana, seed_file: Path) -> Aduana:
    """The program over a tenant with one key."""
    assert aduana("seed", str(seed_file)).code == 0
    return aduana
