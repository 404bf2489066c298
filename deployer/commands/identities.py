"""`aduana identities`: who may call with an access token of Entra ID."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployer.access import DatabaseUrlOption, DataDirOption, Tenant, actor, with_tenant
from deployer.errors import CommandError
from deployer.output import JsonFlag, moment, print_json, print_table, say

if TYPE_CHECKING:
    from core.identities import ListedIdentity

Which = Annotated[
    str, typer.Argument(metavar="IDENTITY", help="The identity's path CLIENT/TEAM/APP/NAME, or its id (in quotes).")
]


def register(app: typer.Typer) -> None:
    """Add `identities`."""
    identities = typer.Typer(
        no_args_is_help=True, help="List, switch off and switch on who calls with a token of Entra ID."
    )
    identities.command("list", help=_LIST)(_list)
    identities.command("disable", help=_DISABLE)(_disable)
    identities.command("enable", help=_ENABLE)(_enable)
    app.add_typer(identities, name="identities")


_LIST = """List identities: applications, people and roles of Entra ID that may call without a key. A seed file makes them.

Example:

    aduana identities list --app contoso/research/chatbot
"""
_DISABLE = """Switch an identity off, until it is switched on again. Every replica refuses it within two seconds.

Example:

    aduana identities disable contoso/research/chatbot/ci
"""
_ENABLE = """Switch an identity on again.

Example:

    aduana identities enable contoso/research/chatbot/ci
"""


def _list(
    app: str | None = typer.Option(None, "--app", metavar="CLIENT/TEAM/APP", help="Of this app alone."),
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    async def work(tenant: Tenant) -> "list[ListedIdentity]":
        from core.identities import list_identities

        async with tenant.store.transaction() as connection:
            return await list_identities(connection, app)

    found = _with_identities(database_url, data_dir, work)
    if as_json:
        print_json({"identities": [_document(identity) for identity in found]})
    elif not found:
        say("There are no identities yet. Give an app some in the seed file: docs/entra.md says how.")
    else:
        print_table(
            (("ID", "left"), ("Identity", "left"), ("Claim", "left"), ("Value", "left"), ("State", "left")),
            [(each.id, each.path, each.claim, each.value, each.state) for each in found],
        )


def _disable(
    which: Which,
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    _switch(which, False, database_url, data_dir, as_json)


def _enable(
    which: Which,
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    _switch(which, True, database_url, data_dir, as_json)


def _switch(which: str, on: bool, database_url: str | None, data_dir: Path | None, as_json: bool) -> None:
    async def work(tenant: Tenant) -> "tuple[ListedIdentity, bool]":
        from core.identities import switch_identity

        async with tenant.store.transaction() as connection:
            return await switch_identity(connection, which, on=on, actor=actor())

    identity, changed = _with_identities(database_url, data_dir, work)
    if as_json:
        print_json({**_document(identity), "changed": changed})
    else:
        since = f" since {moment(identity.disabled_at)}" if not changed and not on else ""
        say(f"{identity.path} ({identity.id}) is {identity.state}{since or ('' if changed else ' already')}.")


def _with_identities(database_url: str | None, data_dir: Path | None, work: Any) -> Any:
    from core.issuance import KeyRefused

    try:
        return with_tenant(database_url, data_dir, work)
    except KeyRefused as error:
        raise CommandError(str(error), remedy=error.remedy, code=error.code) from None


def _document(identity: "ListedIdentity") -> dict[str, Any]:
    return {
        "id": identity.id,
        "path": identity.path,
        "claim": identity.claim,
        "value": identity.value,
        "state": identity.state,
        "created_at": identity.created_at,
        "disabled_at": identity.disabled_at,
    }
