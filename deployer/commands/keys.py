"""`aduana keys`: make, list, replace and switch off proxy keys."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployer.access import DatabaseUrlOption, DataDirOption, Tenant, actor, with_tenant
from deployer.errors import USAGE, CommandError
from deployer.output import JsonFlag, moment, note, print_json, print_table, say
from deployer.times import moment as parse_moment
from deployer.times import span

if TYPE_CHECKING:
    from core.issuance import ListedKey, Rotated
    from core.keys import NewKey

Which = Annotated[str, typer.Argument(metavar="KEY", help="The key's id, or its path CLIENT/TEAM/APP/NAME.")]


def register(app: typer.Typer) -> None:
    """Add `keys`."""
    keys = typer.Typer(no_args_is_help=True, help="Make, list, replace and switch off proxy keys.")
    keys.command("create", help=_CREATE)(_create)
    keys.command("list", help=_LIST)(_list)
    keys.command("rotate", help=_ROTATE)(_rotate)
    keys.command("disable", help=_DISABLE)(_disable)
    app.add_typer(keys, name="keys")


_CREATE = """Make a key for an app and show it, once.

Example:

    aduana keys create contoso/research/chatbot --name staging --expires-in 90d
"""
_LIST = """List keys: never their values.

Example:

    aduana keys list --app contoso/research/chatbot
"""
_ROTATE = """Replace a key by a new one under the same name; the old one ends after --grace.

A key that was made to expire gets the same time again. A key with a secret_ref is changed where it is kept, then seeded.

Examples:

    aduana keys rotate contoso/research/chatbot/prod

    aduana keys rotate 3fK9aQ2x --grace 0
"""
_DISABLE = """Switch a key off for good. Every replica refuses it within two seconds.

Example:

    aduana keys disable contoso/research/chatbot/prod
"""


def _create(
    app: Annotated[str, typer.Argument(metavar="CLIENT/TEAM/APP", help="The app that the key is for.")],
    name: str = typer.Option(..., "--name", metavar="NAME", help="The key's name within its app."),
    expires_in: str | None = typer.Option(None, "--expires-in", metavar="SPAN", help="Such as 90d, 24h or 30m."),
    expires_at: str | None = typer.Option(None, "--expires-at", metavar="TIME", help="Such as 2027-01-31 (UTC)."),
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    ends = _expiry(expires_in, expires_at)

    async def work(tenant: Tenant) -> "NewKey":
        from core.issuance import create_key

        async with tenant.store.transaction() as connection:
            peppers = await tenant.peppers(await tenant.resolver(connection))
            return await create_key(connection, app, name, peppers, actor=actor(), expires_at=ends)

    new = _with_keys(database_url, data_dir, work)
    if as_json:
        print_json({"id": new.id, "path": f"{app}/{name}", "key": new.text, "expires_at": ends})
    else:
        _show(new, f"{app}/{name}", ends)


def _list(
    app: str | None = typer.Option(None, "--app", metavar="CLIENT/TEAM/APP", help="Of this app alone."),
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    async def work(tenant: Tenant) -> "list[ListedKey]":
        from core.issuance import list_keys

        async with tenant.store.transaction() as connection:
            return await list_keys(connection, app)

    found = _with_keys(database_url, data_dir, work)
    now = datetime.now(UTC)
    if as_json:
        print_json({"keys": [_document(key, now) for key in found]})
    elif not found:
        say("There are no keys yet. Make one: aduana keys create CLIENT/TEAM/APP --name NAME")
    else:
        print_table(
            (
                ("ID", "left"),
                ("Key", "left"),
                ("State", "left"),
                ("Created", "left"),
                ("Expires", "left"),
                ("From", "left"),
            ),
            [
                (
                    key.id,
                    key.path,
                    key.state(now),
                    moment(key.created_at),
                    moment(key.expires_at),
                    key.secret_ref or "–",
                )
                for key in found
            ],
        )


def _rotate(
    which: Which,
    grace: str = typer.Option(
        "24h", "--grace", metavar="SPAN", help="How long the old key still works; 0: not at all."
    ),
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    length = span(grace, "--grace")

    async def work(tenant: Tenant) -> "Rotated":
        from core.issuance import rotate_key

        async with tenant.store.transaction() as connection:
            peppers = await tenant.peppers(await tenant.resolver(connection))
            return await rotate_key(connection, which, peppers, actor=actor(), grace=length)

    done: Rotated = _with_keys(database_url, data_dir, work)
    new, old = done.new, done.old
    if as_json:
        print_json(
            {
                "id": new.id,
                "path": old.path,
                "key": new.text,
                "expires_at": done.expires_at,
                "old_id": old.id,
                "old_expires_at": done.old_expires_at,
            }
        )
    else:
        _show(new, old.path, done.expires_at)
        ended = "ended at once" if not length else f"works until {moment(done.old_expires_at)}"
        note(f"The old key {old.id} {ended}.")


def _disable(
    which: Which,
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    async def work(tenant: Tenant) -> "tuple[ListedKey, bool]":
        from core.issuance import disable_key

        async with tenant.store.transaction() as connection:
            return await disable_key(connection, which, actor=actor())

    key, changed = _with_keys(database_url, data_dir, work)
    if as_json:
        print_json({**_document(key, datetime.now(UTC)), "changed": changed})
    else:
        say(f"{key.path} ({key.id}) {'is disabled' if changed else 'was disabled already'}.")


def _with_keys(database_url: str | None, data_dir: Path | None, work: Any) -> Any:
    from core.issuance import KeyRefused

    try:
        return with_tenant(database_url, data_dir, work)
    except KeyRefused as error:
        raise CommandError(str(error), remedy=error.remedy, code=error.code) from None


def _expiry(expires_in: str | None, expires_at: str | None) -> datetime | None:
    if expires_in is not None and expires_at is not None:
        raise CommandError("--expires-in and --expires-at say the same thing", code="usage", exit_code=USAGE)
    now = datetime.now(UTC)
    ends = None
    if expires_in is not None:
        ends = now + span(expires_in, "--expires-in")
    elif expires_at is not None:
        ends = parse_moment(expires_at, "--expires-at")
    if ends is not None and ends <= now:
        raise CommandError("the key would be expired at once", code="usage", exit_code=USAGE)
    return ends


def _show(new: "NewKey", path: str, ends: datetime | None) -> None:
    note(f"The key {path}{f', until {moment(ends)}' if ends is not None else ''}. It is shown this once:")
    say(new.text)


def _document(key: "ListedKey", now: datetime) -> dict[str, Any]:
    return {
        "id": key.id,
        "path": key.path,
        "state": key.state(now),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "disabled_at": key.disabled_at,
        "secret_ref": key.secret_ref,
    }
