"""What a caller's events may say: tools, models, caps of the output, and objects that they name. What may not pass is refused
(`Refusal`), and the session goes on without it.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from core.snapshot import Caller, Snapshot
from proxy.addressing import find_named
from proxy.bodies import JsonBody
from proxy.caps import check_tools
from proxy.endpoints import Endpoint
from proxy.errors import Refusal
from proxy.realtime.events import ClientEvent
from proxy.references import References, may_refer, references
from proxy.reservation import DEFAULT_OUTPUT
from proxy.routing import Candidate, RouteTable
from proxy.routing.table import allows

if TYPE_CHECKING:
    from proxy.calls import Gateway

_CAPS = ("max_output_tokens", "max_response_output_tokens")  # today's name, and the beta's
_CHECKED = {
    "session.update": "session",
    "transcription_session.update": "session",
    "response.create": "response",
    "conversation.item.create": "item",
}
_encode = msgspec.json.Encoder().encode
_ONLY_HERE = frozenset({"auto", "none"})  # a response's `conversation`


class Inspector:
    """Holds one session's events to its caller's policy, as it is now."""

    def __init__(
        self, gateway: "Gateway", caller: Caller, endpoint: Endpoint, model: str, candidate: Candidate, now: float
    ) -> None:
        self._gateway = gateway
        self._first = caller
        self._endpoint = endpoint
        self._model = model
        self._candidate = candidate
        self._now = now
        self.output_cap = DEFAULT_OUTPUT  # tokens that a response may have, as the session says
        self.aloud = True  # responses are said, where they do not ask otherwise
        self.transcriber: tuple[str, Candidate] | None = None  # who writes down what is heard: as asked for, and where

    @property
    def caller(self) -> Caller:
        """The session's, by the configuration in force."""
        return self._gateway.snapshot().caller(self._first.key_id) or self._first

    async def inspect(self, event: ClientEvent) -> None:
        """Check an event and put into it what the provider has to be told. Raises `Refusal`."""
        name = _CHECKED.get(event.type)
        if name is None:
            return
        value = event.value(name)
        if value is None:
            return
        if not isinstance(value, dict):
            raise Refusal(400, "invalid_type", f"'{name}' must be an object.", param=name)
        caller = self.caller
        await self.objects(caller, _beyond_the_session(name, value))
        if name == "session":
            self._session(caller, value)
        elif name == "response":
            self._response(caller, value)
        event.put(name, value)

    def first_update(
        self, session: Mapping[str, Any] | None, *, beta: bool, transcribes: bool = False
    ) -> dict[str, Any] | None:
        """What the provider is told before the caller says anything: a token's session, and the policy's cap."""
        told = dict(session) if session is not None else {}
        cap = self.caller.policy.max_output_tokens
        if cap is not None and not transcribes:
            told.setdefault(_CAPS[beta], "inf")
        if not told:
            return None
        self._session(self.caller, told)
        if not beta:
            told.setdefault("type", "realtime")
        return told

    def out_of_force(self, routes: RouteTable) -> str | None:
        """Why the caller may not go on by a newer configuration; None: it may."""
        caller = routes.snapshot.caller(self._first.key_id)
        if caller is None or _is_disabled(routes.snapshot, self._first.key_id):
            return "invalid_api_key"
        if not caller.policy.allows_endpoint(self._endpoint.scope):
            return "endpoint_not_allowed"
        route = routes.names.find(self._model) if self._model else None
        if self._model and (route is None or not allows(caller.policy, self._model, route)):
            return "model_not_found"
        return None

    def response_cap(self, event: ClientEvent) -> int:
        """The most tokens that the response which an event asks for may have."""
        response = event.value("response")
        return _cap_of(response if isinstance(response, dict) else {}) or self.output_cap

    def speaks(self, event: ClientEvent) -> bool:
        """Whether the response which an event asks for may be said aloud."""
        response = event.value("response")
        return _speaks(response if isinstance(response, dict) else {}, otherwise=self.aloud)

    def _session(self, caller: Caller, session: dict[str, Any]) -> None:
        model = session.get("model")
        if model is not None:
            if model != self._model:
                raise Refusal(
                    400,
                    "model_change_not_allowed",
                    "A session keeps the model that it was opened with. Connect anew with ?model= for another one.",
                    param="session.model",
                )
            del session["model"]
        check_tools_of(caller, session)
        _hold_to_cap(caller, session)
        self._transcription(caller, session.get("input_audio_transcription"))
        audio = session.get("audio")
        heard = audio.get("input") if isinstance(audio, dict) else None
        self._transcription(caller, heard.get("transcription") if isinstance(heard, dict) else None)
        self.output_cap = _cap_of(session) or self.output_cap
        self.aloud = _speaks(session, otherwise=self.aloud)

    def _transcription(self, caller: Caller, asked: Any) -> None:
        """Give the transcribing model the name that the provider has for it."""
        if not isinstance(asked, dict):
            return
        model = asked.get("model")
        if model is None and self.transcriber is not None:
            return
        if not isinstance(model, str) or not model:
            raise Refusal(
                400,
                "missing_model",
                "You must name the model that transcribes: GET /v1/models lists those you may use.",
                param="transcription.model",
            )
        routes = self._gateway.route_table()
        _, found = routes.route(caller, model, self._endpoint, self._now, upstream=self._candidate.upstream)
        self.transcriber = (model, found[0])
        asked["model"] = found[0].deployment

    def _response(self, caller: Caller, response: dict[str, Any]) -> None:
        if response.get("model") is not None:
            raise Refusal(400, "model_change_not_allowed", "A session keeps its model.", param="response.model")
        check_tools_of(caller, response)
        _hold_to_cap(caller, response)

    async def objects(self, caller: Caller, body: JsonBody) -> None:
        """Refuses (404) what is not the caller's own."""
        named = references(self._endpoint, body).own if may_refer(self._endpoint, body.data) else {}
        if not named:
            return
        gateway = self._gateway
        found = await find_named(gateway.objects, gateway.route_table(), caller, self._endpoint, {}, References(named))
        if found.upstream is not None and found.upstream != self._candidate.upstream:
            raise Refusal(
                400,
                "object_on_another_upstream",
                "What this event names is kept by another resource of a model provider than this session.",
                param=next(iter(named.values())),
            )


