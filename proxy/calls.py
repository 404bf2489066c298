"""A call from its first byte to its last: the steps in their order, for one endpoint.

This is the hot path. It is a plain ASGI application on raw bytes; what it needs per process is in `Gateway`, what it needs
per call is on its stack.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from core.ids import new_event_id
from core.keys import Peppers
from core.ledger.records import Call
from core.settings import Settings
from core.snapshot import Snapshot
from proxy.addressing import find_named
from proxy.admission import Admitter
from proxy.answering import AnswerBroken
from proxy.authentication import authenticate_head, verify_caller
from proxy.bodies import Body, JsonBody
from proxy.caps import Caps
from proxy.connection import ANSWER_KEY, CONNECTION_KEY, HEAD_KEY, Answer, Connection
from proxy.deferred.accounting import Accounting
from proxy.endpoints import Endpoint, Metering, ModelAt, Sends
from proxy.errors import Refusal, endpoint_not_served, not_ready
from proxy.forms import FormBody
from proxy.forwarding import Forwarder, Outbound
from proxy.headers import Headers, RequestHead
from proxy.intake import CallerGone, read_body
from proxy.lists import Lists
from proxy.making import Known, Making
from proxy.metrics import Metrics
from proxy.objects import Objects
from proxy.opening import open_call
from proxy.realtime import Realtime
from proxy.references import may_refer, references
from proxy.routing import RouteTable
from proxy.settlement import Outcome, Settlement
from proxy.targets import Board

if TYPE_CHECKING:
    from proxy.entra.tokens import EntraTokens

_log = logging.getLogger("aduana.calls")


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
    lists: Lists
    accounting: Accounting
    tokens: "EntraTokens | None" = None  # None: no Entra ID tenant is configured
    realtime: Realtime | None = None  # None: no sessions are held here
    known: Known = field(default_factory=Known)
    routes: RouteTable | None = None  # of the snapshot in force; None until there is one
    out_of_service: str | None = None  # why no call can be served now

    def replace_snapshot(self, snapshot: Snapshot) -> None:
        """From here on every new call sees this snapshot."""
        self.board.keep(snapshot)
        self.routes = RouteTable(snapshot, self.board, self.settings.upstream_timeouts)

    def snapshot(self) -> Snapshot:
        return self.route_table().snapshot

    def making(
        self, endpoint: Endpoint, call: Call, path: Mapping[str, str], body: Body, creates: bool
    ) -> Making | None:
        """What has to be written down of what a call makes; None: nothing of its answer can be an object's id."""
        if endpoint.binary or endpoint.method == "DELETE":
            return None
        makes = creates and endpoint.makes is not None
        deferred = endpoint.metering is Metering.RESPONSES and isinstance(body, JsonBody) and body.in_background()
        details = body.details() if makes else None
        return Making(self.objects, self.known, endpoint, call, path, makes=makes, details=details, deferred=deferred)

    async def told(self, head: RequestHead) -> Headers:
        """Where the limits of a request's caller stand, for an answer to what was not admitted; nothing, where it is nobody."""
        try:
            now = time.time()
            routes = self.route_table()
            caller = authenticate_head(head, routes, self.peppers, self.tokens, now)
            return [] if caller is None else await self.admitter.told(caller, now)
        except Refusal:
            return []

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
        names_model = endpoint.sends is Sends.JSON and endpoint.model is ModelAt.BODY and not endpoint.kinds
        self._names_model = names_model and not endpoint.settles

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        started = monotonic()
        gateway = self._gateway
        connection: Connection = scope[CONNECTION_KEY]
        answer: Answer = scope[ANSWER_KEY]
        task = connection.task
        connection.interrupt = task.cancel
        call_id = new_event_id()
        head: RequestHead = scope[HEAD_KEY]
        request_id = head.request_id or "req_" + call_id.hex()
        own_headers = [(b"x-request-id", request_id.encode("ascii"))]
        gateway.metrics.in_flight += 1
        try:
            await self._serve(scope, receive, answer, connection, head, call_id, request_id, own_headers, started)
        except Refusal as refusal:
            connection.interrupt = None
            if len(own_headers) == 1:  # it was refused before its limits were asked
                own_headers.extend(await gateway.told(head))
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
        routes = gateway.route_table()
        now = time.time()
        caller = authenticate_head(head, routes, gateway.peppers, gateway.tokens, now)
        if caller is None:
            caller = await verify_caller(head.credential, gateway.snapshot, gateway.tokens)
            routes = gateway.route_table()
        if endpoint.refused is not None:
            raise endpoint_not_served(endpoint)
        path: Mapping[str, str] = scope.get("path_params") or _NO_PATH
        body: Body
        if self._names_model:
            data = await read_body(scope, receive, head, gateway.settings.max_body_bytes)
            body = JsonBody(data)
            model = path.get("deployment") or body.model()
            upstream = None
            if may_refer(endpoint, data):
                within = references(endpoint, body)
                upstream = (await find_named(gateway.objects, routes, caller, endpoint, path, within)).upstream
            route, candidates = routes.route(caller, model, endpoint, now, upstream=upstream)
            route_model = route.model
            parameters = candidates[0].parameters
            if parameters is not None:
                body.adopt(parameters)
            streamed = endpoint.streams and body.streamed()
            query, lines = b"", None
        else:
            opened = await open_call(gateway, routes, caller, endpoint, scope, path, receive, head, now)
            body, model, route_model, candidates, streamed, query, lines = opened
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
            route_model,
            streamed,
        )
        amounts = await gateway.caps.apply(caller.policy, endpoint, body, model, lines)

        # Where this raises or is cancelled, the ledger has voided what it may have written.
        admission = await gateway.admitter.admit(call, caller, endpoint, body, amounts, candidates, own_headers, now)
        outcome = Outcome(admission.call, admission.claim, endpoint, body.data, now, started)
        if isinstance(body, FormBody):
            outcome.fields = body.texts()
        try:
            creates = _creates(endpoint, body)
            if creates or endpoint.kinds or _speaks(endpoint, body):
                outcome.making = gateway.making(endpoint, admission.call, path, body, creates)
            if endpoint.lists is not None:
                await gateway.lists.answer(endpoint, caller, call, routes, query, answer, own_headers, outcome)
            else:
                if endpoint.scope in _WORKS_ON and (endpoint.ends or endpoint.updates):
                    await gateway.accounting.before_change(endpoint.filled(path))
                if endpoint.resumes and outcome.making is not None:
                    await outcome.making.resume(candidates[0].upstream)
                deadline = None if head.patience is None else started + head.patience
                outbound = Outbound(endpoint, body, head.lines(), streamed, creates, path, query, deadline)
                await gateway.forwarder.forward(outbound, admission.candidates, answer, own_headers, outcome)
            if endpoint.ends and outcome.status is not None and outcome.status < 300:
                await gateway.objects.release(call, path[endpoint.kinds[-1]])
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


# Scopes whose objects may have used what is not accounted for yet.
_WORKS_ON = frozenset({"responses", "assistants", "evals", "videos", "agents", "containers"})
_NO_PATH: Mapping[str, str] = {}


def _creates(endpoint: Endpoint, body: Body) -> bool:
    if endpoint.stores is None:
        return endpoint.creates
    # What goes on in the background is kept until it has ended, whatever its caller wants then.
    return isinstance(body, JsonBody) and (body.stored(endpoint.stores) or body.in_background())


def _speaks(endpoint: Endpoint, body: Body) -> bool:
    """Whether a chat's answer may be speech: its id can be named in later turns, stored or not."""
    return endpoint.metering is Metering.CHAT and isinstance(body, JsonBody) and "audio" in body.fields


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
