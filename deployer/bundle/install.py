"""Install Aduana from this bundle, without internet: python3 install.py --into /opt/aduana

Checks every file against the manifest, makes an environment for the installer from the wheels, and puts Terraform and its
provider beside it. Needs Python 3.11 or newer, of the version and on the platform that the bundle was made for, and no more.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
_LARGEST_MANIFEST = 16 * 1024 * 1024  # bytes

_RC = """# Providers come from this directory alone.
provider_installation {{
  filesystem_mirror {{
    path    = {path}
    include = ["*/*/*"]
  }}
}}
"""
_POSIX = """#!/bin/sh
# Aduana, with the Terraform that it came with.
export TF_CLI_CONFIG_FILE="${{TF_CLI_CONFIG_FILE:-{rc}}}"
{terraform}exec "{program}" "$@"
"""
_WINDOWS = """@echo off
if not defined TF_CLI_CONFIG_FILE set "TF_CLI_CONFIG_FILE={rc}"
{terraform}"{program}" %*
"""


class Broken(Exception):
    """The bundle is not what was made, or not for this machine."""


def machine() -> str:
    """What wheels and providers depend on: `linux-x86_64-3.11`."""
    return f"{platform.system().lower()}-{platform.machine().lower()}-{sys.version_info[0]}.{sys.version_info[1]}"


def digest_of(path: Path) -> str:
    """SHA-256, in hexadecimal."""
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            whole.update(piece)
    return whole.hexdigest()


def verify(bundle: Path) -> "dict[str, Any]":
    """The manifest, where every file is what it says and there is no other. Raises `Broken`."""
    try:
        path = bundle / MANIFEST
        if path.stat().st_size > _LARGEST_MANIFEST:
            raise Broken(f"{path} is too large to be a manifest")
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if manifest["kind"] != "aduana-bundle" or manifest["format"] != 1:
            raise Broken(f"{bundle} is no bundle that this script knows")
        files = {str(each["path"]): each for each in manifest["files"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Broken(f"{bundle} has no readable {MANIFEST} ({type(error).__name__})") from None
    found = {
        each.relative_to(bundle).as_posix() for each in bundle.rglob("*") if each.is_file() or each.is_symlink()
    } - {MANIFEST}
    for name in sorted(found ^ files.keys()):
        raise Broken(f"{name} is {'not in the manifest' if name in found else 'missing'}")
    for name, each in files.items():
        path = bundle / name
        if path.is_symlink() or path.stat().st_size != each["bytes"] or digest_of(path) != each["sha256"]:
            raise Broken(f"{name} is not what was put in")
    return manifest


def install(bundle: Path, into: Path) -> Path:
    """Install it; the program. Raises `Broken`, `OSError`, `subprocess.CalledProcessError`."""
    manifest = verify(bundle)
    if manifest["machine"] != machine():
        raise Broken(f"this bundle is for {manifest['machine']}, and this is {machine()}")
    if into.exists() and any(into.iterdir()) and not (into / "venv" / "pyvenv.cfg").is_file():
        raise Broken(f"{into} holds something else")
    into.mkdir(parents=True, exist_ok=True)
    venv = into / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
    scripts = venv / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / ("python.exe" if os.name == "nt" else "python")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    subprocess.run([*pip, "--find-links", str(bundle / "wheels"), manifest["requirement"]], check=True)
    rc, terraform = _terraform(bundle, into)
    return _launcher(into, scripts, rc, terraform)


def _terraform(bundle: Path, into: Path) -> "tuple[Path, Path | None]":
    """Copy program and providers. Old ones go when the new ones are there."""
    target, fresh = into / "terraform", into / "terraform.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    if (bundle / "terraform").is_dir():
        shutil.copytree(bundle / "terraform", fresh, dirs_exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    rc = into / "terraform.rc"
    rc.write_text(_RC.format(path=json.dumps(str((target / "providers").absolute()))), encoding="utf-8")
    for each in [target / "terraform", target / "terraform.exe", *target.glob("providers/**/terraform-provider-*")]:
        if each.is_file():
            each.chmod(0o755)
    program = next((each for each in (target / "terraform", target / "terraform.exe") if each.is_file()), None)
    return rc, program


def _launcher(into: Path, scripts: Path, rc: Path, terraform: "Path | None") -> Path:
    (into / "bin").mkdir(exist_ok=True)
    windows = os.name == "nt"
    launcher = into / "bin" / ("aduana.cmd" if windows else "aduana")
    line = ""
    if terraform is not None:
        name = "ADUANA_TERRAFORM"
        line = f'if not defined {name} set "{name}={terraform}"\n' if windows else (
            f'export {name}="${{{name}:-{terraform}}}"\n'
        )  # fmt: skip
    form = _WINDOWS if windows else _POSIX
    program = scripts / ("aduana.exe" if windows else "aduana")
    launcher.write_text(form.format(rc=rc, terraform=line, program=program), encoding="utf-8")
    launcher.chmod(0o755)
    return launcher


def main() -> int:
    """Exit code: 0 done, 1 failed, 2 wrong usage, 3 the bundle is not whole or not for this machine."""
    parser = argparse.ArgumentParser(prog="install.py", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--into", type=Path, metavar="DIRECTORY", help="where to install; the same one again upgrades it"
    )
    parser.add_argument("--check", action="store_true", help="check the bundle's files, and install nothing")
    options = parser.parse_args()
    if options.into is None and not options.check:
        parser.error("--into DIRECTORY is needed, or --check")
    bundle = Path(__file__).absolute().parent
    try:
        if options.check:
            manifest = verify(bundle)
            print(f"{len(manifest['files'])} files are whole: Aduana {manifest['version']} for {manifest['machine']}")  # noqa: T201
            return 0
        program = install(bundle, options.into.absolute())
    except Broken as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 3
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"error: it could not be installed: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(f"installed: {program}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
