"""What may be asked and what is claimed: ids that could be some, and what a call made as the ledger's records say it."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from core.ledger.records import Call, Gone, Made
from core.objects import NewObject, ObjectIdInvalid, is_object_id
from proxy.objects import MOST_IDS, TooManyObjects

_MOST_DETAILS = 8192  # bytes
_LONGEST = 600  # characters of a model's name
_encode = msgspec.json.Encoder().encode


class Claims:
    """Makes records; their times grow within the process, so that a list has objects in the order of their making."""

    def __init__(self) -> None:
        self._last_us = 0

    def made(self, call: Call, objects: Sequence[NewObject]) -> list[Made]:
        """Raises `ObjectIdInvalid`, and `ValueError` for details beyond their bound."""
        return [self._made(call, each) for each in objects]

    def gone(self, call: Call, id: str) -> Gone:
        """The record that an object of the call's client is gone."""
        return Gone(call.client_id, id, self._now())

    def _made(self, call: Call, new: NewObject) -> Made:
        if not is_object_id(new.id):
            raise ObjectIdInvalid(f"the id of a new {new.kind}")
        if new.parent_id is not None and not is_object_id(new.parent_id):
            raise ObjectIdInvalid(f"the id of what a new {new.kind} is part of")
        # JSON may escape halves of surrogate pairs, which nothing else can hold.
        model = None if new.model is None else new.model[:_LONGEST].encode("utf-8", "replace").decode()
        details, path = _details(new.details), new.deferred_path
        return Made(call, new.id, new.kind, new.upstream, model, new.parent_id, details, path, self._now())

    def _now(self) -> int:
        self._last_us = max(time.time_ns() // 1000, self._last_us + 1)
        return self._last_us


def possible_ids(ids: Sequence[str]) -> list[str]:
    """What could be an id, each once. Raises `TooManyObjects`."""
    if len(ids) > MOST_IDS:
        raise TooManyObjects(len(ids))
    return [id for id in dict.fromkeys(ids) if is_object_id(id)]


def _details(details: Mapping[str, Any]) -> bytes:
    try:
        data = _encode(details)
    except UnicodeEncodeError:
        data = json.dumps(dict(details), ensure_ascii=False).encode("utf-8", "replace")
    if len(data) > _MOST_DETAILS:
        raise ValueError(f"an object's details are {len(data)} bytes, and {_MOST_DETAILS} are the most")
    return data
