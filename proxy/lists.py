"""Lists of a caller's own objects: which they are says our table, what they are says the upstream that has each.

A provider's own list would show everybody's: its account is shared by all callers.
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from core.ledger.records import Call
from core.objects import Owner
from core.snapshot import Caller
from proxy.addressing import owners_unavailable
from proxy.connection import Answer
from proxy.credentials import CredentialUnavailable
from proxy.endpoints import Endpoint
from proxy.endpoints.table import RETRIEVED
from proxy.errors import Refusal, upstream_failed
from proxy.forwarding import Forwarder
from proxy.headers import Headers
from proxy.objects import CursorUnknown, Objects, OwnersUnavailable
from proxy.routing import RouteTable
from proxy.settlement import Outcome
from proxy.unreadable import UNREADABLE
from proxy.upstream import UpstreamError

_DEFAULT, _MOST = 20, 100
_AT_ONCE = 8  # objects asked for at once
_LARGEST = 4 * 1024 * 1024  # bytes of one object
# How far a list that is filtered looks on for more: of our table, and at the upstreams.
_MOST_PAGES = 10
_MOST_FETCHED = 200
LEFT_OUT = b"x-aduana-left-out"
"""The header that says how many objects a list leaves out: their upstream is configured no longer."""

_BY_VALUE = frozenset({"after", "before", "purpose", "model", "agent_id"})
_JSON = (b"content-type", b"application/json")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class _Asked(msgspec.Struct):
    """What of a list is wanted."""

    limit: int = _DEFAULT
    after: str | None = None
    before: str | None = None
    ascending: bool = False
    purpose: str | None = None
    model: str | None = None
    agent_id: str | None = None
    metadata: dict[str, str] = {}

    def may_want(self, owner: Owner) -> bool:
        """Whether an object is worth asking for: what we know of it does not change."""
        purpose = owner.details.get("purpose")
        return self.purpose is None or purpose is None or purpose == self.purpose

    def wants(self, found: dict[str, Any]) -> bool:
        if self.purpose is not None and found.get("purpose") != self.purpose:
            return False
        if self.model is not None and found.get("model") != self.model:
            return False
        agent = found.get("agent")
        if self.agent_id is not None and not (isinstance(agent, dict) and agent.get("id") == self.agent_id):
            return False
        metadata = found.get("metadata") or {}
        return all(metadata.get(name) == value for name, value in self.metadata.items())


class Lists:
    """Answers lists. One a process."""

    def __init__(self, objects: Objects, forwarder: Forwarder) -> None:
        self._objects = objects
        self._forwarder = forwarder

    async def answer(
        self,
        endpoint: Endpoint,
        caller: Caller,
        call: Call,
        routes: RouteTable,
        query: bytes,
        answer: Answer,
        own_headers: Headers,
        outcome: Outcome,
    ) -> None:
        """Answer one. Raises `Refusal`."""
        assert endpoint.lists is not None
        asked = _read(query)
        data: list[dict[str, Any]] = []
        after, has_more, fetched = asked.after, True, 0
        gone: set[str] = set()
        for _ in range(_MOST_PAGES):
            try:
                page = await self._objects.page(
                    caller.client_id,
                    caller.app_id,
                    endpoint.lists,
                    after=after,
                    before=asked.before,
                    limit=asked.limit,
                    ascending=asked.ascending,
                )
            except CursorUnknown as error:
                raise Refusal(
                    400,
                    "invalid_cursor",
                    f"No object in this list is '{error.id[:64]}'.",
                    param="before" if error.id == asked.before else "after",
                ) from None
            except OwnersUnavailable as error:
                raise owners_unavailable(error.retry_after) from None
            upstreams = routes.snapshot.upstreams
            gone.update(owner.id for owner in page.owners if owner.upstream not in upstreams)
            owners = [owner for owner in page.owners if owner.upstream in upstreams and asked.may_want(owner)]
            cut = len(owners) > _MOST_FETCHED - fetched
            owners = owners[: _MOST_FETCHED - fetched]
            fetched += len(owners)
            found = await self._fetch(owners, routes, endpoint.lists, call)
            data.extend(each for each in found if each is not None and asked.wants(each))
            has_more = cut or page.has_more
            after = (owners if cut else page.owners)[-1].id if page.owners else after
            if not has_more or fetched >= _MOST_FETCHED or len(data) >= asked.limit or asked.before is not None:
                break
        looked_through = len(data) < asked.limit  # and there may be more behind what was looked at
        has_more = has_more or len(data) > asked.limit
        data = data[: asked.limit]
        last = data[-1].get("id") if data else None
        listed = {
            "object": "list",
            "data": data,
            "first_id": data[0].get("id") if data else None,
            "last_id": after if has_more and looked_through and asked.before is None else last,
            "has_more": has_more,
        }
        outcome.status = 200
        left_out = [(LEFT_OUT, b"%d" % len(gone))] if gone else []
        answer.whole(200, [_JSON, *left_out, *own_headers], _encode(listed))

    async def _fetch(
        self, owners: Sequence[Owner], routes: RouteTable, kind: str, call: Call
    ) -> list[dict[str, Any] | None]:
        turn = asyncio.Semaphore(_AT_ONCE)

        async def one(owner: Owner) -> dict[str, Any] | None:
            async with turn:
                return await self._one(owner, routes, kind, call)

        return list(await asyncio.gather(*(one(owner) for owner in owners)))

    async def _one(self, owner: Owner, routes: RouteTable, kind: str, call: Call) -> dict[str, Any] | None:
        """The object as its upstream has it; None where it is gone there."""
        row = RETRIEVED.get(kind)
        if row is None:
            return {"id": owner.id, "object": kind, "created_at": int(owner.created_at)}
        candidate = routes.place(owner.upstream, row)
        target = candidate.path.replace(b"{%b}" % kind.encode(), owner.id.encode())
        try:
            status, body = await self._forwarder.fetch(candidate, target, _LARGEST)
        except CredentialUnavailable:
            raise upstream_failed("upstream_credential_unavailable") from None
        except UpstreamError as error:
            raise upstream_failed(error.code) from None
        if status == 404:
            # One that does not name the object may be the surface's (a wrong address or api_version), not the object's.
            if _names(body, owner.id.encode()):
                await self._objects.release(call, owner.id)
            return None
        if status >= 300:
            raise upstream_failed(f"http_{status}")
        try:
            return _decode(body)
        except UNREADABLE:
            raise upstream_failed("upstream_bad_answer") from None


def _names(body: bytes, id: bytes) -> bool:
    """Whether an error speaks of an object, not of a URL that has its id at the end."""
    return id in body and b"/" + id not in body


def _read(query: bytes) -> _Asked:
    asked = _Asked(metadata={})
    for name, value in parse_qsl(query.decode("ascii", "replace"), keep_blank_values=True):
        if name == "limit":
            if not (value.isascii() and value.isdigit() and len(value) <= 9 and 1 <= int(value) <= 10_000):
                raise Refusal(400, "invalid_limit", "'limit' must be a whole number from 1 to 10000.", param="limit")
            asked.limit = min(int(value), _MOST)
        elif name == "order":
            if value not in ("asc", "desc"):
                raise Refusal(400, "invalid_order", "'order' must be asc or desc.", param="order")
            asked.ascending = value == "asc"
        elif name in _BY_VALUE and value:
            setattr(asked, name, value)
        elif name.startswith("metadata[") and name.endswith("]"):
            asked.metadata[name[9:-1]] = value
    return asked
