"""The ASGI application of a WebSocket's row: authenticate, route, admit and connect, then let the caller in.

What is refused before the handshake is an HTTP answer in OpenAI's shape.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec
from uvicorn.protocols.utils import ClientDisconnected
from websockets.asyncio.client import ClientConnection

from core.ids import new_event_id
from core.ledger.records import Attempt, Call
from core.snapshot import Caller
from proxy.authentication import authenticate_caller, verify_caller
from proxy.bodies import NO_BODY, JsonBody
from proxy.credentials import CredentialUnavailable
from proxy.endpoints import Endpoint
from proxy.errors import Refusal, endpoint_not_served, upstream_failed, upstream_refuses
from proxy.headers import Headers, RequestHead, read_request_head
from proxy.realtime.entrance import refuse
from proxy.realtime.inspection import Inspector
from proxy.realtime.session import CUT_SHORT, Session
from proxy.realtime.shares import Shares
from proxy.realtime.tokens import PREFIX, Grant, bearer_of
from proxy.realtime.upstream import Answer, HandshakeRefused, open_session, target_of
from proxy.reservation import Amounts
from proxy.routing import Candidate, RouteTable, check_endpoint
from proxy.routing.choice import choose, nobody
from proxy.settlement import Outcome
from proxy.targets.signals import asked_wait
from proxy.unreadable import UNREADABLE
from proxy.upstream import UpstreamError

if TYPE_CHECKING:
    from proxy.calls import Gateway

_log = logging.getLogger("aduana.calls")

_KEY_PROTOCOL = "openai-insecure-api-key."
_BETA_PROTOCOL = "openai-beta.realtime-v1"
_BETA_HEADER = (b"openai-beta", b"realtime=v1")
_NOT_FORWARDED = (b"sec-websocket-", b"x-stainless-", b"openai-beta")
# Another candidate may open a session where one answers with these.
_WORTH_ANOTHER = frozenset({401, 403, 408, 429})


class _Asked:
    """What a handshake says."""

    __slots__ = ("beta", "head", "protocols", "query", "transcribes")

    def __init__(self, scope: Any) -> None:
        self.head: RequestHead = read_request_head(scope["headers"])
        self.query = parse_qs(scope["query_string"].decode("ascii", "replace"), max_num_fields=64)
        self.protocols: Sequence[str] = scope.get("subprotocols") or ()
        self.transcribes = self._one("intent") == "transcription"
        dated = scope["path"].startswith("/openai/") and not scope["path"].startswith("/openai/v1/")
        said = any(name == b"openai-beta" and b"realtime=v1" in value for name, value in scope["headers"])
        self.beta = dated or said or _BETA_PROTOCOL in self.protocols

    def _one(self, name: str) -> str | None:
        values = self.query.get(name)
        return values[0] if values else None

    @property
    def credential(self) -> bytes | None:
        """Of a header, else of a browser's subprotocol, else Azure's api-key in the query."""
        if self.head.credential:
            return self.head.credential
        for protocol in self.protocols:
            if protocol.startswith(_KEY_PROTOCOL):
                return protocol.removeprefix(_KEY_PROTOCOL).encode()
        key = self._one("api-key")
        return key.encode() if key is not None else None

    @property
    def model(self) -> str | None:
        return self._one("deployment") or self._one("model")

    @property
    def joins_call(self) -> bool:
        return "call_id" in self.query


class SocketEndpoint:
    """One row's."""

    def __init__(self, endpoint: Endpoint, gateway: "Gateway") -> None:
        self._endpoint = endpoint
        self._gateway = gateway

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        started = monotonic()
        gateway = self._gateway
        call_id = new_event_id()
        asked = _Asked(scope)
        request_id = asked.head.request_id or "req_" + call_id.hex()
        own_headers = [(b"x-request-id", request_id.encode("ascii"))]
        gateway.metrics.in_flight += 1
        await receive()  # the connection's beginning
        try:
            await self._serve(asked, receive, send, call_id, request_id, own_headers, started)
        except Refusal as refusal:
            await refuse(send, refusal, own_headers, gateway.metrics.refused)
        except asyncio.CancelledError:
            pass  # the drain time is over
        except Exception:
            _log.exception("session %s failed", request_id)
        finally:
            gateway.metrics.in_flight -= 1

    async def _serve(
        self,
        asked: _Asked,
        receive: Any,
        send: Any,
        call_id: bytes,
        request_id: str,
        own_headers: Headers,
        started: float,
    ) -> None:
        gateway, endpoint = self._gateway, self._endpoint
        now = time.time()
        caller, grant = await self._authenticate(asked, now)
        if endpoint.refused is not None or gateway.realtime is None:
            raise endpoint_not_served(endpoint)
        routes = gateway.route_table()
        model, route, candidates = self._route(routes, caller, asked, grant, now)
        call = Call(
            call_id,
            caller.client_id,
            caller.team_id,
            caller.app_id,
            caller.key_id,
            caller.name,
            request_id,
            endpoint.name,
            model,
            route,
            True,
        )
        admission = await gateway.admitter.admit(
            call, caller, endpoint, NO_BODY, Amounts(0, 0), candidates, own_headers, now
        )
        outcome = Outcome(admission.call, admission.claim, endpoint, b"", now, started)
        try:
            await self._hold(asked, grant, caller, model, admission.candidates, receive, send, own_headers, outcome)
        except Refusal as refusal:
            outcome.status, outcome.error_code = refusal.status, refusal.code
            raise
        except asyncio.CancelledError:
            outcome.cancelled, outcome.error_code = True, "gateway_stopped"
            raise
        except ClientDisconnected:
            outcome.cancelled, outcome.error_code = True, "caller_hung_up"
        except Exception:
            outcome.error_code = "internal_error"
            raise
        finally:
            gateway.settlement.settle(outcome)

    async def _authenticate(self, asked: _Asked, now: float) -> tuple[Caller, Grant | None]:
        gateway = self._gateway
        snapshot = gateway.snapshot()
        credential = asked.credential
        if credential is not None and credential.startswith(PREFIX.encode()) and gateway.realtime is not None:
            grant = gateway.realtime.tokens.open(credential.decode("ascii", "replace"), now)
            return bearer_of(grant, snapshot, now), grant
        caller = authenticate_caller(credential, snapshot, gateway.peppers, gateway.tokens, now)
        if caller is None:
            caller = await verify_caller(credential, gateway.snapshot, gateway.tokens)
        return caller, None

    def _route(
        self, routes: RouteTable, caller: Caller, asked: _Asked, grant: Grant | None, now: float
    ) -> tuple[str, str, Sequence[Candidate]]:
        endpoint = self._endpoint
        check_endpoint(caller, endpoint)
        if asked.joins_call:
            raise Refusal(
                400,
                "endpoint_not_served",
                "A call that was made by WebRTC or SIP passes by the gateway and cannot be joined through it. Connect "
                "with ?model= instead.",
                param="call_id",
            )
        model = asked.model
        if grant is not None and grant.model is not None:
            if model is not None and model != grant.model:
                raise Refusal(
                    403,
                    "token_of_another_model",
                    f"This ephemeral token was made for the model '{grant.model}'. Connect with it, or ask for another token.",
                    kind="permission_error",
                    param="model",
                )
            model = grant.model
        if model is not None:
            route, candidates = routes.route(caller, model, endpoint, now)
            return model, route.model, candidates
        if asked.transcribes or (grant is not None and grant.transcribes):
            return "", "", [routes.place(routes.home(caller), endpoint)]
        raise Refusal(
            400,
            "missing_model",
            "You must provide a model: connect with ?model= (or ?deployment=) and one of those that GET /v1/models lists.",
            param="model",
        )

    async def _hold(
        self,
        asked: _Asked,
        grant: Grant | None,
        caller: Caller,
        model: str,
        candidates: Sequence[Candidate],
        receive: Any,
        send: Any,
        own_headers: Headers,
        outcome: Outcome,
    ) -> None:
        """Connect, let the caller in, and relay."""
        gateway = self._gateway
        assert gateway.realtime is not None
        transcribes = asked.transcribes or (grant is not None and grant.transcribes)
        candidate, upstream, began = await self._connect(asked, candidates, transcribes, own_headers, outcome)
        try:
            inspector = Inspector(gateway, caller, self._endpoint, model, candidate, outcome.admitted_at)
            try:
                if grant is not None:
                    await inspector.objects(caller, JsonBody(msgspec.json.encode({"session": grant.session})))
                upstream_beta = asked.beta or _is_dated(candidate)
                first = inspector.first_update(
                    grant.session if grant is not None else None,
                    beta=grant.beta if grant is not None else upstream_beta,
                    transcribes=transcribes,
                )
            except Refusal:
                upstream.transport.abort()
                raise
            outcome.status = 101
            accepted: dict[str, Any] = {"type": "websocket.accept", "headers": own_headers}
            if "realtime" in asked.protocols:
                accepted["subprotocol"] = "realtime"
            await send(accepted)
            gateway.realtime.keep(asyncio.current_task())
            shares = Shares(gateway.realtime.ledger, outcome.call, caller)
            session = Session(gateway, receive, send, upstream, inspector, shares, model, candidate)
            beta_transcription = grant is not None and grant.beta and grant.transcribes
            kind = "transcription_session.update" if beta_transcription else "session.update"
            end = await session.run(first, kind)
            outcome.error_code = end.error_code
            if end.error_code == CUT_SHORT:
                candidate.health.failed(CUT_SHORT, began, monotonic())
        finally:
            upstream.transport.abort()
            candidate.health.end(began)

    async def _connect(
        self,
        asked: _Asked,
        candidates: Sequence[Candidate],
        transcribes: bool,
        own_headers: Headers,
        outcome: Outcome,
    ) -> tuple[Candidate, ClientConnection, float]:
        """A session at the first candidate that opens one. Raises `Refusal`. Its health knows of the session until `end`."""
        tried: list[Candidate] = []
        failure: Refusal | None = None
        while True:
            now = monotonic()
            candidate = choose(candidates, tried, now)
            if candidate is None:
                raise failure or nobody(candidates, now)
            if tried and candidate.route is not tried[-1].route:
                candidates = candidates[candidates.index(candidate) :]
                outcome.call = msgspec.structs.replace(outcome.call, route=candidate.route.model)
                own_headers[:] = [pair for pair in own_headers if pair[0] != b"x-aduana-model"]
                own_headers.append((b"x-aduana-model", candidate.route.model.encode()))
            tried.append(candidate)
            outcome.candidate = candidate
            candidate.health.begin(now)
            opened = False
            try:
                upstream = await self._attempt(asked, candidate, transcribes, outcome)
                candidate.health.answered(101, now, monotonic())
                opened = True
                return candidate, upstream, now
            except CredentialUnavailable:
                failure = upstream_failed("upstream_credential_unavailable")
            except UpstreamError as error:
                candidate.health.failed(error.code, now, monotonic())
                self._failed(candidate, None, error.code, now, outcome)
                failure = upstream_failed(error.code)
            except HandshakeRefused as refused:
                answer = refused.answer
                status = answer.status
                wait = asked_wait(answer.headers, time.time()) if status == 429 or status >= 500 else None
                candidate.health.answered(status, now, monotonic(), wait)
                self._failed(candidate, status, f"http_{status}", now, outcome)
                failure = _refusal_of(answer, _secrets_of(self._gateway, candidate))
                if status < 500 and status not in _WORTH_ANOTHER:
                    raise failure from None
            finally:
                if not opened:
                    candidate.health.end(now)

    async def _attempt(
        self, asked: _Asked, candidate: Candidate, transcribes: bool, outcome: Outcome, *, again: bool = False
    ) -> ClientConnection:
        gateway = self._gateway
        assert gateway.realtime is not None
        began = monotonic()
        upstream = candidate.target.upstream
        credentials = gateway.realtime.credentials
        credential = await credentials.obtain(upstream)
        headers = [pair for pair in asked.head.forwarded if not pair[0].startswith(_NOT_FORWARDED)]
        if asked.beta:
            headers.append(_BETA_HEADER)
        target = target_of(candidate, transcribes=transcribes)
        try:
            connection = await open_session(gateway.realtime.client, candidate, target, [*headers, *credential.headers])
        except HandshakeRefused as refused:
            if refused.answer.status == 401 and not again and await credentials.replaced(upstream, credential):
                return await self._attempt(asked, candidate, transcribes, outcome, again=True)
            raise
        shown = connection.response.headers.get("x-request-id") if connection.response is not None else None
        duration = (monotonic() - began) * 1000
        outcome.attempts.append(
            Attempt(candidate.upstream, candidate.deployment, 101, None, shown[:128] if shown else None, duration)
        )
        return connection

    def _failed(self, candidate: Candidate, status: int | None, code: str, began: float, outcome: Outcome) -> None:
        self._gateway.metrics.upstream_errors[(candidate.upstream, code)] += 1
        duration = (monotonic() - began) * 1000
        outcome.attempts.append(Attempt(candidate.upstream, candidate.deployment, status, code, None, duration))


