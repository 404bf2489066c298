"""A tenant's working directory, for its owner's eyes alone.

main.tf.json            the root module
terraform.tfvars.json   the tenant's variables
imports.tf.json         what an interrupted apply made and the state does not know, while it is taken over
module/                 the stack's text, copied
.terraform.lock.hcl     the providers' checksums
.terraform/             the providers; what `terraform init` leaves
prepared.json           what all this was made from
plans/                  plans that are saved by no other name
runs/PLAN/              what Terraform said while it applied that plan
lock                    who works here
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.directory_lock import DirectoryLock
from deployer.engines.errors import EngineError
from deployer.engines.terraform.configuration import Configuration
from deployer.engines.terraform.sources import copy_sources
from deployer.whole_files import write_private

PREPARED = "prepared.json"
IMPORTS = "imports.tf.json"
LOCK_FILE = ".terraform.lock.hcl"
_KEPT_RUNS = 50


@dataclass(frozen=True, slots=True)
class Workspace:
    """The paths of one working directory."""

    root: Path  # absolute

    @property
    def errored_state(self) -> Path:
        return self.root / "errored.tfstate"

    @property
    def provider_lock(self) -> Path:
        return self.root / LOCK_FILE

    @contextmanager
    def held(self) -> Iterator[None]:
        """Work in it alone. Raises `EngineError` where another process does, or it cannot be written."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            _keep_out_of_git(self.root)
            self.root.chmod(0o700)
            lock = DirectoryLock(self.root / "lock")
            ours = lock.acquire()
        except OSError as error:
            raise _unusable(error) from None
        if not ours:
            raise EngineError(
                f"another aduana works in {self.root}" + (f" (process {lock.holder})" if lock.holder else ""),
                remedy="Wait until it has ended.",
                code="workspace_busy",
            )
        try:
            yield
        except OSError as error:
            raise _unusable(error) from None
        finally:
            lock.release()

    def render(self, configuration: Configuration) -> None:
        """Write everything that Terraform reads."""
        _write_json(self.root / "main.tf.json", configuration.root())
        _write_json(self.root / "terraform.tfvars.json", configuration.variables)
        (self.root / IMPORTS).unlink(missing_ok=True)
        copy_sources(configuration.source, self.root / "module")
        shipped = configuration.source / LOCK_FILE
        if shipped.is_file():
            shutil.copyfile(shipped, self.provider_lock)

    def take_over(self, imports: Mapping[str, str]) -> None:
        """Have the next plan import these: ids by address."""
        blocks = [{"to": address, "id": id} for address, id in sorted(imports.items())]
        _write_json(self.root / IMPORTS, {"import": blocks})

    def done_taking_over(self) -> None:
        """What was to be imported is in the state."""
        (self.root / IMPORTS).unlink(missing_ok=True)

    def note_prepared(self, inputs: str, terraform: str) -> None:
        """Remember what `terraform init` was run for."""
        _write_json(self.root / PREPARED, {"inputs": inputs, "terraform": terraform})

    def is_prepared(self, inputs: str, terraform: str) -> bool:
        """Whether it was run for just this."""
        if not (self.root / ".terraform").is_dir():
            return False
        try:
            return bool(json.loads((self.root / PREPARED).read_text()) == {"inputs": inputs, "terraform": terraform})
        except (OSError, ValueError):
            return False

    def run_log(self, plan_digest: str, step: str) -> Path:
        """A new file for what Terraform says; the oldest plans' runs make room."""
        runs = self.root / "runs"
        directory = runs / _folder(plan_digest)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in sorted(runs.iterdir(), key=lambda path: path.stat().st_mtime)[:-_KEPT_RUNS]:
            shutil.rmtree(old, ignore_errors=True)
        return directory / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{time.time_ns() % 10**9:09}-{step}.jsonl"

    def run_logs(self, plan_digest: str) -> list[Path]:
        """What Terraform said each time that it applied this plan, the oldest first."""
        return sorted((self.root / "runs" / _folder(plan_digest)).glob("*-apply.jsonl"))

    def new_plan(self) -> Path:
        """A file for a plan that nobody names."""
        plans = self.root / "plans"
        plans.mkdir(mode=0o700, exist_ok=True)
        return plans / f"{time.time_ns()}-{os.getpid()}.tfplan"


def _folder(plan_digest: str) -> str:
    return plan_digest.removeprefix("sha256:")[:16]


def _keep_out_of_git(directory: Path) -> None:
    """Whoever commits the directory around it does not commit a state by mistake."""
    ignore = directory / ".gitignore"
    if not ignore.exists():
        write_private(ignore, "*\n")


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    write_private(path, json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def _unusable(error: OSError) -> EngineError:
    return EngineError(
        f"{error.filename or 'the working directory'} cannot be used",
        error.strerror or type(error).__name__,
        "Make it accessible, or free some space; what was done so far is in the state.",
        code="workspace_unusable",
    )
