"""The names of counters, the same in Redis, in a proxy's memory and in what the writer sums
(docs/decisions/0004-limits.md)."""

from collections.abc import Iterable
from urllib.parse import quote, unquote

from core.limits import Family, Period, ScopeKind, Unit
from core.limits.calendar import Interval

_SCOPES = {ScopeKind.CLIENT: "c", ScopeKind.TEAM: "t", ScopeKind.APP: "a", ScopeKind.KEY: "k"}
_UNITS = {Unit.REQUESTS: "r", Unit.TOKENS: "t", Unit.COST: "c"}
_PERIODS = {Period.DAY: "d", Period.WEEK: "w", Period.MONTH: "m", Period.TOTAL: "a"}


def counter_field(scope: ScopeKind, id: str, unit: Unit, period: Period, span: Interval, model: str | None) -> str:
    """What is spent and reserved in a calendar period."""
    return f"{_SCOPES[scope]}:{id}:{_UNITS[unit]}:{_PERIODS[period]}:{span.start}-{span.end}:{model or ''}"


def bucket_field(scope: ScopeKind, id: str, unit: Unit, model: str | None) -> str:
    """A limit per minute."""
    return f"{_SCOPES[scope]}:{id}:{_UNITS[unit]}:{model or ''}"


def throttle_field(budget_id: str, unit: Unit) -> str:
    """A limit per minute that holds while a budget is exceeded."""
    return f"b:{budget_id}:{_UNITS[unit]}"


def live_field(scope: ScopeKind, id: str, model: str | None) -> str:
    """Live calls."""
    return f"{_SCOPES[scope]}:{id}:n:{model or ''}"


def unit_letter(unit: Unit) -> str:
    """As fields have it."""
    return _UNITS[unit]


_NUMBERS = {Unit.REQUESTS: 1, Unit.TOKENS: 2, Unit.COST: 3}


def unit_number(unit: Unit) -> int:
    """As operations have it."""
    return _NUMBERS[unit]


def families_text(families: Iterable[Family]) -> str:
    """The one spelling of a set of families; empty for none."""
    return ";".join(
        f"{each.scope}:{each.unit}:{each.period}:{each.time_zone}:{_models(each)}" for each in sorted(set(families))
    )


def _models(family: Family) -> str:
    if not family.model:
        return "*"
    return f"{quote(family.model, safe='')}={','.join(quote(name, safe='') for name in family.names)}"


def parse_families(text: str) -> tuple[Family, ...]:
    """The families of a text. Raises `ValueError` for what is none."""
    return tuple(sorted(_parse_family(each) for each in text.split(";"))) if text else ()


def _parse_family(text: str) -> Family:
    try:
        scope, unit, period, time_zone, models = text.split(":")
        of = (ScopeKind(scope), Unit(unit), Period(period), time_zone)
        if models == "*":
            return Family(*of)
        model, names = models.split("=")
        return Family(*of, unquote(model), tuple(unquote(name) for name in names.split(",")))
    except ValueError:
        raise ValueError(f"not a family of counters: {text[:100]!r}") from None
