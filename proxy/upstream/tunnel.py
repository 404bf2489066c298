"""A CONNECT tunnel through an HTTP proxy, opened on the bare socket before TLS starts (RFC 9110 §9.3.6)."""

import asyncio
import re
import socket

from proxy.upstream.egress import EgressProxy
from proxy.upstream.errors import ConnectFailed

_MOST_HEAD_BYTES = 16 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r\n")


async def open_tunnel(sock: socket.socket, proxy: EgressProxy, host: str, port: int) -> None:
    """Afterwards the socket speaks to the host. Raises `ConnectFailed` or `OSError`; the caller closes the socket."""
    loop = asyncio.get_running_loop()
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    fields = [f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n".encode("ascii")]
    if proxy.authorization is not None:
        fields.append(b"proxy-authorization: %b\r\n" % proxy.authorization)
    fields.append(b"\r\n")
    await loop.sock_sendall(sock, b"".join(fields))
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = await loop.sock_recv(sock, 4096)
        if not piece or len(answer) > _MOST_HEAD_BYTES:
            raise ConnectFailed(f"the egress proxy {proxy.host}:{proxy.port} did not answer CONNECT with an HTTP head")
        answer += piece
    status = _STATUS_LINE.match(answer)
    if status is None:
        raise ConnectFailed(f"the egress proxy {proxy.host}:{proxy.port} did not answer CONNECT with an HTTP head")
    if status[1][:1] != b"2":
        raise ConnectFailed(
            f"the egress proxy {proxy.host}:{proxy.port} answered {status[1].decode()} to CONNECT {authority}; "
            "check its rules and the user in HTTPS_PROXY"
        )
    if not answer.endswith(b"\r\n\r\n") or answer.count(b"\r\n\r\n") != 1:
        # The host does not speak before TLS does, so these bytes are the proxy's, inside what must be the tunnel.
        raise ConnectFailed(f"the egress proxy {proxy.host}:{proxy.port} sent bytes after its answer to CONNECT")
