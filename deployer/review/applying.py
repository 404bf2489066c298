"""Applying a reviewed plan: the engine's work, then the steps behind it, in the plan's order. All of it may be done again.

What an interruption left is found by looking, not by remembering: the engine goes on within the reviewed plan, and every step
does only what it finds missing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

from deployer.azure import AzureError, Session, as_command_error
from deployer.azure_session import with_azure
from deployer.engines import Outcome, Result, Watch, unwatched
from deployer.errors import CHECK_SAID_NO, CommandError
from deployer.review import ReviewedPlan
from deployer.review.subject import Subject
from deployer.tenant_file import TenantFile

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Taken:
    """A step behind the engine's work, taken."""

    id: str
    title: str
    changes: tuple[str, ...]  # what was done, as clauses; nothing where all was in place
    seconds: float
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        return {
            "id": self.id,
            "title": self.title,
            "changes": list(self.changes),
            "seconds": round(self.seconds, 1),
            "facts": dict(self.facts),
        }


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of it. `steps` are those that were taken; fewer than the plan has where the engine did not get through."""

    outcome: Outcome
    steps: tuple[Taken, ...] = ()

    @property
    def done(self) -> bool:
        return self.outcome.result is Result.DONE

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        return {"infrastructure": self.outcome.as_json(), "steps": [step.as_json() for step in self.steps]}


class Step(Protocol):
    """Something behind the engine's work."""

    id: str
    title: str

    async def take(self, session: Session, file: TenantFile, say: Say) -> tuple[tuple[str, ...], Mapping[str, Any]]:
        """Do what is missing: what was done, and facts. Raises `CommandError`, `AzureError`; may be done again."""
        ...


class Registration:
    """The app registration."""

    id = "app_registration"
    title = "App registration"

    async def take(self, session: Session, file: TenantFile, say: Say) -> tuple[tuple[str, ...], Mapping[str, Any]]:
        from deployer.registration import register

        made = await register(session.graph, file.tenant)
        return made.changes, {"application_id": made.application_id}


class FrontDoor:
    """Front Door's private link to the environment, where there is one."""

    id = "front_door"
    title = "Front Door's private link"

    async def take(self, session: Session, file: TenantFile, say: Say) -> tuple[tuple[str, ...], Mapping[str, Any]]:
        from deployer.front_door import approve_link
        from deployer.installation import Installation

        if file.tenant.ingress.front != "front_door":
            return (), {}
        return await approve_link(session.arm, Installation(file.tenant)), {}


class Bootstrap:
    """The bootstrap, by the job inside the network."""

    id = "bootstrap"
    title = "Bootstrap"

    async def take(self, session: Session, file: TenantFile, say: Say) -> tuple[tuple[str, ...], Mapping[str, Any]]:
        from deployer.installation import Installation
        from deployer.jobs.bootstrapping import bootstrap

        installation = Installation(file.tenant)
        spec = await installation.bootstrap_spec(session.arm, file.seed_path)
        result = await bootstrap(installation.job(session), spec, say=say)
        steps = result["steps"]
        changes = tuple(change for step in steps if step["standing"] == "done" for change in step["changes"])
        keys = {path: ref for step in steps for path, ref in step.get("facts", {}).get("keys", {}).items()}
        return changes, {"execution": result["execution"], "keys": keys}


class Verify:
    """The verification, from both sides."""

    id = "verify"
    title = "Verify"

    async def take(self, session: Session, file: TenantFile, say: Say) -> tuple[tuple[str, ...], Mapping[str, Any]]:
        from deployer.installation import Installation
        from deployer.verify import Check, Status
        from deployer.verify.both_sides import verify
        from deployer.verify.report import line

        def tell(check: Check) -> None:
            say(line(check))

        done = await verify(Installation(file.tenant), session, tell=tell, say=say)
        wrong = [check for check in (*done.outside, *done.inside) if check.status is Status.FAILED]
        if wrong:
            raise CommandError(
                f"{file.tenant.name} is applied, and {len(wrong)} of its checks say no",
                remedy="Mend that, and run the same command or `aduana verify` again.",
                code="verify_failed",
                exit_code=CHECK_SAID_NO,
                details=[
                    {**check.as_json(), "message": f"{check.id}: {check.message}. {check.remedy}"} for check in wrong
                ],
            )
        return (), {"checks": len(done.outside) + len(done.inside), **done.facts}


STEPS: Sequence[Step] = (Registration(), FrontDoor(), Bootstrap(), Verify())


def apply_infrastructure(subject: Subject, reviewed: ReviewedPlan, *, watch: Watch = unwatched) -> Outcome:
    """The engine's part. Raises `EngineError`."""
    return subject.engine.apply(reviewed.plan, watch=watch)


def take_steps(file: TenantFile, steps: Sequence[Step] = STEPS, say: Say = lambda line: None) -> tuple[Taken, ...]:
    """What is behind it. Raises `CommandError`; what was done stays, and is found done by the next try."""

    async def work(session: Session) -> tuple[Taken, ...]:
        taken = []
        for step in steps:
            say(step.title)
            began = monotonic()
            try:
                changes, facts = await step.take(session, file, lambda line: say(f"  {line}"))
            except AzureError as error:
                raise as_command_error(error, f"{step.title}: Azure said no") from None
            taken.append(Taken(step.id, step.title, changes, monotonic() - began, facts))
            for change in changes:
                say(f"  {change}")
        return tuple(taken)

    if not steps:
        return ()
    return with_azure(file.tenant, "the steps behind the infrastructure were not all taken", work)
