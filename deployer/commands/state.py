"""`aduana state`: the storage that Terraform's state is kept in."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployer.commands.plan import TerraformOption
from deployer.errors import USAGE, CommandError
from deployer.output import JsonFlag, note, print_json, say
from deployer.tenant_argument import DirectoryOption, TenantArgument

if TYPE_CHECKING:
    from deployer.azure import Session
    from deployer.state import StateLocation
    from deployer.state.bootstrap import Step, Wishes
    from deployer.tenant_file import TenantFile

_BOOTSTRAP = """Make the storage account and container that the state is kept in, or make them as safe as they should be.

Entra ID alone opens it: its keys are switched off. Versions are kept, deleted blobs and containers for 30 days, and a lock
keeps the account from being deleted. Whoever is signed in gets the role for its blobs, on that container alone. What is
already right is left as it is, so it may be run again at any time. It shows what it will do, and asks.

Examples:

    aduana state bootstrap contoso-prod --plan

    aduana state bootstrap contoso-prod --yes --allow-range 203.0.113.0/24

    aduana state bootstrap contoso-prod --grant 5b1f1d0e-6a7e-4a43-9f6f-2f1f4b8c1d2e
"""

_UNLOCK = """Take the state's lock from an owner who is gone. Whoever still works under it would lose what it does.

`aduana preflight TENANT --only state` says who holds the lock, since when, and its id; a lock with another id is left alone.

Example:

    aduana state unlock contoso-prod 7a3e91c2-0c1f-4a57-9d0e-3b1f6a1f2d11
"""

_Grant = Annotated[
    list[str] | None,
    typer.Option(
        "--grant", metavar="OBJECT_ID", help="Give this identity the role, too (a pipeline's). May be repeated."
    ),
]
_Ranges = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-range",
        metavar="RANGE",
        help="Let only these public addresses in. May be repeated. Left out: network rules stay as they are.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add `state` and its commands."""
    state = typer.Typer(name="state", help="The storage that Terraform's state is kept in.", no_args_is_help=True)
    state.command("bootstrap", help=_BOOTSTRAP)(_bootstrap)
    state.command("unlock", help=_UNLOCK)(_unlock)
    app.add_typer(state)


