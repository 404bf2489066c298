"""The fourth step: the call goes to its candidates in turn until one answers, and the answer goes to the caller as it comes.

A candidate that fails before the first byte went to the caller hands over to the next; after that the stream ends with an
error event. `Outcome` learns what happened; nothing here decides what it costs.
"""

import json
import re
from collections.abc import Sequence
from time import monotonic
from typing import Any

from core.ledger.records import Attempt
from core.settings import Settings
from proxy.bodies import JsonBody
from proxy.connection import Answer
from proxy.credentials import Credentials, CredentialUnavailable, Header
from proxy.endpoints import Endpoint, Metering
from proxy.errors import Refusal, error_body, upstream_failed
from proxy.headers import Headers, answer_headers
from proxy.metering.events import EventTooLarge
from proxy.metering.streams import GarbledStream, StreamMeter, stream_meter
from proxy.metering.usage import is_json, texts_of_answer, usage_of_answer, usage_of_tail
from proxy.metrics import Metrics
from proxy.routing import Candidate
from proxy.settlement import Outcome
from proxy.streaming import CallerStream, KeepAlive
from proxy.upstream import UpstreamClient, UpstreamError, UpstreamResponse

# Answers that another target may do better. 409 and the other 4xx are the caller's.
_WORTH_ANOTHER = frozenset({408, 429, 500, 502, 503, 504})

_JSON = (b"content-type", b"application/json")

# A whole answer up to here is looked at before it is passed on; a larger one streams through.
WHOLE_LIMIT = 8 * 1024 * 1024
_ERROR_LIMIT = 1024 * 1024
# A large answer's usage object stands in its last bytes.
_TAIL = 16 * 1024

# A provider's way of half-showing a key: sk-abc***xyz.
_MASKED_SECRET = re.compile(rb"[A-Za-z0-9_-]{2,}\*{3,}[A-Za-z0-9_*-]*")


