"""`aduana usage`: what was used, by whom, and what it cost."""

from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployer.access import DatabaseUrlOption, DataDirOption, Tenant, with_tenant
from deployer.errors import USAGE, CommandError
from deployer.output import JsonFlag, moment, print_json, print_table, say
from deployer.times import moment_or_ago

if TYPE_CHECKING:
    from core.usage import Used, UsedUnit


class By(StrEnum):
    """What to sum by: core.usage.GROUPS, which is not imported for the sake of `--help`, and units."""

    APP = "app"
    TEAM = "team"
    CLIENT = "client"
    KEY = "key"
    MODEL = "model"
    UPSTREAM = "upstream"
    UNIT = "unit"


def register(app: typer.Typer) -> None:
    """Add `usage`."""
    app.command("usage", help=_HELP)(_usage)


_HELP = """Show what was used: calls, tokens and cost, from the ledger.

Without --since it is everything there is. Cached tokens are part of the input, reasoning tokens of the output. With
--json: `{"by", "since", "until", "rows": [{"id", "name", "calls", "errors", "estimated", "input_tokens",
"cached_tokens", "output_tokens", "reasoning_tokens", "cost_usd"}], "total": {...}}`, costs as exact decimal texts.

`--by unit` sums what is billed beside text tokens: audio and image tokens, images, characters, milliseconds, calls of tools,
tiers. Its rows are `{"unit", "quantity", "calls", "unpriced"}`, and there is no total.

Examples:

    aduana usage

    aduana usage --by key --since 24h

    aduana usage --by model --since 2026-11-01 --until 2026-12-01 --json
"""


def _usage(
    by: Annotated[By, typer.Option("--by", help="What to sum by.")] = By.APP,
    since: str | None = typer.Option(
        None, "--since", metavar="TIME", help="24h, 7d, or a time such as 2026-11-01 (UTC)."
    ),
    until: str | None = typer.Option(None, "--until", metavar="TIME", help="The same; not included. Without it: now."),
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    now = datetime.now(UTC)
    start = moment_or_ago(since, "--since", now) if since is not None else None
    stop = moment_or_ago(until, "--until", now) if until is not None else None
    if start is not None and stop is not None and stop <= start:
        raise CommandError("--until is not after --since", code="usage", exit_code=USAGE)

    if by is By.UNIT:
        _show_units(start, stop, database_url, data_dir, as_json)
        return

    async def work(tenant: Tenant) -> "list[Used]":
        from core.usage import used

        async with tenant.store.transaction() as connection:
            return await used(connection, by.value, since=start, until=stop)

    from core.usage import total

    rows = with_tenant(database_url, data_dir, work)
    if as_json:
        whole = _document(total(rows))
        del whole["id"], whole["name"]
        print_json(
            {"by": by.value, "since": start, "until": stop, "rows": [_document(row) for row in rows], "total": whole}
        )
    elif not rows:
        say(f"Nothing was used{f' since {moment(start)}' if start is not None else ' yet'}.")
    else:
        print_table(
            ((by.value.capitalize(), "left"), *((title, "right") for title in _TITLES)),
            [_cells(row) for row in rows],
            totals=_cells(total(rows)),
        )


def _show_units(
    start: datetime | None, stop: datetime | None, database_url: str | None, data_dir: Path | None, as_json: bool
) -> None:
    async def work(tenant: Tenant) -> "list[UsedUnit]":
        from core.usage import used_units

        async with tenant.store.transaction() as connection:
            return await used_units(connection, since=start, until=stop)

    rows = with_tenant(database_url, data_dir, work)
    if as_json:
        print_json({"by": By.UNIT.value, "since": start, "until": stop, "rows": [asdict(row) for row in rows]})
    elif not rows:
        say(f"Nothing but text tokens was used{f' since {moment(start)}' if start is not None else ' yet'}.")
    else:
        print_table(
            (("Unit", "left"), ("Quantity", "right"), ("Calls", "right"), ("Unpriced", "right")),
            [[row.unit, f"{row.quantity:,}", f"{row.calls:,}", f"{row.unpriced:,}"] for row in rows],
        )


_TITLES = ("Calls", "Errors", "Estimated", "Input", "Cached", "Output", "Reasoning", "Cost USD")


def _cells(row: "Used") -> list[str]:
    counts = (
        row.calls,
        row.errors,
        row.estimated,
        row.input_tokens,
        row.cached_tokens,
        row.output_tokens,
        row.reasoning_tokens,
    )
    return [row.name or "(none reached)", *(f"{count:,}" for count in counts), f"{row.cost_usd:,.6f}"]


def _document(row: "Used") -> dict[str, Any]:
    return {**asdict(row), "cost_usd": _exact(row.cost_usd)}


def _exact(amount: Decimal) -> str:
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
