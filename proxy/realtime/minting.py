"""The calls that answer with an ephemeral token: what a caller's server asks for, so that its users' browsers can connect.

They are answered here. A provider's own token would lead its holder past the gateway's limits and its ledger.
"""

import secrets
import time
from typing import Any, NamedTuple

import msgspec

from core.ledger.records import Call
from proxy.authentication import authenticate_head, verify_caller
from proxy.bodies import JsonBody
from proxy.calls import CallEndpoint
from proxy.connection import Answer, Connection
from proxy.endpoints import Endpoint
from proxy.endpoints.table import ENDPOINTS
from proxy.errors import Refusal, endpoint_not_served
from proxy.headers import Headers, RequestHead
from proxy.intake import read_body
from proxy.realtime.inspection import Inspector
from proxy.realtime.tokens import BETA_SECONDS, DEFAULT_SECONDS, FEWEST_SECONDS, MOST_SECONDS, Grant
from proxy.reservation import Amounts
from proxy.routing import check_endpoint
from proxy.settlement import Outcome

_SESSION = next(row for row in ENDPOINTS if row.name == "realtime")
_encode = msgspec.json.Encoder().encode

_SHOWN: dict[str, Any] = {
    "output_modalities": ["audio"],
    "instructions": "",
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "tracing": None,
    "truncation": "auto",
    "prompt": None,
}
_SHOWN_BETA: dict[str, Any] = {
    "modalities": ["audio", "text"],
    "instructions": "",
    "tools": [],
    "tool_choice": "auto",
    "temperature": 0.8,
    "max_response_output_tokens": "inf",
}
_NOT_OF_THE_SESSION = frozenset({"client_secret", "expires_after", "model"})


class _Wish(NamedTuple):
    """What is asked for."""

    session: dict[str, Any]
    model: str | None
    seconds: int
    beta: bool
    transcribes: bool


class TokenEndpoint(CallEndpoint):
    """One row's."""

    async def _serve(
        self,
        scope: Any,
        receive: Any,
        answer: Answer,
        connection: Connection,
        head: RequestHead,
        call_id: bytes,
        request_id: str,
        own_headers: Headers,
        started: float,
    ) -> None:
        gateway, endpoint = self._gateway, self._endpoint
        if gateway.realtime is None:
            raise endpoint_not_served(endpoint)
        routes = gateway.route_table()
        now = time.time()
        caller = authenticate_head(head, routes, gateway.peppers, gateway.tokens, now)
        if caller is None:
            caller = await verify_caller(head.credential, gateway.snapshot, gateway.tokens)
            routes = gateway.route_table()
        check_endpoint(caller, endpoint)
        body = JsonBody(await read_body(scope, receive, head, gateway.settings.max_body_bytes) or b"{}")
        wish = _read(endpoint, body)
        if wish.model is not None:
            route, candidates = routes.route(caller, wish.model, _SESSION, now)
            route_model = route.model
        else:
            route_model, candidates = "", [routes.place(routes.home(caller), _SESSION)]
        inspector = Inspector(gateway, caller, _SESSION, wish.model or "", candidates[0], now)
        inspector.first_update(_read(endpoint, body).session, beta=wish.beta, transcribes=wish.transcribes)
        await inspector.objects(caller, body)
        expires_at = int(now) + wish.seconds
        grant = Grant(caller.key_id, expires_at, wish.beta, wish.transcribes, wish.model, wish.session)
        token = gateway.realtime.tokens.seal(grant)
        call = Call(
            call_id,
            caller.client_id,
            caller.team_id,
            caller.app_id,
            caller.key_id,
            caller.name,
            request_id,
            endpoint.name,
            wish.model or "",
            route_model,
            False,
        )
        admission = await gateway.admitter.admit(
            call, caller, endpoint, body, Amounts(0, 0), candidates, own_headers, now
        )
        outcome = Outcome(admission.call, admission.claim, endpoint, b"", now, started)
        outcome.status = 200
        try:
            content = _encode(_shown(wish, token, expires_at))
            answer.whole(200, [(b"content-type", b"application/json"), *own_headers], content)
        finally:
            gateway.settlement.settle(outcome)


def _read(endpoint: Endpoint, body: JsonBody) -> _Wish:
    """What a request asks for. Raises `Refusal` (400)."""
    fields = {name: body.read(name) for name in body.fields}
    beta = endpoint.name != "realtime.client_secrets.create"
    session = fields if beta else fields.get("session") or {}
    if not isinstance(session, dict):
        raise _invalid("session", "'session' must be an object.")
    transcribes = endpoint.name == "realtime.transcription_sessions.create" or session.get("type") == "transcription"
    model = session.get("model")
    if model is not None and (not isinstance(model, str) or not model):
        raise _invalid("session.model", "The model must be one of those that GET /v1/models lists.")
    secret = fields.get("client_secret") if beta else fields
    asked = None
    if isinstance(secret, dict):
        asked = secret.get("expires_after") or secret.get("expires_at")  # the beta's transcription sessions call it so
    kept = {name: value for name, value in session.items() if name not in _NOT_OF_THE_SESSION}
    return _Wish(kept, model, _seconds(asked, BETA_SECONDS if beta else DEFAULT_SECONDS), beta, transcribes)


def _seconds(asked: Any, otherwise: int) -> int:
    if asked is None:
        return otherwise
    seconds = asked.get("seconds", otherwise) if isinstance(asked, dict) else None
    if type(seconds) is not int or not FEWEST_SECONDS <= seconds <= MOST_SECONDS:
        raise _invalid(
            "expires_after.seconds", f"A token lives from {FEWEST_SECONDS} to {MOST_SECONDS} seconds (expires_after)."
        )
    return seconds


def _shown(wish: _Wish, token: str, expires_at: int) -> dict[str, Any]:
    """The answer, in the provider's shape."""
    session: dict[str, Any] = {"id": "sess_" + secrets.token_hex(12)}
    if wish.transcribes:
        session["object"] = "realtime.transcription_session"
        session |= {} if wish.beta else {"type": "transcription"}
    else:
        session["object"] = "realtime.session"
        session |= _SHOWN_BETA if wish.beta else {"type": "realtime", **_SHOWN}
        if wish.model is not None:
            session["model"] = wish.model
    session |= wish.session
    if wish.beta:
        return {**session, "client_secret": {"value": token, "expires_at": expires_at}}
    return {"value": token, "expires_at": expires_at, "session": session}


def _invalid(param: str, message: str) -> Refusal:
    return Refusal(400, "invalid_value", message, param=param)
