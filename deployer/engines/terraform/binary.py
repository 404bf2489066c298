"""The Terraform program: where it is, and whether it is one that this engine knows."""

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deployer.engines.errors import EngineError

VARIABLE = "ADUANA_TERRAFORM"
"""The environment's name of the program, where it is not on the path."""

OLDEST = (1, 9)
_MAJOR = 1
_ANSWERS_WITHIN = 30.0  # seconds for `terraform version`

_HOW_TO_GET_IT = {
    "Darwin": "`brew install hashicorp/tap/terraform`",
    "Windows": "`winget install Hashicorp.Terraform`",
    "Linux": "HashiCorp's package repository for your distribution",
}


@dataclass(frozen=True, slots=True)
class Binary:
    """A Terraform that can be used."""

    path: Path  # absolute
    version: str  # `1.11.4`


def find_terraform(given: str | None = None, environment: Mapping[str, str] = os.environ) -> Binary:
    """The program that is named by `given`, by the environment, or found on the path; in this order.

    Raises `EngineError` where there is none, it does not run, or its version is one that this engine does not know.
    """
    asked = given or environment.get(VARIABLE) or "terraform"
    found = shutil.which(asked, path=environment.get("PATH"))
    if found is None:
        named = asked != "terraform"
        raise EngineError(
            f"there is no Terraform at {asked}" if named else "Terraform is not installed, or not on the path",
            remedy=f"Correct --terraform or {VARIABLE}." if named else _how_to_get_it(),
            code="no_terraform",
        )
    path = Path(found).absolute()
    version = _version_of(path, environment)
    numbers = tuple(int(number) for number in version.split("-")[0].split("."))
    if numbers[:2] < OLDEST or numbers[0] != _MAJOR:
        raise EngineError(
            f"{path} is Terraform {version}",
            f"this Aduana works with {'.'.join(map(str, OLDEST))} or newer of version {_MAJOR}",
            _how_to_get_it(),
            code="terraform_version",
        )
    return Binary(path, version)


def _version_of(path: Path, environment: Mapping[str, str]) -> str:
    quiet = {**environment, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    quiet.pop("TF_CLI_ARGS", None)
    try:
        answer = subprocess.run(
            [str(path), "version", "-json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWERS_WITHIN,
            env=quiet,
            check=True,
        ).stdout.decode("utf-8", "replace")
        # A warning about the configuration of its command line may stand around the document.
        version = json.loads(answer[answer.index("{") : answer.rindex("}") + 1])["terraform_version"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it does not tell its version"
        raise EngineError(
            f"{path} does not work as Terraform", reason, f"Name another with {VARIABLE}.", code="terraform_broken"
        ) from None
    if not isinstance(version, str) or not re.fullmatch(r"\d+\.\d+\.\d+(-[\w.]+)?", version):
        raise EngineError(
            f"{path} does not work as Terraform",
            "its version is none",
            f"Name another with {VARIABLE}.",
            code="terraform_broken",
        )
    return version


def _how_to_get_it() -> str:
    way = _HOW_TO_GET_IT.get(platform.system(), _HOW_TO_GET_IT["Linux"])
    return (
        f"Get it from {way}, or from https://developer.hashicorp.com/terraform/install, or name one with --terraform or "
        f"{VARIABLE}."
    )
