"""`aduana backup`, `aduana restore` and `aduana export`: the tenant's database in files."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployer.access import DatabaseUrlOption, DataDirOption, migrate_tenant, read_settings, with_connection
from deployer.errors import USAGE, CommandError
from deployer.output import JsonFlag, note, print_json, say
from deployer.tenant_argument import DirectoryOption
from deployer.times import moment_or_ago

if TYPE_CHECKING:
    from deployer.tenant_file import TenantFile

_BACKUP = """Write a backup of the tenant's database: configuration, keys (their hashes), sealed secrets, ledger, audit log.

One moment of it, while everything runs. The file is whole or not there, and readable to its owner alone. Sealed secrets stay
sealed and of a key there is the hash: keep the pepper and the master key as well (they are in Key Vault), or nothing of them
works after a restore. `--with FILE` puts files beside it, such as the tenant file.

Examples:

    aduana backup contoso-2026-11-25.aduana --tenant contoso

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

    aduana export contoso-2026 --tenant contoso --since 2026-01-01 --until 2027-01-01

    aduana export everything --database-url env:DATABASE_URL --json
"""


TenantOption = typer.Option(
    None, "--tenant", metavar="TENANT", help="An installation in Azure: its job makes it, inside the network."
)
ToBlobOption = typer.Option(
    None, "--to-blob", metavar="URL", help="Put it below this address of a storage account, as this process's identity."
)


def register(app: typer.Typer) -> None:
    """Add the three."""
    app.command("backup", help=_BACKUP)(_backup)
    app.command("restore", help=_RESTORE)(_restore)
    app.command("export", help=_EXPORT)(_export)


def _backup(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="Where to; must not be there.")] = None,
    beside: Annotated[
        list[Path] | None, typer.Option("--with", metavar="FILE", help="A file to put in, such as the tenant file.")
    ] = None,
    tenant: str | None = TenantOption,
    directory: Path = DirectoryOption,
    to_blob: str | None = ToBlobOption,
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
    for_job: Annotated[float | None, typer.Option("--for-job", hidden=True)] = None,
) -> None:
    from deployer.backup.archive import add_files, opened, write

    def make(target: Path) -> None:
        with _progress("Backing up") as progress:
            with_connection(database_url, data_dir, lambda connection: write(connection, target, progress=progress))

    with _explained():
        if to_blob is not None:
            with tempfile.TemporaryDirectory(prefix="aduana-") as folder:
                made = Path(folder) / "database.aduana"
                make(made)
                _hand_over(to_blob, [made], for_job, as_json)
            return
        target = _required(file, "FILE")
        if target.exists():
            raise CommandError(
                f"{target} is there already", remedy="Name a file that is not.", code="exists", exit_code=USAGE
            )
        files = _contents(beside or [])
        if tenant is None:
            make(target)
        else:
            found, fetched = _fetched(tenant, directory, "backup", [], target.parent, as_json)
            with fetched as place:
                (place / "database.aduana").replace(target)
            ours = [found.path, *([found.seed_path] if found.seed_path is not None else [])]
            files = _contents(ours) | files
        if files:
            add_files(target, files)
        with opened(target) as (_, done):
            pass
    if as_json:
        print_json({"file": str(target), **_summary(done), "bytes": target.stat().st_size})
        return
    rows = sum(entry.rows for entry in done.tables)
    say(f"{target}: {rows:,} rows of {len(done.tables)} tables, {target.stat().st_size / 1e6:,.1f} MB")
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
    directory: Annotated[Path | None, typer.Argument(metavar="DIRECTORY", help="Where to; must not be there.")] = None,
    since: str | None = typer.Option(
        None, "--since", metavar="TIME", help="24h, 7d, or a time such as 2026-11-01 (UTC)."
    ),
    until: str | None = typer.Option(None, "--until", metavar="TIME", help="The same; not included."),
    tenant: str | None = TenantOption,
    tenants: Path = DirectoryOption,
    to_blob: str | None = ToBlobOption,
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
    for_job: Annotated[float | None, typer.Option("--for-job", hidden=True)] = None,
) -> None:
    from deployer.backup.exports import export

    now = datetime.now(UTC)
    start = moment_or_ago(since, "--since", now) if since is not None else None
    stop = moment_or_ago(until, "--until", now) if until is not None else None
    if start is not None and stop is not None and stop <= start:
        raise CommandError("--until is not after --since", code="usage", exit_code=USAGE)

    def make(target: Path) -> dict[str, Any]:
        with _progress("Exporting") as progress:
            return with_connection(
                database_url,
                data_dir,
                lambda connection: export(connection, target, since=start, until=stop, progress=progress),
            )

    with _explained():
        if to_blob is not None:
            with tempfile.TemporaryDirectory(prefix="aduana-") as place:
                make(Path(place) / "export")
                _hand_over(to_blob, sorted((Path(place) / "export").iterdir()), for_job, as_json)
            return
        target = _required(directory, "DIRECTORY")
        if tenant is None:
            manifest = make(target)
        else:
            spans = [("--since", start), ("--until", stop)]
            options = [part for name, at in spans if at is not None for part in (name, at.isoformat())]
            manifest = export_tenant(tenant, tenants, target, options, as_json)
    if as_json:
        print_json({"directory": str(target), **manifest})
        return
    for file in manifest["files"]:
        say(f"{target / file['file']}: {file['rows']:,} rows, {file['bytes'] / 1e6:,.1f} MB")


def export_tenant(tenant: str, tenants: Path, target: Path, options: list[str], quiet: bool) -> dict[str, Any]:
    """Export an installation by its job, into a directory that must not be there; the manifest. Raises `CommandError`."""
    import json

    if target.exists():
        raise CommandError(f"{target} is there already", "", "Name a directory that is not.", "exists")
    _, fetched = _fetched(tenant, tenants, "export", options, target.parent, quiet)
    with fetched as place:
        manifest: dict[str, Any] = json.loads((place / "manifest.json").read_text(encoding="utf-8"))
        place.rename(target)
    return manifest


def _fetched(
    tenant: str, tenants: Path, command: str, options: list[str], beside: Path, quiet: bool
) -> "tuple[TenantFile, AbstractContextManager[Path]]":
    """The tenant, and a directory with what its job made; gone afterwards, unless it is renamed."""
    from deployer.azure_session import with_azure
    from deployer.backup.through_job import fetch
    from deployer.installation import Installation
    from deployer.tenants import open_tenant

    found = open_tenant(tenant, tenants)
    beside.mkdir(parents=True, exist_ok=True)
    place = beside / f".{command}.{secrets.token_hex(4)}.partial"
    bundle = os.environ.get("ADUANA_CA_BUNDLE")

    @contextmanager
    def directory() -> Iterator[Path]:
        try:
            place.mkdir(mode=0o700)
            with_azure(
                found.tenant,
                f"the {command} was not made",
                lambda session: fetch(
                    session,
                    Installation(found.tenant),
                    command,
                    options,
                    place,
                    Path(bundle) if bundle else None,
                    (lambda line: None) if quiet else note,
                ),
            )
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    return found, directory()


def _hand_over(url: str, files: list[Path], for_job: float | None, as_json: bool) -> None:
    """Put files where `url` says, as this process's identity."""
    from core.identity.entra import EntraIssuer
    from core.identity.held import HeldToken
    from core.trust import client_context
    from deployer.backup.blobs import SCOPE, BlobFolder
    from deployer.jobs.results import print_result

    settings = read_settings(os.environ)
    held = HeldToken(EntraIssuer(settings.azure_credential, settings.azure_client_id, settings.ca_bundle), SCOPE)
    with BlobFolder(url, lambda: held.current().value, client_context(settings.ca_bundle)) as blobs:
        document = {"url": url, "blobs": [blobs.put(file, file.name) for file in files]}
    if for_job is not None:
        print_result(document, linger=for_job)
    elif as_json:
        print_json(document)
    else:
        for blob in document["blobs"]:
            say(f"{url}/{blob['name']}")  # type: ignore[index]


def _required(path: Path | None, name: str) -> Path:
    if path is None:
        raise CommandError(f"{name} is missing", "it says where to", code="usage", exit_code=USAGE)
    return path


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
