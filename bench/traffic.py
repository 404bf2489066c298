"""What is asked and what must come back: the loader and the fake upstream both derive every byte from a `Plan`.

A plan's tag stands in the prompt, so the upstream answers exactly what the loader expects of this very request: an
answer that a gateway handed to the wrong caller, or a stale one, is a wrong answer.
"""

import functools
import json
from dataclasses import dataclass

CREDIT = -1
"""As a pace: an event is sent when the loader has received the one before it."""

PROMPT_TOKENS = 57
COMPLETION_TOKENS = 42
MODEL = "bench"
MARKERS = 10_000
TAG_PREFIX = b"[bench "
TAG_LENGTH = 23
DONE = b"data: [DONE]\n\n"
CREDIT_GREETING = b"CREDIT\n"
"""What opens the connection on which the loader grants events: markers follow, two bytes each, big-endian."""

_SYSTEM = (
    "You are the assistant of the customer service of an insurance company. Answer in English, in at most five "
    "sentences, and never promise a payment. If you do not know, say so and name the department that does."
)
_QUESTION = (
    "My bicycle was stolen from the cellar of the house last Tuesday night. The door was locked and the lock was "
    "broken open. What do you need from me, and how long will it take?"
)
_ANSWER = (
    "I am sorry to hear that. Please send us the report of the police, the receipt or a photograph of the bicycle, "
    "and a picture of the broken lock. The claims department answers within five working days."
)
_PIECES = (
    " Please",
    " send",
    " us",
    " the",
    " report",
    " of",
    " the",
    " police",
    ",",
    " the",
    " receipt",
    " and",
    " a",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """One kind of request: who asks (`marker`, 0 to 9,999), and what the upstream shall do."""

    marker: int
    chunks: int = 0  # events of a stream, `[DONE]` and usage not counted; 0: a whole answer
    pace_ms: int = 0  # between two events; 0: one a turn of the upstream's loop; CREDIT: on demand

    @property
    def tag(self) -> bytes:
        """What stands in the prompt: fixed width, so that the upstream finds it by slicing."""
        return b"[bench %04d %04d %+05d]" % (self.marker, self.chunks, self.pace_ms)

    @classmethod
    def from_tag(cls, tag: bytes) -> "Plan":
        """The plan that a tag names. Raises `ValueError` for what is none."""
        if len(tag) != TAG_LENGTH or not tag.startswith(TAG_PREFIX):
            raise ValueError(f"{tag!r} is no tag of the bench")
        marker, chunks, pace = tag[len(TAG_PREFIX) : -1].split()
        return cls(int(marker), int(chunks), int(pace))


def request_body(plan: Plan) -> bytes:
    """The chat completion that is asked for: a system prompt and a question, about 600 bytes."""
    body: dict[str, object] = {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": _SYSTEM},
            {"role": "user", "content": f"{plan.tag.decode()} {_QUESTION}"},
        ],
        "temperature": 0.2,
        "max_tokens": 256,
    }
    if plan.chunks:
        body["stream"] = True
    return _json(body)


def request(plan: Plan, host: str, path: str, key: str) -> bytes:
    """The whole request as the loader writes it, the head as the OpenAI SDK sends it (in short)."""
    body = request_body(plan)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nAccept: application/json\r\nUser-Agent: OpenAI/Python\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def answer_body(plan: Plan) -> bytes:
    """The whole answer, as Azure OpenAI shapes it."""
    return _json(
        {
            "choices": [
                {
                    "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}},
                    "finish_reason": "stop",
                    "index": 0,
                    "logprobs": None,
                    "message": {"content": _ANSWER, "refusal": None, "role": "assistant"},
                }
            ],
            "created": 1_780_000_000,
            "id": _marked(plan.marker).decode(),
            "model": "gpt-4o-2024-11-20",
            "object": "chat.completion",
            "system_fingerprint": "fp_bench",
            "usage": _USAGE,
        }
    )


def events(plan: Plan, *, usage: bool) -> list[bytes]:
    """A stream's events without `[DONE]`, as Azure OpenAI shapes them: filter results, a role, pieces, an end.

    `usage`: what `stream_options.include_usage` adds, `"usage":null` in each and a last event without choices.
    """
    marker = _marked(plan.marker)
    return [event.replace(_UNMARKED, marker) for event in _events(plan.chunks, usage)]


def _marked(marker: int) -> bytes:
    return b"chatcmpl-bench-%04d" % marker


_UNMARKED = b"chatcmpl-bench-????"


@functools.cache
def _events(chunks: int, usage: bool) -> tuple[bytes, ...]:
    if chunks < 3:
        raise ValueError("a stream has at least three events")
    made = [
        _event({"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": [_FILTER]})
    ]
    made.append(_piece({"content": "", "refusal": None, "role": "assistant"}, None, usage))
    for number in range(chunks - 3):
        made.append(_piece({"content": _PIECES[number % len(_PIECES)]}, None, usage))
    made.append(_piece({}, "stop", usage))
    if usage:
        made.append(_event({"choices": [], **_ENVELOPE, "usage": _USAGE}))
    return tuple(made)


_USAGE = {
    "completion_tokens": COMPLETION_TOKENS,
    "completion_tokens_details": {"reasoning_tokens": 0},
    "prompt_tokens": PROMPT_TOKENS,
    "prompt_tokens_details": {"cached_tokens": 0},
    "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
}
_FILTER = {"prompt_index": 0, "content_filter_results": {"jailbreak": {"filtered": False, "detected": False}}}


_ENVELOPE = {
    "created": 1_780_000_000,
    "id": _UNMARKED.decode(),
    "model": "gpt-4o-2024-11-20",
    "object": "chat.completion.chunk",
    "system_fingerprint": "fp_bench",
}


def _piece(delta: dict[str, object], finish: str | None, usage: bool) -> bytes:
    choice = {"content_filter_results": {}, "delta": delta, "finish_reason": finish, "index": 0, "logprobs": None}
    return _event({"choices": [choice], **_ENVELOPE} | ({"usage": None} if usage else {}))


def _event(value: dict[str, object]) -> bytes:
    return b"data: " + _json(value) + b"\n\n"


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
