"""A session's shares in the ledger: an event for each response and each transcript, admitted like a call and settled when
it has ended, so that limits and budgets bind while the session lasts. The session's own event has no tokens.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic, time

import msgspec

from core.ids import new_event_id
from core.ledger.records import Admitted, Call, EventKind, Settled, UsageSource
from core.limits import Concurrency, Rule, Rules
from core.prices import price_at
from core.snapshot import Caller
from proxy.errors import Refusal
from proxy.ledger import LedgerFull, LedgerLog, LedgerUnavailable, RulesChanged
from proxy.limits import Claim, Plan, operations
from proxy.limits.answers import refusal_of
from proxy.limits.plan import plan_of
from proxy.metering import Tokens
from proxy.metering.tokenizer import Tokenizer
from proxy.metrics import Metrics
from proxy.routing import Candidate, RouteTable

_log = logging.getLogger("aduana.realtime")

RESPONSE, TRANSCRIPT = "realtime.response", "realtime.transcription"
_NO_CHECKS = operations.encode_checks(())


@dataclass(frozen=True, slots=True)
class Ledger:
    """What shares are written with. One a process."""

    log: LedgerLog
    routes: Callable[[], RouteTable | None]  # of the snapshot in force
    tokenizer: Tokenizer
    metrics: Metrics
    patience: float  # seconds that an admission waits for an answer


@dataclass(slots=True)
class Share:
    """One response or transcript that was admitted."""

    call: Call
    claim: Claim
    candidate: Candidate
    admitted_at: float  # Unix seconds
    started: float  # monotonic seconds


class Shares:
    """Those of one session."""

    def __init__(self, ledger: Ledger, session: Call, caller: Caller) -> None:
        self._ledger = ledger
        self._session = session
        self._caller = caller

    async def admit(self, endpoint: str, model: str, candidate: Candidate, most: Tokens) -> Share:
        """Reserve a share, by the rules now in force; it counts as a request, but not as a live call: its session is one.

        Raises `Refusal` (429, 503); what was refused leaves no row.
        """
        return await self._admit(endpoint, model, candidate, most)

    async def note(self, endpoint: str, model: str, candidate: Candidate, used: Tokens) -> Share | None:
        """A share that cannot be refused any more, because it is used already. None: the ledger is full."""
        try:
            return await self._admit(endpoint, model, candidate, used)
        except Refusal:
            try:
                return await self._admit(endpoint, model, candidate, used, checked=False)
            except Refusal as refusal:
                _log.error("a share of session %s is not in the ledger: %s", self._session.request_id, refusal.code)
                return None

    def settle(
        self,
        share: Share,
        tokens: Tokens,
        source: str,
        *,
        status: int | None = 200,
        error_code: str | None = None,
        cancelled: bool = False,
    ) -> None:
        """Write down what a share used."""
        cost, unpriced = _bill(share.candidate, tokens, share.admitted_at) if source != UsageSource.NONE else (0, False)
        duration = monotonic() - share.started
        self._ledger.log.settle(
            Settled(
                share.call,
                share.candidate.upstream,
                share.candidate.deployment,
                status,
                error_code,
                cancelled,
                tokens.input,
                tokens.cached,
                tokens.output,
                tokens.reasoning,
                source,
                cost,
                unpriced,
                None,
                duration * 1000,
                [],
                tokens.units,
                EventKind.REALTIME,
                self._session.id,
            ),
            share.claim,
        )
        self._ledger.metrics.settled(share.call.endpoint, status, tokens, duration)

    async def count(self, model: str, texts: Sequence[str]) -> int:
        """The tokens of what was received."""
        return await self._ledger.tokenizer.count_text(model, texts)

    async def _admit(
        self, endpoint: str, model: str, candidate: Candidate, most: Tokens, *, checked: bool = True
    ) -> Share:
        now = time()
        session = self._session
        call = msgspec.structs.replace(
            session, id=new_event_id(), endpoint=endpoint, requested_model=model, route=candidate.route.model
        )
        cost, unpriced = _bill(candidate, most, now)
        deadline = monotonic() + self._ledger.patience
        while True:
            plan = self._plan(model, now, checked=checked)
            claim = Claim(call.id, most.input + most.output, cost, plan)
            record = Admitted(
                call,
                candidate.upstream,
                candidate.deployment,
                most.input,
                most.output,
                cost,
                unpriced,
                EventKind.REALTIME,
                session.id,
            )
            try:
                required = checked and self._caller.policy.refuse_on_limiter_loss
                verdict = await self._ledger.log.admit(record, claim, required=required)
                break
            except RulesChanged:
                if monotonic() > deadline:
                    raise _unavailable(1.0) from None
            except (LedgerUnavailable, LedgerFull) as error:
                raise _unavailable(error.retry_after) from None
        if not verdict.admitted:
            raise refusal_of(verdict, claim, now)
        return Share(call, claim, candidate, now, monotonic())

    def _plan(self, model: str, now: float, *, checked: bool) -> Plan:
        routes = self._ledger.routes()
        caller = (routes.snapshot.caller(self._caller.key_id) if routes is not None else None) or self._caller
        plan = plan_of(replace(caller, rules=_without_live_calls(caller.rules)), model, now)
        return plan if checked else replace(plan, checks=(), encoded=_NO_CHECKS, told=(), downshifts=False)


def _without_live_calls(rules: Rules) -> Rules:
    always = tuple(rule for rule in rules.always if not isinstance(rule, Concurrency))
    by_model: dict[str, tuple[Rule, ...]] = {
        name: tuple(rule for rule in some if not isinstance(rule, Concurrency))
        for name, some in (rules.by_model or {}).items()
    }
    return Rules(always, by_model, rules.families)


def _bill(candidate: Candidate, tokens: Tokens, at: float) -> tuple[int, bool]:
    price = price_at(candidate.target.prices, at)
    return price.bill(tokens) if price is not None else (0, True)


def _unavailable(retry_after: float) -> Refusal:
    return Refusal(
        503,
        "limiter_unavailable",
        "The gateway cannot check your limits and record this response now. Try again shortly.",
        kind="server_error",
        retry_after=retry_after,
    )
