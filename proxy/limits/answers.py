"""What callers are told of their limits: the headers of every answer, and the refusal where one is reached."""

from datetime import UTC, datetime

from core.limits import Budget, Concurrency, Period, Quota, Rate, Rule, Unit
from core.money import usd
from proxy.errors import Refusal
from proxy.headers import Headers
from proxy.limits import Check, Claim, Plan, Verdict

_PERIODS = {Period.DAY: "daily", Period.WEEK: "weekly", Period.MONTH: "monthly", Period.TOTAL: "total"}


def rate_limit_headers(plan: Plan, verdict: Verdict, now: float) -> Headers:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, each unit's true to the limit with the least remaining.

    `now`: Unix seconds. `reset` is how long until that limit is whole again, as OpenAI writes it (`6m0s`, `17ms`). A
    unit without a limit has none. Live calls are no limit of requests in these headers' sense.
    """
    headers: Headers = []
    left = verdict.remaining
    if not left:
        return headers
    for (limit, remaining, reset), indexes in plan.told:
        tightest, least = -1, 0
        for index in indexes:
            if tightest < 0 or left[index] < least:
                tightest, least = index, left[index]
        check = plan.checks[tightest]
        headers.append((limit, b"%d" % check.limit))
        headers.append((remaining, b"%d" % least))
        headers.append((reset, _duration(_whole_in(check, least, now))))
    return headers


def refusal_of(verdict: Verdict, claim: Claim, now: float) -> Refusal:
    """The 429 for a claim that was denied, by the check that denies it longest."""
    check = verdict.failed
    if check is None:
        raise ValueError("the claim was not denied")
    if isinstance(check.rule, Budget):
        return _spent(check, check.rule, verdict, claim, now)
    return _limited(check, check.rule, verdict, claim, now)


def _limited(check: Check, rule: Rate | Concurrency | Quota, verdict: Verdict, claim: Claim, now: float) -> Refusal:
    unit, requested = _asked(rule, claim)
    where = f"{rule.name} of {rule.scope.kind} {rule.scope.name}"
    if rule.model is not None:
        where += f" for the model '{rule.model}'"
    if check.throttled_by is not None:
        where += f", which holds because the {_PERIODS[check.throttled_by.period]} budget of "
        where += f"{check.throttled_by.scope.kind} {check.throttled_by.scope.name} is spent"
    figures = (
        f"Limit {check.limit}, used {verdict.used}, reserved by live calls {verdict.reserved}, requested {requested}"
    )
    if verdict.wait is None:
        return Refusal(
            429,
            "rate_limit_exceeded",
            f"Request too large for {where}. {figures}. It can never pass: ask for less output, send less input, or ask "
            "your Aduana administrator to raise the limit.",
            kind=unit,
            should_retry=False,
        )
    return Refusal(
        429,
        "rate_limit_exceeded",
        f"Rate limit reached: {where}. {figures}. {_when(check, verdict, now)}",
        kind=unit,
        retry_after=verdict.wait,
    )


def _spent(check: Check, budget: Budget, verdict: Verdict, claim: Claim, now: float) -> Refusal:
    what = f"the {_PERIODS[budget.period]} budget of {budget.scope.kind} {budget.scope.name}"
    figures = (
        f"Budget {_dollars(check.limit)}, spent {_dollars(verdict.used)}, reserved by live calls "
        f"{_dollars(verdict.reserved)}, this call {_dollars(claim.cost)}"
    )
    if check.resets_at is not None:
        then = f"It begins anew at {_time(check.resets_at)}; until then ask your Aduana administrator to raise or reset it."
    else:
        then = "Ask your Aduana administrator to raise or reset it."
    return Refusal(
        429,
        "insufficient_quota",
        f"You exceeded {what}. {figures}. {then}",
        kind="insufficient_quota",
        should_retry=False,
    )


def _asked(rule: Rule, claim: Claim) -> tuple[str, int]:
    """OpenAI's `type` of the error, and how much the call wants."""
    if isinstance(rule, Rate | Quota) and rule.unit is Unit.TOKENS:
        return "tokens", claim.tokens
    return "requests", 1


def _when(check: Check, verdict: Verdict, now: float) -> str:
    if check.resets_at is not None:
        return f"It begins anew at {_time(check.resets_at)}."
    if isinstance(check.rule, Concurrency):
        return "Try again when one of your calls has ended."
    return f"Please try again in {_duration(verdict.wait or 0.0).decode()}."


def _whole_in(check: Check, left: int, now: float) -> float:
    if check.resets_at is not None:
        return max(0.0, check.resets_at - now)
    return (check.limit - left) * 60.0 / check.limit


def _duration(seconds: float) -> bytes:
    """As Go writes it, which is how OpenAI does."""
    if seconds < 1:
        return b"%dms" % -(-seconds * 1000 // 1)
    whole = int(-(-seconds // 1))
    if whole < 60:
        return b"%ds" % whole
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return b"%dm%ds" % (minutes, rest)
    hours, minutes = divmod(minutes, 60)
    return b"%dh%dm%ds" % (hours, minutes, rest)


def _dollars(nano: int) -> str:
    amount = format(usd(nano).normalize(), "f")
    whole, _, cents = amount.partition(".")
    return f"${whole}.{cents.ljust(2, '0')}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
