"""One Redis that the ledger talks to: its connection is opened again whenever it breaks, and kept logged in.

What is sent over it, and what becomes of what was on its way when it broke, is its owner's concern.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import Callable
from typing import Any

import hiredis

from core.redis import RedisAddress
from core.redis.login import Credentials, Login, LoginUnavailable
from proxy.ledger.connection import RedisConnection, RedisRefused, command

_log = logging.getLogger("aduana.ledger")

_SHORTEST_BACKOFF, _LONGEST_BACKOFF = 0.05, 2.0  # seconds
_PING = 60.0  # seconds; Azure closes what was idle for ten minutes
_LOGIN_AGAIN = 5.0  # seconds after Redis refused a renewed login


class Node:
    """Keeps one connection. `connection` is None while Redis is away, `lost_at` then says since when (the loop's time).

    `opened` is told of each new connection, with what the node said of the cluster's slots (None: it is in none); `lost`
    of each that broke; `missed` of each attempt that failed.
    """

    def __init__(
        self,
        address: RedisAddress,
        *,
        tls: ssl.SSLContext | None,
        login: Login,
        timeout: float,
        script: bytes,
        opened: Callable[["Node", Any], None],
        lost: Callable[["Node", BaseException | None], None],
        missed: Callable[["Node"], None],
    ) -> None:
        self.address = address
        self.connection: RedisConnection | None = None
        self._loop = asyncio.get_running_loop()
        self.lost_at = self._loop.time()
        self.back_at = float("-inf")  # when it was connected again, perhaps without its memory
        self._tls = tls
        self._login = login
        self._timeout = timeout
        self._script = script
        self._opened = opened
        self._lost = lost
        self._missed = missed
        self._used: Credentials | None = None  # by the open connection, or being sent on it
        self._login_at = 0.0  # not before
        self._ping_at = 0.0
        self._renewals: set[asyncio.Task[None]] = set()
        self.tried = asyncio.Event()  # once, with or without success
        self._keeper = self._loop.create_task(self._keep(), name=f"ledger-connection-{address!r}")

    async def close(self, reason: str = "closed") -> None:
        """Give the connection up for good; nobody is told."""
        self._keeper.cancel()
        for renewal in self._renewals:
            renewal.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)
        self.drop(reason)

    def abandon(self) -> None:
        """The same at once: the cluster has it no longer."""
        self._keeper.cancel()
        self.drop("no node of the cluster any more")

    def drop(self, reason: str) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abort(reason)

    def check(self) -> None:
        """Now and then: a Redis that is silent counts as lost, a login that was renewed is sent."""
        connection = self.connection
        if connection is None:
            return
        now, since = self._loop.time(), connection.waits_since()
        if since is not None and now - since > self._timeout:
            connection.abort(f"no answer for {self._timeout} s")
            return
        credentials = self._login.ready()
        if credentials is not None and credentials is not self._used and now >= self._login_at:
            self._log_in_again(connection, credentials)
        elif now >= self._ping_at:
            self._ping_at = now + _PING
            connection.expect(_nothing)
            connection.write(_PING_COMMAND)

    def load_script(self) -> None:
        """The node has forgotten it; whatever is sent after this finds it."""
        if self.connection is not None:
            self.connection.expect(_nothing)
            self.connection.write(command("SCRIPT", "LOAD", self._script))

    # ── Login ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _log_in_again(self, connection: RedisConnection, credentials: Credentials) -> None:
        self._used = credentials

        def answered(reply: Any) -> None:
            if isinstance(reply, hiredis.ReplyError):
                _log.warning("Redis at %r refused a renewed login: %s", self.address, reply)
                self._used = None
                self._login_at = self._loop.time() + _LOGIN_AGAIN
                self._renew(credentials)

        connection.expect(answered)
        connection.write(command("AUTH", *credentials.arguments))

    def _renew(self, refused: Credentials) -> None:
        async def renew() -> None:
            try:
                await self._login.renew(refused)
            except LoginUnavailable as error:
                _log.warning("no login for Redis at %r: %s", self.address, error)

        task = self._loop.create_task(renew())
        self._renewals.add(task)
        task.add_done_callback(self._renewals.discard)

    # ── The connection ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _keep(self) -> None:
        backoff = _SHORTEST_BACKOFF
        silent = False
        while True:
            try:
                credentials = await self._login.obtain()  # with a patience of its own
                async with asyncio.timeout(self._timeout):
                    connection, slots = await self._open(credentials)
            except (OSError, RedisRefused, LoginUnavailable, TimeoutError) as error:
                if not silent:
                    _log.warning(
                        "the ledger's Redis at %r is away: %s", self.address, str(error) or "no answer in time"
                    )
                    silent = True
                self.tried.set()
                self._missed(self)
                await asyncio.sleep(backoff * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                backoff = min(backoff * 2, _LONGEST_BACKOFF)
                continue
            if silent:
                _log.info("the ledger's Redis at %r is back", self.address)
                self.back_at = self._loop.time()
            backoff = _SHORTEST_BACKOFF
            self.connection = connection
            self._ping_at = self._loop.time() + _PING
            self._opened(self, slots)
            self.tried.set()
            reason = await connection.lost
            self.connection = None
            self.lost_at = self._loop.time()
            silent = True
            self._lost(self, reason)

    async def _open(self, credentials: Credentials | None) -> tuple[RedisConnection, Any]:
        try:
            connection = await RedisConnection.open(self.address, self._tls, credentials)
        except RedisRefused:
            if credentials is not None:
                self._renew(credentials)
            raise
        try:
            loaded, slots = await connection.call_all((("SCRIPT", "LOAD", self._script), ("CLUSTER", "SLOTS")))
            if isinstance(loaded, hiredis.ReplyError):
                raise RedisRefused("SCRIPT", str(loaded))
        except BaseException:
            connection.abort()
            raise
        self._used = credentials
        return connection, slots


def _nothing(_: Any) -> None:
    pass


_PING_COMMAND = command("PING")
