"""The ids of objects within a JSON body: what a call names beside its path.

A field that names an object has to name one of the caller's own. An item of a conversation that is passed back with its id
may be unknown (providers forget what was not to be stored), but not somebody else's.
"""

import re
from typing import Any, NamedTuple

import msgspec

from proxy.bodies import JsonBody
from proxy.endpoints import Endpoint

# Fields whose value is an id, a list of ids, or an object with an `id` of its own.
FIELDS = frozenset(
    {
        "agent_id",
        "assistant_id",
        "audio",
        "batch_id",
        "characters",
        "comparison_response_id",
        "consent",
        "container",
        "container_id",
        "conversation",
        "credential_id",
        "error_file_id",
        "eval_id",
        "file_id",
        "file_ids",
        "input_file_id",
        "output_file_id",
        "part_ids",
        "previous_response_id",
        "prompt",
        "response_id",
        "result_files",
        "skill_id",
        "thread_id",
        "training_file",
        "upload_id",
        "validation_file",
        "vault_ids",
        "vector_store_id",
        "vector_store_ids",
        "video",
        "voice",
    }
)
WORDS = frozenset({"audio", "prompt", "voice", "characters", "video"})
"""Of them those whose values may be words as well as ids: only an object with an `id` names one."""
# Where `{"type": …, "id": …}` names something that is there already.
_TYPES = frozenset({"item_reference", "file_id", "skill_reference"})
# Whole objects, by their `object`.
OBJECTS = {"file": "file", "thread": "thread", "thread.run": "run", "conversation": "conversation"}
# The caller's own words, whatever they look like.
NOT_READ = frozenset({"metadata", "parameters", "schema", "json_schema", "arguments", "content_provenance", "text"})
# Names and texts of the caller's own, but values that are no texts (a file in the place of a word) name objects like any other.
_OWN_NAMES = "variables"
_ITEMS = ("input", "items")  # lists of a conversation's items

_looked_for = sorted(FIELDS - {"audio", "prompt"})
# What begins with one letter alone is found five times as fast as what may begin with several: all of it begins with a quote,
# and behind that a letter says at once that most of a body's quotes begin nothing.
_named = f'(?=[{"".join(sorted({name[0] for name in _looked_for}))}])(?:{"|".join(_looked_for)})"'
_audio = r'audio"\s*:\s*[{\[]'  # a piece of sound as text is not worth a look
_types = '|(?:item|skill)_reference"'
_maybe = re.compile(rf'"(?:{_named}|{_audio}{_types}|object"\s*:)'.encode()).search
_maybe_of_items = re.compile(rf'"(?:{_named}|(?:prompt|id)"|{_audio}{_types})'.encode()).search
_HIDDEN = b"\\u00"  # escaped letters may hide any of it

_WITH_ITEMS = frozenset({"responses", "conversations"})  # scopes
_WITH_PROMPTS = _WITH_ITEMS | {"realtime"}
_encode = msgspec.json.Encoder().encode


class References(NamedTuple):
    """What a body names."""

    own: dict[str, str]  # id → the field that names it: has to be the caller's
    passed_back: frozenset[str] = frozenset()  # must not be somebody else's


def may_refer(endpoint: Endpoint, data: bytes) -> bool:
    """Whether a body is worth reading for references: two quick passes over its bytes."""
    search = _maybe_of_items if endpoint.scope in _WITH_PROMPTS else _maybe
    return search(data) is not None or _HIDDEN in data


def references(endpoint: Endpoint, body: JsonBody) -> References:
    """All that a body names. What was read is what is sent on: of a key that stands twice, an upstream could read the other."""
    own: dict[str, str] = {}
    top = {name: body.read(name) for name in body.fields if name not in NOT_READ}
    for name, value in top.items():
        if isinstance(value, dict | list):
            body.fields[name] = msgspec.Raw(_encode(value))
    waiting: list[Any] = [top]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, dict):
            if (each.get("type") in _TYPES or each.get("object") in OBJECTS) and isinstance(each.get("id"), str):
                own[each["id"]] = "id"
            for name, value in each.items():
                if name in FIELDS:
                    _take(name, value, own)
                if name == _OWN_NAMES and isinstance(value, dict):
                    waiting.extend(value.values())
                elif name not in NOT_READ and isinstance(value, dict | list):
                    waiting.append(value)
    back = _passed_back(body) if endpoint.scope in _WITH_ITEMS else frozenset()
    return References(own, back - own.keys())


def _take(name: str, value: Any, own: dict[str, str]) -> None:
    if isinstance(value, list):
        for each in value:
            _take(name, each, own)
    elif isinstance(value, dict):
        id = value.get("id")
        if isinstance(id, str):
            own[id] = name
    elif isinstance(value, str) and name not in WORDS:
        own[value] = name


def _passed_back(body: JsonBody) -> frozenset[str]:
    found = set()
    for name in _ITEMS:
        items = body.read(name) if name in body.fields else None
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict) and isinstance(item.get("id"), str) and item.get("type") not in _TYPES:
                found.add(item["id"])
    return frozenset(found)
