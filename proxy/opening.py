"""The first half of a call whose body is no JSON with a model: what it carries, what it names, and who may serve it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from core.snapshot import Caller
from proxy import agents
from proxy.addressing import Named, find_named
from proxy.batch_files import endpoint_of, models_of
from proxy.bodies import NO_BODY, Body, JsonBody
from proxy.endpoints import Endpoint, ModelAt, Sends
from proxy.errors import Refusal, unknown_model
from proxy.forms import FormBody
from proxy.headers import RequestHead
from proxy.intake import read_body
from proxy.nested_models import map_models
from proxy.references import may_refer, references
from proxy.reservation import Lines
from proxy.routing import Candidate, RouteTable, check_endpoint
from proxy.uploads import read_form

if TYPE_CHECKING:
    from proxy.calls import Gateway

_LONGEST_QUERY = 8192  # bytes
_MOST_PARAMETERS = 256
_OPTIONAL = frozenset({ModelAt.BODY, ModelAt.BODY_OPTIONAL, ModelAt.FORM, ModelAt.FORM_OPTIONAL})
_OF_THE_ACCOUNT = frozenset({"logs", "stored_completions", "responses"})
_YES = frozenset({"true", "1", "yes", "on", "t", "y"})  # what servers take for it in a query
_REQUIRED = frozenset({ModelAt.BODY, ModelAt.FORM})


class Opened(NamedTuple):
    """A call that may be admitted."""

    body: Body
    model: str  # as the caller asks for it; "" where none is named
    route: str
    candidates: Sequence[Candidate]
    streamed: bool
    query: bytes  # what of the caller's goes on
    lines: Lines | None = None  # of a batch that it makes


async def open_call(
    gateway: "Gateway",
    routes: RouteTable,
    caller: Caller,
    endpoint: Endpoint,
    scope: Any,
    path: Mapping[str, str],
    receive: Any,
    head: RequestHead,
    now: float,
) -> Opened:
    """Read as much of a call as it takes to know who may serve it. Raises `Refusal`, and `CallerGone`."""
    check_endpoint(caller, endpoint)
    query = own_query(scope["query_string"])
    body = await _read(gateway, routes, caller, endpoint, scope, receive, head, now)
    named = await _named(gateway, routes, caller, endpoint, path, body)
    model = _model(endpoint, path, body)
    streamed = endpoint.always_streams or (endpoint.streams and _streamed(body, query))
    if endpoint.model is ModelAt.AGENT:
        _check_meaning(endpoint, caller, body, named)
        chosen = agents.choose(routes, caller, endpoint, body, named, now)
        if chosen is not None:
            return Opened(body, chosen.model, chosen.route, chosen.candidates, streamed, query)
    if model is not None:
        if endpoint.scope == "agents":
            _check_meaning(endpoint, caller, body, named)
        route, candidates = routes.route(caller, model, endpoint, now, upstream=named.upstream)
        if endpoint.settles and named.upstream is None:
            home = routes.home(caller)
            candidates = [each for each in candidates if each.upstream == home and each.route is route] or candidates
        return Opened(body, model, route.model, candidates, streamed, query)
    upstream = named.upstream or (body.upstream if isinstance(body, FormBody) else None) or routes.home(caller)
    _check_meaning(endpoint, caller, body, named)
    lines = _lines(routes, caller, endpoint, body, named, now) if endpoint.makes == "batch" else None
    place = routes.place(upstream, endpoint)
    if endpoint.model is ModelAt.NESTED and isinstance(body, JsonBody):
        map_models(body, routes, caller, endpoint, upstream, now)
    # A run without a model of its own is its assistant's.
    inherited = named.model_of("assistant")
    if inherited is not None:
        route, candidates = routes.route(caller, inherited, endpoint, now, upstream=upstream)
        return Opened(body, inherited, route.model, candidates, streamed, query)
    return Opened(body, "", "", [place], streamed, query, lines)


def _check_meaning(endpoint: Endpoint, caller: Caller, body: Body, named: Named) -> None:
    """What single endpoints ask of their bodies. Raises `Refusal`."""
    if endpoint.model is ModelAt.FORM_OPTIONAL and caller.policy.allowed_models is not None:
        raise Refusal(  # the provider would take a model of its own choice
            400,
            "missing_model",
            "Your policy allows certain models alone (allowed_models): name one of those that GET /v1/models lists.",
            param="model",
        )
    if not isinstance(body, JsonBody):
        return
    if endpoint.name == "batches.create":
        if "endpoint" in body.fields:
            row = endpoint_of(body.read("endpoint"))
            if row is not None:
                check_endpoint(caller, row)
        _check_input(named)
    if endpoint.name == "fine_tuning.jobs.create" and not caller.policy.allows_model(body.model()):
        raise unknown_model(body.model())  # a base model: no route has to serve it
    if endpoint.name == "files.create" and body.details().get("purpose") == "batch":
        raise Refusal(400, "invalid_form", "A batch's input file is uploaded as a form (multipart/form-data).")
    if endpoint.scope == "evals":
        _check_sources(body)
    if endpoint.scope == "agents":
        agents.check_agents(caller, body)
    if endpoint.name == "uploads.create" and body.details().get("purpose") == "batch":
        raise Refusal(
            400,
            "batch_file_in_parts",
            "A batch's input file cannot be uploaded in parts: the gateway checks its lines. Upload it whole, with "
            "files.create and the purpose 'batch'.",
            param="purpose",
        )


def _check_input(named: Named) -> None:
    """A batch's input is a file whose lines were read when it came: no other one's were."""
    for owner in named.owners.values():
        if owner.kind == "file" and owner.details.get("purpose") != "batch":
            raise Refusal(
                400,
                "not_a_batch_file",
                f"The file '{owner.id[:64]}' was not uploaded as a batch's input. Upload it with the purpose 'batch'.",
                param="input_file_id",
            )


def _check_sources(body: JsonBody) -> None:
    """An eval reads what its caller uploads: chats and responses by a filter would be everybody's of the account."""
    config = body.read("data_source_config") if "data_source_config" in body.fields else None
    data = body.read("data_source") if "data_source" in body.fields else None
    source = data.get("source") if isinstance(data, dict) else None
    for name, found in (("data_source_config", config), ("data_source", source)):
        if isinstance(found, dict) and found.get("type") in _OF_THE_ACCOUNT:
            raise Refusal(
                403,
                "shared_source",
                f"An eval of {found['type']} would read those of everybody who shares the model provider's account. "
                "Give it a file, or the items themselves.",
                kind="permission_error",
                param=name,
            )


