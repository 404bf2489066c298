"""A call from its first byte to its last: the steps in their order, for one endpoint.

This is the hot path. It is a plain ASGI application on raw bytes; what it needs per process is in `Gateway`, what it needs
per call is on its stack.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from time import monotonic
from typing import Any

from core.ids import new_event_id
from core.keys import Peppers
from core.ledger.records import Call
from core.settings import Settings
from core.snapshot import Caller, Route, Snapshot
from proxy.admission import Admitter
from proxy.answering import AnswerBroken
from proxy.authentication import authenticate_caller, verify_caller
from proxy.bodies import JsonBody
from proxy.caps import Caps
from proxy.connection import ANSWER_KEY, CONNECTION_KEY, Answer, Connection
from proxy.endpoints import Endpoint
from proxy.entra.tokens import EntraTokens
from proxy.errors import Refusal, method_not_allowed, not_ready
from proxy.forwarding import Forwarder, Outbound
from proxy.headers import Headers, RequestHead, read_request_head
from proxy.metrics import Metrics
from proxy.objects import Objects
from proxy.routing import RouteTable
from proxy.settlement import Outcome, Settlement
from proxy.targets import Board

_log = logging.getLogger("aduana.calls")

# A body over the limit is read to its end before it is refused, up to this many times the limit: a caller that is
# still sending would see its connection break, not the answer.
_DISCARDED = 4


class CallerGone(Exception):
    """The caller hung up before its call was admitted: nobody to answer, nothing to write down."""


@dataclass(slots=True)
class Gateway:
    """What every call shares in one process."""

    settings: Settings
    peppers: Peppers
    caps: Caps
    admitter: Admitter
    forwarder: Forwarder
    settlement: Settlement
    metrics: Metrics
    objects: Objects
    board: Board
    tokens: EntraTokens | None = None  # None: no Entra ID tenant is configured
    routes: RouteTable | None = None  # of the snapshot in force; None until there is one
    out_of_service: str | None = None  # why no call can be served now

    def replace_snapshot(self, snapshot: Snapshot) -> None:
        """From here on every new call sees this snapshot."""
        self.board.keep(snapshot)
        self.routes = RouteTable(snapshot, self.board, self.settings.upstream_timeouts)

    def snapshot(self) -> Snapshot:
        return self.route_table().snapshot

    def route_table(self) -> RouteTable:
        routes = self.routes
        if routes is None:
            raise not_ready("it has not read its configuration yet")
        if self.out_of_service is not None:
            raise not_ready(self.out_of_service)
        return routes


class CallEndpoint:
    """The ASGI application of one row of the endpoint table."""

    def __init__(self, endpoint: Endpoint, gateway: Gateway) -> None:
        self._endpoint = endpoint
        self._gateway = gateway

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        started = monotonic()
        gateway = self._gateway
        connection: Connection = scope[CONNECTION_KEY]
        answer: Answer = scope[ANSWER_KEY]
        task = connection.task
        connection.interrupt = task.cancel
        call_id = new_event_id()
        head = read_request_head(scope["headers"])
        request_id = head.request_id or "req_" + call_id.hex()
        own_headers = [(b"x-request-id", request_id.encode("ascii"))]
        gateway.metrics.in_flight += 1
        try:
            await self._serve(scope, receive, answer, connection, head, call_id, request_id, own_headers, started)
        except Refusal as refusal:
            connection.interrupt = None
            answer_refusal(answer, refusal, own_headers, gateway.metrics)
        except CallerGone:
            pass
        except AnswerBroken:
            answer.abort()
        except asyncio.CancelledError:
            if connection.slow and not connection.lost:
                task.uncancel()
                connection.interrupt = None
                if answer.started:
                    answer.abort()
                    return
                answer_refusal(answer, _too_slow(gateway.settings.body_timeout), own_headers, gateway.metrics)
            elif not connection.lost:
                answer.abort()  # the drain time is over
        except Exception:
            # A fault of ours: the caller learns the request's id, the log the rest.
            _log.exception("call %s failed", request_id)
            if answer.started:
                answer.abort()
            else:
                answer_refusal(answer, _our_fault(request_id), own_headers, gateway.metrics)
        finally:
            connection.interrupt = None
            gateway.metrics.in_flight -= 1

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
        if scope["method"] != "POST":
            raise method_not_allowed(scope["method"], scope["path"], allow=b"POST")
        routes = gateway.route_table()
        now = time.time()
        caller = authenticate_caller(head.credential, routes.snapshot, gateway.peppers, gateway.tokens, now)
        if caller is None:
            caller = await verify_caller(head.credential, gateway.snapshot, gateway.tokens)
            routes = gateway.route_table()
        data = await read_body(receive, head, gateway.settings.max_body_bytes)
        body = JsonBody(data)
        path_params = scope.get("path_params")  # none where the path is literal
        model = (path_params and path_params.get("deployment")) or body.model()
        route, candidates = routes.route(caller, model, endpoint, now)
        streamed = endpoint.streams and body.streamed()
        call = _call(call_id, caller, request_id, endpoint, model, route, streamed)

        amounts = await gateway.caps.apply(caller.policy, endpoint, body, model)

        # Where this raises or is cancelled, the ledger has voided what it may have written.
        admission = await gateway.admitter.admit(call, caller, endpoint, body, amounts, candidates, own_headers, now)
        outcome = Outcome(admission.call, admission.claim, endpoint, data, now, started)
        try:
            deadline = None if head.patience is None else started + head.patience
            outbound = Outbound(endpoint, body, head.forwarded, streamed, _creates(endpoint, body), deadline=deadline)
            await gateway.forwarder.forward(outbound, admission.candidates, answer, own_headers, outcome)
        except Refusal as refusal:
            outcome.status = refusal.status
            outcome.error_code = refusal.code
            raise
        except asyncio.CancelledError:
            outcome.cancelled = True
            outcome.error_code = "caller_hung_up" if connection.lost else "gateway_stopped"
            raise
        except AnswerBroken:
            raise
        except Exception:
            outcome.status, outcome.error_code = 500, "internal_error"
            raise
        finally:
            gateway.settlement.settle(outcome)


def _call(
    call_id: bytes, caller: Caller, request_id: str, endpoint: Endpoint, model: str, route: Route, streamed: bool
) -> Call:
    return Call(
        call_id,
        caller.client_id,
        caller.team_id,
        caller.app_id,
        caller.key_id,
        caller.name,
        request_id,
        endpoint.name,
        model,
        route.model,
        streamed,
    )


def _creates(endpoint: Endpoint, body: JsonBody) -> bool:
    return endpoint.creates if endpoint.stores is None else body.stored(endpoint.stores)


async def read_body(receive: Any, head: RequestHead, limit: int) -> bytes:
    """The whole body, at most `limit` bytes (413 beyond). Raises `CallerGone` where the caller hangs up in it."""
    too_large = head.content_length is not None and head.content_length > limit
    if not too_large:
        message = await receive()
        if message["type"] != "http.request":
            raise CallerGone
        if not message["more_body"]:
            body: bytes = message["body"]
            if len(body) <= limit:
                return body
            too_large = True
        else:
            pieces, size = [message["body"]], len(message["body"])
            while size <= limit:
                message = await receive()
                if message["type"] != "http.request":
                    raise CallerGone
                pieces.append(message["body"])
                size += len(message["body"])
                if not message["more_body"]:
                    break
            if size <= limit:
                return b"".join(pieces)
    if not head.expects_continue:
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


def answer_refusal(answer: Answer, refusal: Refusal, own_headers: Headers, metrics: Metrics) -> None:
    """Tell the caller why its call ends here, in OpenAI's shape."""
    metrics.refused[refusal.code] += 1
    headers = [(b"content-type", b"application/json"), *own_headers, *refusal.headers()]
    if refusal.close:
        answer.hang_up_after()
    answer.whole(refusal.status, headers, refusal.body())


def _too_slow(timeout: float) -> Refusal:
    return Refusal(
        408,
        "request_timeout",
        f"The request's body did not arrive in time (nothing for {timeout:g} seconds, or too slowly). Send it again.",
        close=True,
    )


def _our_fault(request_id: str) -> Refusal:
    return Refusal(
        500,
        "internal_error",
        f"The gateway failed to serve this call. Tell your Aduana administrator its request id, {request_id}.",
        kind="server_error",
    )
