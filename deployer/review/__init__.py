"""The reviewed plan: everything that an apply will do, in one file that a person reads and signs off.

The engine's part is the engine's own plan; behind it come the steps that no engine takes (`steps`). What `apply` does and the
file does not show does not exist. Nothing here changes anything.
"""

from datetime import datetime
from typing import Any

import msgspec

from deployer.costs import Estimate
from deployer.engines.plans import Plan

FORMAT = 1


class FurtherStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that is done beside the engine's work, in the order of the list."""

    id: str  # stable: `resource_providers`, `app_registration`, `bootstrap`, `verify`
    title: str
    where: str  # who does it: `here` (the machine that applies) or `inside` (the job in the network)
    changes: tuple[str, ...]  # what will be done, as clauses; where it is there already, nothing is
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        return {
            "id": self.id,
            "title": self.title,
            "where": self.where,
            "changes": list(self.changes),
            "note": self.note,
        }


class Bound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a plan was made from: it may be applied only while all of it is the same."""

    tenant: str  # its name
    tenant_digest: str  # `sha256:…` of the tenant file
    seed_digest: str | None  # the same of the seed file; None: there is none
    release: str  # of Aduana
    engine: str
    engine_digest: str  # of the engine's plan


class Review(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the plan file holds beside the engine's plan."""

    format: int
    made_at: datetime  # UTC
    bound: Bound
    steps: tuple[FurtherStep, ...]
    cost: Estimate | None = None  # of the installation as it will be; None: there will be none


class ReviewedPlan(msgspec.Struct, frozen=True):
    """A plan in whole: the engine's, and what follows it."""

    review: Review
    plan: Plan

    @property
    def does_something(self) -> bool:
        """Whether the engine has anything to change."""
        return not self.plan.empty

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        bound = self.review.bound
        return {
            "tenant": bound.tenant,
            "release": bound.release,
            "made_at": self.review.made_at.isoformat(),
            "plan": self.plan.as_json(),
            "steps": [step.as_json() for step in self.review.steps],
            "cost": self.review.cost.as_json() if self.review.cost is not None else None,
        }
