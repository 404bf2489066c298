"""The connections to one origin: the most recently used idle one first, a limit, and a queue in order of arrival."""

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from core.egress import address_problem
from proxy.upstream.connection import Connection
from proxy.upstream.dial import dial
from proxy.upstream.egress import EgressProxy
from proxy.upstream.errors import (
    ConnectFailed,
    ConnectionsExhausted,
    ConnectTimedOut,
    CutShort,
    EgressRefused,
    TlsFailed,
)
from proxy.upstream.options import ClientOptions
from proxy.upstream.origin import Origin
from proxy.upstream.tunnel import open_tunnel

_log = logging.getLogger("aduana.upstream")


@dataclass(frozen=True, slots=True)
class ConnectionCounts:
    """Of one origin, at one moment."""

    open: int  # idle ones and those being made included
    idle: int
    waiting: int  # calls in the queue for a connection


class Pool:
    """`context` gives the client's TLS context when the first connection needs it."""

    __slots__ = (
        "_context",
        "_most",
        "_proxy",
        "_size",
        "_waiters",
        "after_target",
        "closed",
        "connections",
        "idle",
        "loop",
        "options",
        "origin",
        "target_prefix",
    )

    def __init__(
        self,
        origin: Origin,
        options: ClientOptions,
        proxy: EgressProxy | None,
        context: Callable[[], ssl.SSLContext],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.origin = origin
        self.options = options
        self._most = options.max_connections if origin.max_connections is None else origin.max_connections
        self.connections: set[Connection] = set()
        self.idle: list[Connection] = []
        self.closed = False
        self._proxy = proxy
        self._context = context
        self.loop = loop
        self._size = 0  # open, and being made
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        fields = b" HTTP/1.1\r\nhost: %b\r\naccept-encoding: identity\r\n" % origin.host_header
        self.target_prefix = b""
        if proxy is not None and origin.scheme == "http":
            # RFC 9112 §3.2.2: a proxy is asked in absolute form.
            self.target_prefix = b"http://" + origin.host_header
            if proxy.authorization is not None:
                fields += b"proxy-authorization: %b\r\n" % proxy.authorization
        self.after_target = fields

    @property
    def counts(self) -> ConnectionCounts:
        """For metrics."""
        waiting = sum(not waiter.done() for waiter in self._waiters)
        return ConnectionCounts(open=self._size, idle=len(self.idle), waiting=waiting)

    @property
    def unused(self) -> bool:
        """Neither a connection nor anybody who waits for one."""
        return not self._size

    async def acquire(self, *, fresh: bool = False, within: float | None = None) -> Connection:
        """A connection that is ready for a request; with `fresh`, one that was not used before if the limit allows it.

        `within`: seconds, in place of the client's `connect_timeout`. Raises the errors of connecting, and
        `ConnectionsExhausted`.
        """
        if within is None:
            within = self.options.connect_timeout
        if self.idle:
            if not fresh:
                return self.idle.pop()
            if self._size >= self._most:
                self.idle[0].drop()  # the longest idle one makes room
        if self._size < self._most and not self._waiters:
            self._size += 1
            return await self._connect(within)
        return await self._queue(within)

    async def _queue(self, within: float) -> Connection:
        deadline = self.loop.time() + within
        first_in_line = False
        while True:
            connection = await self._wait(deadline, within, first_in_line)
            if connection is None:
                return await self._connect(within)
            if not connection.closed:
                return connection
            # It was lost between the hand-over and now: its slot may be free, else wait on as the first in line.
            if self._size < self._most:
                self._size += 1
                return await self._connect(within)
            first_in_line = True

    async def _wait(self, deadline: float, within: float, first_in_line: bool) -> Connection | None:
        """A connection, or None: a slot is reserved, connect."""
        waiter: asyncio.Future[Connection | None] = self.loop.create_future()
        if first_in_line:
            self._waiters.appendleft(waiter)
        else:
            self._waiters.append(waiter)
        timer = self.loop.call_at(deadline, self._give_up, waiter, within)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                connection = waiter.result()
                if connection is None:
                    self._free_slot()
                elif not connection.closed:
                    self.release(connection)
            raise
        finally:
            timer.cancel()
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _give_up(self, waiter: "asyncio.Future[Connection | None]", within: float) -> None:
        if not waiter.done():
            waiter.set_exception(
                ConnectionsExhausted(f"all {self._most} connections to {self.origin} were busy for {within:g} s")
            )

    async def _connect(self, within: float) -> Connection:
        """Uses the slot that the caller reserved, and frees it on failure."""
        try:
            async with asyncio.timeout(within):
                return await self._open()
        except TimeoutError:
            self._free_slot()
            raise ConnectTimedOut(f"no connection to {self._place} within {within:g} s") from None
        except BaseException:
            self._free_slot()
            raise

    async def _open(self) -> Connection:
        origin, proxy = self.origin, self._proxy
        try:
            refused = self.options.allowed_hosts.problem(origin.host)
            if refused is not None:
                raise EgressRefused(f"{origin.host} {refused}")
            if proxy is None:
                sock = await dial(origin.host, origin.port, address_problem)
            else:  # it resolves the name
                sock = await dial(proxy.host, proxy.port)
        except EgressRefused as error:
            _log.warning("upstream %s is not called: %s", origin, error.message)
            raise
        except (OSError, UnicodeError) as error:  # UnicodeError: a label that IDNA does not know
            raise ConnectFailed(f"cannot connect to {self._place}: {_reason(error)}") from None
        tls = origin.scheme == "https"
        connection = Connection(self, sock, self.loop, counted_by_kernel=tls)
        try:
            if proxy is not None and tls:
                await open_tunnel(sock, proxy, origin.host, origin.port)
            if tls:
                await self.loop.create_connection(
                    lambda: connection, sock=sock, ssl=self._context(), server_hostname=origin.host
                )
            else:
                await self.loop.create_connection(lambda: connection, sock=sock)
        except ssl.SSLError as error:
            sock.close()
            raise TlsFailed(f"TLS with {origin} failed: {_reason(error)}") from None
        except OSError as error:
            sock.close()
            if tls:
                raise TlsFailed(
                    f"{self._place} closed the connection before TLS was set up: {_reason(error)}"
                ) from None
            raise ConnectFailed(f"cannot connect to {self._place}: {_reason(error)}") from None
        except BaseException:
            sock.close()
            raise
        if self.closed or connection.closed:
            connection.drop()
            raise ConnectFailed(f"the connection to {self._place} was closed as soon as it was made")
        self.connections.add(connection)
        return connection

    @property
    def _place(self) -> str:
        if self._proxy is None:
            return str(self.origin)
        return f"{self.origin} through the egress proxy {self._proxy.host}:{self._proxy.port}"

    def release(self, connection: Connection) -> None:
        """The connection can carry the next request: the first in line gets it."""
        waiters = self._waiters
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self.idle.append(connection)

    def lost(self, connection: Connection) -> None:
        """The connection is closed."""
        if connection not in self.connections:
            return  # it never became one: `_connect` frees the slot
        self.connections.remove(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        self._free_slot()

    def _free_slot(self) -> None:
        """The first in line may connect instead."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._size -= 1

    def close(self) -> None:
        """End every connection; calls in flight fail, and so do those that wait."""
        self.closed = True
        for connection in list(self.connections):
            connection.fail(CutShort("the upstream client was closed"))
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(ConnectFailed("the upstream client was closed"))


def _reason(error: Exception) -> str:
    """Short, and without the address of an object or a path."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is refused ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return error.reason or type(error).__name__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
