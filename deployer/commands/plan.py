"""`aduana plan`: the whole of what an apply will do, and a file that holds it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from deployer.errors import CHECK_SAID_NO, CommandError
from deployer.output import JsonFlag, note, print_json
from deployer.tenant_argument import DirectoryOption, TenantArgument

if TYPE_CHECKING:
    from deployer.review import ReviewedPlan
    from deployer.review.subject import Subject

TerraformOption = typer.Option(
    None,
    "--terraform",
    envvar="ADUANA_TERRAFORM",
    metavar="PROGRAM",
    help="The Terraform to run. Left out: the one on the path.",
    show_default=False,
)

OutOption = typer.Option(None, "--out", metavar="FILE", help="Left out: NAME.plan in this directory.")

_HELP = """Show the whole of what an apply will do to a tenant, and write it into a file that `aduana apply` takes.

It reads Azure and changes nothing. What is destroyed or replaced is shown first; behind the infrastructure stand the steps
that follow it: the app registration, the bootstrap inside the network (database roles, tables, secrets, the seed once) and
the verification. The file holds no secret that Aduana makes, and is for your eyes alone all the same.

Examples:

    aduana plan contoso-prod

    aduana plan contoso-prod --out review/contoso-prod.plan --detailed

    aduana plan contoso-prod --check --json
"""


def register(app: typer.Typer) -> None:
    """Add `plan`."""
    app.command("plan", help=_HELP)(_plan)


def _plan(
    tenant: str | None = TenantArgument,
    directory: Path = DirectoryOption,
    out: Path | None = OutOption,
    detailed: bool = typer.Option(False, "--detailed", help="Every attribute, of new resources as well."),
    check: bool = typer.Option(False, "--check", help="End with exit code 3 where there is something to change."),
    terraform: str | None = TerraformOption,
    as_json: bool = JsonFlag,
) -> None:
    file, reviewed = plan_into(tenant, directory, out, terraform, quiet=as_json)
    if as_json:
        print_json({"file": str(file), **reviewed.as_json()})
    else:
        show(reviewed, detailed=detailed)
        note(f"Written to {file}. Apply exactly this with `aduana apply {file}`.")
    if check and reviewed.does_something:
        raise typer.Exit(CHECK_SAID_NO)


def plan_into(
    tenant: str | None, directory: Path, out: Path | None, terraform: str | None, *, quiet: bool
) -> "tuple[Path, ReviewedPlan]":
    """Plan, and save it. Raises `CommandError`."""
    from deployer.review.subject import open_subject

    return save_plan(open_subject(tenant, directory, terraform=terraform), out, quiet=quiet)


def save_plan(
    subject: "Subject", out: Path | None, *, quiet: bool, destroy: bool = False, purge: bool = False
) -> "tuple[Path, ReviewedPlan]":
    """The same for a tenant that is open. `destroy`: all of it goes; `purge`: and what Azure keeps of it."""
    from deployer.engines import Purpose
    from deployer.review.archive import SUFFIX, save
    from deployer.review.making import make_plan
    from deployer.watching import watching

    file = out or Path(f"{subject.tenant.name}{'-destroy' if destroy else ''}{SUFFIX}")
    if not file.parent.is_dir():
        raise CommandError(f"there is no directory {file.parent}", remedy="Make it, or choose another --out.")
    with watching(quiet=quiet) as watch:
        purpose = Purpose.DESTROY if destroy else Purpose.APPLY
        reviewed = make_plan(subject, purpose=purpose, purge=purge, watch=watch)
    try:
        save(file, reviewed)
    except OSError as error:
        raise CommandError(f"{file} cannot be written", error.strerror or "", "Choose another --out.") from None
    return file, reviewed


def show(reviewed: "ReviewedPlan", *, detailed: bool = False) -> None:
    """The plan, on stdout."""
    from rich.console import Console
    from rich.text import Text

    from deployer.review.tree import lines_of

    bound, plan = reviewed.review.bound, reviewed.plan
    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    console.print(Text(f"{bound.tenant} · {plan.engine} {plan.engine_version} · Aduana {bound.release}", style="dim"))
    console.print()
    for line in lines_of(reviewed, detailed=detailed):
        console.print(Text(line.text, style=line.style))
