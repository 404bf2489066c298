"""What an image holds is enough: its rooms run with the packages of its lock file alone, as the wheel installs them.

A venv without pip stands in for an image; the packages are those of this environment, one link each, of the locked ones only.
"""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.metadata import files
from pathlib import Path

import pytest

from release.locks import ROOT, lock_file, read_lock
from release.tag import version

PYTHON = ".".join(map(str, sys.version_info[:3]))

IMPORT_ALL = """
import importlib, pkgutil, sys
for room in sys.argv[1:]:
    for module in pkgutil.walk_packages(importlib.import_module(room).__path__, room + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, unpacked."""
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", directory, ROOT], check=True)
    (built,) = directory.glob("*.whl")
    zipfile.ZipFile(built).extractall(directory / "unpacked")
    return directory / "unpacked"


@pytest.fixture(scope="session")
def image(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Callable[..., str]]:
    """Makes what stands in for an image, and gives what runs its Python and returns what that says."""

    def make(name: str, *rooms: str) -> Callable[..., str]:
        root = tmp_path_factory.mktemp(name)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", root], check=True)
        (packages,) = root.glob("lib/python3*/site-packages")
        for locked in read_lock(lock_file(name)):
            if locked.applies(PYTHON):
                _link(locked.name, packages)
        for part in [*rooms, f"aduana-{version()}.dist-info"]:
            (packages / part).symlink_to(wheel / part)

        def run(*arguments: str, **environment: str) -> str:
            done = subprocess.run(
                [root / "bin/python", *arguments],
                env={"PATH": os.environ["PATH"], "PYTHONSAFEPATH": "1", "PYTHONNOUSERSITE": "1", **environment},
                cwd=root,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, done.stdout
            return done.stdout

        return run

    return make


def _link(distribution: str, packages: Path) -> None:
    """Link what a distribution installed; folders that it shares with others (`azure`) are made, what is below is linked."""
    for file in files(distribution) or ():
        parts = file.parts
        if ".." in parts or "__pycache__" in parts:
            continue
        installed = Path(str(file.locate())).parents[len(parts) - 1]
        depth = 1
        while depth < len(parts) and _shared(installed.joinpath(*parts[:depth])):
            depth += 1
        target = packages.joinpath(*parts[:depth])
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.symlink_to(installed.joinpath(*parts[:depth]))


def _shared(folder: Path) -> bool:
    return not (folder / "__init__.py").exists() and folder.suffix not in (".dist-info", ".libs")


def test_the_services_import_nothing_that_their_image_has_not(image):
    run = image("proxy", "core", "proxy")
    run("-c", IMPORT_ALL, "core", "proxy")
    assert "--workers" in run("-m", "proxy", "--help")
    assert "--metrics-port" in run("-m", "proxy.writer", "--help")
    run = image("admin", "core", "admin")
    run("-c", IMPORT_ALL, "admin")
    assert "--port" in run("-m", "admin", "--help")


def test_the_job_migrates_and_seeds_with_what_its_image_has(image, empty_database_url, tmp_path):
    run = image("job", "core", "deployer")
    assert run("-m", "deployer", "--version") == f"aduana {version()}\n"
    settings = {"ADUANA_DATABASE_URL": empty_database_url, "ADUANA_PEPPERS": "1=env:PEPPER", "PEPPER": "p" * 32}
    assert "brought from nothing" in run("-m", "deployer", "migrate", **settings)
    seed = tmp_path / "seed.yaml"
    seed.write_text("clients:\n  - name: contoso\n")
    assert "contoso" in run("-m", "deployer", "seed", str(seed), **settings)


def test_the_wheel_brings_the_stack_and_nothing_that_terraform_left_there(wheel: Path) -> None:
    shipped = {path.relative_to(wheel / "deployer/stack").as_posix() for path in (wheel / "deployer/stack").rglob("*")}
    text = {path.relative_to(ROOT / "terraform").as_posix() for path in (ROOT / "terraform/modules").rglob("*.tf")}
    assert {"main.tf", "variables.tf", "outputs.tf"} | text <= shipped
    assert not [path for path in shipped if path.startswith("examples") or ".tfstate" in path or ".terraform/" in path]
