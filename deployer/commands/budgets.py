"""`aduana budgets`: what is spent of them, and letting it off."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployer.access import DatabaseUrlOption, DataDirOption, Tenant, actor, with_tenant
from deployer.errors import CommandError
from deployer.output import JsonFlag, moment, print_json, print_table, say

if TYPE_CHECKING:
    from core.budgets import BudgetState

Scope = Annotated[str, typer.Argument(metavar="SCOPE", help="Such as team:contoso/research.")]


def register(app: typer.Typer) -> None:
    """Add `budgets`."""
    budgets = typer.Typer(no_args_is_help=True, help="See what is spent of budgets, and reset them.")
    budgets.command("list", help=_LIST)(_list)
    budgets.command("reset", help=_RESET)(_reset)
    app.add_typer(budgets, name="budgets")


_LIST = """List budgets, and what is spent of them in the period that runs, by the ledger.

Example:

    aduana budgets list
"""
_RESET = """Let off what was spent of a budget so far in the period that runs: its whole amount may be spent again until the
period ends. In force on every replica within two seconds. Nothing is changed in the ledger, and alerts that were raised
in this period are not raised again.

Examples:

    aduana budgets reset team:contoso/research

    aduana budgets reset client:contoso --period month
"""


def _list(
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    async def work(tenant: Tenant) -> "list[BudgetState]":
        return await asyncio.to_thread(_read, tenant)

    found = with_tenant(database_url, data_dir, work)
    if as_json:
        print_json({"budgets": [_document(budget) for budget in found]})
    elif not found:
        say("There are no budgets yet. Give a scope one in the seed file.")
    else:
        print_table(
            (
                ("Scope", "left"),
                ("Period", "left"),
                ("Amount", "right"),
                ("Spent", "right"),
                ("Let off", "right"),
                ("Remaining", "right"),
                ("Begins anew", "left"),
            ),
            [
                (
                    each.scope,
                    each.period,
                    _dollars(each.amount),
                    _dollars(each.spent),
                    _dollars(each.credit) if each.credit else "",
                    _dollars(each.remaining),
                    moment(each.begins_anew) if each.begins_anew is not None else "",
                )
                for each in found
            ],
        )


def _reset(
    scope: Scope,
    period: str | None = typer.Option(None, "--period", metavar="day|week|month|total", help="Where it has several."),
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    from core.budgets import BudgetUnknown

    async def work(tenant: Tenant) -> "BudgetState":
        from core.budgets import find_budget, reset_budget

        budget = find_budget(await asyncio.to_thread(_read, tenant), scope, period)
        async with tenant.store.transaction() as connection:
            await reset_budget(connection, budget, actor())
        return next(each for each in await asyncio.to_thread(_read, tenant) if each.id == budget.id)

    try:
        budget = with_tenant(database_url, data_dir, work)
    except BudgetUnknown as error:
        raise CommandError(
            "the budget was not reset", str(error), "`aduana budgets list` names those there are.", "unknown_budget"
        ) from None
    if as_json:
        print_json(_document(budget))
    else:
        say(
            f"{budget.scope} may spend {_dollars(budget.remaining)} of its {budget.period} budget; "
            f"{_dollars(budget.credit)} are let off."
        )


def _read(tenant: Tenant) -> "list[BudgetState]":
    from core.budgets import read_budgets

    with tenant.database.connector("aduana-cli").connect() as connection:
        return read_budgets(connection)


def _document(budget: "BudgetState") -> dict[str, Any]:
    return {
        "scope": budget.scope,
        "period": budget.period,
        "on_exceeded": budget.on_exceeded,
        "amount_usd": budget.amount,
        "spent_usd": budget.spent,
        "let_off_usd": budget.credit,
        "remaining_usd": budget.remaining,
        "begins_anew": budget.begins_anew,
    }


def _dollars(amount: Any) -> str:
    return f"${amount:,.4f}"
