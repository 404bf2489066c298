"""The usage of what goes on without its caller, read when it has ended: lines of a batch's output, and objects."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

from proxy.endpoints import Endpoint
from proxy.metering import Tokens
from proxy.metering.figures import ABSENT, Usage, in_batch, milliseconds, positive, variant
from proxy.metering.requests import Request
from proxy.metering.tools import is_count
from proxy.metering.usage import TERMINAL_RUN, Response, usage_of_answer
from proxy.unreadable import UNREADABLE

_FIRST_ERROR = 400
MOST_TIME = 2.0**33  # Unix seconds


class BatchLine(NamedTuple):
    """One line of a batch's output."""

    custom_id: str | None  # as the line of its input says
    status: int | None
    model: str | None  # as the provider says
    tokens: Tokens | None  # None: it reports none, although it was served


class _LineResponse(Struct):
    status_code: int | None = None
    body: Raw = ABSENT


class _Line(Struct):
    custom_id: str | None = None
    response: _LineResponse | None = None


class _Named(Struct):
    model: str | None = None


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_named = msgspec.json.Decoder(_Named).decode


def usage_of_batch_line(endpoint: Endpoint, line: bytes, request: Request = None) -> BatchLine | None:
    """What a line of a batch over an endpoint reports; None where it is no such line. `request`: the body of its input's
    line. What was served is sold in the tier `batch`."""
    try:
        read = _decode_line(line)
        answer = read.response
        if answer is None or (answer.status_code or _FIRST_ERROR) >= _FIRST_ERROR:
            return BatchLine(read.custom_id, answer.status_code if answer is not None else None, None, Tokens())
        body = bytes(answer.body)
        tokens = usage_of_answer(endpoint, body, request)
        model = _decode_named(body).model
    except UNREADABLE:
        return None
    return BatchLine(read.custom_id, answer.status_code, model, in_batch(tokens) if tokens is not None else None)


class ObjectUsage(NamedTuple):
    """What an object says of its work."""

    ended: bool
    # By the provider's name of the model; none: nothing was billed. Tokens of None: it worked, and does not say how much.
    shares: tuple[tuple[str | None, Tokens | None], ...] = ()


class _Object(Response):
    """Of any kind that works on: each says its state, and its usage in its own way."""

    status: str | None = None
    model: Any = None
    seconds: Any = None  # a video's
    size: Any = None
    trained_tokens: Any = None
    per_model_usage: Any = None  # an eval run's
    created_at: Any = None  # a container's, in Unix seconds
    last_active_at: Any = None
    expires_after: Any = None
    memory_limit: Any = None


_decode_object = msgspec.json.Decoder(_Object).decode


def usage_of_object(
    kind: str, body: bytes, *, new_seconds: str | None = None, now: float = 0.0, leaves: bool = False
) -> ObjectUsage | None:
    """What an object (a retrieved one, as JSON) of a kind that is made by deferred calls used; None where it cannot be read.

    `new_seconds`: those of an extended video, which tells of all that it has by now. `now`, in Unix seconds, and whether its
    caller is about to delete it: a container's time is over then, or when nobody has used it for long enough.
    """
    try:
        found = _decode_object(body)
    except UNREADABLE:
        return None
    if kind == CONTAINER:
        return _container(found, now, leaves)
    if new_seconds is not None:
        found.seconds = new_seconds
    ends, read = _KINDS[kind]
    if found.status not in ends:
        return ObjectUsage(False) if found.status is not None else None
    return ObjectUsage(True, read(found))


Shares = tuple[tuple[str | None, Tokens | None], ...]

_WORKED = frozenset({"completed", "incomplete", "succeeded"})


def _share(found: _Object, tokens: Tokens | None) -> Shares:
    if tokens is None and found.status not in _WORKED:
        return ()
    return ((found.model if isinstance(found.model, str) else None, tokens),)


def _response(found: _Object) -> Shares:
    return _share(found, found.tokens())


def _run(found: _Object) -> Shares:
    return _share(found, found.usage.tokens() if found.usage is not None else None)


def _batch(found: _Object) -> Shares:
    """The sums of all lines, without their details."""
    tokens = found.usage.tokens() if found.usage is not None else None
    return _share(found, in_batch(tokens) if tokens is not None and any(tokens[:4]) else None)


def _video(found: _Object) -> Shares:
    if found.status != "completed":
        return ()
    try:
        length = milliseconds(float(found.seconds))
    except (TypeError, ValueError, OverflowError):
        length = None
    unit = f"video_millisecond:{variant(found.size)}"
    return _share(found, Tokens(units=positive((unit, length))) if length else None)


CONTAINER = "container"
"""The model by whose name containers have a price: they run none."""
_LEAST_CONTAINER = 300.0  # seconds that are billed (https://developers.openai.com/api/docs/pricing: five minutes)
_ENDED_CONTAINER = frozenset({"expired", "deleted"})
_IDLE_MINUTES = 20  # after which a container ends that does not say when


def _container(found: _Object, now: float, leaves: bool) -> ObjectUsage | None:
    """A container is billed for the time that it stands ready, by its memory."""
    began, active = found.created_at, found.last_active_at
    if not is_time(began) or (active is not None and not is_time(active)):
        return None
    said: Any = found.expires_after.get("minutes") if isinstance(found.expires_after, dict) else None
    minutes = said if is_count(said) else _IDLE_MINUTES
    ends_at = max(began, active or began) + minutes * 60
    if found.status not in _ENDED_CONTAINER and not leaves and now < ends_at:
        return ObjectUsage(False)
    length = milliseconds(max(_LEAST_CONTAINER, (min(now, ends_at) if leaves else ends_at) - began))
    unit = f"container_millisecond:{variant(found.memory_limit or '1g')}"
    return ObjectUsage(True, ((CONTAINER, Tokens(units=positive((unit, length))) if length else None),))


def is_time(value: Any) -> bool:
    """Whether a figure can be Unix seconds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < MOST_TIME


def _training(found: _Object) -> Shares:
    trained = found.trained_tokens
    return _share(found, Tokens(units=positive(("training_token", trained))) if is_count(trained) else None)


class _ModelUsage(Usage):
    model_name: str | None = None
    cached_tokens: int | None = 0


def _eval_run(found: _Object) -> Shares:
    shares: list[tuple[str | None, Tokens | None]] = []
    for each in found.per_model_usage if isinstance(found.per_model_usage, list) else ():
        try:
            usage = msgspec.convert(each, _ModelUsage)
        except msgspec.ValidationError:
            continue
        tokens = usage.tokens()
        if tokens is not None:
            shares.append(
                (usage.model_name, tokens._replace(cached=max(0, min(usage.cached_tokens or 0, tokens.input))))
            )
    return tuple(shares)


_KINDS: dict[str, tuple[frozenset[str], Callable[[_Object], Shares]]] = {
    "response": (frozenset({"completed", "failed", "cancelled", "incomplete"}), _response),
    "run": (TERMINAL_RUN, _run),
    "batch": (frozenset({"completed", "expired", "cancelled", "failed"}), _batch),
    "video": (frozenset({"completed", "failed"}), _video),
    "fine_tuning_job": (frozenset({"succeeded", "failed", "cancelled"}), _training),
    "eval_run": (frozenset({"completed", "canceled", "failed"}), _eval_run),
}

DEFERRED_KINDS = frozenset({*_KINDS, CONTAINER})
"""The kinds of objects that `usage_of_object` reads."""