def _is_disabled(snapshot: Snapshot, key_id: str) -> bool:
    if key_id.startswith("~"):
        return snapshot.identities_by_id[key_id].disabled
    return snapshot.keys[key_id].disabled


def _beyond_the_session(name: str, value: Any) -> JsonBody:
    """What an event says, without the names of the session's own items and responses: those are the provider's to know."""
    try:
        return JsonBody(_encode({name: _without_parts(value)}))
    except RecursionError:
        raise Refusal(400, "invalid_json", "The event is nested too deeply to be read.") from None


def _without_parts(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_parts(each) for each in value]
    if not isinstance(value, dict):
        return value
    refers = value.get("type") == "item_reference"
    return {
        name: _without_parts(inner)
        for name, inner in value.items()
        if not (
            name == "response_id"
            or (name == "id" and refers)
            or (name == "conversation" and isinstance(inner, str) and inner in _ONLY_HERE)
        )
    }


def check_tools_of(caller: Caller, holder: Mapping[str, Any]) -> None:
    """Raises `Refusal` (403) for a tool that the policy does not allow."""
    allowed = caller.policy.allowed_tools
    tools = holder.get("tools")
    if allowed is not None and isinstance(tools, list):
        check_tools(allowed, _types(tools))


def _types(tools: Iterable[Any]) -> list[str]:
    return [str(tool.get("type", "function")) for tool in tools if isinstance(tool, dict)]


def _speaks(holder: Mapping[str, Any], *, otherwise: bool) -> bool:
    for name in ("output_modalities", "modalities"):
        asked = holder.get(name)
        if isinstance(asked, list):
            return "audio" in asked
    return otherwise


def _cap_of(holder: Mapping[str, Any]) -> int:
    for name in _CAPS:
        value = holder.get(name)
        if type(value) is int and value > 0:
            return value
    return 0


def _hold_to_cap(caller: Caller, holder: dict[str, Any]) -> None:
    """Lower what an event asks for to the policy's cap, or refuse it."""
    cap = caller.policy.max_output_tokens
    if cap is None:
        return
    for name in _CAPS:
        value = holder.get(name)
        if value is None or (type(value) is int and value <= cap):
            continue
        if caller.policy.refuse_over_cap and type(value) is int:
            raise Refusal(
                400,
                "max_output_tokens_exceeded",
                f"This event asks for {value} tokens of output, and your policy allows {cap} (max_output_tokens). "
                "Ask for less output.",
                param=name,
            )
        holder[name] = cap
