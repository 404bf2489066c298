"""The fourth step: the call goes to its candidates in turn until one answers.

A candidate that fails before the first byte went to the caller hands over to the next, where that is safe; how its answer
is passed on is `proxy.answering`'s. `Outcome` and the target's health learn what happened; nothing here decides what it costs.
"""

from collections.abc import Mapping, Sequence
from time import monotonic, time

import msgspec

from core.ledger.records import Attempt
from proxy.answering import WHOLE_LIMIT, Answerer
from proxy.bodies import Body, JsonBody
from proxy.connection import Answer
from proxy.credentials import Credential, Credentials, CredentialUnavailable
from proxy.endpoints import Endpoint, Metering
from proxy.errors import Refusal, upstream_failed
from proxy.headers import Headers
from proxy.metrics import Metrics
from proxy.routing import Candidate
from proxy.routing.affinity import by_affinity
from proxy.routing.choice import all_busy, choose, nobody, soonest
from proxy.settlement import Outcome
from proxy.targets.signals import asked_wait, utilisation
from proxy.upstream import UpstreamClient, UpstreamError, UpstreamResponse

_ASKED_FOR_USAGE = frozenset({Metering.CHAT, Metering.COMPLETIONS})

# Answers that another target may do better: it is overloaded, broken, or does not take our credential. 409 and the other
# 4xx are the caller's. Of what creates, only what was refused unread.
_REFUSED_UNREAD = frozenset({401, 403, 429})
_OWN = b"user-agent: aduana\r\n"  # the gateway asks, and no caller
_LEAST_LEFT = 0.1  # seconds of the caller's patience without which no attempt is begun


class Outbound(msgspec.Struct, frozen=True, gc=False):
    """What is asked of whichever candidate serves it."""

    endpoint: Endpoint
    body: Body
    lines: bytes  # the caller's fields, those that go on
    streamed: bool
    creates: bool  # something may be left at the provider: a second try could leave it twice
    objects: Mapping[str, str] | None = None  # what its path names, by kind, percent-encoded
    query: bytes = b""  # the caller's own, without api-version
    deadline: float | None = None  # monotonic seconds: the caller waits no longer for the first byte

    def target(self, path: bytes) -> bytes:
        """A candidate's path and query, with what the caller names in it."""
        if self.objects:
            for kind, id in self.objects.items():
                path = path.replace(b"{%b}" % kind.encode(), id.encode())
        if self.query:
            path += (b"&" if b"?" in path else b"?") + self.query
        return path

    def worth_another(self, status: int) -> bool:
        """Whether an answer of this status may be left for another candidate's."""
        if status in _REFUSED_UNREAD:
            return True
        return (status == 408 or status >= 500) and not self.creates


