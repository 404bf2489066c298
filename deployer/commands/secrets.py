"""`aduana secrets`: what `db://NAME` names, sealed in the tenant's database. A value never stands on a command line."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from deployer.access import DatabaseUrlOption, DataDirOption, Tenant, actor, with_tenant
from deployer.commands import rotation
from deployer.errors import USAGE, CommandError
from deployer.output import JsonFlag, moment, print_json, print_table, say

Name = Annotated[str, typer.Argument(metavar="NAME", help="What db://NAME names.")]

_LARGEST = 64 * 1024  # characters; a key or a certificate is a few thousand


def register(app: typer.Typer) -> None:
    """Add `secrets`."""
    secrets = typer.Typer(no_args_is_help=True, help="Keep secrets sealed in the tenant's database, for db://NAME.")
    secrets.command("set", help=_SET)(_set)
    secrets.command("list", help="List the names of sealed secrets: never their values.")(_list)
    secrets.command("remove", help=_REMOVE)(_remove)
    secrets.command("rotate", help=rotation.HELP)(rotation.rotate)
    app.add_typer(secrets, name="secrets")


_SET = """Seal a value under the tenant's master key, as db://NAME.

The value is read from stdin (one line break at its end is dropped), or from where --from-ref says; at a terminal it is
asked for and not shown. Setting a name again replaces its value.

Examples:

    aduana secrets set contoso/openai < key.txt

    aduana secrets set contoso/openai --from-ref env:OPENAI_API_KEY
"""
_REMOVE = """Remove a sealed secret. What still names it will fail.

Example:

    aduana secrets remove contoso/openai
"""


def _set(
    name: Name,
    from_ref: str | None = typer.Option(None, "--from-ref", metavar="REF", help="env:NAME or file:/path."),
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    _check_name(name)
    given = _read_value(name) if from_ref is None else None

    async def work(tenant: Tenant) -> bool:
        from core import audit
        from core.secrets import SecretError, SecretReferenceError
        from core.secrets.database import store_secret

        async with tenant.store.transaction() as connection:
            resolver = await tenant.resolver(connection)
            try:
                value = given if given is not None else (await resolver.resolve(str(from_ref))).rstrip("\r\n")
            except SecretReferenceError as error:
                raise CommandError("--from-ref is wrong", str(error), code="usage", exit_code=USAGE) from None
            try:
                sealed = await (await tenant.master_keys(resolver)).seal(name, value)
            except SecretError as error:
                raise CommandError(
                    "the secret cannot be sealed",
                    str(error),
                    "Set ADUANA_MASTER_KEYS as the proxies have it, or use --data-dir.",
                    "no_master_key",
                ) from None
            new = await store_secret(connection, sealed)
            await audit.record(
                connection,
                actor=actor(),
                action="create" if new else "update",
                entity="secret",
                entity_id=name,
                before=None if new else {"value": "set"},
                after={"value": "set", "master_key_version": sealed.master_key_version},
            )
            return new

    new = with_tenant(database_url, data_dir, work)
    if as_json:
        print_json({"name": name, "ref": f"db://{name}", "created": new})
    else:
        say(f"db://{name} is {'sealed' if new else 'replaced'}.")


def _list(
    database_url: str | None = DatabaseUrlOption, data_dir: Path | None = DataDirOption, as_json: bool = JsonFlag
) -> None:
    async def work(tenant: Tenant) -> list[tuple[str, int, datetime]]:
        async with tenant.store.transaction() as connection:
            cursor = await connection.execute("SELECT name, master_key_version, updated_at FROM secrets ORDER BY name")
            return [(row[0], row[1], row[2]) for row in await cursor.fetchall()]

    found = with_tenant(database_url, data_dir, work)
    if as_json:
        print_json(
            {
                "secrets": [
                    {"name": name, "ref": f"db://{name}", "master_key_version": version, "updated_at": at}
                    for name, version, at in found
                ]
            }
        )
    elif not found:
        say("No secret is sealed here. Add one: aduana secrets set NAME")
    else:
        print_table(
            (("Reference", "left"), ("Master key", "right"), ("Set", "left")),
            [(f"db://{name}", str(version), moment(at)) for name, version, at in found],
        )


def _remove(
    name: Name,
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    _check_name(name)

    async def work(tenant: Tenant) -> bool:
        from core import audit

        async with tenant.store.transaction() as connection:
            cursor = await connection.execute("DELETE FROM secrets WHERE name = %(name)s", {"name": name})
            if not cursor.rowcount:
                return False
            await audit.record(
                connection,
                actor=actor(),
                action="remove",
                entity="secret",
                entity_id=name,
                before={"value": "set"},
                after=None,
            )
            return True

    if not with_tenant(database_url, data_dir, work):
        raise CommandError(
            f"there is no secret db://{name}", remedy="`aduana secrets list` shows them.", code="no_such_secret"
        )
    if as_json:
        print_json({"name": name, "removed": True})
    else:
        say(f"db://{name} is removed.")


def _check_name(name: str) -> None:
    from core.secrets import SecretRef, SecretReferenceError

    try:
        SecretRef.parse(f"db://{name}")
    except SecretReferenceError as error:
        raise CommandError("that is no name for a secret", str(error), code="usage", exit_code=USAGE) from None


def _read_value(name: str) -> str:
    if sys.stdin.isatty():
        import getpass

        value = getpass.getpass(f"Value of db://{name} (not shown): ")
    else:
        value = sys.stdin.read(_LARGEST + 1)
        value = value.removesuffix("\n").removesuffix("\r")
    if not value or len(value) > _LARGEST:
        raise CommandError(
            "there is no value to seal" if not value else "the value is longer than 64 KiB",
            remedy="Give it on stdin, or name it with --from-ref.",
            code="usage",
            exit_code=USAGE,
        )
    return value
