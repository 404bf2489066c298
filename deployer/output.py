"""How a command prints what it found: aligned tables for people, one JSON document for programs.

Money stays an exact decimal string in JSON and times are ISO 8601 in UTC; nothing else is written to stdout
under `--json`.
"""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import typer

JsonFlag = typer.Option(False, "--json", help="Print one JSON document instead of text.")
"""The `--json` of every command: `as_json: bool = JsonFlag`."""


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def print_json(document: Any) -> None:
    """One document, on stdout."""
    sys.stdout.write(json.dumps(document, default=_plain, ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()


def print_table(
    columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]], *, totals: Sequence[str] | None = None
) -> None:
    """A quiet table. `columns` are (title, "left" | "right"); a cell is never cut where stdout is no terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, show_footer=totals is not None)
    for index, (title, side) in enumerate(columns):
        table.add_column(
            Text(title),
            footer=Text(totals[index]) if totals is not None else "",
            justify="right" if side == "right" else "left",
            overflow="fold",
            no_wrap=False,
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        wide = Console(file=sys.stdout, highlight=False, width=100_000)
        console = Console(file=sys.stdout, highlight=False, width=wide.measure(table).maximum)
    console.print(table)


def say(text: str) -> None:
    """A line for people, on stdout."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """A line beside the result, on stderr, so that stdout stays the result alone."""
    sys.stderr.write(text + "\n")


def moment(at: datetime | None) -> str:
    """A time for people: UTC, to the second; a dash for none."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ") if at is not None else "–"
