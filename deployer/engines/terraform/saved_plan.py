"""A plan on disk: Terraform's file, and beside it the record that says what it is bound to.

The record holds no value of any resource: what a plan shows is read from Terraform's own file, whose SHA-256 is in the record.
"""

import hashlib
import json
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from deployer.engines.errors import EngineError
from deployer.engines.plans import Plan, Purpose, StateVersion
from deployer.engines.problems import Problem
from deployer.engines.terraform.configuration import canonical
from deployer.engines.terraform.plan_document import PlanDocument
from deployer.whole_files import write_private

FORMAT = 1
_LARGEST_STATE = 512 * 1024 * 1024  # bytes


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a saved plan is bound to."""

    format: int
    engine: str
    engine_version: str
    purpose: Purpose
    made_at: datetime
    inputs_digest: str
    file_digest: str
    lineage: str
    serial: int

    def digest(self) -> str:
        """`sha256:…` of all of it, and by `file_digest` of everything that the plan holds."""
        return "sha256:" + hashlib.sha256(canonical(json.loads(msgspec.json.encode(self)))).hexdigest()


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan as it is shown, and as Terraform has it."""

    plan: Plan
    document: PlanDocument


def record_of(file: Path, *, version: str, purpose: Purpose, inputs_digest: str) -> Record:
    """What a plan that Terraform has just written is bound to."""
    state = _state_of(file)
    return Record(
        format=FORMAT,
        engine="terraform",
        engine_version=version,
        purpose=purpose,
        made_at=datetime.now(UTC).replace(microsecond=0),
        inputs_digest=inputs_digest,
        file_digest=_digest_of(file),
        lineage=state.lineage,
        serial=state.serial,
    )


def write_record(file: Path, record: Record) -> None:
    """Put the record beside the plan."""
    write_private(_record_path(file), json.dumps(json.loads(msgspec.json.encode(record)), indent=2) + "\n")


def read_record(file: Path) -> Record:
    """The record of a plan that is still what it was. Raises `EngineError`."""
    again = "Make a new plan and review it."
    try:
        record = msgspec.json.decode(_record_path(file).read_bytes(), type=Record)
        digest = _digest_of(file)
    except FileNotFoundError as error:
        raise EngineError(
            f"{file} is no plan of aduana",
            f"{error.filename} is missing",
            "Name a file that `aduana plan` wrote.",
            "no_plan",
        ) from None
    except OSError as error:
        raise EngineError(f"{file} cannot be read", error.strerror or "", "Make it readable.", "no_plan") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise EngineError(f"{_record_path(file)} is damaged", remedy=again, code="no_plan") from None
    if record.format != FORMAT or record.engine != "terraform":
        raise EngineError(
            f"{file} is a plan of another kind",
            f"engine {record.engine}, format {record.format}",
            "Apply it with what made it, or make a new plan.",
            "other_plan",
        )
    if digest != record.file_digest:
        raise EngineError(f"{file} was changed after it was reviewed", remedy=again, code="plan_changed", exit_code=3)
    return record


def plan_of(file: Path, record: Record, document: PlanDocument, warnings: tuple[Problem, ...] = ()) -> Plan:
    """The plan as it is shown."""
    return Plan(
        engine=record.engine,
        engine_version=record.engine_version,
        purpose=record.purpose,
        file=file,
        digest=record.digest(),
        made_at=record.made_at,
        inputs_digest=record.inputs_digest,
        state=StateVersion(record.lineage, record.serial),
        changes=document.changes(),
        outputs=document.outputs(),
        resources=document.resources(),
        drift=document.drift(),
        warnings=warnings,
    )


def remove(file: Path) -> None:
    """Delete a plan that nobody needs."""
    file.unlink(missing_ok=True)
    _record_path(file).unlink(missing_ok=True)


def _record_path(file: Path) -> Path:
    return file.with_name(file.name + ".json")


def _digest_of(file: Path) -> str:
    with file.open("rb") as content:
        return "sha256:" + hashlib.file_digest(content, "sha256").hexdigest()


def _state_of(file: Path) -> StateVersion:
    """Which state Terraform made the plan from; it is in the plan, a zip archive, as `tfstate`."""
    try:
        with zipfile.ZipFile(file) as archive:
            if archive.getinfo("tfstate").file_size > _LARGEST_STATE:
                raise ValueError("too large")
            state = json.loads(archive.read("tfstate"))
        lineage, serial = state["lineage"], state["serial"]
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError):
        lineage, serial = None, None
    if not isinstance(lineage, str) or not isinstance(serial, int):
        raise EngineError(
            "Terraform's plan does not say which state it was made from",
            remedy="Use a Terraform 1.x that this Aduana knows.",
            code="unreadable_document",
        )
    return StateVersion(lineage, serial)
