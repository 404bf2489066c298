"""`aduana apply`: a reviewed plan is done, and nothing else."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from deployer.commands.plan import TerraformOption, show
from deployer.errors import CHECK_SAID_NO, FAILED, USAGE, CommandError
from deployer.output import JsonFlag, note, print_json, say
from deployer.tenant_argument import DirectoryOption

if TYPE_CHECKING:
    from deployer.engines import Outcome, Purpose
    from deployer.review import ReviewedPlan
    from deployer.review.applying import Applied
    from deployer.review.subject import Subject

_HELP = """Do what a reviewed plan shows, and nothing else: the infrastructure, then the steps behind it.

Given a plan's file, it asks nothing. Given a tenant, it plans, shows the plan, and asks (--yes: it does not ask). Interrupted
anywhere, run the same command again: it plans anew and goes on only where every change is in the reviewed plan (else it ends
with exit code 3 and says what is not). Errors that pass by themselves in Azure are waited out and tried again.

Examples:

    aduana apply contoso-prod.plan

    aduana apply contoso-prod

    aduana apply contoso-prod.plan --json
"""

SubjectArgument = typer.Argument(None, metavar="[PLAN|TENANT]", help="A file that `aduana plan` wrote, or a tenant.")
YesOption = typer.Option(False, "--yes", "-y", help="Do not ask.")


def register(app: typer.Typer) -> None:
    """Add `apply`."""
    app.command("apply", help=_HELP)(_apply)


def _apply(
    what: str | None = SubjectArgument,
    directory: Path = DirectoryOption,
    yes: bool = YesOption,
    terraform: str | None = TerraformOption,
    as_json: bool = JsonFlag,
) -> None:
    subject, reviewed = opened(what, directory, terraform, yes, as_json)
    applied = _do(subject, reviewed, as_json)
    if as_json:
        print_json(applied.as_json())
    else:
        _tell(subject, applied)


def opened(
    what: str | None, directory: Path, terraform: str | None, yes: bool, as_json: bool
) -> "tuple[Subject, ReviewedPlan]":
    """The plan to do: one that was reviewed, or one that is shown and agreed to now. Raises `CommandError`."""
    from deployer.engines import Purpose
    from deployer.review.archive import SUFFIX
    from deployer.review.making import make_plan
    from deployer.review.subject import open_subject
    from deployer.watching import watching

    if what is not None and what.endswith(SUFFIX):
        return open_reviewed(Path(what), directory, terraform, Purpose.APPLY)
    if as_json and not yes:
        raise CommandError(
            "a tenant's plan has to be agreed to",
            "with --json nobody is asked",
            "Give it a plan's file, or --yes.",
            "usage",
            exit_code=USAGE,
        )
    subject = open_subject(what, directory, terraform=terraform)
    with watching(quiet=as_json) as watch:
        reviewed = make_plan(subject, watch=watch)
    if not as_json:
        show(reviewed)
    if not yes:
        agree(f"Do this to {subject.tenant.name}?")
    return subject, reviewed


def open_reviewed(
    file: Path, directory: Path, terraform: str | None, purpose: "Purpose"
) -> "tuple[Subject, ReviewedPlan]":
    """A plan's file, while what it was made from is as it was. Raises `CommandError`: also where it is for something else."""
    from deployer.review.archive import check_bound, open_plan, read_review
    from deployer.review.making import plans_folder
    from deployer.review.subject import open_subject

    bound = read_review(file).bound
    subject = open_subject(bound.tenant, directory, terraform=terraform)
    check_bound(file, bound, subject.bound(bound.engine_digest))
    reviewed = open_plan(file, subject.engine, plans_folder(subject))
    if reviewed.plan.purpose is not purpose:
        raise CommandError(
            f"{file} is a plan to {reviewed.plan.purpose}",
            remedy=f"Give it to `aduana {reviewed.plan.purpose}`.",
            code="usage",
            exit_code=USAGE,
        )
    return subject, reviewed


def agree(question: str) -> None:
    """Ask for a typed yes. Raises `CommandError` for anything else, and where nobody can be asked."""
    if not sys.stdin.isatty():
        raise CommandError(
            "nobody can be asked here", remedy="Give --yes, or a plan's file.", code="usage", exit_code=USAGE
        )
    if typer.prompt(f"{question} Type yes", default="", show_default=False) != "yes":
        raise CommandError("not agreed to; nothing was changed", code="declined", exit_code=CHECK_SAID_NO)


def _do(subject: "Subject", reviewed: "ReviewedPlan", as_json: bool) -> "Applied":
    from deployer.review.applying import Applied, apply_infrastructure, take_steps
    from deployer.watching import watching

    with watching(quiet=as_json) as watch:
        outcome = apply_infrastructure(subject, reviewed, watch=watch)
    raise_unless_done(outcome)
    steps = take_steps(subject.file, say=(lambda line: None) if as_json else note)
    applied = Applied(outcome, steps)
    remember(subject, reviewed, applied)
    return applied


def raise_unless_done(outcome: "Outcome") -> None:
    """Raises `CommandError` for an outcome that is not the whole plan."""
    from deployer.engines import Result

    if outcome.result is Result.DONE:
        return
    if outcome.result is Result.REFUSED:
        raise CommandError(
            "what is left to do is not in the reviewed plan, and nothing further was done",
            remedy="Make a new plan and review it.",
            code="plan_exceeded",
            exit_code=CHECK_SAID_NO,
            details=[each.as_json() for each in outcome.differences],
        )
    if outcome.result is Result.STOPPED:
        raise CommandError(
            f"stopped after {len(outcome.completed)} resources",
            remedy="Run the same command again: it goes on.",
            code="stopped",
            exit_code=FAILED,
        )
    first = outcome.problems[0]
    raise CommandError(
        first.message,
        first.cause,
        f"{first.remedy} Then run the same command again: what was done stays.".strip(),
        first.id,
        details=[each.as_json() for each in outcome.problems[1:]],
    )


def remember(subject: "Subject", reviewed: "ReviewedPlan", applied: "Applied") -> None:
    """Note what was applied last, for `aduana status`."""
    from datetime import UTC, datetime

    from deployer.whole_files import write_private

    bound = reviewed.review.bound
    document: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "release": bound.release,
        "plan_digest": reviewed.plan.digest,
        "tenant_digest": bound.tenant_digest,
        "images": subject.tenant.images.model_dump(mode="json"),
        "steps": [step.as_json() for step in applied.steps],
    }
    write_private(subject.folder / "applied.json", json.dumps(document, indent=2) + "\n")


def _tell(subject: "Subject", applied: "Applied") -> None:
    outcome = applied.outcome
    say(f"{subject.tenant.name} is as the plan says: {len(outcome.completed)} resources, {outcome.seconds:.0f} s.")
    for step in applied.steps:
        for path, reference in step.facts.get("keys", {}).items():
            say(f"key {path}: {reference}")
        if "application_id" in step.facts:
            say(f"app registration: {step.facts['application_id']}")
