"""The HTTP/1.1 client of the hot path: pooled keep-alive connections on asyncio and httptools, one pool an upstream.

It knows nothing of models or keys: it takes a request's head and body and gives back an answer's. Every failure is an
`UpstreamError` that says whether the request can have been processed.
"""

from proxy.upstream.answer import UpstreamResponse
from proxy.upstream.client import UpstreamClient
from proxy.upstream.errors import (
    AnswerTimedOut,
    BadAnswer,
    BodyTooLarge,
    ConnectFailed,
    ConnectionReset,
    ConnectionsExhausted,
    ConnectTimedOut,
    CutShort,
    FirstByteTimedOut,
    IdleTimedOut,
    TlsFailed,
    UpstreamError,
)
from proxy.upstream.options import ClientOptions
from proxy.upstream.origin import Origin
from proxy.upstream.pool import ConnectionCounts

__all__ = [
    "AnswerTimedOut",
    "BadAnswer",
    "BodyTooLarge",
    "ClientOptions",
    "ConnectFailed",
    "ConnectTimedOut",
    "ConnectionCounts",
    "ConnectionReset",
    "ConnectionsExhausted",
    "CutShort",
    "FirstByteTimedOut",
    "IdleTimedOut",
    "Origin",
    "TlsFailed",
    "UpstreamClient",
    "UpstreamError",
    "UpstreamResponse",
]
