"""Realtime sessions: a caller's WebSocket and one to a model provider, with the gateway's rules between them.

Events are relayed as they come. What a caller's event may name is checked before it goes on (`inspection`), each response is
admitted and settled as a share of the session (`shares`), and browsers come with tokens of our own (`tokens`, `minting`). No
token of a provider ever reaches a caller (docs/decisions/0012-realtime.md).
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from proxy.credentials import Credentials
from proxy.realtime.shares import Ledger
from proxy.realtime.tokens import EphemeralTokens
from proxy.upstream import UpstreamClient


@dataclass(frozen=True, slots=True)
class Realtime:
    """What sessions share in one process."""

    client: UpstreamClient
    credentials: Credentials
    ledger: Ledger
    tokens: EphemeralTokens
    sessions: set[asyncio.Task[Any]] = field(default_factory=set)

    def keep(self, session: asyncio.Task[Any] | None) -> None:
        """A session has begun in this task."""
        assert session is not None
        self.sessions.add(session)
        session.add_done_callback(self.sessions.discard)

    async def finish(self, timeout: float) -> None:
        """Wait for the sessions that are being closed, at most `timeout` seconds: their shares are settled then."""
        if self.sessions:
            await asyncio.wait(self.sessions, timeout=timeout)
