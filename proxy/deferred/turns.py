"""What an agent's session used, turn by turn: each turn that has ended is an event of its own, with its own time.

A session has no end. Its row is ended when it rests and all its turns are accounted for, and is taken up again by the next call
that may make it work (core.objects.store). A turn's event has an id that its session and its time give it, whichever call and
process it is written for.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from time import time
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Raw, Struct

from core.ids import share_id
from core.ledger.records import Settled
from proxy.deferred import Due, NotAccounted
from proxy.deferred.asking import Gone, ask
from proxy.deferred.shares import MODEL_UNREPORTED, Shares, event_of
from proxy.deferred.sold import Sold, sold_as
from proxy.endpoints.table import ENDPOINTS
from proxy.forwarding import Forwarder
from proxy.metering.figures import Usage, under
from proxy.metering.tools import units_of_items
from proxy.routing import RouteTable
from proxy.unreadable import UNREADABLE

_ENDED = frozenset({"completed", "failed", "cancelled"})
_LATE = 60.0  # seconds that an ended turn's usage may take to be told
_STARTS = 120.0  # seconds that a turn may take to show after the call that began it
_OLDEST, _AHEAD = 400 * 86400.0, 300.0  # seconds between which a turn's own time is believed
_A_PAGE, _MOST_PAGES = 100, 100
_ROWS = {row.name: row for row in ENDPOINTS}
_SESSION = "agents.sessions"


class _Agent(Struct):
    model: str | None = None
    service_tier: Raw = Raw()
    tools: list[Any] = []
    multi_agent: Any = None


class _Session(Struct):
    status: str
    agent: _Agent


class _Turn(Struct):
    id: str
    status: str
    created_at: float
    completed_at: float | None = None
    usage: Usage | None = None


class _Page(Struct):
    data: list[Any]
    has_more: bool | None = False


class Looked(NamedTuple):
    """What one look at a session found."""

    events: Sequence[Settled]  # not in the ledger yet
    over: bool  # nothing more is to come until somebody asks the session to work


Written = Callable[[Sequence[bytes]], Awaitable[set[bytes]]]
_decode_session = msgspec.json.Decoder(_Session).decode
_decode_page = msgspec.json.Decoder(_Page).decode


class Turns:
    """Asks for the turns of sessions."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder

    async def look(self, routes: RouteTable, due: Due, body: bytes, written: Written) -> Looked:
        """`body`: the session; `written`: which events have their rows. Raises `NotAccounted`."""
        try:
            session = _decode_session(body)
        except UNREADABLE:
            raise NotAccounted(f"upstream {due.upstream} answered what is no session") from None
        look = _Look(self._forwarder, routes, due, session.agent, written)
        await look.turns(f"{_SESSION}.turns", {})
        if _said(session.agent.multi_agent, "enabled") is True:
            async for page in look.pages(f"{_SESSION}.subagents.list", {}):
                for subagent in page:
                    id = _said(subagent, "id")
                    if isinstance(id, str):
                        await look.turns(f"{_SESSION}.subagents.turns", {"subagent": id}, MODEL_UNREPORTED)
        began = look.began or time() - due.made_at > _STARTS
        return Looked(look.events, session.status != "in_progress" and began and not look.waits)


class _Look:
    """One look at one session."""

    def __init__(self, forwarder: Forwarder, routes: RouteTable, due: Due, agent: _Agent, written: Written) -> None:
        self._forwarder, self._routes, self._due, self._agent, self._written = forwarder, routes, due, agent, written
        self._searches = any(_said(tool, "type") == "web_search" for tool in agent.tools)
        self.events: list[Settled] = []
        self.began = False  # a turn shows that the call has been heeded
        self.waits = False  # a turn has ended and does not say yet what it used

    async def turns(self, rows: str, ids: dict[str, str], error_code: str | None = None) -> None:
        """The turns of the session or of a subagent, the newest first, back to those that are in the ledger."""
        async for page in self.pages(f"{rows}.list", ids):
            turns = self._read(page)
            self.began |= any(
                max(turn.created_at, turn.completed_at or 0.0) >= int(self._due.made_at) for turn in turns
            )
            ended = {_event_id(due): (turn, due) for turn, due in self._ended(turns)}
            there = await self._written(list(ended))
            new = [each for id, each in ended.items() if id not in there]
            for turn, due in new:
                await self._add(turn, due, f"{rows}.items.list", ids, error_code)
            if there and not new:
                return

    async def _add(self, turn: _Turn, due: Due, items: str, ids: dict[str, str], error_code: str | None) -> None:
        tokens = turn.usage.tokens() if turn.usage is not None else None
        if tokens is None:
            if time() - (turn.completed_at or turn.created_at) < _LATE:
                self.waits = True
                return
            if turn.status != "completed":
                return
        else:
            if self._searches:
                found: list[Any] = []
                async for page in self.pages(items, {**ids, "turn": turn.id}):
                    found += (item for item in page if isinstance(item, dict))
                tokens = tokens._replace(units=(*tokens.units, *units_of_items(found)))
            tokens = under(tokens, self._agent.service_tier)
        shares = Shares(lambda _: self._sold(due))
        shares.add(None, tokens)
        (share,) = shares.flagged(error_code) if error_code is not None else shares.all()
        self.events.append(event_of(due, share, _event_id(due), self._due.call.id))

    async def pages(self, row: str, ids: dict[str, str]) -> AsyncIterator[list[Any]]:
        """What a list of the session's holds, page by page. Raises `NotAccounted`."""
        endpoint, after = _ROWS[row], None
        values = {kind: quote(id, safe="") for kind, id in {"agent_session": self._due.object_id, **ids}.items()}
        for _ in range(_MOST_PAGES):
            query = urlencode({"limit": _A_PAGE, "order": "desc", **({"after": after} if after is not None else {})})
            path = endpoint.filled(values)
            try:
                page = _decode_page(await ask(self._forwarder, self._routes, self._due.upstream, endpoint, path, query))
            except Gone:  # the session says so itself, where it is gone
                raise NotAccounted(f"upstream {self._due.upstream} answered 404 for a part of a session") from None
            except UNREADABLE:
                raise NotAccounted(f"upstream {self._due.upstream} answered what is no list") from None
            yield page.data
            after = _said(page.data[-1], "id") if page.data else None
            if not page.has_more or not isinstance(after, str):
                return

    def _read(self, page: list[Any]) -> list[_Turn]:
        try:
            return msgspec.convert(page, list[_Turn])
        except msgspec.ValidationError:
            raise NotAccounted(f"upstream {self._due.upstream} answered what is no turn") from None

    def _sold(self, due: Due) -> Sold:
        """As what the session's model was sold then: the one that it has now, which need not be the one that it began with."""
        return sold_as(self._routes, due, self._agent.model, may_change=True)

    def _ended(self, turns: Iterable[_Turn]) -> Iterator[tuple[_Turn, Due]]:
        """Those that have ended, each as something that was due by itself: at its own time, where that can be true."""
        call, now = self._due.call, time()
        session = hashlib.sha256(f"{call.client_id.hex()} {self._due.upstream} {self._due.object_id}".encode()).digest()
        for turn in turns:
            if turn.status in _ENDED:
                at = turn.created_at if now - _OLDEST < turn.created_at < now + _AHEAD else self._due.made_at
                made = msgspec.structs.replace(call, id=int(at * 1000).to_bytes(6, "big") + session[:10])
                yield turn, replace(self._due, object_id=turn.id, call=made)


def _event_id(due: Due) -> bytes:
    """Of a turn: whatever its session's model is called by now, it is the same event."""
    return share_id(due.call.id, due.object_id)


def _said(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
