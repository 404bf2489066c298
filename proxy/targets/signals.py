"""What a provider's answer says of itself: how long to wait, and how far a provisioned deployment is used."""

from collections.abc import Iterable
from email.utils import parsedate_to_datetime

# Azure's provisioned deployments: `azure-openai-deployment-utilization: 11.2%`.
_UTILISATION = b"azure-openai-deployment-utilization"


def asked_wait(headers: Iterable[tuple[bytes, bytes]], now: float) -> float | None:
    """The seconds to wait that an answer asks for: `retry-after-ms`, else Retry-After (RFC 9110, section 10.2.3).

    `now`: Unix seconds, for a date; by the answer's own `Date` where it has one.
    """
    millis = after = date = None
    for name, value in headers:
        if name == b"retry-after-ms":
            millis = _number(value)
        elif name == b"retry-after":
            after = value
        elif name == b"date":
            date = value
    if millis is not None:
        return millis / 1000
    if after is None:
        return None
    seconds = _number(after)
    if seconds is not None:
        return seconds
    until, sent = _moment(after), _moment(date) if date is not None else None
    return max(0.0, until - (now if sent is None else sent)) if until is not None else None


def utilisation(headers: Iterable[tuple[bytes, bytes]]) -> float | None:
    """Percent, where it is said."""
    for name, value in headers:
        if name == _UTILISATION:
            return _number(value.strip().removesuffix(b"%"))
    return None


def _number(value: bytes) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _moment(value: bytes) -> float | None:
    try:
        return parsedate_to_datetime(value.decode("ascii")).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
