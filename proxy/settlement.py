"""The last step: how a call ended becomes one `Settled` record. The caller never waits for it.

Usage that the provider reported is taken as it is. Where it reported none although it worked (the caller hung up, the
stream was cut, the provider keeps no count), what was sent and what was received is counted: by the tokenizer where it is
text, else by what was asked for (proxy.metering.requests).
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from core.ledger.records import Attempt, Call, Settled, UsageSource
from core.prices import price_at
from proxy.endpoints import UNMETERED, Endpoint, Metering
from proxy.ledger import LedgerLog
from proxy.limits import Claim
from proxy.metering import Tokens
from proxy.metering.figures import Units
from proxy.metering.requests import Request, usage_of_request
from proxy.metering.tokenizer import Tokenizer
from proxy.metrics import Metrics
from proxy.routing import Candidate

if TYPE_CHECKING:
    from proxy.making import Making

_log = logging.getLogger("aduana.settlement")


class Outcome(msgspec.Struct):
    """One admitted call and what became of it, filled in on its way."""

    call: Call
    claim: Claim  # what it reserved
    endpoint: Endpoint
    body: bytes  # as the caller sent it: what is counted where nothing is reported
    admitted_at: float  # Unix seconds
    started: float  # monotonic seconds, as are the other two
    making: "Making | None" = None  # what it may leave behind
    attempts: list[Attempt] = msgspec.field(default_factory=list)
    candidate: Candidate | None = None  # that answered, or was tried last
    status: int | None = None  # what the caller was answered
    error_code: str | None = None
    cancelled: bool = False
    usage: Tokens | None = None  # as reported
    worked: bool = False  # a provider did, or may have done, what it bills
    received: list[str] | None = None  # the text received where usage has to be counted
    units: Units = ()  # and what was received beside it
    pending: bool = False  # the work goes on without the caller: it is accounted for when it has ended
    fields: Mapping[str, Any] | None = None  # of a form; None: the body is JSON
    first_byte_at: float | None = None
    ended: float = 0.0

    @property
    def request(self) -> Request:
        """What was asked for, as metering reads it."""
        return self.fields if self.fields is not None else self.body

    @property
    def billed_now(self) -> bool:
        """Whether what was answered is what is billed: not where its work goes on, or where none is billed."""
        deferred = self.making is not None and self.making.deferred
        return not deferred and not self.pending and self.endpoint.metering not in UNMETERED


class Settlement:
    """Writes outcomes down; counts, where it must, in the background."""

    def __init__(self, ledger: LedgerLog, tokenizer: Tokenizer, metrics: Metrics) -> None:
        self._ledger = ledger
        self._tokenizer = tokenizer
        self._metrics = metrics
        self._counting: set[asyncio.Task[None]] = set()

    def settle(self, outcome: Outcome) -> None:
        """Settle a call that has ended now."""
        outcome.ended = monotonic()
        if outcome.usage is not None and outcome.billed_now:
            self._write(outcome, outcome.usage, UsageSource.REPORTED)
        elif outcome.worked and outcome.billed_now:
            self._in_background(self._count(outcome))
        else:
            self._write(outcome, Tokens(), UsageSource.NONE)

    async def finish(self, timeout: float) -> None:
        """Wait for the counts under way, at most `timeout` seconds."""
        if self._counting:
            _, late = await asyncio.wait(self._counting, timeout=timeout)
            for task in late:
                task.cancel()  # its size stands in for its count
            await asyncio.gather(*late, return_exceptions=True)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._counting.add(task)
        task.add_done_callback(self._counting.discard)

    async def _count(self, outcome: Outcome) -> None:
        call, body = outcome.call, outcome.body
        model = call.requested_model
        received = outcome.received or []
        counted = usage_of_request(outcome.endpoint, outcome.request, received)
        if counted is not None:
            self._write(outcome, counted, UsageSource.COUNTED)
            return
        try:
            sent = await self._tokenizer.count_request(model, body)
            got = (
                0
                if outcome.endpoint.metering is Metering.EMBEDDINGS
                else await self._tokenizer.count_text(model, received)
            )
            tokens = Tokens(input=sent, output=got, units=outcome.units)
        except asyncio.CancelledError:
            tokens = _by_size(outcome)
        except Exception:
            _log.exception("counting the tokens of call %s failed; its size stands in", call.request_id)
            tokens = _by_size(outcome)
        self._write(outcome, tokens, UsageSource.COUNTED)

    def _write(self, outcome: Outcome, tokens: Tokens, source: str) -> None:
        candidate = outcome.candidate
        cost, unpriced = 0, False
        if candidate is not None and source != UsageSource.NONE:
            price = price_at(candidate.target.prices, outcome.admitted_at)
            if price is None:
                unpriced = True
            else:
                cost, unpriced = price.bill(tokens)
        first, started = outcome.first_byte_at, outcome.started
        self._ledger.settle(
            Settled(
                outcome.call,
                candidate.upstream if candidate is not None else None,
                candidate.deployment if candidate is not None else None,
                outcome.status,
                outcome.error_code,
                outcome.cancelled,
                tokens.input,
                tokens.cached,
                tokens.output,
                tokens.reasoning,
                source,
                cost,
                unpriced,
                (first - started) * 1000 if first is not None else None,
                (outcome.ended - started) * 1000,
                outcome.attempts,
                tokens.units,
            ),
            outcome.claim,
        )
        self._metrics.settled(outcome.call.endpoint, outcome.status, tokens, outcome.ended - started)


def _by_size(outcome: Outcome) -> Tokens:
    """A count for want of a better one: four bytes a token."""
    received = sum(len(text.encode("utf-8", "replace")) for text in outcome.received or ())
    return Tokens(input=len(outcome.body) // 4, output=received // 4, units=outcome.units)
