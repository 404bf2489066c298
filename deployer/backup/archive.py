"""A backup: a ZIP file with each table as Postgres' own text copy, and `manifest.json` with rows and SHA-256 of each.

The file is written beside its name and renamed when it is whole. It is readable to its owner alone.
"""

import hashlib
import os
import secrets
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Literal

import msgspec
import psycopg
from psycopg import sql

from deployer.backup import BackupError
from deployer.backup.tables import Table, months, names, one_moment, tables

_LARGEST_MANIFEST = 4 * 1024 * 1024  # bytes
_LEDGER = ("usage_events", "usage_attempts")
_IN_USE = """
SELECT 'peppers', array_agg(DISTINCT pepper_version ORDER BY pepper_version) FROM api_keys WHERE removed_at IS NULL
 UNION ALL
SELECT 'master_keys', array_agg(DISTINCT master_key_version ORDER BY master_key_version) FROM secrets
"""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table in the archive."""

    name: str
    columns: tuple[str, ...]
    rows: int
    bytes: int
    sha256: str
    months: tuple[str, ...] = ()  # that it has partitions for


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup holds, and what is needed to use it."""

    created_at: str  # ISO 8601, UTC
    product: str  # the version that wrote it
    revision: str  # of the schema
    peppers: tuple[int, ...]  # versions that keys hang on
    master_keys: tuple[int, ...]  # versions that sealed secrets hang on
    tables: tuple[Entry, ...]
    files: Mapping[str, str] = {}  # others that were put in, and their SHA-256
    kind: Literal["aduana-backup"] = "aduana-backup"
    format: Literal[1] = 1


Progress = Callable[[str, int], None]  # a table, and its rows so far


def write(
    connection: psycopg.Connection[Any],
    path: Path,
    *,
    files: Mapping[str, bytes] | None = None,
    progress: Progress = lambda table, rows: None,
) -> Manifest:
    """Write a backup of one moment. Raises `BackupError`; `path` is there only when it is whole."""
    with (
        _beside(path) as unfinished,
        zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
        one_moment(connection),
    ):
        entries = [_copy_out(connection, archive, table, progress) for table in tables(connection)]
        hashes = {}
        for name, content in (files or {}).items():
            archive.writestr(f"files/{name}", content)
            hashes[name] = hashlib.sha256(content).hexdigest()
        in_use: dict[str, list[int] | None] = dict(connection.execute(_IN_USE).fetchall())
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        manifest = Manifest(
            created_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            product=version("aduana"),
            revision=str(revision[0]) if revision else "",
            peppers=tuple(in_use["peppers"] or ()),
            master_keys=tuple(in_use["master_keys"] or ()),
            tables=tuple(entries),
            files=hashes,
        )
        archive.writestr("manifest.json", msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    return manifest


def add_files(path: Path, files: Mapping[str, bytes]) -> None:
    """Put further files into a backup. Raises `BackupError`: then it is as it was."""
    with (
        opened(path) as (archive, manifest),
        _beside(path) as unfinished,
        zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as target,
    ):
        for entry in manifest.tables:
            with target.open(f"tables/{entry.name}.copy", "w", force_zip64=True) as stream:
                for piece in pieces(archive, entry):
                    stream.write(piece)
        contents = {name: _read(archive, f"files/{name}") for name in manifest.files} | dict(files)
        for name, content in contents.items():
            target.writestr(f"files/{name}", content)
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        changed = msgspec.structs.replace(manifest, files=hashes)
        target.writestr("manifest.json", msgspec.json.format(msgspec.json.encode(changed), indent=2))


@contextmanager
def opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, Manifest]]:
    """A backup, to be read. Raises `BackupError` for what is none."""
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror or error}") from None
    except zipfile.BadZipFile:
        raise BackupError(
            f"{path} is no backup, or is cut short", "Take another copy of it.", code="not_whole"
        ) from None
    with archive:
        yield archive, _manifest(archive, path)


def verify(path: Path) -> Manifest:
    """Read all of it against its manifest. Raises `BackupError`."""
    with opened(path) as (archive, manifest):
        for entry in manifest.tables:
            for _ in pieces(archive, entry):
                pass
        for name, expected in manifest.files.items():
            if hashlib.sha256(_read(archive, f"files/{name}")).hexdigest() != expected:
                raise _changed(name)
    return manifest


def pieces(archive: zipfile.ZipFile, entry: Entry) -> Iterator[bytes]:
    """A table's copy. Raises `BackupError` at its end where it is not what was written."""
    digest, size = hashlib.sha256(), 0
    try:
        with archive.open(f"tables/{entry.name}.copy") as stream:
            while piece := stream.read(1 << 20):
                digest.update(piece)
                size += len(piece)
                if size > entry.bytes:
                    break
                yield piece
    except (KeyError, zipfile.BadZipFile, OSError, EOFError) as error:
        raise _changed(entry.name) from error
    if (size, digest.hexdigest()) != (entry.bytes, entry.sha256):
        raise _changed(entry.name)


def _copy_out(connection: psycopg.Connection[Any], archive: zipfile.ZipFile, table: Table, progress: Progress) -> Entry:
    digest, size, rows = hashlib.sha256(), 0, 0
    query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(names(table.columns), sql.Identifier(table.name))
    progress(table.name, 0)
    with (
        archive.open(f"tables/{table.name}.copy", "w", force_zip64=True) as stream,
        connection.cursor() as cursor,
        cursor.copy(query) as copy,
    ):
        for piece in copy:
            data = bytes(piece)
            digest.update(data)
            size += len(data)
            rows += data.count(b"\n")  # in this format a row ends with one, and no value holds one
            stream.write(data)
            progress(table.name, rows)
    parts = tuple(months(connection, table.name)) if table.name in _LEDGER else ()
    return Entry(table.name, table.columns, rows, size, digest.hexdigest(), parts)


def _manifest(archive: zipfile.ZipFile, path: Path) -> Manifest:
    try:
        return msgspec.json.decode(_read(archive, "manifest.json"), type=Manifest)
    except msgspec.DecodeError as error:
        raise BackupError(
            f"{path} is no backup that this version reads: {error}",
            "Restore it with the version that wrote it.",
            code="not_readable",
        ) from None


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        if archive.getinfo(name).file_size > _LARGEST_MANIFEST:
            raise _changed(name)
        return archive.read(name)
    except (KeyError, zipfile.BadZipFile, OSError, EOFError) as error:
        raise _changed(name) from error


def _changed(name: str) -> BackupError:
    return BackupError(
        f"the backup is damaged: {name} is not what was written", "Take another copy of it.", code="not_whole"
    )


@contextmanager
def _beside(path: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name when it is whole."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        handle = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o600)
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror or error}", "Is there room enough?") from None
    finally:
        unfinished.unlink(missing_ok=True)
