"""The fourth step: the call goes to its candidates in turn until one answers.

A candidate that fails before the first byte went to the caller hands over to the next; how its answer is passed on is
`proxy.answering`'s. `Outcome` learns what happened; nothing here decides what it costs.
"""

from collections.abc import Mapping, Sequence
from time import monotonic

import msgspec

from core.ledger.records import Attempt
from core.settings import Settings
from proxy.answering import WHOLE_LIMIT, Answerer
from proxy.bodies import Body, JsonBody
from proxy.connection import Answer
from proxy.credentials import Credentials, CredentialUnavailable, Header
from proxy.endpoints import Endpoint, Metering
from proxy.errors import Refusal, upstream_failed
from proxy.headers import Headers
from proxy.metrics import Metrics
from proxy.routing import Candidate
from proxy.settlement import Outcome
from proxy.upstream import UpstreamClient, UpstreamError, UpstreamResponse

_ASKED_FOR_USAGE = frozenset({Metering.CHAT, Metering.COMPLETIONS})

# Answers that another target may do better. 409 and the other 4xx are the caller's.
_WORTH_ANOTHER = frozenset({401, 403, 408, 429, 500, 502, 503, 504})
# Of them those that say that nothing was done.
_REFUSED = frozenset({401, 403, 429})


class Outbound(msgspec.Struct, frozen=True, gc=False):
    """What is asked of whichever candidate serves it."""

    endpoint: Endpoint
    body: Body
    headers: Headers  # the caller's, those that go on
    streamed: bool
    creates: bool  # something may be left at the provider: a second try could leave it twice
    objects: Mapping[str, str] | None = None  # what its path names, by kind, percent-encoded
    query: bytes = b""  # the caller's own, without api-version

    def target(self, path: bytes) -> bytes:
        """A candidate's path and query, with what the caller names in it."""
        if self.objects:
            for kind, id in self.objects.items():
                path = path.replace(b"{%b}" % kind.encode(), id.encode())
        if self.query:
            path += (b"&" if b"?" in path else b"?") + self.query
        return path


class Forwarder:
    """Sends calls to upstreams. One a process."""

    def __init__(
        self,
        client: UpstreamClient,
        credentials: Credentials,
        settings: Settings,
        metrics: Metrics,
        answerer: Answerer,
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._timeouts = settings.upstream_timeouts
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
        endpoint, body, streamed, creates = outbound.endpoint, outbound.body, outbound.streamed, outbound.creates
        last = len(candidates) - 1
        for index, candidate in enumerate(candidates):
            hide_usage = False
            if streamed and isinstance(body, JsonBody) and endpoint.metering in _ASKED_FOR_USAGE:
                hide_usage = not body.report_usage(force=candidate.stream_usage)
            outcome.candidate = candidate
            try:
                response = await self._attempt(outbound, candidate, outcome)
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
                if index < last and body.resendable and not (creates and error.may_have_been_processed):
                    continue
                raise upstream_failed(error.code) from None
            worth = response.status in _WORTH_ANOTHER and (response.status in _REFUSED or not creates)
            if index < last and worth and body.resendable:
                response.close()
                continue
            try:
                await self._answerer.answer(
                    endpoint, candidate, response, streamed, hide_usage, answer, own_headers, outcome
                )
                return
            except Refusal:
                if index == last or answer.started or creates or not body.resendable:
                    raise
                outcome.status = outcome.error_code = outcome.usage = outcome.received = outcome.first_byte_at = None

    async def _attempt(
        self, outbound: Outbound, candidate: Candidate, outcome: Outcome, *, again: bool = False
    ) -> UpstreamResponse:
        """One try: the head of an answer (and, where it is not streamed, all of it up to `WHOLE_LIMIT`)."""
        endpoint, streamed = outbound.endpoint, outbound.streamed
        whole = not (streamed or endpoint.binary)
        upstream = candidate.target.upstream
        credential: tuple[Header, ...] | None = self._credentials.ready(upstream)
        if credential is None:
            credential = await self._credentials.obtain(upstream)
        timeouts = self._timeouts
        began = monotonic()
        sent = outbound.body.sent(candidate.model, candidate.cap_field)
        target = candidate.path if outbound.objects is None and not outbound.query else outbound.target(candidate.path)
        worked_before = outcome.worked
        outcome.worked = True  # from here on the request may be with the provider
        try:
            response = await self._client.send(
                candidate.origin,
                method=endpoint.verb,
                target=target,
                headers=[sent.content_type, *outbound.headers, *credential]
                if sent.content_type is not None
                else [*outbound.headers, *credential],
                body=sent.content,
                content_length=sent.length,
                first_byte_timeout=timeouts.first_byte if streamed else timeouts.answer,
                answer_timeout=timeouts.answer if whole and outbound.body.resendable else None,
                idle_timeout=timeouts.idle,
                whole=whole,
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
        # Our credential may have been replaced since we had it: one more try with the new one.
        replaceable = response.status == 401 and not again and outbound.body.resendable
        if replaceable and await self._credentials.replaced(upstream, credential):
            response.close()
            return await self._attempt(outbound, candidate, outcome, again=True)
        return response

    def _failed(self, candidate: Candidate, code: str, began: float, outcome: Outcome) -> None:
        self._metrics.upstream_errors[(candidate.upstream, code)] += 1
        outcome.attempts.append(
            Attempt(candidate.upstream, candidate.deployment, None, code, None, (monotonic() - began) * 1000)
        )
