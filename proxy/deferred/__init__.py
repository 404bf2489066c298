"""Usage that is known when something at a provider has ended: a batch, a job, a run, a response in the background, a video.

The ledger's writer brings in what is to be asked for with its object (`deferred_usage`); every proxy claims rows that are due,
asks the upstream how the object is, and writes down what it used, once, whatever dies (docs/decisions/0011-deferred-usage.md).
"""

from dataclasses import dataclass

from core.ledger.records import Call, EventKind


@dataclass(frozen=True, slots=True)
class Due:
    """An object whose usage is not known yet."""

    object_id: str
    kind: str  # of object, as `makes` of proxy.endpoints
    call: Call  # that made it
    upstream: str
    path: str  # where its state is asked for, below the upstream's surface
    attempt: int = 0  # which time it is that somebody looks; what was made to work again since has a later one

    @property
    def made_at(self) -> float:
        """Unix seconds."""
        return int.from_bytes(self.call.id[:6], "big") / 1000


class NotAccounted(Exception):
    """Why an object cannot be accounted for now: it is asked for again."""


KINDS = {
    "batch": EventKind.BATCH,
    "fine_tuning_job": EventKind.JOB,
    "run": EventKind.RUN,
    "eval_run": EventKind.RUN,
    "response": EventKind.RESPONSE,
    "video": EventKind.VIDEO,
    "container": EventKind.CONTAINER,
    "agent_session": EventKind.RUN,  # its turns
}
"""The kinds of events, by those of objects."""