class Forwarder:
    """Sends calls to upstreams. One a process."""

    def __init__(
        self,
        client: UpstreamClient,
        credentials: Credentials,
        settings: Settings,
        metrics: Metrics,
        keep_alive: KeepAlive,
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._timeouts = settings.upstream_timeouts
        self._metrics = metrics
        self._keep_alive = keep_alive

    async def forward(
        self,
        endpoint: Endpoint,
        candidates: Sequence[Candidate],
        body: JsonBody,
        headers: Headers,
        streamed: bool,
        answer: Answer,
        own_headers: Headers,
        outcome: Outcome,
    ) -> None:
        """Answer the caller. Raises `Refusal` where no candidate gave an answer and nothing was sent yet."""
        last = len(candidates) - 1
        for index, candidate in enumerate(candidates):
            hide_usage = False
            if streamed and endpoint.metering is not Metering.RESPONSES:
                hide_usage = not body.report_usage(force=candidate.stream_usage)
            outcome.candidate = candidate
            try:
                response = await self._attempt(endpoint, candidate, body, headers, streamed, outcome)
            except CredentialUnavailable:
                if index < last:
                    continue
                raise Refusal(
                    503,
                    "upstream_credential_unavailable",
                    "The gateway cannot read its credential for the model provider now. Try again shortly; your Aduana "
                    "administrator finds the reason in the proxy's log.",
                    kind="server_error",
                    retry_after=5.0,
                ) from None
            except UpstreamError as error:
                if index < last and not (endpoint.creates and error.may_have_been_processed):
                    continue
                raise upstream_failed(error.code) from None
            if index < last and response.status in _WORTH_ANOTHER and (response.status == 429 or not endpoint.creates):
                response.close()
                continue
            try:
                await self._answer(endpoint, candidate, response, streamed, hide_usage, answer, own_headers, outcome)
                return
            except Refusal:
                if index == last or answer.started or endpoint.creates:
                    raise
                outcome.status = outcome.error_code = outcome.usage = outcome.received = outcome.first_byte_at = None

    async def _attempt(
        self,
        endpoint: Endpoint,
        candidate: Candidate,
        body: JsonBody,
        headers: Headers,
        streamed: bool,
        outcome: Outcome,
    ) -> UpstreamResponse:
        """One try: the head of an answer (and, where it is not streamed, all of it up to `WHOLE_LIMIT`)."""
        upstream = candidate.target.upstream
        credential: tuple[Header, ...] | None = self._credentials.ready(upstream)
        if credential is None:
            credential = await self._credentials.obtain(upstream)
        timeouts = self._timeouts
        began = monotonic()
        worked_before = outcome.worked
        outcome.worked = True  # from here on the request may be with the provider
        try:
            response = await self._client.send(
                candidate.origin,
                method=b"POST",
                target=candidate.path,
                headers=[_JSON, *headers, *credential],
                body=body.encode(candidate.model, candidate.cap_field),
                first_byte_timeout=timeouts.first_byte if streamed else timeouts.answer,
                answer_timeout=None if streamed else timeouts.answer,
                idle_timeout=timeouts.idle,
                whole=not streamed,
                whole_limit=WHOLE_LIMIT,
            )
        except UpstreamError as error:
            outcome.worked = worked_before or error.may_have_been_processed
            self._failed(candidate, error.code, began, outcome)
            raise
        except ValueError:
            outcome.worked = worked_before  # a head that the client refuses to write: a fault of ours, billed to nobody
            raise
        outcome.worked = worked_before or response.status < 300
        request_id = response.header(b"x-request-id") or response.header(b"apim-request-id")
        outcome.attempts.append(
            Attempt(
                candidate.upstream,
                candidate.deployment,
                response.status,
                None if response.status < 400 else f"http_{response.status}",
                request_id[:128].decode("latin-1") if request_id is not None else None,
                (monotonic() - began) * 1000,
            )
        )
        if response.status >= 400:
            self._metrics.upstream_errors[(candidate.upstream, f"http_{response.status}")] += 1
        return response

    def _failed(self, candidate: Candidate, code: str, began: float, outcome: Outcome) -> None:
        self._metrics.upstream_errors[(candidate.upstream, code)] += 1
        outcome.attempts.append(
            Attempt(candidate.upstream, candidate.deployment, None, code, None, (monotonic() - began) * 1000)
        )

    def _failed_later(self, candidate: Candidate, code: str, outcome: Outcome) -> None:
        """The attempt had an answer's head, and then failed."""
        self._metrics.upstream_errors[(candidate.upstream, code)] += 1
        made = outcome.attempts.pop()
        outcome.attempts.append(
            Attempt(made.upstream, made.deployment, made.status, code, made.upstream_request_id, made.duration_ms)
        )
        outcome.error_code = code

    async def _answer(
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
        try:
            await answer.unblocked()
            encoding = response.header(b"content-encoding")
            if response.status >= 400 and encoding in (None, b"identity"):
                await self._pass_error(candidate, response, answer, own_headers, outcome)
            elif response.status >= 300 or encoding not in (None, b"identity"):
                # A redirect would take the call out of the tenant; a compressed answer was not asked for.
                self._failed_later(candidate, "upstream_bad_answer", outcome)
                raise upstream_failed("upstream_bad_answer")
            elif streamed and _is_event_stream(response):
                meter = stream_meter(endpoint, hide_usage=hide_usage)
                await self._pass_stream(endpoint, candidate, response, meter, answer, own_headers, outcome)
            else:
                await self._pass_whole(candidate, response, streamed, answer, own_headers, outcome)
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
        secret = self._credentials.secret_of(candidate.target.upstream)
        if secret:
            headers = [pair for pair in headers if secret not in pair[1]]
            body = body.replace(secret, b"[redacted]")
            if response.status in (401, 403):
                body = _MASKED_SECRET.sub(b"[redacted]", body)
        code = _error_code(body)
        if code is not None:
            outcome.error_code = code
        _send_whole(answer, response.status, [*headers, *own_headers], body, outcome)

    async def _pass_whole(
        self,
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
            await self._pass_large(candidate, response, answer, own_headers, outcome)
            return
        else:  # a stream was asked for, and this is none
            try:
                body = await response.read(WHOLE_LIMIT)
            except UpstreamError as error:
                self._failed_later(candidate, error.code, outcome)
                raise upstream_failed(error.code) from None
        outcome.usage = usage_of_answer(body)
        if outcome.usage is None:
            if not is_json(body):
                self._failed_later(candidate, "upstream_bad_answer", outcome)
                raise upstream_failed("upstream_bad_answer")
            outcome.received = texts_of_answer(body)
        _send_whole(answer, response.status, [*answer_headers(response.headers), *own_headers], body, outcome)

    async def _pass_large(
        self, candidate: Candidate, response: UpstreamResponse, answer: Answer, own_headers: Headers, outcome: Outcome
    ) -> None:
        """A large answer streams through; its usage is read from its end."""
        headers = [*answer_headers(response.headers), *own_headers]
        outcome.status = response.status
        tail = b""
        try:
            piece = await response.receive()
            outcome.first_byte_at = monotonic()
            await answer.start(response.status, headers, piece, response.header(b"content-length"))
            while piece:
                tail = (tail + piece)[-_TAIL:] if len(piece) < _TAIL else piece[-_TAIL:]
                piece = await response.receive()
                if piece:
                    await answer.piece(piece)
        except UpstreamError as error:
            self._failed_later(candidate, error.code, outcome)
            if outcome.first_byte_at is None:
                raise upstream_failed(error.code) from None
            raise AnswerBroken from None
        outcome.usage = usage_of_tail(tail)
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
        code: str | None = None
        rest = b""
        self._keep_alive.add(caller)
        try:
            while piece := await response.receive():
                passed = meter.pass_on(piece)
                if passed:
                    if outcome.first_byte_at is None:
                        outcome.first_byte_at = monotonic()
                    await caller.write(passed)
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
                outcome.received = meter.received()
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


class AnswerBroken(Exception):
    """The upstream broke off in the middle of an answer that the caller is reading: its connection has to be broken too."""


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