def _bootstrap(
    tenant: str | None = TenantArgument,
    directory: Path = DirectoryOption,
    plan: bool = typer.Option(False, "--plan", help="Show what would be done, and do nothing."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do it without asking."),
    grant: _Grant = None,
    allow_range: _Ranges = None,
    as_json: bool = JsonFlag,
) -> None:
    from deployer.azure_session import with_azure
    from deployer.tenants import open_tenant

    found = open_tenant(tenant, directory)
    location, wishes = _wanted(found, grant or [], allow_range)
    _expect_consent(yes or plan, as_json)

    async def work(session: "Session") -> "tuple[tuple[Step, ...], bool, bool]":
        from deployer.state.bootstrap import apply_bootstrap, await_access, pending, plan_bootstrap

        steps = await plan_bootstrap(session, location, wishes)
        if not as_json:
            _show(location, steps)
        if plan or not any(pending(steps)) or not (yes or _agreed()):
            return steps, False, True
        await apply_bootstrap(session, steps, _told(as_json))
        if not as_json:
            note("Waiting until the role is in force …")
        return steps, True, await await_access(session, location, asyncio.sleep)

    steps, applied, reached = with_azure(found.tenant, "the state's storage could not be made", work)
    if as_json:
        print_json(_document(found, location, steps, applied, reached))
    elif applied:
        say(f"{location.account}/{location.container} is ready.")
    if applied and not reached:
        note(
            "The container cannot be read from here yet: the role is not in force, or the account's network rules keep this "
            "machine out. `aduana preflight --only state` says which."
        )


def _unlock(
    tenant: str = typer.Argument(..., metavar="TENANT", help="A tenant's name or its file."),
    lock: str = typer.Argument(..., metavar="ID", help="The lock's id."),
    directory: Path = DirectoryOption,
    terraform: str | None = TerraformOption,
    yes: bool = typer.Option(False, "--yes", "-y", help="Do it without asking."),
    as_json: bool = JsonFlag,
) -> None:
    from deployer.azure_session import with_azure
    from deployer.review.subject import open_subject
    from deployer.state import Unreadable, locate_state, read_lock

    subject = open_subject(tenant, directory, terraform=terraform)
    location = locate_state(subject.tenant)
    held = None
    if location is not None:
        try:
            held = with_azure(
                subject.tenant, "the lock could not be read", lambda session: read_lock(session, location)
            )
        except Unreadable as unreadable:
            raise CommandError("the lock could not be read", str(unreadable), _LOOK, "unreadable") from None
        if held is None or held.id != lock:
            there = (
                f"the lock that is held has the id {held.id or '–'}, of {held.who or 'nobody who is named'}"
                if held
                else ""
            )
            raise CommandError(f"there is no lock {lock}", there or "nobody holds one", _LOOK, "no_such_lock")
    _expect_consent(yes, as_json)
    whose = (
        f"the lock of {held.who}, held for {held.operation or 'something'}" if held is not None else f"the lock {lock}"
    )
    taken = yes or typer.confirm(f"Take {whose} away? Nobody may be working under it.", default=False, err=True)
    if taken:
        subject.engine.unlock(lock)
    if as_json:
        print_json({"tenant": subject.tenant.name, "lock": lock, "unlocked": taken})
    elif taken:
        say(f"The state of {subject.tenant.name} is not locked any more.")


_LOOK = "See `aduana preflight TENANT --only state`."


def _expect_consent(given: bool, as_json: bool) -> None:
    if not given and (as_json or not sys.stdin.isatty()):
        raise CommandError("nobody can be asked here", "", "Say --yes to do it without.", "usage", exit_code=USAGE)


def _wanted(found: "TenantFile", grant: list[str], ranges: list[str] | None) -> "tuple[StateLocation, Wishes]":
    from uuid import UUID

    from deployer.state import locate_state
    from deployer.state.bootstrap import Wishes

    tenant = found.tenant
    location = locate_state(tenant)
    if location is None:
        words = f"the state of {tenant.name} is kept on this machine"
        raise CommandError(words, "state.backend is local", "Say state.backend: azurerm first.", "local_state")
    try:
        allowed = tuple(IPv4Network(each) for each in ranges) if ranges is not None else None
        principals = tuple(str(UUID(each)) for each in grant)
    except ValueError as error:
        raise CommandError("an option is wrong", str(error), code="usage", exit_code=USAGE) from None
    redundancy = "Standard_ZRS" if tenant.zone_redundant else "Standard_LRS"
    return location, Wishes(redundancy, tenant.tags, principals, allowed)


def _show(location: "StateLocation", steps: "Sequence[Step]") -> None:
    from deployer.state.bootstrap import Action

    marks = {Action.CREATE: "+", Action.UPDATE: "~", Action.KEEP: "="}
    say(
        f"The state {location.key} in {location.account}/{location.container} (subscription {location.subscription_id}):"
    )
    for step in steps:
        say(f"  {marks[step.action]} {step.what}")
        if step.action is Action.UPDATE:
            for each in step.differences:
                say(f"      {each.field}: {_text(each.before)} → {_text(each.after)}")
    if all(step.action is Action.KEEP for step in steps):
        say("Nothing is to be done.")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "–" if value is None else str(value)


def _agreed() -> bool:
    return typer.confirm("Do this?", default=False, err=True)


def _told(quiet: bool) -> "Callable[[Step, bool], None]":
    def told(step: "Step", ended: bool) -> None:
        if not quiet and ended:
            note(f"  done: {step.what}")

    return told


def _document(
    found: "TenantFile", location: "StateLocation", steps: "Sequence[Step]", applied: bool, reached: bool
) -> dict[str, Any]:
    return {
        "tenant": found.tenant.name,
        "subscription_id": location.subscription_id,
        "resource_group": location.resource_group,
        "storage_account": location.account,
        "container": location.container,
        "key": location.key,
        "applied": applied,
        "reachable": reached if applied else None,
        "steps": [
            {
                "id": step.id,
                "action": step.action.value,
                "what": step.what,
                "changes": [
                    {"field": each.field, "before": each.before, "after": each.after} for each in step.differences
                ],
            }
            for step in steps
        ],
    }