def _lines(
    routes: RouteTable, caller: Caller, endpoint: Endpoint, body: Body, named: Named, now: float
) -> Lines | None:
    """What a batch may use, as its input file said when it was uploaded. Raises `Refusal` where a model of it may not be
    used (any more)."""
    field = body.read("input_file_id") if isinstance(body, JsonBody) and "input_file_id" in body.fields else None
    owner = named.owners.get(field) if isinstance(field, str) else None
    if owner is None:
        return None
    row = endpoint_of(body.read("endpoint")) if isinstance(body, JsonBody) and "endpoint" in body.fields else None
    candidates = [
        candidate
        for model in models_of(owner.details)
        for candidate in routes.route(caller, model, row or endpoint, now, upstream=owner.upstream)[1]
    ]
    counts = (owner.details.get(name) for name in ("input_tokens", "output_tokens"))
    entry, output = (count if type(count) is int and count > 0 else 0 for count in counts)
    return Lines(entry, output, candidates)


def own_query(query: bytes) -> bytes:
    """A caller's query without what is the surface's. Raises `Refusal` (400) for one that is too long."""
    if not query or (query.startswith(b"api-version=") and b"&" not in query):
        return b""
    if len(query) > _LONGEST_QUERY:
        raise Refusal(400, "invalid_query", f"The query is longer than {_LONGEST_QUERY} bytes.")
    try:
        pairs = parse_qsl(query.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise Refusal(400, "invalid_query", f"The query has more than {_MOST_PARAMETERS} parameters.") from None
    return urlencode([pair for pair in pairs if pair[0] != "api-version"]).encode("ascii")


async def _read(
    gateway: "Gateway",
    routes: RouteTable,
    caller: Caller,
    endpoint: Endpoint,
    scope: Any,
    receive: Any,
    head: RequestHead,
    now: float,
) -> Body:
    if endpoint.sends is Sends.NOTHING:
        return NO_BODY
    if endpoint.sends is Sends.FORM and not _is_json(scope["headers"]):
        return await read_form(gateway, routes, caller, endpoint, scope["headers"], receive, now)
    data = await read_body(scope, receive, head, gateway.settings.max_body_bytes)
    if not data and endpoint.model not in _REQUIRED:
        return NO_BODY
    return JsonBody(data)


async def _named(
    gateway: "Gateway",
    routes: RouteTable,
    caller: Caller,
    endpoint: Endpoint,
    path: Mapping[str, str],
    body: Body,
) -> Named:
    if isinstance(body, JsonBody) and may_refer(endpoint, body.data):
        within = references(endpoint, body)
        return await find_named(gateway.objects, routes, caller, endpoint, path, within)
    if isinstance(body, FormBody):
        return await find_named(gateway.objects, routes, caller, endpoint, path, body.references())
    return await find_named(gateway.objects, routes, caller, endpoint, path)


def _model(endpoint: Endpoint, path: Mapping[str, str], body: Body) -> str | None:
    deployment = path.get("deployment")
    if deployment is not None:
        return deployment
    if endpoint.model not in _OPTIONAL:
        return None
    if isinstance(body, JsonBody | FormBody) and (endpoint.model in _REQUIRED or body.names_model()):
        return body.model()
    return None


def _streamed(body: Body, query: bytes) -> bool:
    if isinstance(body, JsonBody | FormBody):
        return body.streamed()
    return any(name == "stream" and value.lower() in _YES for name, value in parse_qsl(query.decode("ascii")))


def _is_json(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    return any(name == b"content-type" and value[:16].lower() == b"application/json" for name, value in headers)
