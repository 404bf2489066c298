"""What can go wrong between the proxy and an upstream, one class a cause.

Each error says whether the upstream may have processed the request, which decides whether another target may be tried
without the risk of doing (and paying for) the work twice. No message holds a header's value, a body or a credential.
"""

from typing import ClassVar


class UpstreamError(Exception):
    """`code` is stable and for the ledger; `may_have_been_processed` is False only where that is proven."""

    code: ClassVar[str] = "upstream_error"

    def __init__(self, message: str, *, may_have_been_processed: bool = True) -> None:
        super().__init__(message)
        self.message = message
        self.may_have_been_processed = may_have_been_processed


class _NotSent(UpstreamError):
    """Nothing of the request left this process."""

    def __init__(self, message: str) -> None:
        super().__init__(message, may_have_been_processed=False)


class ConnectFailed(_NotSent):
    """The name does not resolve, nobody listens, or the egress proxy refuses the tunnel."""

    code = "upstream_connect_failed"


class ConnectTimedOut(_NotSent):
    """No usable connection within the connect timeout (name, TCP, tunnel and TLS together)."""

    code = "upstream_connect_timeout"


class TlsFailed(_NotSent):
    """The certificate is not trusted or not this host's, or the handshake failed."""

    code = "upstream_tls_failed"


class EgressRefused(_NotSent):
    """The installation does not let calls go there: the host is not on its list, or the address is no upstream's."""

    code = "egress_refused"


class ConnectionsExhausted(_NotSent):
    """All connections that this upstream is allowed were busy for longer than the connect timeout."""

    code = "upstream_connections_exhausted"


class FirstByteTimedOut(UpstreamError):
    """The answer's head was not complete in time."""

    code = "upstream_first_byte_timeout"


class AnswerTimedOut(UpstreamError):
    """The whole answer was not there in time."""

    code = "upstream_answer_timeout"


class IdleTimedOut(UpstreamError):
    """The upstream neither sent the next piece nor took the next piece of the request in time."""

    code = "upstream_idle_timeout"


class ConnectionReset(UpstreamError):
    """The upstream closed the connection before any byte of an answer."""

    code = "upstream_connection_reset"


class CutShort(UpstreamError):
    """The connection ended in the middle of the answer."""

    code = "upstream_cut_short"


class BadAnswer(UpstreamError):
    """What came is not one well-formed HTTP/1.x answer."""

    code = "upstream_bad_answer"


class BodyTooLarge(UpstreamError):
    """The answer's body is longer than the reader allows."""

    code = "upstream_body_too_large"
