"""What a call leaves behind at a provider is written down with its owner before its id reaches the caller.

An answer's own id is the object that was made; further ids that a provider gives away in it (a batch's output file, the items
of a response, a container that a tool started) become the caller's as well.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from core.ledger.records import Call
from core.objects import NewObject, ObjectIdInvalid
from proxy.addressing import owners_unavailable
from proxy.endpoints import Endpoint, Metering
from proxy.endpoints.table import RETRIEVED
from proxy.errors import upstream_failed
from proxy.metering.events import data_of, events
from proxy.objects import Objects, OwnersUnavailable
from proxy.references import NOT_READ, OBJECTS
from proxy.unreadable import UNREADABLE

_KNOWN = 20_000  # ids of which one process remembers that they have their owner
_DEEPEST = 16
_AT_ONCE = 1000  # ids of one answer that are asked for or written down together

# Fields of answers that give ids away, and the kind of what they name.
_GIVEN = {
    "output_file_id": "file",
    "error_file_id": "file",
    "result_files": "file",
    "file_id": "file",
    "container_id": "container",
    "thread_id": "thread",
    "vector_store_id": "vector_store",
    "vector_store_ids": "vector_store",
}
# Scopes whose answers give away more than what the call made; what others tell (an eval's items) may be anybody's words.
_GIVING = frozenset({"responses", "conversations", "uploads", "batches", "fine_tuning", "assistants"})
# Of them what callers, their tools and their tools' servers say: an id there is no gift of the provider's.
_WORDS_OF_OTHERS = (NOT_READ - {"text"}) | {
    "variables",
    "tools",
    "attributes",
    "action",
    "env",
    "input_schema",
    "hyperparameters",
}
_DEFERRED = frozenset({Metering.DEFERRED, Metering.RUN})
_LISTS_ITEMS = frozenset({"conversations.items.create", "conversations.items.list", "responses.input_items.list"})
_ENDS = (b'"response.completed"', b'"response.incomplete"', b'"response.failed"')
_NAMING = (*_ENDS, b'"audio"')  # events behind the first that may give ids away

_decode = msgspec.json.Decoder().decode


class Known:
    """The ids that are known to have their owners: asking again would cost a round trip an answer. One a process."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def unknown(self, ids: Iterable[str]) -> list[str]:
        return [id for id in ids if id not in self._ids]

    def add(self, ids: Iterable[str]) -> None:
        for id in ids:
            self._ids[id] = None
        while len(self._ids) > _KNOWN:
            self._ids.popitem(last=False)


