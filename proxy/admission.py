"""The third step: a call's limits are checked, what it would use at most is reserved and written down: one round trip.

What it reserves is a bound that costs nothing to work out; the tokenizer is asked only where the bound does not fit.
"""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic

import msgspec

from core.ledger.records import Admitted, Call
from core.limits import Budget, Unit
from core.prices import price_at
from core.snapshot import Caller, Route
from proxy.bodies import Body, JsonBody
from proxy.endpoints import UNMETERED, Endpoint, Metering
from proxy.errors import Refusal
from proxy.headers import Headers
from proxy.ledger import LedgerFull, LedgerLog, LedgerUnavailable, RulesChanged
from proxy.limits import Claim, Verdict
from proxy.limits.answers import rate_limit_headers, refusal_of
from proxy.metering.tokenizer import Tokenizer
from proxy.reservation import Amounts, exact_input
from proxy.routing import Candidate, RouteTable

_GLANCE = 0.25  # seconds that a refusal waits to say where its caller's limits stand


class Admission(msgspec.Struct, frozen=True):
    """A call that may be forwarded."""

    call: Call
    claim: Claim
    candidates: Sequence[Candidate]


class Admitter:
    """Asks the ledger whether a call may pass. One a process."""

    def __init__(
        self, ledger: LedgerLog, tokenizer: Tokenizer, routes: Callable[[], RouteTable], patience: float
    ) -> None:
        self._ledger = ledger
        self._tokenizer = tokenizer
        self._routes = routes
        self._patience = patience  # seconds that a call waits for an answer

    async def admit(
        self,
        call: Call,
        caller: Caller,
        endpoint: Endpoint,
        body: Body,
        amounts: Amounts,
        candidates: Sequence[Candidate],
        own_headers: Headers,
        now: float,
    ) -> Admission:
        """Reserve and write down, or refuse (429, 503); adds what the caller is told of its limits to `own_headers`.

        `now` is Unix time in seconds.
        """
        later = endpoint.metering in UNMETERED or (
            endpoint.metering is Metering.RESPONSES and isinstance(body, JsonBody) and body.in_background()
        )
        verdict, claim, shift = await self._ask(call, caller, endpoint, amounts, candidates, now, later)
        if not verdict.admitted and isinstance(body, JsonBody) and not amounts.fixed and _is_by_tokens(verdict):
            counted = await exact_input(self._tokenizer, call.requested_model, body, amounts)
            if counted < amounts.input_tokens:
                amounts = msgspec.structs.replace(amounts, input_tokens=counted)
                verdict, claim, shift = await self._ask(call, caller, endpoint, amounts, candidates, now, later)
        own_headers.extend(rate_limit_headers(claim.plan, verdict, now))
        if not verdict.admitted:
            raise refusal_of(verdict, claim, now)
        if verdict.downshifted and shift is not None:
            route, candidates = shift
            call = _on_route(call, route)
            own_headers.append((b"x-aduana-model", route.model.encode("utf-8")))
        return Admission(call, claim, candidates)

    async def told(self, caller: Caller, now: float) -> Headers:
        """What a caller is told of its limits where no call of its is admitted, by those that hold for every model; nothing
        where the counters cannot be asked at once."""
        plan = self._routes().plan(caller, "", now)
        if not plan.told:
            return []
        try:
            async with asyncio.timeout(_GLANCE):
                left = await self._ledger.remaining(caller.client_id, plan)
        except TimeoutError:
            return []
        return rate_limit_headers(plan, Verdict(False, False, left), now)

    async def _ask(
        self,
        call: Call,
        caller: Caller,
        endpoint: Endpoint,
        amounts: Amounts,
        candidates: Sequence[Candidate],
        now: float,
        later: bool,
    ) -> tuple[Verdict, Claim, tuple[Route, Sequence[Candidate]] | None]:
        deadline = monotonic() + self._patience
        while True:
            routes = self._routes()
            plan = routes.plan(caller, call.requested_model, now)
            cost, unpriced = _dearest(amounts.priced_by or candidates, amounts, now)
            shift = routes.downshift(caller, call.route, endpoint, now) if plan.downshifts else None
            claim = Claim(
                call.id,
                amounts.input_tokens + amounts.output_tokens,
                cost,
                plan,
                None if shift is None else _dearest(shift[1], amounts, now)[0],
            )
            first = candidates[0]
            # What it makes is accounted for apart, also where this process dies: no estimate stands in for it.
            tokens = (0, 0) if later else (amounts.input_tokens, amounts.output_tokens)
            record = Admitted(call, first.upstream, first.deployment, *tokens, 0 if later else cost, unpriced)
            try:
                verdict = await self._ledger.admit(record, claim, required=caller.policy.refuse_on_limiter_loss)
                return verdict, claim, shift
            except RulesChanged:
                if monotonic() > deadline:
                    raise _unavailable(1.0) from None
            except LedgerUnavailable as error:
                raise _unavailable(error.retry_after) from None
            except LedgerFull as error:
                raise _full(error.retry_after) from None


def _dearest(candidates: Sequence[Candidate], amounts: Amounts, now: float) -> tuple[int, bool]:
    """Nano-dollars by the dearest candidate, and whether any has no price."""
    cost, unpriced = 0, False
    for candidate in candidates:
        price = price_at(candidate.target.prices, now)
        if price is None:
            unpriced = True
        else:
            cost = max(cost, price.bill(amounts)[0])
    return cost, unpriced


def _is_by_tokens(verdict: Verdict) -> bool:
    """Whether fewer tokens might have passed."""
    rule = verdict.failed.rule if verdict.failed is not None else None
    return isinstance(rule, Budget) or getattr(rule, "unit", None) is Unit.TOKENS


def _on_route(call: Call, route: Route) -> Call:
    fields = {name: getattr(call, name) for name in call.__struct_fields__}
    return Call(**{**fields, "route": route.model})


def _unavailable(retry_after: float) -> Refusal:
    return Refusal(
        503,
        "limiter_unavailable",
        "The gateway cannot check your limits and record this call now, and your policy refuses calls that are not "
        "(on_limiter_loss). Try again shortly.",
        kind="server_error",
        retry_after=retry_after,
    )


def _full(retry_after: float) -> Refusal:
    return Refusal(
        503,
        "ledger_full",
        "The gateway's buffer of unrecorded calls is full, and this installation refuses calls it cannot record "
        "(on_ledger_full). Try again later.",
        kind="server_error",
        retry_after=retry_after,
    )
