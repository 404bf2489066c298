"""Whether anything of a request can have reached the upstream when the connection ended without an answer.

An end of file proves nothing by itself: a server that read the request and then died looks the same as one that had
closed an idle connection a moment before the request came. TCP knows better. Every segment says how far its sender has
received, the one with the FIN (or TLS's close_notify) too, and Linux counts the bytes that a peer acknowledged
(`tcpi_bytes_acked`, RFC 4898 `tcpEStatsAppHCThruOctetsAcked`, since 4.1). So where the end of the stream was received
and the count stands as it stood before the request was written, the upstream had ended the connection before a byte of
the request arrived: it cannot have processed it, whatever the method (RFC 9110 §9.2.2, RFC 9112 §9.3.1).

A reset proves nothing even so: acknowledgements are delayed, and a kernel does not look at a reset's. Nor does anything
where the count is not to be had (another system, or a socket already gone, as under uvloop when TLS ends without its
close_notify). Then it may have been processed.
"""

import socket
import struct

_BYTES_ACKED = 120  # the field's offset in struct tcp_info (linux/tcp.h)
_COUNTER = struct.Struct("=Q")
_TCP_INFO: int | None = getattr(socket, "TCP_INFO", None)


def acknowledged(sock: socket.socket) -> int | None:
    """Bytes that the peer's kernel acknowledged, the SYN counted as one; None when the system does not tell."""
    if _TCP_INFO is None or sock.fileno() < 0:
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _BYTES_ACKED + _COUNTER.size)
    except OSError:
        return None
    if len(info) < _BYTES_ACKED + _COUNTER.size:
        return None
    count: int = _COUNTER.unpack_from(info, _BYTES_ACKED)[0]
    return count or None  # zero is a kernel that has the field and does not fill it: the SYN alone makes one
