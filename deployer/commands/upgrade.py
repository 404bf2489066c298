"""`aduana upgrade`: new images into a running installation, and back by itself where they fail."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployer.errors import USAGE, CommandError
from deployer.output import JsonFlag, note, print_json, say
from deployer.tenant_argument import DirectoryOption, TenantArgument

if TYPE_CHECKING:
    from deployer.azure import Session
    from deployer.tenant_file import TenantFile
    from deployer.upgrade import Step
    from deployer.upgrade.run import Images, Pace

_HELP = """Bring new images into a running installation.

Tables first, by the new image, so that both versions work with them; then writer, admin and proxy. The proxy's new revision
starts without traffic and is tried by a real call inside the network; then it gets shares of the calls, watched at each. Where
an image does not start, the trial fails, or too many calls are answered with 5xx, everything goes back to the images before, by
itself. At the end the tenant file has the new images, so that the next plan is empty. Interrupted, it is run again and goes on.
It never seeds.

Examples:

    aduana upgrade contoso --images images.yaml --plan

    aduana upgrade contoso --images images.yaml --yes --shares 5,25,100 --watch 10m
"""

_SIGNS = {"to_do": "+", "done": "✓", "in_place": "·", "failed": "✗", "rolled_back": "↩"}


def register(app: typer.Typer) -> None:
    """Add `upgrade`."""
    app.command("upgrade", help=_HELP)(_upgrade)


def _upgrade(
    tenant: str | None = TenantArgument,
    directory: Path = DirectoryOption,
    images: Annotated[Path | None, typer.Option("--images", metavar="FILE", help="A release's images.yaml.")] = None,
    proxy: Annotated[
        str | None, typer.Option("--proxy", metavar="REFERENCE", help="The proxy's image, by digest.")
    ] = None,
    admin: Annotated[str | None, typer.Option("--admin", metavar="REFERENCE", help="The admin service's.")] = None,
    job: Annotated[str | None, typer.Option("--job", metavar="REFERENCE", help="The job's.")] = None,
    shares: str = typer.Option("10,50,100", "--shares", help="Percentages of the calls, one after the other."),
    watch: str = typer.Option("3m", "--watch", metavar="SPAN", help="How long each share is watched."),
    most_errors: float = typer.Option(2.0, "--most-errors", min=0, max=100, help="Percent of 5xx that may be."),
    plan: bool = typer.Option(False, "--plan", help="Show what would be done, and change nothing."),
    yes: bool = typer.Option(False, "--yes", help="Do not ask."),
    as_json: bool = JsonFlag,
) -> None:
    from deployer.tenants import open_tenant
    from deployer.times import span
    from deployer.upgrade.run import Pace

    found = open_tenant(tenant, directory)
    wanted = choose_images(found, images, proxy, admin, job)
    pace = replace(
        Pace(), shares=read_shares(shares), watch=span(watch, "--watch").total_seconds(), most_errors=most_errors
    )
    if not plan and not yes:
        ask(f"Upgrade {found.tenant.name}, which is in use?", as_json)
    steps = run_upgrade(found, wanted, pace, plan=plan, quiet=as_json)
    if as_json:
        print_json({"tenant": found.tenant.name, "planned": plan, "steps": [step.as_json() for step in steps]})


def choose_images(
    found: "TenantFile", file: Path | None, proxy: str | None, admin: str | None, job: str | None
) -> "Images":
    """What is asked for, the tenant's own where nothing is. Raises `CommandError`."""
    from pydantic import ValidationError

    from deployer.release_images import read_release
    from deployer.upgrade.run import Images

    given = {"proxy": proxy, "admin": admin, "job": job}
    if file is None and not any(given.values()):
        raise CommandError(
            "it is not said to which images", "", "Give --images FILE, or --proxy, --admin and --job.", "usage",
            exit_code=USAGE,
        )  # fmt: skip
    try:
        released = read_release(file) if file is not None else {}
        current = found.tenant.images
        chosen = {
            name: text or released.get(f"images.{name}") or getattr(current, name) for name, text in given.items()
        }
        type(current).model_validate(current.model_dump() | chosen)
    except ValidationError as error:
        why = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:3])
        raise CommandError("an image is wrong", why, code="usage", exit_code=USAGE) from None
    return Images(**chosen)


def read_shares(text: str) -> tuple[int, ...]:
    """`10,50,100`: rising, to 100. Raises `CommandError`."""
    parts = [part.strip() for part in text.split(",")]
    shares = tuple(int(part) for part in parts if part.isascii() and part.isdigit())
    if len(shares) != len(parts) or list(shares) != sorted(set(shares)) or shares[0] < 1 or shares[-1] != 100:
        raise CommandError(
            f"--shares {text[:60]!r} is not rising percentages that end with 100", "such as 10,50,100", code="usage",
            exit_code=USAGE,
        )  # fmt: skip
    return shares


def run_upgrade(found: "TenantFile", images: "Images", pace: "Pace", *, plan: bool, quiet: bool) -> "list[Step]":
    """Plan or do one. Raises `CommandError`, with the steps so far among its details."""
    from deployer.azure_session import with_azure
    from deployer.upgrade import UpgradeFailed
    from deployer.upgrade.run import Upgrade

    done: list[Step] = []

    def report(step: "Step") -> None:
        done.append(step)
        if not quiet:
            tell(step)

    async def work(session: "Session") -> None:
        upgrade = Upgrade(found, session, images, pace, report, (lambda line: None) if quiet else note)
        if plan:
            for step in await upgrade.plan():
                report(step)
        else:
            await upgrade.run()

    try:
        with_azure(found.tenant, "the upgrade stopped", work)
    except UpgradeFailed as error:
        details: list[dict[str, Any]] = [
            {**step.as_json(), "message": f"{step.title}: {step.standing}"} for step in done
        ]
        raise CommandError(
            f"{found.tenant.name} was not upgraded", str(error), error.remedy, error.code, details=details
        ) from error
    return done


def tell(step: "Step") -> None:
    """A step, for people."""
    words = {"to_do": "to do", "in_place": "in place", "rolled_back": "taken back"}
    standing = words.get(step.standing, str(step.standing))
    say(f"{_SIGNS[step.standing]} {step.title}: {standing}{f' ({step.note})' if step.note else ''}")


def ask(question: str, as_json: bool) -> None:
    """Raises `CommandError` where nobody can be asked; a no ends the command."""
    if as_json or not sys.stdin.isatty():
        raise CommandError(
            "nobody can be asked here", "", "Look at --plan, then say --yes.", "confirmation", exit_code=USAGE
        )
    typer.confirm(question, abort=True, err=True)
