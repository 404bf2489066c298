"""An issuer's signing keys as they are known here: fetched beside the calls, kept while the issuer is away, and asked for
anew when a token names a key that is not among them, but not at anybody's pace.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from time import monotonic

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from proxy.entra.discovery import KeysUnavailable, SigningKeys

_log = logging.getLogger("aduana.entra")


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds."""

    refresh: float = 3600.0  # between two fetches: Entra announces keys a day ahead, and may roll them at any time
    retry: tuple[float, float] = (1.0, 60.0)  # after a failure: the first pause, and the longest
    unknown: float = 30.0  # between two fetches that tokens with unknown keys cause
    patience: float = 10.0  # for one fetch


class KeyRing:
    """The keys of one issuer."""

    def __init__(
        self,
        name: str,
        fetch: Callable[[], Awaitable[SigningKeys]],
        rhythm: Rhythm,
        on_withdrawn: Callable[[Iterable[str]], object] = lambda _: None,
    ) -> None:
        """`on_withdrawn` is called with the ids of keys that the issuer has no more."""
        self.keys: SigningKeys = {}
        self.problem: str | None = None  # why the last fetch failed
        self.fetched_at = float("-inf")  # monotonic seconds
        self._name = name
        self._fetch = fetch
        self._rhythm = rhythm
        self._on_withdrawn = on_withdrawn
        self._flight: asyncio.Task[None] | None = None
        self._asked = float("-inf")

    async def key(self, id: str) -> RSAPublicKey | None:
        """A key; None: the issuer has none of this id. Raises `KeysUnavailable` where that cannot be known now."""
        if id not in self.keys and self._flight is not None:
            await asyncio.shield(self._flight)
        if id not in self.keys and monotonic() - self._asked >= self._rhythm.unknown:
            self._asked = monotonic()
            await self.refresh()
        if id not in self.keys and self.problem is not None:
            raise KeysUnavailable(self.problem)
        return self.keys.get(id)

    async def refresh(self) -> None:
        """Fetch the keys, once for all who wait; a failure is in `problem`, and the old keys stay."""
        if self._flight is None:
            self._flight = asyncio.get_running_loop().create_task(self._replace())
            self._flight.add_done_callback(self._landed)
        # Shielded: who hangs up must not take the fetch away from the others.
        await asyncio.shield(self._flight)

    async def run(self) -> None:
        """Keep them fresh until cancelled."""
        first, longest = self._rhythm.retry
        pause = first
        while True:
            await self.refresh()
            if self.problem is None:
                pause = first
                # Replicas that started together need not ask together.
                await asyncio.sleep(self._rhythm.refresh * random.uniform(0.8, 1.0))  # noqa: S311
            else:
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)

    async def close(self) -> None:
        """End a fetch under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait([self._flight])

    async def _replace(self) -> None:
        try:
            async with asyncio.timeout(self._rhythm.patience):
                keys = await self._fetch()
        except (KeysUnavailable, TimeoutError) as error:
            problem = str(error) or f"no answer within {self._rhythm.patience:g} seconds"
            if problem != self.problem:
                _log.warning("the signing keys of %s cannot be fetched: %s", self._name, problem)
            self.problem = problem
            return
        except Exception:
            _log.exception("the signing keys of %s cannot be fetched", self._name)
            self.problem = "the fetch failed"
            return
        withdrawn = self.keys.keys() - keys.keys()
        self.keys, self.problem, self.fetched_at = keys, None, monotonic()
        if withdrawn:
            self._on_withdrawn(withdrawn)

    def _landed(self, _: asyncio.Task[None]) -> None:
        self._flight = None
