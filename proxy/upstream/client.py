"""The client: a pool an origin, one TLS context, one ticker for every deadline."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping

from core.trust import client_context
from proxy.upstream.answer import UpstreamResponse
from proxy.upstream.dial import dial
from proxy.upstream.egress import Egress
from proxy.upstream.errors import ConnectFailed, ConnectionReset
from proxy.upstream.head import request_head
from proxy.upstream.options import ClientOptions
from proxy.upstream.origin import Origin
from proxy.upstream.pool import ConnectionCounts, Pool
from proxy.upstream.tunnel import open_tunnel
from proxy.upstream.upload import Upload

_TICK = 0.05  # seconds: how late a timeout may be noticed
_SLOW_TICK = 0.5  # while nothing but idle connections is there to be watched
_WHOLE_LIMIT = 32 * 1024 * 1024


class UpstreamClient:
    """For one event loop. Raises `ValueError` for an environment that names a kind of proxy it does not speak."""

    def __init__(self, options: ClientOptions | None = None) -> None:
        self._options = options if options is not None else ClientOptions()
        self._egress = Egress.from_environment(self._options.environment)
        self._pools: dict[Origin, Pool] = {}
        self._context: ssl.SSLContext | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._slow = True
        self._closed = False

    async def send(
        self,
        origin: Origin,
        *,
        method: bytes,
        target: bytes,
        lines: bytes = b"",
        body: bytes | AsyncIterator[bytes] = b"",
        content_length: int | None = None,
        connect_timeout: float | None = None,
        first_byte_timeout: float | None = 60.0,
        answer_timeout: float | None = None,
        idle_timeout: float | None = 120.0,
        whole: bool = False,
        whole_limit: int = _WHOLE_LIMIT,
    ) -> UpstreamResponse:
        """Send a request; returns when the answer's head is there, or with `whole` when its body is too.

        `target` holds the origin's base already, `lines` the fields (`field_lines`).
        `Host`, `Content-Length` or `Transfer-Encoding`, `Accept-Encoding:
        identity` and all that concerns the connection are added here and refused from the caller (`ValueError`, as are
        control characters). A body that is an iterator is chunked unless `content_length` says its length; what the
        iterator raises, `send` or `receive` raises.

        `connect_timeout` stands in for the client's own, `first_byte_timeout` bounds the time from the request's last byte
        to the end of the answer's head, `answer_timeout` the whole exchange, `idle_timeout` the gap between two pieces of a
        body in either direction; all in seconds, noticed up to 50 ms late. With `whole`, an answer over `whole_limit` bytes
        is returned unfinished.

        A request that met a pooled connection which the upstream had already closed is sent once more, on a new one, if
        it is proven that nothing of it was read (`delivery`) and its body can be sent again: that is safe for any
        method (RFC 9110 §9.2.2, RFC 9112 §9.3.1). Without the proof the error says `may_have_been_processed`.

        Raises `UpstreamError`. Cancelling the call hangs up on the upstream at once.
        """
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._new_pool(origin)
        upload: Upload | None = None
        if isinstance(body, bytes):
            framing = b"content-length: %d\r\n\r\n" % len(body) if body or method not in _BODILESS else b"\r\n"
        else:
            upload = Upload(body, content_length, first_byte_timeout)
            body = b""
            if content_length is None:
                framing = b"transfer-encoding: chunked\r\n\r\n"
            else:
                framing = b"content-length: %d\r\n\r\n" % content_length
        head = request_head(method, pool.target_prefix, target, pool.after_target, lines, framing)
        limit = whole_limit if whole else self._options.max_unread_bytes
        idle = pool.idle
        second = False
        while True:
            # The idle one without the coroutine: this line is on every call's way.
            connection = idle.pop() if idle and not second else await pool.acquire(fresh=second, within=connect_timeout)
            reused = connection.reused
            answer = UpstreamResponse(connection, whole, limit)
            answer._waiter = waiter = pool.loop.create_future()
            connection.begin(answer, head, body, method == b"HEAD", first_byte_timeout, answer_timeout, idle_timeout)
            if upload is not None:
                upload.start(connection)
            if self._slow:
                self._hurry()
            try:
                await waiter
            except asyncio.CancelledError:
                answer.close()
                raise
            finally:
                answer._waiter = None
            fault = answer._fault
            if fault is None or (answer.status and not whole):
                return answer
            again = reused and not second and isinstance(fault, ConnectionReset) and not fault.may_have_been_processed
            if not again or (upload is not None and upload.begun):
                raise fault
            second = True
            pool = self._pools.get(origin) or self._new_pool(
                origin
            )  # the last connection's end may have ended its pool

    async def dial(self, origin: Origin) -> tuple[socket.socket, ssl.SSLContext | None]:
        """A socket to an origin by the same way out, for another protocol than requests, and the context of its TLS (None:
        it has none). Raises `ConnectFailed`; whoever asks bounds the time."""
        proxy = self._egress.proxy_for(origin)
        try:
            sock = await (dial(origin.host, origin.port) if proxy is None else dial(proxy.host, proxy.port))
        except (OSError, UnicodeError) as error:
            raise ConnectFailed(f"cannot connect to {origin}: {type(error).__name__}") from None
        try:
            if proxy is not None:
                await open_tunnel(sock, proxy, origin.host, origin.port)
            return sock, self._tls() if origin.scheme == "https" else None
        except BaseException:
            sock.close()
            raise

    @property
    def connections(self) -> int:
        """Open ones, over all origins."""
        return sum(pool.counts.open for pool in self._pools.values())

    def connections_by_origin(self) -> Mapping[Origin, ConnectionCounts]:
        """For metrics."""
        return {origin: pool.counts for origin, pool in self._pools.items()}

    async def close(self) -> None:
        """Hang up everywhere: calls in flight fail. Idempotent."""
        self._closed = True
        for pool in self._pools.values():
            pool.close()
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
        await asyncio.sleep(0)  # transports report their end in the loop's next round

    def _new_pool(self, origin: Origin) -> Pool:
        if self._closed:
            raise RuntimeError("the upstream client is closed")
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        pool = Pool(origin, self._options, self._egress.proxy_for(origin), self._tls, self._loop)
        self._pools[origin] = pool
        return pool

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = client_context(self._options.ca_bundle)
        return self._context

    # One timer for all: a deadline costs a comparison a tick instead of a timer a call.

    def _hurry(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        assert self._loop is not None
        self._slow = False
        self._ticker = self._loop.call_later(_TICK, self._tick)

    def _tick(self) -> None:
        assert self._loop is not None
        now = self._loop.time()
        due = []
        any_connection = any_busy = False
        for pool in self._pools.values():
            for connection in pool.connections:
                any_connection = True
                if connection.deadline <= now:
                    due.append(connection)
                if connection.busy:
                    any_busy = True
        # A pool that nobody is connected by may be one of an earlier configuration; it is made anew where it is none.
        for origin in [origin for origin, pool in self._pools.items() if pool.unused]:
            del self._pools[origin]
        for connection in due:
            if connection.deadline <= now:
                connection.expire(now)
        self._slow = not any_busy
        self._ticker = None
        if any_connection:
            self._ticker = self._loop.call_later(_TICK if any_busy else _SLOW_TICK, self._tick)


_BODILESS = frozenset([b"GET", b"HEAD", b"DELETE", b"OPTIONS"])
