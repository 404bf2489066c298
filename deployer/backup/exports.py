"""Ledger and audit log as CSV and JSON Lines, streamed, with a manifest: for people, and for what reads them after us.

Money is exact decimal text, times are ISO 8601 in UTC, hashes are hexadecimal. Both forms have the same columns.
"""

import hashlib
import json
import secrets
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal

import msgspec
import psycopg
from psycopg import sql

from deployer.backup import BackupError
from deployer.backup.tables import Table, one_moment, tables

EXPORTED = ("usage_events", "usage_attempts", "audit_events")
_TIMES = {"usage_events": "admitted_at", "usage_attempts": "admitted_at", "audit_events": "at"}
_ORDER = {"usage_events": "id", "usage_attempts": "event_id, attempt", "audit_events": "seq"}
_LAST = "SELECT seq, encode(hash, 'hex') FROM audit_events ORDER BY seq DESC LIMIT 1"

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """One file."""

    file: str
    table: str
    format: str  # csv | jsonl
    rows: int
    bytes: int
    sha256: str


def export(
    connection: psycopg.Connection[Any],
    directory: Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    progress: Progress = lambda table, rows: None,
) -> dict[str, Any]:
    """Write a directory, which must not be there; the manifest. Raises `BackupError`: then nothing is."""
    if directory.exists():
        raise BackupError(f"{directory} is there already", "Name a directory that is not.", code="exists")
    unfinished = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}.partial")
    try:
        unfinished.mkdir(parents=True, mode=0o700)
        with one_moment(connection):
            known = {table.name: table for table in tables(connection)}
            files = [
                _write(connection, unfinished, known[name], form, since, until, progress)
                for name in EXPORTED
                for form in ("csv", "jsonl")
            ]
            last = connection.execute(_LAST).fetchone()
        manifest = {
            "kind": "aduana-export",
            "format": 1,
            "created_at": _iso(datetime.now(UTC)),
            "since": _iso(since),
            "until": _iso(until),
            "audit_last": {"seq": last[0], "hash": last[1]} if last is not None else None,
            "files": [asdict(each) for each in files],
        }
        (unfinished / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        unfinished.rename(directory)
    except OSError as error:
        raise BackupError(
            f"{directory} cannot be written: {error.strerror or error}", "Is there room enough?"
        ) from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return manifest


def check_export(directory: Path) -> datetime:
    """When an export was made that is there, whole, and of all times. Raises `BackupError`."""
    remedy = "Write another one with `aduana export`."
    try:
        manifest = msgspec.json.decode((directory / "manifest.json").read_bytes(), type=_Manifest)
        for each in manifest.files:
            with (directory / Path(each.file).name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != each.sha256:
                    raise BackupError(f"{directory / each.file} was changed since it was exported", remedy)
    except OSError as error:
        raise BackupError(f"{directory} is no whole export: {error.strerror or error}", remedy) from None
    except msgspec.MsgspecError:
        raise BackupError(f"{directory} is no export: it has no manifest of one", remedy) from None
    if missing := [name for name in EXPORTED if name not in {each.table for each in manifest.files}]:
        raise BackupError(f"{directory} is no whole export: it lacks {', '.join(missing)}", remedy)
    if manifest.since is not None or manifest.until is not None:
        raise BackupError(f"{directory} holds a part of the time alone", "Export without --since and --until.")
    return manifest.created_at


class _Manifest(msgspec.Struct, frozen=True):
    """What is checked of one."""

    kind: Literal["aduana-export"]
    format: Literal[1]
    created_at: datetime
    since: datetime | None
    until: datetime | None
    files: tuple[Exported, ...]


class _Hashing:
    """A file that knows what was written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.digest, self.size = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        self.file.write(data)
        self.digest.update(data)
        self.size += len(data)


def _write(
    connection: psycopg.Connection[Any],
    directory: Path,
    table: Table,
    form: str,
    since: datetime | None,
    until: datetime | None,
    progress: Progress,
) -> Exported:
    path = directory / f"{table.name}.{form}"
    query = _query(table, since, until)
    progress(path.name, 0)
    with path.open("xb") as file, connection.cursor() as cursor:
        path.chmod(0o600)
        out, rows = _Hashing(file), 0
        if form == "csv":
            with cursor.copy(sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER)").format(query)) as copy:
                for piece in copy:
                    out.write(bytes(piece))
            rows = cursor.rowcount
        else:
            as_json = sql.SQL("COPY (SELECT to_json(line)::text FROM ({}) AS line) TO STDOUT").format(query)
            with cursor.copy(as_json) as copy:
                for (line,) in copy.rows():
                    out.write(str(line).encode() + b"\n")
                    rows += 1
                    if rows % 10_000 == 0:
                        progress(path.name, rows)
        progress(path.name, rows)
    return Exported(path.name, table.name, form, rows, out.size, out.digest.hexdigest())


def _query(table: Table, since: datetime | None, until: datetime | None) -> sql.Composed:
    at = sql.Identifier(_TIMES[table.name])
    limits = [
        sql.SQL("{} {} {}").format(at, sql.SQL(sign), sql.Literal(moment))
        for sign, moment in ((">=", since), ("<", until))
        if moment is not None
    ]
    where = sql.SQL("WHERE {}").format(sql.SQL(" AND ").join(limits)) if limits else sql.SQL("")
    columns = sql.SQL(", ").join(_shown(name, kind) for name, kind in zip(table.columns, table.types, strict=True))
    return sql.SQL("SELECT {} FROM {} {} ORDER BY {}").format(
        columns,
        sql.Identifier(table.name),
        where,
        sql.SQL(_ORDER[table.name]),
    )


def _shown(column: str, kind: str) -> sql.Composed:
    name = sql.Identifier(column)
    if kind == "numeric":
        return sql.SQL("{}::text AS {}").format(name, name)
    if kind == "bytea":
        return sql.SQL("encode({}, 'hex') AS {}").format(name, name)
    if kind == "timestamp with time zone":
        form = sql.SQL("""to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS {}""")
        return form.format(name, name)
    return sql.SQL("{}").format(name)


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if at is not None else None
