"""Times and spans as people type them on a command line: `90d`, `24h`, `2026-11-01`, `2026-11-01T12:00:00Z`."""

import re
from datetime import UTC, datetime, timedelta

from deployer.errors import USAGE, CommandError

_SPAN = re.compile(r"([0-9]{1,6})(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST = timedelta(days=36_500)


def span(text: str, option: str) -> timedelta:
    """A span; `0` is none at all. Raises `CommandError`."""
    if text.strip() == "0":
        return timedelta(0)
    match = _SPAN.fullmatch(text.strip())
    length = timedelta(seconds=int(match[1]) * _SECONDS[match[2]]) if match else None
    if length is None or length > _LONGEST:
        raise _wrong(option, text, "a span such as 30m, 24h, 90d or 2w")
    return length


def moment(text: str, option: str) -> datetime:
    """A point in time; without a zone it is UTC, without a time midnight. Raises `CommandError`."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise _wrong(option, text, "a time such as 2026-11-01 or 2026-11-01T12:00:00Z") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def moment_or_ago(text: str, option: str, now: datetime) -> datetime:
    """A point in time, or so long ago."""
    if _SPAN.fullmatch(text.strip()):
        return now - span(text, option)
    try:
        return moment(text, option)
    except CommandError:
        raise _wrong(option, text, "a span such as 24h or 7d, or a time such as 2026-11-01") from None


def _wrong(option: str, text: str, allowed: str) -> CommandError:
    return CommandError(f"{option} {text[:60]!r} is not {allowed}", code="usage", exit_code=USAGE)
