"""Prompt-cache affinity: calls of one app that begin alike prefer one target, whichever replica they come to.

Weighted rendezvous hashing (-ln(hash)/weight, the smallest first): a target that comes or goes moves only its own share.
"""

import math
from collections.abc import Sequence
from hashlib import blake2b
from itertools import groupby

from proxy.bodies import Body, JsonBody
from proxy.routing.candidates import Candidate

_PREFIX = 1024  # bytes of a prompt, by which it is known
# In the order in which a provider puts them together; the first that is there of the second line is the conversation.
_BEFORE = ("instructions",)
_CONVERSATION = ("messages", "input", "prompt")
_HASHES = 2.0**64


def by_affinity(candidates: Sequence[Candidate], app_id: bytes, body: Body) -> Sequence[Candidate]:
    """The candidates with those of a route that wants it in the order of the prompt, priority by priority."""
    if not any(candidate.route.prompt_cache_affinity for candidate in candidates) or not isinstance(body, JsonBody):
        return candidates
    prefix = prompt_prefix(body)
    if not prefix:
        return candidates
    order: list[Candidate] = []
    for _, tier in groupby(candidates, key=lambda each: (id(each.route), each.target.priority)):
        equals = list(tier)
        if len(equals) > 1 and equals[0].route.prompt_cache_affinity:
            equals.sort(key=lambda each: _distance(app_id, prefix, each))
        order.extend(equals)
    return order


def prompt_prefix(body: JsonBody) -> bytes:
    """What a provider would look its cache up by: the caller's own `prompt_cache_key`, or how the prompt begins."""
    fields = body.fields
    key = fields.get("prompt_cache_key")
    if key is not None and bytes(key) != b"null":
        return bytes(key)[:_PREFIX]
    parts = [bytes(fields[name]) for name in _BEFORE if name in fields]
    parts += [bytes(fields[name]) for name in _CONVERSATION if name in fields][:1]
    return b"\0".join(parts)[:_PREFIX]


def _distance(app_id: bytes, prefix: bytes, candidate: Candidate) -> float:
    """The smaller, the dearer; in proportion to the weight."""
    name = f"{candidate.upstream}\0{candidate.deployment}".encode()
    hashed = blake2b(b"\0".join((app_id, name, prefix)), digest_size=8).digest()
    share = (int.from_bytes(hashed) + 1) / (_HASHES + 1)  # above 0, at most 1
    return -math.log(share) / candidate.target.weight
