"""Reading a request's body from its caller, within its limit."""

from typing import Any

from proxy.connection import ANSWER_KEY, Answer
from proxy.errors import Refusal
from proxy.headers import RequestHead, content_length

# A body over the limit is read to its end before it is refused, up to this many times the limit: a caller that is
# still sending would see its connection break, not the answer.
_DISCARDED = 4


class CallerGone(Exception):
    """The caller hung up before its call was admitted: nobody to answer, nothing to write down."""


async def read_body(scope: Any, receive: Any, head: RequestHead, limit: int) -> bytes:
    """The whole body, at most `limit` bytes (413 beyond). Raises `CallerGone` where the caller hangs up in it."""
    answer: Answer = scope[ANSWER_KEY]
    body = answer.take_body()
    if body is not None and len(body) <= limit:
        return body  # nearly every body has come by the time that its head is read
    announced = content_length(scope["headers"])
    too_large = body is not None or (announced is not None and announced > limit)
    ended = body is not None
    if not too_large:
        message = await receive()
        if message["type"] != "http.request":
            raise CallerGone
        if not message["more_body"]:
            received: bytes = message["body"]
            if len(received) <= limit:
                return received
            ended = True
        else:
            pieces, size = [message["body"]], len(message["body"])
            while size <= limit:
                message = await receive()
                if message["type"] != "http.request":
                    raise CallerGone
                pieces.append(message["body"])
                size += len(message["body"])
                if not message["more_body"]:
                    ended = True
                    break
            if size <= limit:
                return b"".join(pieces)
    if not ended and not head.expects_continue:
        await _discard_rest(receive, limit * _DISCARDED)
    raise Refusal(
        413,
        "request_too_large",
        f"The request's body is over the limit of {limit} bytes. Send a smaller one, or ask your Aduana administrator "
        "to raise ADUANA_MAX_BODY_BYTES.",
        close=True,
    )


async def _discard_rest(receive: Any, most: int) -> None:
    while most > 0:
        message = await receive()
        if message["type"] != "http.request":
            raise CallerGone
        if not message["more_body"]:
            return
        most -= len(message["body"])
