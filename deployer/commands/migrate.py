"""`aduana migrate`: the tables that this version needs."""

from pathlib import Path

import typer

from deployer.access import DatabaseUrlOption, DataDirOption, migrate_tenant
from deployer.output import JsonFlag, print_json, say

_HELP = """Bring the database's tables to what this version needs.

Runs once, however many ask at the same time, goes forward only, and leaves everything as it was where it fails. Running
replicas serve on meanwhile. `aduana up` does it by itself.

Example:

    aduana migrate --database-url env:DATABASE_URL
"""


def register(app: typer.Typer) -> None:
    """Add `migrate`."""
    app.command("migrate", help=_HELP)(_migrate)


def _migrate(
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    done = migrate_tenant(database_url, data_dir)
    if as_json:
        print_json({"before": done.before, "after": done.after})
    elif done.before == done.after:
        say(f"The schema is at {done.after} already.")
    else:
        say(f"The schema was brought from {done.before or 'nothing'} to {done.after}.")
