"""Days, weeks and months of time zones, at the edges of their clocks; and the names of counters and families."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.limits import Family, Period, ScopeKind, Unit
from core.limits.calendar import FOREVER, Interval, interval
from core.limits.fields import families_text, parse_families

ZONES = ("UTC", "Europe/London", "Asia/Kathmandu", "America/Havana", "Asia/Beirut", "Pacific/Apia", "America/Sao_Paulo")
BOUNDED = (Period.DAY, Period.WEEK, Period.MONTH)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@given(st.sampled_from(BOUNDED), st.sampled_from(ZONES), st.floats(1e9, 2e9))
def test_intervals_tile_time(period, zone, moment):
    found = interval(period, zone, moment)
    assert found.start <= moment < found.end
    assert interval(period, zone, found.start) == found == interval(period, zone, found.end - 0.001)
    assert interval(period, zone, found.end).start == found.end


@pytest.mark.parametrize(
    ("period", "zone", "moment", "start", "end"),
    [
        (Period.MONTH, "UTC", "2028-02-29T23:59:59", "2028-02-01", "2028-03-01"),
        (Period.MONTH, "Europe/London", "2026-03-31T23:30:00", "2026-03-31T23:00", "2026-04-30T23:00"),
        (Period.DAY, "Europe/London", "2026-03-29T12:00:00", "2026-03-29T00:00", "2026-03-29T23:00"),  # 23 hours
        (Period.DAY, "Europe/London", "2026-10-25T12:00:00", "2026-10-24T23:00", "2026-10-26T00:00"),  # 25 hours
        (Period.DAY, "Asia/Kathmandu", "2026-11-24T18:15:00", "2026-11-24T18:15", "2026-11-25T18:15"),
        (Period.WEEK, "UTC", "2026-11-29T23:59:59", "2026-11-23", "2026-11-30"),  # Sunday ends what Monday began
        (Period.WEEK, "UTC", "2027-01-01T00:00:00", "2026-12-28", "2027-01-04"),
    ],
)
def test_a_period_is_the_zones(period, zone, moment, start, end):
    assert interval(period, zone, at(moment)) == Interval(at(start), at(end))


def test_a_total_never_ends():
    assert interval(Period.TOTAL, "UTC", at("2026-11-24")) == FOREVER


@given(
    st.lists(
        st.builds(
            Family,
            st.sampled_from(ScopeKind),
            st.sampled_from(Unit),
            st.sampled_from(Period),
            st.sampled_from(ZONES),
            st.text(min_size=1),
            st.lists(st.text(min_size=1), min_size=1).map(tuple),
        )
        | st.builds(Family, st.sampled_from(ScopeKind), st.sampled_from(Unit), st.sampled_from(Period), st.just("UTC"))
    )
)
def test_families_have_one_spelling_and_are_read_back(families):
    text = families_text(families)
    assert text == families_text(reversed(families)) and parse_families(text) == tuple(sorted(set(families)))


@pytest.mark.parametrize(
    "text", ["x", "key:tokens:day:UTC", "key:tokens:day:UTC:maybe", "a;b", "key:tokens:year:UTC:*"]
)
def test_what_is_no_family_is_refused(text):
    with pytest.raises(ValueError, match="not a family"):
        parse_families(text)