def _is_dated(candidate: Candidate) -> bool:
    upstream = candidate.target.upstream
    return upstream.provider == "azure_openai" and upstream.api_version is not None


def _secrets_of(gateway: "Gateway", candidate: Candidate) -> list[bytes]:
    """The gateway's credential as it may stand in what a provider says, which no caller may see."""
    assert gateway.realtime is not None
    return list(gateway.realtime.credentials.spellings(candidate.target.upstream))


def _refusal_of(answer: Answer, secrets: Sequence[bytes]) -> Refusal:
    """What a caller is told of a provider's refusal: its own words where they are about the caller's request."""
    if answer.status in (401, 403):
        return upstream_refuses(answer.status)
    wait = asked_wait(answer.headers, time.time()) if answer.status in (429, 503) else None
    body = answer.body
    for secret in secrets:
        body = body.replace(secret, b"[redacted]")
    try:
        error = msgspec.json.decode(body)["error"]
        message, code, kind = str(error["message"]), str(error.get("code")), str(error.get("type"))
    except (*UNREADABLE, KeyError, TypeError, AttributeError):
        return upstream_failed(f"http_{answer.status}")
    if answer.status >= 500 or answer.status < 400:
        return upstream_failed(f"http_{answer.status}")
    return Refusal(answer.status, code, message, kind=kind, retry_after=wait)
