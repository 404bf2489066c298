"""The second half of the fourth step: an upstream's answer goes to the caller as it comes, whole or event by event.

What it says of its usage is read on the way and put into `Outcome`; nothing here decides what it costs.
"""

import json
from time import monotonic
from typing import Any

from core.ledger.records import Attempt
from proxy.connection import Answer
from proxy.credentials import Credentials
from proxy.endpoints import Endpoint, Metering
from proxy.errors import error_body, upstream_failed, upstream_refuses
from proxy.headers import Headers, answer_headers
from proxy.metering.events import EventTooLarge
from proxy.metering.streams import GarbledStream, StreamMeter, stream_meter
from proxy.metering.usage import is_json, is_pending, texts_of_answer, usage_of_answer, usage_of_ends
from proxy.metrics import Metrics
from proxy.renaming import renamed, renamed_events
from proxy.routing import Candidate
from proxy.settlement import Outcome
from proxy.streaming import CallerStream, KeepAlive
from proxy.upstream import UpstreamError, UpstreamResponse

# A whole answer up to here is looked at before it is passed on; a larger one streams through.
WHOLE_LIMIT = 8 * 1024 * 1024
_ERROR_LIMIT = 1024 * 1024
# A large answer's usage object stands in its last bytes.
_TAIL = 16 * 1024
_ERROR = b'"error"'
# Never passed on: to an SDK they would be about the caller's key.
_ABOUT_OUR_CREDENTIAL = frozenset({401, 403})


class AnswerBroken(Exception):
    """The upstream broke off in the middle of an answer that the caller is reading: its connection has to be broken too."""


