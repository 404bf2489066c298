"""`aduana destroy`: an installation goes, after all that protects it was lifted by somebody who said its name."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from deployer.commands.apply import open_reviewed, raise_unless_done
from deployer.commands.plan import OutOption, TerraformOption, save_plan, show
from deployer.errors import CHECK_SAID_NO, USAGE, CommandError
from deployer.output import JsonFlag, moment, note, print_json, say
from deployer.tenant_argument import DirectoryOption

if TYPE_CHECKING:
    from deployer.review import ReviewedPlan
    from deployer.review.applying import Applied
    from deployer.review.subject import Subject

_FRESH = timedelta(days=1)
"""How old an export may be that nobody named: one of a run that was interrupted, not one of long ago."""

_HELP = """Destroy an installation: everything that a plan to destroy it shows, which is shown first.

What holds data is protected: say `deletion_protection: false` in the tenant file, or --override-protection. Then the tenant's
name has to be typed, or given with --confirm. Ledger and audit log go with the database: they are exported first, by the job
inside the network (`aduana export --tenant`), unless --no-export says that nobody wants them.

Azure keeps what was deleted for a while, and its names with it; --purge takes what can be purged, for good. A network,
registry, workspace, account or app registration that existed before stays. Interrupted anywhere, run the same command again:
an export that is there and whole is not made anew.

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
ExportOption = typer.Option(
    None,
    "--export",
    metavar="DIRECTORY",
    help="Where ledger and audit log are exported to; one that is there already is taken. Left out: NAME-export.",
)


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
    if export is not None and no_export:
        raise CommandError("--export and --no-export exclude each other", code="usage", exit_code=USAGE)
    subject, reviewed = _opened(what, directory, terraform)
    if not plan:
        _check_protection(subject, override)
        _check_confirmation(subject.tenant.name, confirm, as_json)
        exported = no_export or _is_exported(subject, export)
    if reviewed is None:
        file, reviewed = save_plan(subject, out, quiet=as_json, destroy=True, purge=purge)
        if plan:
            _tell_plan(subject, reviewed, file, as_json)
            return
    if not as_json:
        show(reviewed)
    if confirm is None:
        ask(subject.tenant.name)
    if not exported and reviewed.does_something:
        _export(subject, directory, export, as_json)
    applied = _do(subject, reviewed, as_json)
    _tell(subject, reviewed, applied, as_json)


def _is_exported(subject: "Subject", given: Path | None) -> bool:
    """Whether there is a whole export already. Raises `CommandError` for something else in its place, and for an old one."""
    from deployer.backup import BackupError
    from deployer.backup.exports import check_export

    place = _place(subject, given)
    if not place.exists():
        return False
    try:
        at = check_export(place)
    except BackupError as error:
        raise CommandError(str(error), remedy=error.remedy, code="no_export", exit_code=CHECK_SAID_NO) from None
    if given is None and datetime.now(UTC) - at > _FRESH:
        raise CommandError(
            f"{place} is an export of {moment(at)}",
            "the ledger has gone on since",
            f"Move it away, or say --export {place} to take it as it is.",
            "no_export",
            exit_code=CHECK_SAID_NO,
        )
    note(f"{place} is the export, of {moment(at)}.")
    return True


def _export(subject: "Subject", tenants: Path, given: Path | None, quiet: bool) -> None:
    from deployer.backup import BackupError
    from deployer.commands.backup import export_tenant

    place = _place(subject, given)
    try:
        export_tenant(str(subject.file.path), tenants, place, [], quiet)
    except (BackupError, CommandError) as error:
        why = error.message if isinstance(error, CommandError) else str(error)
        raise CommandError(
            "ledger and audit log were not exported, and nothing was destroyed",
            why,
            f"{error.remedy} Or name an export that is whole with --export DIRECTORY, or say --no-export.".strip(),
            "no_export",
        ) from None
    note(f"Exported ledger and audit log to {place}.")


def _place(subject: "Subject", given: Path | None) -> Path:
    return given or Path(f"{subject.tenant.name}-export")


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


def ask(name: str) -> None:
    """Have the tenant's name typed. Raises `CommandError` for anything else."""
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
