"""Days, weeks and months of a time zone as stretches of Unix time. They tile it: where one ends, the next begins."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from core.limits import Period


@dataclass(frozen=True, slots=True)
class Interval:
    """Half open, Unix seconds. Of what never ends both are 0."""

    start: int
    end: int


FOREVER = Interval(0, 0)


def interval(period: Period, time_zone: str, at: float) -> Interval:
    """The day, the ISO week (from Monday) or the month of a zone (IANA name) in which a moment (Unix seconds) lies.

    Where the zone's clocks jump over midnight, a day begins with the jump; where midnight comes twice, with the first.
    """
    if period is Period.TOTAL:
        return FOREVER
    zone = _zone(time_zone)
    day = datetime.fromtimestamp(at, zone).date()
    first = _first_day(period, day)
    # A moment between the first and the second of two midnights has the date of before: it belongs to the later day.
    after = _next_first_day(period, first)
    if at >= _midnight(after, zone):
        first, after = after, _next_first_day(period, after)
    return Interval(_midnight(first, zone), _midnight(after, zone))


def _first_day(period: Period, day: date) -> date:
    if period is Period.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period is Period.MONTH else day


def _next_first_day(period: Period, first: date) -> date:
    if period is Period.MONTH:
        return (first + timedelta(days=31)).replace(day=1)
    return first + timedelta(days=7 if period is Period.WEEK else 1)


@lru_cache(maxsize=4096)
def _midnight(day: date, zone: ZoneInfo) -> int:
    """When a date begins: the first of two midnights; where there is none, the jump over it."""
    local = datetime(day.year, day.month, day.day, tzinfo=zone)
    return int(local.astimezone(UTC).timestamp())


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