class Making:
    """One call's objects. `details` is what the gateway has to know of the object later."""

    def __init__(
        self,
        objects: Objects,
        known: Known,
        endpoint: Endpoint,
        call: Call,
        path: Mapping[str, str],
        *,
        makes: bool,
        details: dict[str, Any] | None = None,
        deferred: bool = False,
    ) -> None:
        self._objects = objects
        self._known = known
        self._endpoint = endpoint
        self._call = call
        self._path = path
        self._makes = makes
        self.deferred = makes and (deferred or endpoint.metering in _DEFERRED)  # its usage is known when it has ended
        self._told_id = False  # a stream's first event that names its object has passed
        self.details = details if details is not None else {}

    async def whole(self, body: bytes, upstream: str) -> None:
        """Of a whole answer. Raises `Refusal` where owners cannot be written down."""
        try:
            answer = _decode(body)
        except UNREADABLE:
            return  # no JSON: nothing is named in it
        await self._claim(self._found(answer), upstream)

    async def large(self, beginning: bytes, upstream: str) -> bool:
        """Of an answer that is too large to be held: its id stands at its beginning, or it cannot be passed on."""
        if not self._makes:
            return True
        at = beginning.find(b'"id"')
        quoted = beginning[at + 4 :].split(b'"', 2) if at != -1 else []
        if len(quoted) < 3:
            return False
        await self._claim({quoted[1].decode("ascii", "replace"): self._kind}, upstream)
        return True

    async def events(self, passed: bytes, upstream: str) -> None:
        """Of a stream's whole events, before they are passed on."""
        if self._told_id and self._endpoint.metering is not Metering.RUN and not any(end in passed for end in _NAMING):
            return
        for event in events(passed):
            data = data_of(event)
            if data is None or not data.startswith(b"{"):
                continue
            try:
                parsed = _decode(data)
            except UNREADABLE:
                continue
            answer = parsed.get(self._told_in, parsed) if isinstance(parsed, dict) else None
            if isinstance(answer, dict) and isinstance(answer.get("id"), str):
                await self._claim(self._found(answer), upstream)
                self._told_id = True

    async def resume(self, upstream: str) -> None:
        """What the path names may work on from here: its usage is to be asked for again, though nobody hears how the call
        ends. Raises `Refusal`."""
        kind = self._endpoint.kinds[-1]
        path = RETRIEVED[kind].filled(self._path)
        model = self._call.requested_model or None
        try:
            await self._objects.claim(
                self._call, [NewObject(self._path[kind], kind, upstream, model, deferred_path=path)]
            )
        except OwnersUnavailable as error:
            raise owners_unavailable(error.retry_after) from None

    @property
    def _told_in(self) -> str:
        """The field of a stream's events that holds the object."""
        return "session" if self._endpoint.scope == "agents" else "response"

    @property
    def _kind(self) -> str:
        return self._endpoint.makes or ""

    def _found(self, answer: Any) -> dict[str, str]:
        """The ids that an answer gives to its caller, and their kinds."""
        found: dict[str, str] = {}
        if not isinstance(answer, dict):
            return found
        own = answer.get("id")
        if self._makes and isinstance(own, str) and (self._kind != "run" or answer.get("object") in OBJECTS):
            found[own] = OBJECTS.get(str(answer.get("object")), self._kind)  # a run's stream tells of its messages, too
        for item in self._items(answer):
            if isinstance(item, dict) and isinstance(item.get("id"), str):
                found.setdefault(item["id"], "item")
        if self._endpoint.scope == "chat.completions":
            _harvest_audio(answer, found)
        if self._endpoint.scope in _GIVING:
            _harvest(answer, found, _DEEPEST)
        return found

    def _items(self, answer: dict[str, Any]) -> Iterable[Any]:
        """A conversation's items: of a response (when it is read, too: one in the background has none before), of a list."""
        if self._endpoint.name in _LISTS_ITEMS:
            items = answer.get("data")
        else:
            items = answer.get("output") if self._endpoint.scope == "responses" else None
        return items if isinstance(items, list) else ()

    async def _claim(self, found: Mapping[str, str], upstream: str) -> None:
        named = self._path.values()  # what the call asks for is not given away by its answer
        ids = [id for id in self._known.unknown(found) if id not in named]
        try:
            for start in range(0, len(ids), _AT_ONCE):
                await self._claim_some(ids[start : start + _AT_ONCE], found, upstream)
        except OwnersUnavailable as error:
            raise owners_unavailable(error.retry_after) from None
        except ObjectIdInvalid:
            raise upstream_failed("upstream_bad_answer") from None
        if ids:
            self._known.add(found)

    async def _claim_some(self, ids: list[str], found: Mapping[str, str], upstream: str) -> None:
        if not self._makes:
            there = await self._objects.find(self._call.client_id, ids)
            ids = [id for id in ids if id not in there]
        if ids:
            await self._objects.claim(self._call, [self._object(id, found, upstream) for id in ids])

    def _object(self, id: str, found: Mapping[str, str], upstream: str) -> NewObject:
        kind = found[id]
        main = self._makes and kind == self._kind
        parent = next((self._path[each] for each in self._endpoint.kinds if each in self._path), None)
        model = self._call.requested_model or None
        deferred_path = self._state_path(id, found) if main and self.deferred else None
        return NewObject(id, kind, upstream, model, parent, self.details if main else {}, deferred_path)

    def _state_path(self, id: str, found: Mapping[str, str]) -> str | None:
        """Where an object's state is asked for; what it is a part of may be as new as itself."""
        row = RETRIEVED.get(self._kind)
        if row is None:
            return None
        new = {kind: quote(each, safe="") for each, kind in found.items()}
        ids = {**new, **self._path, self._kind: quote(id, safe="")}
        return row.filled(ids) if ids.keys() >= set(row.kinds) else None


def _harvest_audio(answer: dict[str, Any], found: dict[str, str]) -> None:
    """Speech in a chat's answer has an id, by which a later turn may name it."""
    choices = answer.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        for name in ("message", "delta"):
            message = choice.get(name) if isinstance(choice, dict) else None
            audio = message.get("audio") if isinstance(message, dict) else None
            if isinstance(audio, dict) and isinstance(audio.get("id"), str) and audio["id"]:
                found.setdefault(audio["id"], "audio")


def _harvest(value: Any, found: dict[str, str], depth: int) -> None:
    if depth == 0:
        return
    if isinstance(value, list):
        for each in value:
            _harvest(each, found, depth - 1)
        return
    if not isinstance(value, dict):
        return
    if value.get("type") == "mcp_list_tools":
        return
    kind = OBJECTS.get(str(value.get("object")))
    if kind is not None and isinstance(value.get("id"), str):
        found.setdefault(value["id"], kind)
    for name, inner in value.items():
        kind = _GIVEN.get(name)
        if kind is not None:
            for id in inner if isinstance(inner, list) else (inner,):
                if isinstance(id, str) and id:
                    found.setdefault(id, kind)
        if name not in _WORDS_OF_OTHERS and isinstance(inner, dict | list):
            _harvest(inner, found, depth - 1)
