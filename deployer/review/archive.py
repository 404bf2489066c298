"""A reviewed plan as a file: one archive, for its owner's eyes alone, written whole or not at all.

review.json         what it is bound to, and the steps behind the engine's
engine.plan         the engine's plan, as the engine saved it
engine.plan.json    what that one is bound to
"""

import os
import zipfile
from pathlib import Path

import msgspec

from deployer.engines import Engine
from deployer.errors import CHECK_SAID_NO, CommandError
from deployer.review import FORMAT, Bound, Review, ReviewedPlan

_REVIEW = "review.json"
_ENGINE = "engine.plan"
_ENGINE_RECORD = "engine.plan.json"
_LARGEST = 256 * 1024 * 1024  # bytes of one member
SUFFIX = ".plan"


def save(file: Path, reviewed: ReviewedPlan) -> None:
    """Write it. Raises `OSError`."""
    engine_file = reviewed.plan.file
    fresh = file.with_name(file.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as raw, zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(_REVIEW, msgspec.json.format(msgspec.json.encode(reviewed.review), indent=2))
            archive.write(engine_file, _ENGINE)
            archive.write(engine_file.with_name(engine_file.name + ".json"), _ENGINE_RECORD)
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)


def read_review(file: Path) -> Review:
    """What a plan file says beside the engine's plan. Raises `CommandError`."""
    try:
        with zipfile.ZipFile(file) as archive:
            return msgspec.json.decode(_member(archive, _REVIEW), type=Review)
    except FileNotFoundError:
        raise _no_plan(file, "there is no such file") from None
    except OSError as error:
        raise _no_plan(file, error.strerror or "it cannot be read") from None
    except (zipfile.BadZipFile, KeyError, ValueError, msgspec.MsgspecError):
        raise _no_plan(file, "`aduana plan` wrote no such file, or it is damaged") from None


def open_plan(file: Path, engine: Engine, into: Path) -> ReviewedPlan:
    """The whole of it; the engine's part is put into the directory `into`. Raises `CommandError`."""
    review = read_review(file)
    if review.format != FORMAT:
        raise _no_plan(file, f"it has the format {review.format}, and this release reads {FORMAT}")
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = into / f"{review.bound.engine_digest.removeprefix('sha256:')[:16]}.plan"
    try:
        with zipfile.ZipFile(file) as archive:
            for name, path in ((_ENGINE, place), (_ENGINE_RECORD, place.with_name(place.name + ".json"))):
                _write(path, _member(archive, name))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError):
        raise _no_plan(file, "it is damaged") from None
    plan = engine.load(place)
    if plan.digest != review.bound.engine_digest:
        raise CommandError(
            f"{file} was changed after it was reviewed",
            "it holds another engine's plan than the one that it was made with",
            "Make a new plan and review it.",
            "plan_changed",
            exit_code=CHECK_SAID_NO,
        )
    return ReviewedPlan(review, plan)


def check_bound(file: Path, reviewed: Bound, now: Bound) -> None:
    """Raises `CommandError` (exit code 3) where the plan was made from something else than there is now."""
    changed = []
    if reviewed.tenant != now.tenant:
        changed.append(f"it is of the tenant {reviewed.tenant}, and the file is that of {now.tenant}")
    elif reviewed.tenant_digest != now.tenant_digest:
        changed.append("the tenant file was changed since")
    if reviewed.seed_digest != now.seed_digest:
        changed.append("the seed file was changed since")
    if reviewed.release != now.release:
        changed.append(f"it was made by release {reviewed.release}, and this is {now.release}")
    if changed:
        raise CommandError(
            f"{file} is out of date",
            "; ".join(changed),
            "Make a new plan and review it.",
            "plan_out_of_date",
            exit_code=CHECK_SAID_NO,
        )


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _LARGEST:
        raise ValueError(f"{name} is too large")
    return archive.read(name)


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _no_plan(file: Path, why: str) -> CommandError:
    return CommandError(f"{file} is no plan", why, "Make one with `aduana plan`.", "no_plan")
