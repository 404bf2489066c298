"""`aduana limits`: where the limits and budgets of a caller stand."""

import asyncio
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from deployer.access import DatabaseUrlOption, DataDirOption, Tenant, with_tenant
from deployer.errors import CommandError
from deployer.live_counters import CountersAway, read_counters
from deployer.output import JsonFlag, moment, note, print_json, print_table, say

if TYPE_CHECKING:
    from core.limits.standing import Standing

Which = Annotated[
    str, typer.Argument(metavar="KEY", help="The id or the path CLIENT/TEAM/APP/NAME of a key or an identity.")
]


def register(app: typer.Typer) -> None:
    """Add `limits`."""
    limits = typer.Typer(no_args_is_help=True, help="See where limits and budgets stand.")
    limits.command("show", help=_SHOW)(_show)
    app.add_typer(limits, name="limits")


_SHOW = """Show every limit and budget of a caller as it stands now: its own, its app's, its team's and its client's.

What is used includes what live calls have reserved of a limit per minute; of the others the reservations stand beside it.
Where Redis cannot be asked, days, months and budgets are shown by the ledger, and the rest without figures. With
--json: `{"key", "source": "redis" | "ledger", "waiting": bool, "limits": [{"name", "scope", "model", "unit", "limit",
"used", "reserved", "remaining", "resets_at"}]}`; a budget's amounts are exact decimal texts (unit `usd`).

Examples:

    aduana limits show contoso/research/chatbot/prod

    aduana limits show 3fK9aQ2x --json
"""


@dataclass(frozen=True, slots=True)
class _Found:
    key: str
    standings: "list[Standing]"
    source: str  # redis | ledger
    waiting: bool  # the client's calls wait for its sums
    why: str | None = None  # Redis was not asked


def _show(
    key: Which,
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    async def work(tenant: Tenant) -> _Found:
        from core.identities import get_caller
        from core.issuance import KeyRefused

        try:
            async with tenant.store.transaction() as connection:
                id, path = await get_caller(connection, key)
        except KeyRefused as error:
            raise CommandError(str(error), remedy=error.remedy, code=error.code) from None
        redis_url = await tenant.redis_url()
        return await asyncio.to_thread(_look, tenant, redis_url, id, path)

    found = with_tenant(database_url, data_dir, work)
    if as_json:
        print_json(
            {
                "key": found.key,
                "source": found.source,
                "waiting": found.waiting,
                "limits": [_document(each) for each in found.standings],
            }
        )
        return
    if not found.standings:
        say(f"{found.key} has no limits and no budgets.")
        return
    print_table(
        [
            ("limit", "left"),
            ("of", "left"),
            ("model", "left"),
            ("used", "right"),
            ("reserved", "right"),
            ("limit", "right"),
            ("remaining", "right"),
            ("whole again", "left"),
        ],
        [_row(each) for each in found.standings],
    )
    if found.waiting:
        note("The client's calls wait until the writer has summed what it has spent. Does a writer run?")
    if found.why is not None:
        note(found.why)


def _look(tenant: Tenant, redis_url: str | None, key_id: str, path: str) -> _Found:
    from core.ledger.sums import sums
    from core.limits import NO_RULES
    from core.limits.standing import Counters, fields_of, standings
    from core.snapshot.picture import build
    from core.snapshot.rows import read_rows

    now = time.time()
    with tenant.database.connector("aduana-cli").connect() as connection:
        caller = build(read_rows(connection), now).caller(key_id)
        rules = caller.rules if caller is not None else NO_RULES
        every = [*rules.every()]
        if caller is None or not every:
            return _Found(path, [], "ledger", waiting=False)
        client = UUID(bytes=caller.client_id)
        why = "There is no Redis: the limits are counted in the proxy's memory; days, months and budgets are the ledger's."
        if redis_url is not None:
            try:
                counters, closed = read_counters(redis_url, tenant.settings, client, fields_of(every, now))
                return _Found(path, standings(every, counters, now), "redis", closed)
            except CountersAway as error:
                why = f"Redis cannot be asked ({error}): days, months and budgets are the ledger's."
        counters = Counters(spent=sums(connection, client, rules.families, now))
        return _Found(path, standings(every, counters, now), "ledger", waiting=False, why=why)


def _document(each: "Standing") -> dict[str, Any]:
    from core.money import usd

    document = {**asdict(each), "remaining": each.remaining, "resets_at": _time(each.resets_at)}
    if each.unit == "nano_usd":
        document["unit"] = "usd"
        for name in ("limit", "used", "reserved", "remaining"):
            document[name] = usd(document[name])
    return document


def _row(each: "Standing") -> list[str]:
    return [
        each.name,
        each.scope,
        each.model or "",
        _amount(each, each.used),
        "" if each.reserved is None else _amount(each, each.reserved),
        _amount(each, each.limit),
        _amount(each, each.remaining),
        moment(datetime.fromtimestamp(each.resets_at, UTC)) if each.resets_at is not None else "",
    ]


def _amount(each: "Standing", amount: int) -> str:
    from core.money import usd

    return f"${usd(amount):,.4f}" if each.unit == "nano_usd" else f"{amount:,}"


def _time(seconds: float | None) -> Any:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
