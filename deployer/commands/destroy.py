"""`aduana destroy`: an installation goes, after all that protects it was lifted by somebody who said its name."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from deployer.commands.apply import open_reviewed, raise_unless_done
from deployer.commands.plan import OutOption, TerraformOption, save_plan, show
from deployer.errors import CHECK_SAID_NO, USAGE, CommandError
from deployer.output import JsonFlag, note, print_json, say
from deployer.tenant_argument import DirectoryOption

if TYPE_CHECKING:
    from deployer.review import ReviewedPlan
    from deployer.review.applying import Applied
    from deployer.review.subject import Subject

_HELP = """Destroy an installation: everything that a plan to destroy it shows, which is shown first.

What holds data is protected: say `deletion_protection: false` in the tenant file, or --override-protection. Ledger and audit
log go with the database: export them before (`aduana export DIRECTORY`, from where Postgres can be reached) and name the
directory with --export, or say --no-export. Then the tenant's name has to be typed, or given with --confirm.

Azure keeps what was deleted for a while, and its names with it; --purge takes what can be purged, for good. A network,
registry, workspace, account or app registration that existed before stays. Interrupted anywhere, run the same command again.

Examples:

    aduana destroy contoso-test --plan

    aduana destroy contoso-test --export contoso-test-2026-11

    aduana destroy contoso-test-destroy.plan --no-export --confirm contoso-test --json
