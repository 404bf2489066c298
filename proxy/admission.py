"""The third step: what a call would use at most is written down before it is forwarded: one round trip to Redis."""

from collections.abc import Sequence

from core.ledger.records import Admitted, Call
from core.prices import price_at
from core.snapshot import Caller
from proxy.bodies import JsonBody
from proxy.errors import Refusal
from proxy.ledger import LedgerFull, LedgerLog, LedgerUnavailable
from proxy.routing import Candidate

# A token of English text is some four bytes of it; JSON's own characters make the estimate generous.
_BYTES_PER_TOKEN = 4


async def admit(
    ledger: LedgerLog, call: Call, caller: Caller, body: JsonBody, candidates: Sequence[Candidate], now: float
) -> None:
    """Write the call down as admitted, with its estimate priced by the dearest candidate, or refuse it (503).

    `now` is Unix time in seconds.
    """
    input_tokens = body.size // _BYTES_PER_TOKEN
    output_tokens = body.output_cap()
    cost, unpriced = 0, False
    for candidate in candidates:
        price = price_at(candidate.target.prices, now)
        if price is None:
            unpriced = True
        else:
            cost = max(cost, price.cost(input_tokens, 0, output_tokens))
    first = candidates[0]
    record = Admitted(call, first.upstream, first.deployment, input_tokens, output_tokens, cost, unpriced)
    try:
        await ledger.admit(record, required=caller.policy.refuse_on_limiter_loss)
    except LedgerUnavailable as error:
        raise Refusal(
            503,
            "limiter_unavailable",
            "The gateway cannot record this call now, and your policy refuses calls that are not recorded "
            "(on_limiter_loss). Try again shortly.",
            kind="server_error",
            retry_after=error.retry_after,
        ) from None
    except LedgerFull as error:
        raise Refusal(
            503,
            "ledger_full",
            "The gateway's buffer of unrecorded calls is full, and this installation refuses calls it cannot record "
            "(on_ledger_full). Try again later.",
            kind="server_error",
            retry_after=error.retry_after,
        ) from None
