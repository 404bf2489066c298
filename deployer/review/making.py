"""Making a reviewed plan: the engine plans, and what follows is written down beside it. Changes nothing."""

from datetime import UTC, datetime
from pathlib import Path

from deployer.costs.estimating import estimate
from deployer.engines import Cancellation, Purpose, Watch, unwatched
from deployer.review import FORMAT, Review, ReviewedPlan
from deployer.review.steps import further_steps, seed_changes
from deployer.review.subject import Subject


def make_plan(
    subject: Subject,
    *,
    purpose: Purpose = Purpose.APPLY,
    purge: bool = False,
    watch: Watch = unwatched,
    cancellation: Cancellation | None = None,
) -> ReviewedPlan:
    """Plan. The engine's plan lies in the installation's folder. `purge`: see `further_steps`. Raises `EngineError`."""
    engine = subject.engine
    engine.prepare(watch=watch, cancellation=cancellation)
    file = plans_folder(subject) / f"{datetime.now(UTC):%Y%m%dT%H%M%S}Z-{purpose}.plan"
    plan = engine.plan(file, purpose=purpose, watch=watch, cancellation=cancellation)
    steps = further_steps(subject.file, plan, seed_changes(subject.seed), purge=purge)
    cost = None if purpose is Purpose.DESTROY else estimate(subject.tenant)
    review = Review(FORMAT, plan.made_at, subject.bound(plan.digest), steps, cost)
    return ReviewedPlan(review, plan)


def plans_folder(subject: Subject) -> Path:
    """Where engines' plans lie while they are worked with."""
    folder = subject.folder / "plans"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