"""

SubjectArgument = typer.Argument(
    None,
    metavar="[PLAN|TENANT]",
    help="A file that --plan wrote, or a tenant. May be left out where there is one alone.",
)
ExportOption = typer.Option(None, "--export", metavar="DIRECTORY", help="The export of ledger and audit log.")


def register(app: typer.Typer) -> None:
    """Add `destroy`."""
    app.command("destroy", help=_HELP)(_destroy)


def _destroy(
    what: str | None = SubjectArgument,
    directory: Path = DirectoryOption,
    plan: bool = typer.Option(False, "--plan", help="Show what would go, write it into a file, and destroy nothing."),
    out: Path | None = OutOption,
    export: Path | None = ExportOption,
    no_export: bool = typer.Option(False, "--no-export", help="Ledger and audit log are not wanted."),
    override: bool = typer.Option(False, "--override-protection", help="Although deletion_protection is true."),
    purge: bool = typer.Option(False, "--purge", help="Purge what Azure keeps of what was deleted, too."),
    confirm: str | None = typer.Option(None, "--confirm", metavar="NAME", help="The tenant's name; nobody is asked."),
    terraform: str | None = TerraformOption,
    as_json: bool = JsonFlag,
) -> None:
    if what is not None and what.endswith(".plan") and (plan or purge or out is not None):
        remedy = "Give it the tenant, or leave --plan, --purge and --out away."
        raise CommandError(f"{what} is planned already", remedy=remedy, code="usage", exit_code=USAGE)
    if not plan:
        _check_export(export, no_export)
    subject, reviewed = _opened(what, directory, terraform)
    if not plan:
        _check_protection(subject, override)
        _check_confirmation(subject.tenant.name, confirm, as_json)
    if reviewed is None:
        file, reviewed = save_plan(subject, out, quiet=as_json, destroy=True, purge=purge)
        if plan:
            _tell_plan(subject, reviewed, file, as_json)
            return
    if not as_json:
        show(reviewed)
    if confirm is None:
        _ask(subject.tenant.name)
    applied = _do(subject, reviewed, as_json)
    _tell(subject, reviewed, applied, as_json)


def _check_export(export: Path | None, no_export: bool) -> None:
    """Raises `CommandError`: neither, both, or one that is not whole."""
    from deployer.backup import BackupError
    from deployer.backup.exports import check_export

    if (export is None) is not no_export:
        raise CommandError(
            "--export and --no-export exclude each other" if no_export else "ledger and audit log go with the database",
            "" if no_export else "nothing says that they were exported",
            ""
            if no_export
            else "Export them (`aduana export DIRECTORY`) and give --export DIRECTORY, or say --no-export.",
            "usage" if no_export else "no_export",
            exit_code=USAGE if no_export else CHECK_SAID_NO,
        )
    if export is not None:
        try:
            found = check_export(export)
        except BackupError as error:
            raise CommandError(str(error), remedy=error.remedy, code="no_export", exit_code=CHECK_SAID_NO) from None
        note(f"{export}: exported at {found['created_at']}.")


def _opened(what: str | None, directory: Path, terraform: str | None) -> "tuple[Subject, ReviewedPlan | None]":
    """The tenant, and the plan where one was given."""
    from deployer.engines import Purpose
    from deployer.review.archive import SUFFIX
    from deployer.review.subject import open_subject

    if what is not None and what.endswith(SUFFIX):
        return open_reviewed(Path(what), directory, terraform, Purpose.DESTROY)
    return open_subject(what, directory, terraform=terraform), None


def _check_protection(subject: "Subject", although_protected: bool) -> None:
    if subject.tenant.deletion_protection and not although_protected:
        raise CommandError(
            f"{subject.tenant.name} is protected",
            f"{subject.file.path} says `deletion_protection: true`",
            "Say false there, or --override-protection here.",
            "protected",
            exit_code=CHECK_SAID_NO,
        )


def _check_confirmation(name: str, confirm: str | None, as_json: bool) -> None:
    """Before anything is planned. Raises `CommandError`: nobody can be asked, or another name was said."""
    if confirm is None and (as_json or not sys.stdin.isatty()):
        raise CommandError("nobody can be asked here", remedy=f"Give --confirm {name}.", code="usage", exit_code=USAGE)
    if confirm is not None:
        _check_name(name, confirm)


def _ask(name: str) -> None:
    _check_name(name, typer.prompt(f"This destroys {name}. Type its name", default="", show_default=False, err=True))


def _check_name(name: str, said: str) -> None:
    if said.strip() != name:
        why = f"the tenant is called {name}"
        raise CommandError("nothing was destroyed", why, code="declined", exit_code=CHECK_SAID_NO)


def _do(subject: "Subject", reviewed: "ReviewedPlan", as_json: bool) -> "Applied":
    from deployer.review.applying import Applied, take_steps
    from deployer.review.removing import removals
    from deployer.watching import watching

    with watching(quiet=as_json) as watch:
        outcome = subject.engine.destroy(reviewed.plan, watch=watch)
    raise_unless_done(outcome)
    (subject.folder / "applied.json").unlink(missing_ok=True)
    steps = take_steps(subject.file, removals(reviewed.review.steps), (lambda line: None) if as_json else note)
    return Applied(outcome, steps)


def _tell_plan(subject: "Subject", reviewed: "ReviewedPlan", file: Path, as_json: bool) -> None:
    if as_json:
        print_json({"file": str(file), **reviewed.as_json()})
        return
    show(reviewed)
    if subject.tenant.deletion_protection:
        note(
            f"{subject.tenant.name} is protected: destroying it needs `deletion_protection: false` or --override-protection."
        )
    note(f"Written to {file}. Destroy exactly this with `aduana destroy {file}`.")


def _tell(subject: "Subject", reviewed: "ReviewedPlan", applied: "Applied", as_json: bool) -> None:
    from deployer.review.removing import remains

    left = remains(subject.tenant, purged=any(step.id == "purge" for step in reviewed.review.steps))
    if as_json:
        document: dict[str, Any] = {"tenant": subject.tenant.name, **applied.as_json(), "remains": list(left)}
        print_json(document)
        return
    outcome = applied.outcome
    say(f"{subject.tenant.name} is destroyed: {len(outcome.completed)} resources, {outcome.seconds:.0f} s.")
    for each in left:
        say(f"remains: {each}")
