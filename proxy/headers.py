"""Headers in both directions: what a caller's head says to the gateway, what of it an upstream sees, and what of an
upstream's answer the caller sees. One pass over each.
"""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from core.snapshot import Caller
from proxy.upstream.head import HOP_BY_HOP, field_lines

Headers = list[tuple[bytes, bytes]]

# How long a caller waits for an answer's first byte, in seconds: its own word, the Python SDK's and the Node SDK's.
_PATIENCE = frozenset({b"x-aduana-timeout", b"x-stainless-read-timeout", b"x-stainless-timeout"})
_SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}").fullmatch

# The caller's credentials, what the client writes itself, and what would tell the provider about the tenant's network.
_NOT_FORWARDED = (
    HOP_BY_HOP
    | _PATIENCE
    | {
        b"accept-encoding",
        b"api-key",
        b"authorization",
        b"content-length",
        b"content-type",  # it is JSON by now, whatever it was called
        b"cookie",
        b"expect",
        b"forwarded",
        b"host",
        b"http2-settings",
        b"idempotency-key",  # of callers who share an account, two may say the same
        b"ocp-apim-subscription-key",
        b"openai-organization",
        b"openai-project",
        b"origin",
        b"referer",
        b"via",
        b"x-api-key",
        b"x-request-id",
        # They name another method or path than the one that was judged, to servers that heed them.
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-original-url",
        b"x-rewrite-url",
    }
)
_NOT_FORWARDED_PREFIXES = (
    b"x-forwarded-",
    b"x-real-ip",
    b"x-aduana-",
    b"x-envoy-",
    b"x-ms-client-principal",
    b"x-ms-token-",
)

# Of the answer: the provider's account, its own limits (not the caller's), cookies, and what the server writes itself.
_NOT_RETURNED = HOP_BY_HOP | {
    b"alt-svc",
    b"cf-cache-status",
    b"cf-ray",
    b"content-length",
    b"date",
    b"openai-organization",
    b"openai-project",
    b"report-to",
    b"nel",
    b"server",
    b"set-cookie",
    b"strict-transport-security",
    b"www-authenticate",
    b"x-request-id",
}
_NOT_RETURNED_PREFIXES = (b"x-ratelimit-", b"x-envoy-", b"access-control-")

_FOREVER = float("inf")

# The first letters of the prefixes: most names are decided by one set look-up and this.
_MAYBE_PREFIXED = frozenset(b"xa")


class RequestHead(msgspec.Struct):
    """What of a request's head the gateway acts on, less its length: one value for all requests of a connection that say the
    same, so that what is worked out of it is worked out once."""

    credential: bytes | None  # of Authorization: Bearer or api-key
    request_id: str | None  # the caller's own, when sane
    expects_continue: bool  # its body is sent when it is asked for (RFC 9110, section 10.1.1)
    forwarded: Headers
    patience: float | None = None  # seconds that the caller waits for the first byte of its answer
    verified: "Verified | None" = None  # whom its credential was found to be
    _lines: bytes | None = None

    def __repr__(self) -> str:
        return "RequestHead()"  # it holds the caller's key

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []

    def lines(self) -> bytes:
        """What of it goes on, as it is written."""
        lines = self._lines
        if lines is None:
            lines = self._lines = field_lines(self.forwarded)
        return lines


class Verified(NamedTuple):
    """A credential that was found to be somebody's: true for as long as the same configuration is in force."""

    by: object  # the configuration
    caller: Caller
    until: float  # Unix seconds


def content_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """The length of a request's body in bytes, where it is announced; its digits were checked by the parser."""
    return next((int(value) for name, value in headers if name == b"content-length"), None)


def read_request_head(headers: Iterable[tuple[bytes, bytes]]) -> RequestHead:
    """One pass over a request's headers (names in lower case, as uvicorn gives them)."""
    authorization = api_key = request_id = None
    expects_continue = False
    patience: float | None = None
    named_hop_by_hop: list[bytes] = []
    forwarded: Headers = []
    for pair in headers:
        name, value = pair
        if name not in _NOT_FORWARDED:
            if name[0] in _MAYBE_PREFIXED and name.startswith(_NOT_FORWARDED_PREFIXES):
                continue
            forwarded.append(pair)
        elif name == b"authorization":
            authorization = value
        elif name == b"api-key":
            api_key = value
        elif name == b"x-request-id":
            request_id = value
        elif name == b"expect":
            expects_continue = value.lower() == b"100-continue"
        elif name in _PATIENCE:
            patience = _shorter(patience, value)
        elif name == b"connection" and value.lower() not in (b"keep-alive", b"close"):
            named_hop_by_hop.append(value)
    if named_hop_by_hop:
        named = {token.strip().lower() for value in named_hop_by_hop for token in value.split(b",")}
        forwarded = [pair for pair in forwarded if pair[0] not in named]
    credential = api_key
    if authorization is not None and authorization[:7].lower() == b"bearer ":
        credential = authorization[7:].strip()
    return RequestHead(
        credential,
        request_id.decode("ascii") if request_id is not None and _SANE_REQUEST_ID(request_id) else None,
        expects_continue,
        forwarded,
        patience,
    )


def _shorter(patience: float | None, value: bytes) -> float | None:
    """The shorter of two times; what is no time is as if it were not said."""
    try:
        seconds = float(value)
    except ValueError:
        return patience
    if not 0 < seconds < _FOREVER:
        return patience
    return seconds if patience is None else min(patience, seconds)


def answer_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """What of an upstream's headers its caller sees: all but the connection's, the provider's account and its limits."""
    return [
        pair
        for pair in headers
        if pair[0] not in _NOT_RETURNED
        and not (pair[0][0] in _MAYBE_PREFIXED and pair[0].startswith(_NOT_RETURNED_PREFIXES))
    ]
