"""The proxy's end of the ledger: hands records to Redis or to a spool file, and keeps them until Postgres has them.

It never waits for Postgres, and only `admit` waits for anything.
"""

from typing import Protocol

from core.ledger.records import Admitted, Settled
from core.snapshot import Snapshot
from proxy.limits import Claim, Plan, Verdict


class LedgerError(Exception):
    """An admission could not be written down."""


class LedgerUnavailable(LedgerError):
    """Redis did not confirm the record in time, and the policy says to refuse."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("the ledger is not available")
        self.retry_after = retry_after  # seconds


class LedgerFull(LedgerError):
    """The buffer for an outage of Postgres or Redis is used up, and the installation says to refuse."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("the ledger's buffer is full")
        self.retry_after = retry_after  # seconds


class RulesChanged(LedgerError):
    """The claim was made by rules that are out of force, or its answer was lost: make it anew and ask again."""


class LedgerLog(Protocol):
    """What `admit` and `settle` write to; one adapter for Redis streams, one for spool files."""

    async def start(self) -> None:
        """Connect, or open the file. Does not fail where Redis is away: it goes on trying."""
        ...

    async def close(self) -> None:
        """Hand on what can be handed on within a second or two, and stop."""
        ...

    def use(self, snapshot: Snapshot) -> None:
        """From here on calls are counted by the rules of this snapshot."""
        ...

    async def admit(self, record: Admitted, claim: Claim, *, required: bool) -> Verdict:
        """Check a call against its limits and write down that it may be forwarded, in one round trip, shared by all
        admissions of one turn of the loop. A denied call leaves no record.

        `required`: raise `LedgerUnavailable` where it cannot be confirmed (the record is then voided); otherwise this
        process's own counters decide, the record stays in memory and is sent when Redis is back. Raises `LedgerFull`
        when the buffer is used up and the installation refuses; where it allows, the call goes on unrecorded and
        unlimited and is counted in `dropped`. Raises `RulesChanged` where the claim has to be made anew.
        A call whose admission was denied, raised, or was cancelled, has no row and must not be settled.
        """
        ...

    async def remaining(self, client: bytes, plan: Plan) -> tuple[int, ...]:
        """What is left of each check of a plan, in their order; empty where the counters cannot be asked."""
        ...

    def settle(self, record: Settled, claim: Claim) -> None:
        """Write down how an admitted call ended, and put what it used in the place of what it reserved. Never waits,
        never fails."""
        ...

    async def account(self, record: Settled) -> None:
        """Write down what was used apart from any call under way; returns when no loss of one process can lose it.

        Raises `LedgerUnavailable` where that is not certain within `redis_timeout`, and `LedgerFull`: ask again with the
        same event id, of which there will be one row and one count.
        """
        ...

    @property
    def connected(self) -> bool:
        """Whether records reach Redis (or the file) now."""
        ...

    @property
    def unacknowledged(self) -> int:
        """Calls held until the writer has committed them."""
        ...

    @property
    def dropped(self) -> int:
        """Calls let through unrecorded since the start, the buffer being full."""
        ...