class Forwarder:
    """Sends calls to upstreams. One a process."""

    def __init__(self, client: UpstreamClient, credentials: Credentials, metrics: Metrics, answerer: Answerer) -> None:
        self._client = client
        self._credentials = credentials
        self._metrics = metrics
        self._answerer = answerer

    async def forward(
        self,
        outbound: Outbound,
        candidates: Sequence[Candidate],
        answer: Answer,
        own_headers: Headers,
        outcome: Outcome,
    ) -> None:
        """Answer the caller. Raises `Refusal` where no candidate gave an answer and nothing was sent yet."""
        if len(candidates) > 1:
            candidates = by_affinity(candidates, outcome.call.app_id, outbound.body)
        route = candidates[0].route
        tried: list[Candidate] = []
        failure: Refusal | None = None
        while True:
            now = monotonic()
            candidate = choose(candidates, tried, now)
            if candidate is None:
                raise failure or nobody(candidates, now)
            if outbound.deadline is not None and outbound.deadline - now < _LEAST_LEFT:
                raise failure or _out_of_time()
            if candidate.route is not route:
                # What lies behind is not gone back to: the caller is told one route.
                route = candidate.route
                candidates = candidates[candidates.index(candidate) :]
                _on_route(route.model, own_headers, outcome)
            tried.append(candidate)
            failure = await self._try(outbound, candidate, candidates, tried, answer, own_headers, outcome)
            if failure is None:
                return

    async def _try(
        self,
        outbound: Outbound,
        candidate: Candidate,
        candidates: Sequence[Candidate],
        tried: Sequence[Candidate],
        answer: Answer,
        own_headers: Headers,
        outcome: Outcome,
    ) -> Refusal | None:
        """One candidate: None where the caller was answered; why not, where another may be asked. Raises `Refusal`."""
        body = outbound.body
        hide_usage = False
        if isinstance(body, JsonBody) and body.parameters is not candidate.parameters:
            body.exchange(candidate.parameters)
        if outbound.streamed and isinstance(body, JsonBody) and outbound.endpoint.metering in _ASKED_FOR_USAGE:
            hide_usage = not body.report_usage(force=candidate.stream_usage)
        outcome.candidate = candidate
        health = candidate.health
        began = monotonic()
        health.begin(began)
        try:
            try:
                response = await self._attempt(outbound, candidate, outcome, began)
            except CredentialUnavailable:
                return _no_credential()
            except UpstreamError as error:
                failure = upstream_failed(error.code)
                if not body.resendable or (outbound.creates and error.may_have_been_processed):
                    raise failure from None
                return failure
            status = response.status
            if status >= 400:
                self._judge(response, candidate, began)
                if body.resendable and outbound.worth_another(status) and _another(outbound, candidates, tried):
                    response.close()
                    return upstream_failed(f"http_{status}")
                if status == 429 and len(candidates) > 1:
                    now = monotonic()
                    wait = soonest(candidates, now)
                    if wait < health.wait(now):
                        response.close()
                        raise all_busy(wait)
            elif outbound.streamed:
                health.answered(status, began, monotonic())
            if candidate.target.spill_at is not None:
                used = utilisation(response.headers)
                if used is not None:
                    health.used(used, candidate.target.spill_at, monotonic())
            try:
                await self._answerer.answer(
                    outbound.endpoint, candidate, response, outbound.streamed, hide_usage, answer, own_headers, outcome
                )
            except Refusal as refusal:
                if answer.started or outbound.creates or not body.resendable:
                    raise
                outcome.status = outcome.error_code = outcome.usage = outcome.received = outcome.first_byte_at = None
                return refusal
            finally:
                if status < 400:
                    late = outcome.attempts[-1].error_code  # what came after its head was of no use
                    if late is not None:
                        health.failed(late, began, monotonic())
                    elif not outbound.streamed and outcome.status is not None:
                        health.answered(status, began, monotonic())
            return None
        finally:
            health.end(began)

    async def fetch(self, candidate: Candidate, target: bytes, limit: int) -> tuple[int, bytes]:
        """An object's state, asked for on the gateway's own account: status and body, at most `limit` bytes.

        Raises `UpstreamError`, `CredentialUnavailable`.
        """
        response = await self.open(candidate, target)
        try:
            return response.status, await response.read(limit)
        finally:
            response.close()

    async def open(self, candidate: Candidate, target: bytes) -> UpstreamResponse:
        """The same as it comes; whoever asks closes it."""
        upstream = candidate.target.upstream
        credential = await self._credentials.obtain(upstream)
        response = await self._get(candidate, target, credential)
        if response.status == 401 and await self._credentials.replaced(upstream, credential):
            response.close()
            response = await self._get(candidate, target, await self._credentials.obtain(upstream))
        return response

    async def _get(self, candidate: Candidate, target: bytes, credential: Credential) -> UpstreamResponse:
        return await self._client.send(
            candidate.origin,
            method=b"GET",
            target=target,
            lines=(_OWN if candidate.beta is None else _OWN + b"openai-beta: %b\r\n" % candidate.beta)
            + credential.lines,
            first_byte_timeout=candidate.timeouts.first_byte,
            answer_timeout=candidate.timeouts.answer,
            idle_timeout=candidate.timeouts.idle,
        )

    async def _attempt(
        self, outbound: Outbound, candidate: Candidate, outcome: Outcome, began: float, *, again: bool = False
    ) -> UpstreamResponse:
        """One try: the head of an answer (and, where it is not streamed, all of it up to `WHOLE_LIMIT`)."""
        endpoint, streamed = outbound.endpoint, outbound.streamed
        whole = not (streamed or endpoint.binary)
        upstream = candidate.target.upstream
        credential: Credential | None = self._credentials.ready(upstream)
        if credential is None:
            credential = await self._credentials.obtain(upstream)
        timeouts = candidate.timeouts
        connect = timeouts.connect
        first_byte = timeouts.first_byte if streamed else timeouts.answer
        cut = False
        if outbound.deadline is not None:
            left = outbound.deadline - began
            if left < first_byte:
                first_byte, cut = left, True
            connect = min(connect, left)
        sent = outbound.body.sent(candidate.model, candidate.cap_field)
        target = candidate.path if not (outbound.objects or outbound.query) else outbound.target(candidate.path)
        worked_before = outcome.worked
        outcome.worked = True  # from here on the request may be with the provider
        try:
            response = await self._client.send(
                candidate.origin,
                method=endpoint.verb,
                target=target,
                lines=sent.lines + outbound.lines + credential.lines,
                body=sent.content,
                content_length=sent.length,
                connect_timeout=connect,
                first_byte_timeout=first_byte,
                answer_timeout=min(first_byte, timeouts.answer) if whole and outbound.body.resendable else None,
                idle_timeout=timeouts.idle,
                whole=whole,
                whole_limit=WHOLE_LIMIT,
            )
        except UpstreamError as error:
            outcome.worked = worked_before or error.may_have_been_processed
            # A caller with little patience says nothing about the target.
            if not (cut and error.code.endswith("_timeout")):
                candidate.health.failed(error.code, began, monotonic())
            self._failed(candidate, error.code, began, outcome)
            raise
        except ValueError:
            outcome.worked = worked_before  # a head that the client refuses to write: a fault of ours, billed to nobody
            raise
        candidate.health.answered_at = monotonic()
        outcome.worked = worked_before or response.status < 300
        request_id = response.header(b"x-request-id") or response.header(b"apim-request-id")
        if request_id is not None and credential.secret and credential.secret in request_id:
            request_id = None  # it would be written into the ledger
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
        # Our credential may have been replaced since we had it: one more try with the new one.
        replaceable = response.status == 401 and not again and outbound.body.resendable
        if replaceable and await self._credentials.replaced(upstream, credential):
            response.close()
            return await self._attempt(outbound, candidate, outcome, monotonic(), again=True)
        return response

    def _judge(self, response: UpstreamResponse, candidate: Candidate, began: float) -> None:
        """Tell the target's health of an answer that is an error."""
        status = response.status
        wait = asked_wait(response.headers, time()) if status == 429 or status >= 500 else None
        candidate.health.answered(status, began, monotonic(), wait)

    def _failed(self, candidate: Candidate, code: str, began: float, outcome: Outcome) -> None:
        self._metrics.upstream_errors[(candidate.upstream, code)] += 1
        outcome.attempts.append(
            Attempt(candidate.upstream, candidate.deployment, None, code, None, (monotonic() - began) * 1000)
        )


def _another(outbound: Outbound, candidates: Sequence[Candidate], tried: Sequence[Candidate]) -> bool:
    """Whether another candidate can be asked now."""
    now = monotonic()
    if outbound.deadline is not None and outbound.deadline - now < _LEAST_LEFT:
        return False
    return choose(candidates, tried, now) is not None


def _on_route(model: str, own_headers: Headers, outcome: Outcome) -> None:
    """The call goes on by a fallback: the ledger's route, and what the caller is told."""
    outcome.call = msgspec.structs.replace(outcome.call, route=model)
    own_headers[:] = [pair for pair in own_headers if pair[0] != b"x-aduana-model"]
    own_headers.append((b"x-aduana-model", model.encode("utf-8")))


def _no_credential() -> Refusal:
    return Refusal(
        503,
        "upstream_credential_unavailable",
        "The gateway cannot read its credential for the model provider now. Try again shortly; your Aduana "
        "administrator finds the reason in the proxy's log.",
        kind="server_error",
        retry_after=5.0,
    )


def _out_of_time() -> Refusal:
    return Refusal(
        504,
        "caller_timeout",
        "Less time was left to ask a model provider than your client waits (its timeout, or x-aduana-timeout). "
        "Give the call more time.",
        kind="upstream_error",
    )