class Answerer:
    """Passes answers on. One a process."""

    def __init__(self, credentials: Credentials, metrics: Metrics, keep_alive: KeepAlive) -> None:
        self._credentials = credentials
        self._metrics = metrics
        self._keep_alive = keep_alive

    async def answer(
        self,
        endpoint: Endpoint,
        candidate: Candidate,
        response: UpstreamResponse,
        streamed: bool,
        hide_usage: bool,
        answer: Answer,
        own_headers: Headers,
        outcome: Outcome,
    ) -> None:
        """Answer the caller. Raises `Refusal` where the answer is of no use and nothing of it was sent, `AnswerBroken` where
        some was."""
        try:
            await answer.unblocked()
            encoding = response.header(b"content-encoding")
            if response.status in _ABOUT_OUR_CREDENTIAL:
                raise upstream_refuses(response.status)
            if response.status >= 400 and encoding in (None, b"identity"):
                await self._pass_error(candidate, response, answer, own_headers, outcome)
            elif response.status >= 300 or encoding not in (None, b"identity"):
                # A redirect would take the call out of the tenant; a compressed answer was not asked for.
                self._failed_later(candidate, "upstream_bad_answer", outcome)
                raise upstream_failed("upstream_bad_answer")
            elif streamed and _is_event_stream(response):
                meter = stream_meter(endpoint, hide_usage=hide_usage, request=outcome.request)
                await self._pass_stream(endpoint, candidate, response, meter, answer, own_headers, outcome)
            else:
                await self._pass_whole(endpoint, candidate, response, streamed, answer, own_headers, outcome)
        finally:
            response.close()

    async def _pass_error(
        self, candidate: Candidate, response: UpstreamResponse, answer: Answer, own_headers: Headers, outcome: Outcome
    ) -> None:
        """An upstream's error, with its status and body, less what names the upstream's secret."""
        outcome.error_code = f"http_{response.status}"
        try:
            body = await response.read(_ERROR_LIMIT)
        except UpstreamError as error:
            self._failed_later(candidate, error.code, outcome)
            raise upstream_failed(error.code) from None
        headers = answer_headers(response.headers)
        for secret in self._credentials.spellings(candidate.target.upstream):
            headers = [pair for pair in headers if secret not in pair[1]]
        body = self._without_credential(candidate, body)
        code = _error_code(body)
        if code is not None:
            outcome.error_code = code
        _send_whole(answer, response.status, [*headers, *own_headers], body, outcome)

    async def _pass_whole(
        self,
        endpoint: Endpoint,
        candidate: Candidate,
        response: UpstreamResponse,
        streamed: bool,
        answer: Answer,
        own_headers: Headers,
        outcome: Outcome,
    ) -> None:
        """A whole answer: looked at before it is passed on where it is not too large for that."""
        if response.complete:
            body = response.body
        elif not streamed:
            await self._pass_large(endpoint, candidate, response, answer, own_headers, outcome)
            return
        else:  # a stream was asked for, and this is none
            try:
                body = await response.read(WHOLE_LIMIT)
            except UpstreamError as error:
                self._failed_later(candidate, error.code, outcome)
                raise upstream_failed(error.code) from None
        outcome.usage = usage_of_answer(endpoint, body, outcome.request)
        if outcome.usage is None:
            if body and not endpoint.binary and not is_json(body):
                self._failed_later(candidate, "upstream_bad_answer", outcome)
                raise upstream_failed("upstream_bad_answer")
            outcome.pending = is_pending(endpoint, body)
            outcome.received = texts_of_answer(endpoint, body)
        if outcome.making is not None:
            await outcome.making.whole(body, candidate.upstream)
        if candidate.route.answers_requested_model:
            body = renamed(body, outcome.call.requested_model)
        _send_whole(answer, response.status, [*answer_headers(response.headers), *own_headers], body, outcome)

    async def _pass_large(
        self,
        endpoint: Endpoint,
        candidate: Candidate,
        response: UpstreamResponse,
        answer: Answer,
        own_headers: Headers,
        outcome: Outcome,
    ) -> None:
        """A large answer streams through, and one that is no JSON; its usage is read from its ends."""
        headers = [*answer_headers(response.headers), *own_headers]
        outcome.status = response.status
        tail = b""
        size = 0
        try:
            piece = head = await response.receive()
            if outcome.making is not None and not await outcome.making.large(piece, candidate.upstream):
                self._failed_later(candidate, "upstream_bad_answer", outcome)
                raise upstream_failed("upstream_bad_answer")
            outcome.first_byte_at = monotonic()
            await answer.start(response.status, headers, piece, response.header(b"content-length"))
            while piece:
                size += len(piece)
                tail = (tail + piece)[-_TAIL:] if len(piece) < _TAIL else piece[-_TAIL:]
                piece = await response.receive()
                if piece:
                    await answer.piece(piece)
        except UpstreamError as error:
            self._failed_later(candidate, error.code, outcome)
            if outcome.first_byte_at is None:
                raise upstream_failed(error.code) from None
            raise AnswerBroken from None
        if size == len(tail):
            outcome.usage = usage_of_answer(endpoint, tail, outcome.request)
        else:
            outcome.usage = usage_of_ends(endpoint, head[:_TAIL], tail)
        if outcome.usage is None:
            outcome.received = texts_of_answer(endpoint, tail)
        await answer.end()

    async def _pass_stream(
        self,
        endpoint: Endpoint,
        candidate: Candidate,
        response: UpstreamResponse,
        meter: StreamMeter,
        answer: Answer,
        own_headers: Headers,
        outcome: Outcome,
    ) -> None:
        """A stream, by whole events, from its first one on."""
        caller = CallerStream(answer, response.status, [*answer_headers(response.headers), *own_headers])
        said = outcome.call.requested_model if candidate.route.answers_requested_model else None
        code: str | None = None
        rest = b""
        self._keep_alive.add(caller)
        try:
            if endpoint.always_streams:  # its reader may wait for the head before it says what there is to be told of
                await caller.comment()
            while piece := await response.receive():
                passed = meter.pass_on(piece)
                if passed:
                    if _ERROR in passed:  # a provider's error may repeat what it was sent, in a stream too
                        passed = self._without_credential(candidate, passed)
                    if outcome.making is not None:
                        await outcome.making.events(passed, candidate.upstream)
                    if outcome.first_byte_at is None:
                        outcome.first_byte_at = monotonic()
                    await caller.write(passed if said is None else renamed_events(passed, said))
            rest = meter.rest()
        except UpstreamError as error:
            code = error.code
        except (GarbledStream, EventTooLarge):
            code = "upstream_bad_answer"
        finally:
            self._keep_alive.discard(caller)
            if caller.started:
                outcome.status = response.status
            outcome.usage = meter.usage
            if meter.usage is None:
                outcome.received, outcome.units, outcome.pending = meter.received(), meter.units(), meter.pending
        if code is not None:
            self._failed_later(candidate, code, outcome)
            if not caller.started:
                raise upstream_failed(code)
            await caller.end(_error_event(endpoint, code))
            return
        if not caller.started:
            self._failed_later(candidate, "upstream_bad_answer", outcome)
            raise upstream_failed("upstream_bad_answer")
        if not meter.finished:
            outcome.error_code = "upstream_unfinished"
        await caller.end(rest)

    def _without_credential(self, candidate: Candidate, data: bytes) -> bytes:
        for secret in self._credentials.spellings(candidate.target.upstream):
            data = data.replace(secret, b"[redacted]")
        return data

    def _failed_later(self, candidate: Candidate, code: str, outcome: Outcome) -> None:
        """The attempt had an answer's head, and then failed."""
        self._metrics.upstream_errors[(candidate.upstream, code)] += 1
        made = outcome.attempts.pop()
        outcome.attempts.append(
            Attempt(made.upstream, made.deployment, made.status, code, made.upstream_request_id, made.duration_ms)
        )
        outcome.error_code = code


def _send_whole(answer: Answer, status: int, headers: Headers, body: bytes, outcome: Outcome) -> None:
    outcome.status = status
    outcome.first_byte_at = monotonic()
    answer.whole(status, headers, body)


def _is_event_stream(response: UpstreamResponse) -> bool:
    content_type = response.header(b"content-type")
    return content_type is not None and content_type.lower().startswith(b"text/event-stream")


def _error_code(body: bytes) -> str | None:
    """The provider's own code for its error, for the ledger."""
    try:
        error: Any = json.loads(body)["error"]
        code = error["code"] or error.get("type")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return str(code)[:64] if code else None


def _error_event(endpoint: Endpoint, code: str) -> bytes:
    """The event that tells an SDK that its stream broke: it raises APIError for data with an `error` in it."""
    message = f"The model provider broke off in the middle of the answer ({code}). What came before is all there is."
    body = error_body(message, "upstream_error", code)
    if endpoint.metering is Metering.RESPONSES:
        detail = json.dumps({"type": "error", "code": code, "message": message, "param": None})[1:-1]
        return b"event: error\ndata: {" + detail.encode() + b"," + body[1:] + b"\n\n"
    return b"data: " + body + b"\n\n"
