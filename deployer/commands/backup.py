"""`aduana backup`, `aduana restore` and `aduana export`: the tenant's database in files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from deployer.access import DatabaseUrlOption, DataDirOption, migrate_tenant, with_connection
from deployer.errors import USAGE, CommandError
from deployer.output import JsonFlag, print_json, say
from deployer.times import moment_or_ago

_BACKUP = """Write a backup of the tenant's database: configuration, keys (their hashes), sealed secrets, ledger, audit log.

One moment of it, while everything runs. The file is whole or not there, and readable to its owner alone. Sealed secrets stay
sealed and of a key there is the hash: keep the pepper and the master key as well (they are in Key Vault), or nothing of them
works after a restore. `--with FILE` puts files beside it, such as the tenant file.

Examples:

    aduana backup contoso-2026-11-25.aduana --database-url env:DATABASE_URL --with tenants/contoso.yaml

    aduana restore contoso-2026-11-25.aduana --check
"""

_RESTORE = """Bring a backup back, into an empty database.

The tables are made first where they are missing; a backup of an older version is taken too. It happens in one transaction, each
table checked against the backup's own checksums: it is all there at the end, or nothing was changed. Replicas that run read
the new configuration at once. `--check` reads the file alone.

Examples:

    aduana restore contoso-2026-11-25.aduana --database-url env:DATABASE_URL

    aduana restore contoso-2026-11-25.aduana --force --data-dir .aduana
"""

_EXPORT = """Write the ledger and the audit log as CSV and JSON Lines, with a manifest of rows and checksums.

Money is exact decimal text, times are ISO 8601 in UTC. The directory is whole or not there. The audit log's last hash is in the
manifest: `aduana audit verify --expect SEQ:HASH` holds a database to it.

Examples:

    aduana export contoso-2026 --since 2026-01-01 --until 2027-01-01

    aduana export everything --database-url env:DATABASE_URL --json
"""


def register(app: typer.Typer) -> None:
    """Add the three."""
    app.command("backup", help=_BACKUP)(_backup)
    app.command("restore", help=_RESTORE)(_restore)
    app.command("export", help=_EXPORT)(_export)


def _backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; must not be there.")],
    beside: Annotated[
        list[Path] | None, typer.Option("--with", metavar="FILE", help="A file to put in, such as the tenant file.")
    ] = None,
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    from deployer.backup.archive import write

    if file.exists():
        raise CommandError(
            f"{file} is there already", remedy="Name a file that is not.", code="exists", exit_code=USAGE
        )
    files = _contents(beside or [])
    with _progress("Backing up") as progress, _explained():
        done = with_connection(
            database_url, data_dir, lambda connection: write(connection, file, files=files, progress=progress)
        )
    rows = sum(entry.rows for entry in done.tables)
    if as_json:
        print_json({"file": str(file), **_summary(done), "bytes": file.stat().st_size})
        return
    say(f"{file}: {rows:,} rows of {len(done.tables)} tables, {file.stat().st_size / 1e6:,.1f} MB")
    _say_needs(done)


def _restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    force: bool = typer.Option(False, "--force", help="Replace what is in the database; it is lost then."),
    check: bool = typer.Option(False, "--check", help="Read the file against its checksums, and restore nothing."),
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    from deployer.backup.archive import verify
    from deployer.backup.restore import restore

    with _progress("Checking" if check else "Restoring") as progress, _explained():
        if check:
            done = verify(file)
        else:
            verify(file)  # before the tables are made: a damaged file changes nothing
            migrate_tenant(database_url, data_dir)
            done = with_connection(
                database_url, data_dir, lambda connection: restore(connection, file, force=force, progress=progress)
            )
    if as_json:
        print_json({"file": str(file), "restored": not check, **_summary(done)})
        return
    rows = sum(entry.rows for entry in done.tables)
    say(f"{file}, of {done.created_at}: {rows:,} rows {'are whole' if check else 'restored'}")
    _say_needs(done)


def _export(
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Where to; must not be there.")],
    since: str | None = typer.Option(
        None, "--since", metavar="TIME", help="24h, 7d, or a time such as 2026-11-01 (UTC)."
    ),
    until: str | None = typer.Option(None, "--until", metavar="TIME", help="The same; not included."),
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    from deployer.backup.exports import export

    now = datetime.now(UTC)
    start = moment_or_ago(since, "--since", now) if since is not None else None
    stop = moment_or_ago(until, "--until", now) if until is not None else None
    if start is not None and stop is not None and stop <= start:
        raise CommandError("--until is not after --since", code="usage", exit_code=USAGE)
    with _progress("Exporting") as progress, _explained():
        manifest = with_connection(
            database_url,
            data_dir,
            lambda connection: export(connection, directory, since=start, until=stop, progress=progress),
        )
    if as_json:
        print_json({"directory": str(directory), **manifest})
        return
    for file in manifest["files"]:
        say(f"{directory / file['file']}: {file['rows']:,} rows, {file['bytes'] / 1e6:,.1f} MB")


def _contents(paths: list[Path]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for path in paths:
        if path.name in files:
            raise CommandError(f"two files are called {path.name}", code="usage", exit_code=USAGE)
        try:
            files[path.name] = path.read_bytes()
        except OSError as error:
            raise CommandError(f"{path} cannot be read", error.strerror or "", code="no_file") from None
    return files


def _summary(done: Any) -> dict[str, Any]:
    return {
        "created_at": done.created_at,
        "revision": done.revision,
        "tables": {entry.name: entry.rows for entry in done.tables},
        "needs": {"peppers": list(done.peppers), "master_keys": list(done.master_keys)},
        "files": sorted(done.files),
    }


def _say_needs(done: Any) -> None:
    if done.peppers or done.master_keys:
        needs = [
            f"{what} version {', '.join(map(str, versions))}"
            for what, versions in (("pepper", done.peppers), ("master key", done.master_keys))
            if versions
        ]
        say(f"Its keys and sealed secrets need {' and '.join(needs)}, which are not in it.")


@contextmanager
def _progress(doing: str) -> Iterator[Callable[[str, int], None]]:
    """Where stderr is a terminal: what is being done, and how far it is."""
    from rich.console import Console

    with Console(stderr=True).status(doing) as status:
        yield lambda what, rows: status.update(f"{doing} {what}: {rows:,} rows")


@contextmanager
def _explained() -> Iterator[None]:
    from deployer.backup import BackupError

    try:
        yield
    except BackupError as error:
        raise CommandError(str(error), remedy=error.remedy, code=error.code) from error
