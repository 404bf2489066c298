"""Keeps one identity's tokens: renewed in the background before they expire, one request a scope at a time.

Where the identity endpoint is away a token is used to its end, while it is asked for again and again.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable

from core.identity import Token, TokenIssuer, TokenUnavailable
from core.identity.threads import in_thread

_log = logging.getLogger("aduana.identity")

PATIENCE = 10.0
"""Seconds that a caller waits for a token that was never had."""

FORCED_EVERY = 30.0
"""Seconds between two forced renewals of a scope: where every token is refused, another one helps nobody."""

_FIRST_RETRY, _LONGEST_RETRY = 1.0, 60.0  # seconds


class KeptTokens:
    """The `TokenSource` of one identity, in one event loop."""

    def __init__(
        self,
        issuer: TokenIssuer,
        *,
        patience: float = PATIENCE,
        forced_every: float = FORCED_EVERY,
        chance: Callable[[], float] = random.random,  # 0 to 1: replicas that started together must not ask together
    ) -> None:
        self._issuer = issuer
        self._patience = patience
        self._forced_every = forced_every
        self._chance = chance
        self._held: dict[str, Token] = {}
        self._forced: dict[str, float] = {}  # scope → monotonic seconds of the last forced renewal
        self._failures: dict[str, int] = {}  # in a row
        self._flights: dict[str, asyncio.Task[Token]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def ready(self, scope: str) -> str | None:
        held = self._held.get(scope)
        return held.value if held is not None and time.time() < held.expires_at else None

    async def obtain(self, scope: str) -> str:
        ready = self.ready(scope)
        return ready if ready is not None else await self._awaited(scope)

    async def renew(self, scope: str, refused: str | None = None) -> str:
        ready = self.ready(scope)
        if ready is not None and refused is not None and ready != refused:
            return ready
        now = time.monotonic()
        if ready is not None and scope not in self._flights:
            if now - self._forced.get(scope, float("-inf")) < self._forced_every:
                return ready
            self._forced[scope] = now
        return await self._awaited(scope)

    def close(self) -> None:
        """Ask for nothing any more."""
        for timer in self._timers.values():
            timer.cancel()
        for flight in self._flights.values():
            flight.cancel()

    async def _awaited(self, scope: str) -> str:
        try:
            # Shielded: who hangs up, or loses patience, must not take the request away from the others.
            return (await asyncio.wait_for(asyncio.shield(self._flight(scope)), self._patience)).value
        except TimeoutError:
            raise TokenUnavailable(
                f"no token for {scope}: the identity endpoint did not answer within {self._patience:g} s"
            ) from None

    def _flight(self, scope: str) -> asyncio.Task[Token]:
        flight = self._flights.get(scope)
        if flight is None:
            flight = self._flights[scope] = asyncio.get_running_loop().create_task(self._ask(scope))
            flight.add_done_callback(lambda done: self._landed(scope, done))
        return flight

    async def _ask(self, scope: str) -> Token:
        return await in_thread(lambda: self._issuer.issue(scope))

    def _landed(self, scope: str, done: asyncio.Task[Token]) -> None:
        self._flights.pop(scope, None)
        if done.cancelled():
            return
        error = done.exception()  # seen: every waiter may have gone
        now = time.time()
        if error is None:
            token = self._held[scope] = done.result()
            if self._failures.pop(scope, 0):
                _log.info("tokens for %s can be had again", scope)
            self._schedule(scope, self._until_renewal(token, now))
            return
        failures = self._failures[scope] = self._failures.get(scope, 0) + 1
        held = self._held.get(scope)
        if failures == 1:
            left = max(0.0, held.expires_at - now) if held is not None else 0.0
            _log.warning("no new token, the last one is good for another %.0f s: %s", left, error)
        self._schedule(scope, min(_FIRST_RETRY * 2 ** (failures - 1), _LONGEST_RETRY) * (0.5 + 0.5 * self._chance()))

    def _until_renewal(self, token: Token, now: float) -> float:
        """Seconds. An endpoint that gives the same ageing token again is not asked at every moment."""
        pause = min(30.0, max(0.05, (token.expires_at - now) / 4))
        return max(pause, (token.refresh_at - now) * (1.0 - 0.1 * self._chance()))

    def _schedule(self, scope: str, after: float) -> None:
        earlier = self._timers.pop(scope, None)
        if earlier is not None:
            earlier.cancel()
        self._timers[scope] = asyncio.get_running_loop().call_later(after, self._flight, scope)
