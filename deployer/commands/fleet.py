"""`aduana fleet`: the installations of a directory, all of them."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployer.commands.upgrade import ask, choose_images, read_shares, run_upgrade
from deployer.errors import CHECK_SAID_NO, FAILED, USAGE, CommandError
from deployer.output import JsonFlag, print_json, print_table, say
from deployer.tenant_argument import DirectoryOption

if TYPE_CHECKING:
    from deployer.fleet import Member
    from deployer.tenants import Listed
    from deployer.upgrade import Step

_STATUS = """Show how every installation of the directory stands in Azure: images, revisions, traffic.

Exit code 3: one of them does not run as its file says, or cannot be asked.

Examples:

    aduana fleet status

    aduana fleet status --only contoso-prod --only fabrikam-prod --json
"""

_UPGRADE = """Upgrade the installations of the directory, one after the other, each as `aduana upgrade` does it.

In the order in which --only names them, else by name. After one that failed (and was taken back by itself) the rest is left
as it is, unless --keep-going. Those that have the images already are passed over, so it may be run again.

Examples:

    aduana fleet upgrade --images images.yaml --plan

    aduana fleet upgrade --images images.yaml --only contoso-test --only contoso-prod --yes
"""

OnlyOption = typer.Option(None, "--only", metavar="NAME", help="This installation alone; may be given several times.")


def register(app: typer.Typer) -> None:
    """Add `fleet` and its commands."""
    fleet = typer.Typer(name="fleet", help="Many installations at once.", no_args_is_help=True)
    fleet.command("status", help=_STATUS)(_status)
    fleet.command("upgrade", help=_UPGRADE)(_upgrade)
    app.add_typer(fleet)


def _status(only: list[str] | None = OnlyOption, directory: Path = DirectoryOption, as_json: bool = JsonFlag) -> None:
    from deployer.fleet import State
    from deployer.fleet.status import status_of

    members = asyncio.run(status_of(_chosen(directory, only or [])))
    well = all(member.state is State.RUNS for member in members)
    if as_json:
        print_json({"directory": str(directory), "ok": well, "installations": [each.as_json() for each in members]})
    else:
        _show(members)
    if not well:
        raise typer.Exit(CHECK_SAID_NO)


def _upgrade(
    images: Annotated[Path, typer.Option("--images", metavar="FILE", help="A release's images.yaml.")],
    only: list[str] | None = OnlyOption,
    directory: Path = DirectoryOption,
    shares: str = typer.Option("10,50,100", "--shares", help="Percentages of the calls, one after the other."),
    watch: str = typer.Option("3m", "--watch", metavar="SPAN", help="How long each share is watched."),
    most_errors: float = typer.Option(2.0, "--most-errors", min=0, max=100, help="Percent of 5xx that may be."),
    keep_going: bool = typer.Option(False, "--keep-going", help="Go on after one that failed."),
    plan: bool = typer.Option(False, "--plan", help="Show what would be done, and change nothing."),
    yes: bool = typer.Option(False, "--yes", help="Do not ask."),
    as_json: bool = JsonFlag,
) -> None:
    from deployer.times import span
    from deployer.upgrade.run import Pace

    pace = Pace(shares=read_shares(shares), watch=span(watch, "--watch").total_seconds(), most_errors=most_errors)
    listed = _chosen(directory, only or [])
    if not plan and not yes:
        names = ", ".join(each.name or str(each.path) for each in listed)
        ask(f"Upgrade {names}, one after the other?", as_json)
    told: list[dict[str, Any]] = []
    failed = False
    for each in listed:
        if failed and not keep_going:
            told.append(_told(each, "left", []))
            continue
        if not as_json:
            say(f"\n{each.name or each.path}")
        try:
            steps = _one(each, images, pace, plan=plan, quiet=as_json)
        except CommandError as error:
            failed = True
            told.append(_told(each, "failed", [], error))
            if not as_json:
                say(f"✗ {error.message}")
        else:
            in_place = all(step.standing == "in_place" for step in steps)
            outcome = "in_place" if in_place else "planned" if plan else "upgraded"
            told.append(_told(each, outcome, steps))
    if as_json:
        print_json({"directory": str(directory), "ok": not failed, "planned": plan, "installations": told})
    else:
        outcomes = [str(each["outcome"]).replace("_", " ") for each in told]
        say("\n" + " · ".join(f"{outcomes.count(word)} {word}" for word in dict.fromkeys(outcomes)))
    if failed:
        raise typer.Exit(FAILED)


def _one(listed: "Listed", images: Path, pace: Any, *, plan: bool, quiet: bool) -> "list[Step]":
    from deployer.tenant_file import TenantFile

    if listed.tenant is None:
        raise CommandError(
            f"{listed.path} is wrong", str(listed.mistakes[0]["message"]) if listed.mistakes else "", code="invalid"
        )
    found = TenantFile(listed.path, listed.tenant)
    return run_upgrade(found, choose_images(found, images, None, None, None), pace, plan=plan, quiet=quiet)


def _told(listed: "Listed", outcome: str, steps: "Sequence[Step]", error: CommandError | None = None) -> dict[str, Any]:
    return {
        "name": listed.name,
        "file": str(listed.path),
        "outcome": outcome,
        "steps": [step.as_json() for step in steps],
        "error": error.as_json()["error"] if error is not None else None,
    }


def _chosen(directory: Path, only: list[str]) -> "Sequence[Listed]":
    """In the order of `only`. Raises `CommandError` for a name that is not there."""
    from deployer.tenants import list_tenants

    listed = list_tenants(directory)
    if not listed:
        raise CommandError(f"{directory} holds no tenant file", "", "`aduana init` writes one.", "no_tenants")
    by_name = {each.name: each for each in listed if each.name}
    for name in only:
        if name not in by_name:
            raise CommandError(
                f"there is no tenant {name[:60]!r} in {directory}", f"there are {', '.join(by_name)}",
                code="no_such_tenant", exit_code=USAGE,
            )  # fmt: skip
    return [by_name[name] for name in only] if only else listed


def _show(members: "Sequence[Member]") -> None:
    rows = []
    for member in members:
        images = sorted({each.image.rsplit("/", 1)[-1] for each in member.services.values()})
        short = ", ".join(image.partition("@sha256:")[0] + "@" + image.partition("@sha256:")[2][:8] for image in images)
        rows.append((member.name, member.region or "–", str(member.state), short or "–", member.note))
    print_table((("Name", "left"), ("Region", "left"), ("State", "left"), ("Images", "left"), ("", "left")), rows)
