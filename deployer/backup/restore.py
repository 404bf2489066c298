"""Bringing a backup back: into an empty database, in one transaction, each table checked against the manifest on its way."""

import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from core.store import NEEDED_REVISION
from deployer.backup import BackupError
from deployer.backup.archive import Entry, Manifest, Progress, opened, pieces
from deployer.backup.tables import Table, names, tables

# Tables that a fresh schema has a row in.
_BORN_WITH = ("snapshot_version", "installation")
_RAISE = "UPDATE snapshot_version SET version = version + 1 RETURNING version"


def restore(
    connection: psycopg.Connection[Any],
    path: Path,
    *,
    force: bool = False,
    progress: Progress = lambda table, rows: None,
) -> Manifest:
    """Make the database, whose tables are there, what the backup says. `force`: what is in it is replaced.

    Raises `BackupError`: then nothing was changed.
    """
    with opened(path) as (archive, manifest):
        if manifest.revision > NEEDED_REVISION:
            raise BackupError(
                f"the backup has tables of revision {manifest.revision}, and this version knows {NEEDED_REVISION}",
                f"Restore it with version {manifest.product} or a newer one.",
                code="too_new",
            )
        with connection.transaction():
            connection.execute("SET LOCAL statement_timeout = 0")
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            known = {table.name: table for table in tables(connection)}
            _check(manifest, known)
            before = _version(connection)
            _empty(connection, list(known.values()), force=force)
            for name in known:  # in their order
                for entry in manifest.tables:
                    if entry.name == name:
                        _copy_in(connection, archive, entry, progress)
            _follow_identities(connection, list(known.values()))
            _wake(connection, before)
    return manifest


def _check(manifest: Manifest, known: dict[str, Table]) -> None:
    for entry in manifest.tables:
        table = known.get(entry.name)
        unknown = set(entry.columns) - set(table.columns) if table is not None else set()
        if table is None or unknown:
            what = f"{entry.name}.{min(unknown)}" if unknown else entry.name
            raise BackupError(f"the backup has {what}, which this version does not know", code="not_readable")


def _empty(connection: psycopg.Connection[Any], known: Sequence[Table], *, force: bool) -> None:
    full = [
        table.name
        for table in known
        if table.name not in _BORN_WITH and _any(connection, sql.SQL("SELECT FROM {} LIMIT 1"), table.name)
    ]
    if full and not force:
        raise BackupError(
            f"the database is not empty: {', '.join(full[:5])}{' and others' if len(full) > 5 else ''} have rows",
            "Restore into an empty database, or say --force: what is in it is lost then.",
            code="not_empty",
        )
    # The audit log is append-only but for its owner, who is replacing all of it.
    connection.execute("ALTER TABLE audit_events DISABLE TRIGGER append_only")
    connection.execute(
        sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(sql.Identifier(table.name) for table in known))
    )
    connection.execute("ALTER TABLE audit_events ENABLE TRIGGER append_only")


def _copy_in(connection: psycopg.Connection[Any], archive: zipfile.ZipFile, entry: Entry, progress: Progress) -> None:
    for month in entry.months:
        year, number = (int(part) for part in month.split("_"))
        first = datetime(year, number, 1, tzinfo=UTC)
        connection.execute("SELECT make_usage_partition(%s, %s)", (entry.name, first))
    query = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(entry.name), names(entry.columns))
    progress(entry.name, 0)
    try:
        with connection.cursor() as cursor:
            with cursor.copy(query) as copy:
                for piece in pieces(archive, entry):
                    copy.write(piece)
            rows = cursor.rowcount
    except psycopg.DataError as error:
        raise BackupError(
            f"the backup is damaged: {entry.name}: {error.diag.message_primary}", code="not_whole"
        ) from None
    if rows != entry.rows:
        raise BackupError(f"the backup is damaged: {entry.name} has {rows} rows, not {entry.rows}", code="not_whole")
    progress(entry.name, rows)


def _follow_identities(connection: psycopg.Connection[Any], known: Sequence[Table]) -> None:
    """Numbers that the database gives itself go on behind those that were brought back."""
    for table in known:
        for column in table.columns:
            row = connection.execute("SELECT pg_get_serial_sequence(%s, %s)", (table.name, column)).fetchone()
            if row is not None and row[0] is not None:
                follow = sql.SQL("SELECT setval(%s, coalesce(max({column}), 0) + 1, false) FROM {table}")
                connection.execute(
                    follow.format(column=sql.Identifier(column), table=sql.Identifier(table.name)), (row[0],)
                )


def _wake(connection: psycopg.Connection[Any], before: int) -> None:
    """Replicas that are running must read it: their version is none that was there before or is in the backup."""
    connection.execute("UPDATE snapshot_version SET version = greatest(version, %s)", (before,))
    raised = connection.execute(_RAISE).fetchone()
    connection.execute("SELECT pg_notify('aduana_snapshot', %s)", (str(raised[0] if raised else ""),))


def _version(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT version FROM snapshot_version").fetchone()
    return int(row[0]) if row is not None else 0


def _any(connection: psycopg.Connection[Any], query: sql.SQL, table: str) -> bool:
    return connection.execute(query.format(sql.Identifier(table))).fetchone() is not None
