"""One token for those who may block, in any number of threads: used until it should be renewed, asked for once at a time.

What lives in an event loop alone uses `tokens` in its place.
"""

import threading
import time

from core.identity import Token, TokenIssuer, TokenUnavailable
from core.identity.threads import in_thread
from core.identity.tokens import FORCED_EVERY

_AGAIN = 5.0  # seconds between two attempts to renew a token that is still good


class HeldToken:
    """The token of one identity for one scope."""

    def __init__(self, issuer: TokenIssuer, scope: str, *, forced_every: float = FORCED_EVERY) -> None:
        """`forced_every`: seconds between two renewals of tokens that were refused; another one may help nobody."""
        self._issuer = issuer
        self._scope = scope
        self._forced_every = forced_every
        self._forced_at = float("-inf")  # monotonic seconds
        self._held: Token | None = None
        self._not_before = 0.0  # Unix seconds: the issuer has just failed
        self._asking = threading.Lock()

    def ready(self) -> Token | None:
        """The token where none has to be asked for now; waits for nothing."""
        held, now = self._held, time.time()
        good = held is not None and now < held.expires_at and now < max(held.refresh_at, self._not_before)
        return held if good else None

    def current(self) -> Token:
        """The token, asked for now where it should be renewed. Raises `TokenUnavailable` where none is good."""
        ready = self.ready()
        if ready is not None:
            return ready
        with self._asking:
            ready = self.ready()  # somebody may have asked meanwhile
            if ready is not None:
                return ready
            try:
                self._held = self._issuer.issue(self._scope)
            except TokenUnavailable:
                now = time.time()
                self._not_before = now + _AGAIN
                if self._held is None or now >= self._held.expires_at:
                    self._held = None
                    raise
            return self._held

    async def obtain(self) -> Token:
        """`current`, in an event loop that it does not hold up."""
        ready = self.ready()
        return ready if ready is not None else await in_thread(self.current)

    def refuse(self, token: str) -> None:
        """It was not taken: the next one is asked for anew, where that was not tried a moment ago."""
        now = time.monotonic()
        with self._asking:
            if self._held is not None and self._held.value == token and now - self._forced_at >= self._forced_every:
                self._forced_at = now
                self._held = None
