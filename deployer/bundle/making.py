"""Gathering a bundle on a machine with internet, for machines like it: same system, processor and Python."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from deployer.bundle import MANIFEST, SCRIPT, BundleError, install
from deployer.engines.errors import EngineError
from deployer.engines.terraform.binary import find_terraform
from deployer.engines.terraform.sources import shipped_stack

Say = Callable[[str], None]

_LONGEST = 1_800.0  # seconds for one of the programs


def make(
    directory: Path,
    *,
    wheel: Path | None = None,
    terraform: str | None = None,
    images: Mapping[str, Path] | None = None,
    references: Mapping[str, str] | None = None,
    with_terraform: bool = True,
    package: str = "aduana[deployer]",
    say: Say = lambda line: None,
) -> dict[str, Any]:
    """Make a bundle in a directory that must not be there; its manifest. Raises `BundleError`: then there is none.

    `wheel`: the installer's own; left out, it is built from the checkout that this runs from. `images`: OCI archives by name;
    `references`: what the tenant file calls them, by its paths.
    """
    if directory.exists():
        raise BundleError(f"{directory} is there already", "Name a directory that is not.", code="exists")
    unfinished = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}.partial")
    try:
        (unfinished / "wheels").mkdir(parents=True)
        version = _wheels(unfinished / "wheels", wheel, package, say)
        if with_terraform:
            _terraform(unfinished, terraform, say)
        for name, archive in (images or {}).items():
            say(f"image {name}")
            (unfinished / "images").mkdir(exist_ok=True)
            shutil.copyfile(archive, unfinished / "images" / f"{name}.tar")
        if references:
            lines = [f"  {path.removeprefix('images.')}: {text}\n" for path, text in references.items()]
            (unfinished / "images.yaml").write_text("images:\n" + "".join(lines), encoding="utf-8")
        shutil.copyfile(str(install.__file__), unfinished / SCRIPT)
        manifest = _manifest(unfinished, version, package)
        (unfinished / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        unfinished.rename(directory)
    except OSError as error:
        raise BundleError(
            f"{directory} cannot be written: {error.strerror or error}", "Is there room enough?"
        ) from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return manifest


def _wheels(into: Path, wheel: Path | None, package: str, say: Say) -> str:
    """The installer's wheel and those of all that it needs, in the versions that run here; its version."""
    name, bracket, extras = package.partition("[")
    source = wheel or _checkout()
    constraints = into.parent / "constraints.txt"
    pins = {
        f"{each.name}=={each.version}" for each in metadata.distributions() if each.name.lower() != name
    }  # what is tested together stays together
    constraints.write_text("\n".join(sorted(pins)) + "\n", encoding="utf-8")
    say("wheels")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--wheel-dir", str(into)]
    _run(
        [*pip, "--constraint", str(constraints), f"{source.absolute()}{bracket}{extras}"], "the wheels could not be had"
    )
    constraints.unlink()
    own = sorted(into.glob(f"{name.replace('-', '_')}-*.whl"))
    if len(own) != 1:
        raise BundleError(f"there are {len(own)} wheels of {name}", "Name the one with --wheel.")
    return own[0].name.split("-")[1]


def _checkout() -> Path:
    root = Path(str(install.__file__)).parents[2]
    if (root / "pyproject.toml").is_file():
        return root
    raise BundleError(
        "the installer's own wheel is not at hand",
        "Name the wheel that it was installed from with --wheel.",
        code="no_wheel",
    )


def _terraform(bundle: Path, given: str | None, say: Say) -> None:
    """The program, and the providers as it has just installed them: unpacked, as a mirror in the file system is laid out."""
    try:
        program = find_terraform(given)
        stack = shipped_stack()
    except EngineError as error:
        raise BundleError(str(error), error.remedy, code=error.code) from None
    say(f"Terraform {program.version} and its provider")
    target, work = bundle / "terraform", bundle / "work"
    target.mkdir()
    shutil.copyfile(program.path, target / ("terraform.exe" if os.name == "nt" else "terraform"))
    shutil.copytree(stack, work, ignore=shutil.ignore_patterns(".terraform", "examples", "tests"))
    environment = {**os.environ, "TF_IN_AUTOMATION": "1", "TF_DATA_DIR": str(work / "data")}
    environment.pop("TF_PLUGIN_CACHE_DIR", None)  # it would leave links
    _run(
        [str(program.path), f"-chdir={work}", "init", "-backend=false", "-input=false", "-no-color"],
        "Terraform could not get its provider",
        environment,
    )
    shutil.copytree(work / "data" / "providers", target / "providers")
    shutil.rmtree(work)


def _manifest(bundle: Path, version: str, package: str) -> dict[str, Any]:
    name, bracket, extras = package.partition("[")
    files = [
        {
            "path": path.relative_to(bundle).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": install.digest_of(path),
        }
        for path in sorted(bundle.rglob("*"))
        if path.is_file()
    ]
    return {
        "kind": "aduana-bundle",
        "format": 1,
        "version": version,
        "requirement": f"{name}{bracket}{extras}=={version}",
        "machine": install.machine(),
        "files": files,
    }


def _run(command: Sequence[str], what: str, environment: Mapping[str, str] | None = None) -> None:
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=_LONGEST, errors="replace"
        )
    except subprocess.TimeoutExpired:
        raise BundleError(f"{what}: it took more than {_LONGEST / 60:.0f} minutes") from None
    if done.returncode != 0:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        why = next(
            (line for line in said if "error" in line.lower()), said[-1] if said else f"exit code {done.returncode}"
        )
        raise BundleError(
            f"{what}: {why[:400]}", "Is there a way to the package index and to registry.terraform.io from here?"
        )
