"""What a request carries: JSON, read only as far as the gateway acts on it, or nothing; forms are `proxy.forms`'.

JSON's top level becomes a dict of raw values: what is not touched keeps its bytes, and what is sent on is exactly what was
checked (a key that stands twice is sent once, so that no upstream can read the other one).
"""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from proxy.errors import Refusal
from proxy.lookalikes import plain, refuse_lookalikes
from proxy.unreadable import UNREADABLE

if TYPE_CHECKING:
    from proxy.routing.parameters import Parameters

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_value = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_TRUE = b"true"
_BOOLEANS = frozenset({b"true", b"false", b"null"})
_STREAM_WITH_USAGE = msgspec.Raw(b'{"include_usage":true}')
OUTPUT_CAPS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
"""One cap of the output by several names: whoever sets one sets it."""
# No model writes more; what a caller asks for beyond it is the provider's to refuse, and must not leave the ledger's integers.
_MOST_OUTPUT = 2**31 - 1
_MOST_COUNT = 1024
# Whoever looks into a value keeps others waiting: what is made of more pieces than any prompt is refused.
_LARGE = 512 * 1024  # bytes
_MOST_VALUES = 250_000
DETAILS = ("purpose", "seconds")
"""Fields that are remembered of what they make."""
LONGEST_PURPOSE = 64  # characters that are remembered of what an upload is for


class Sent(msgspec.Struct, frozen=True, gc=False):
    """A body as one upstream gets it."""

    content: bytes | AsyncIterator[bytes]
    lines: bytes  # the field that says what it is
    length: int | None = None  # bytes of an iterator's, where they are known


class Body(Protocol):
    """A request's body on its way."""

    data: bytes  # what a count may be made of; b"" where it is no text

    @property
    def resendable(self) -> bool:
        """Whether it can be sent a second time."""
        ...

    def details(self) -> dict[str, Any]:
        """What of it the gateway has to know later of the object that it makes."""
        ...

    def sent(self, model: bytes, cap_field: str) -> Sent:
        """For an upstream that knows the model by a name (JSON; b"": as the caller said it), and a cap of the output."""
        ...


class NoBody:
    """Nothing."""

    data = b""
    resendable = True

    def details(self) -> dict[str, Any]:
        return {}

    def sent(self, model: bytes, cap_field: str) -> Sent:
        return _NOTHING


_NOTHING = Sent(b"", b"")
NO_BODY = NoBody()

_JSON = b"content-type: application/json\r\n"


class JsonBody:
    """The fields of a request. Reading one that has the wrong type is the caller's error (400)."""

    __slots__ = ("_given", "_imposed_cap", "_stream_options", "data", "fields", "parameters")

    resendable = True

    def __init__(self, data: bytes) -> None:
        try:
            self.fields: dict[str, msgspec.Raw] = _decode_fields(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refusal(
                400, "invalid_json", f"The request's body is not a JSON object: {error}. Send one, encoded in UTF-8."
            ) from None
        except RecursionError:
            raise Refusal(400, "invalid_json", "The request's body is nested too deeply to be read.") from None
        if not plain(self.fields):
            refuse_lookalikes(self.fields)
        self.data = data  # as the caller sent it
        self._imposed_cap: int | None = None
        self._stream_options = self.fields.get("stream_options")
        self._given: dict[str, msgspec.Raw] | None = None
        self.parameters: Parameters | None = None

    def adopt(self, parameters: "Parameters") -> None:
        """Take in what a route sets, before the request is held to its caller's policy and reserved for."""
        self._given = dict(self.fields)
        self.parameters = parameters
        self.fields = parameters.merged(self._given)

    def exchange(self, parameters: "Parameters | None") -> None:
        """Take in what another route sets in place of the first one's. The caps of the output stay: they are reserved for."""
        given = self._given = self._given if self._given is not None else self.fields
        self.parameters = parameters
        fields = dict(given) if parameters is None else parameters.merged(given)
        for cap in OUTPUT_CAPS:
            fields.pop(cap, None)
            if cap in self.fields:
                fields[cap] = self.fields[cap]
        self.fields = fields

    def model(self) -> str:
        """The model that the caller names."""
        raw = self.fields.get("model")
        model = None if raw is None else self._value("model", raw)
        if not isinstance(model, str) or not model:
            raise Refusal(
                400,
                "missing_model" if model is None else "invalid_model",
                "You must provide a model: set 'model' to one of those that GET /v1/models lists.",
                param="model",
            )
        return model

    def names_model(self) -> bool:
        raw = self.fields.get("model")
        return raw is not None and bytes(raw) not in (b"null", b'""')

    def streamed(self) -> bool:
        """Whether a stream is asked for. What is no boolean is refused: an upstream may read it otherwise than the gateway."""
        raw = self.fields.get("stream")
        form = self.fields.get("stream_format")  # of speech, which knows no `stream`
        if form is not None and self._value("stream_format", form) == "sse":
            return True
        if raw is None:
            return False
        said = bytes(raw)
        if said not in _BOOLEANS:
            raise Refusal(400, "invalid_type", "'stream' must be true or false.", param="stream")
        return said == _TRUE

    def stored(self, default: bool) -> bool:
        """Whether what is made is kept at the provider; `default` where the caller does not say."""
        raw = self.fields.get("store")
        if raw is None:
            return default
        said = bytes(raw)
        return default if said == b"null" else said != b"false"

    def in_background(self) -> bool:
        """Whether the answer comes before the work is done. What is no boolean is refused, as of `stream`."""
        raw = self.fields.get("background")
        said = b"null" if raw is None else bytes(raw)
        if said not in _BOOLEANS:
            raise Refusal(400, "invalid_type", "'background' must be true or false.", param="background")
        return said == _TRUE

    def output_cap(self) -> int:
        """The most tokens that are asked for, or 0 where nobody set a cap."""
        if self._imposed_cap is not None:
            return self._imposed_cap
        for name in OUTPUT_CAPS:
            raw = self.fields.get(name)
            if raw is not None:
                value = self._value(name, raw)
                if isinstance(value, int) and value > 0:
                    return min(value, _MOST_OUTPUT)
        return 0

    def cap_output(self, cap: int) -> None:
        """Lower the caller's cap of the output to `cap` tokens, or set one where there is none."""
        lowered = False
        for name in OUTPUT_CAPS:
            raw = self.fields.get(name)
            if raw is not None and bytes(raw) != b"null":
                self.fields[name] = msgspec.Raw(b"%d" % cap)
                lowered = True
        self._imposed_cap = None if lowered else cap

    def count(self, name: str) -> int:
        """A field that says how many of something are wanted; 1 where it does not say so."""
        raw = self.fields.get(name)
        value = None if raw is None else self._value(name, raw)
        return min(value, _MOST_COUNT) if type(value) is int and value > 1 else 1

    def prompts(self) -> int:
        """How many prompts a completion has: a list of texts or of lists of tokens is as many."""
        raw = self.fields.get("prompt")
        if raw is None or bytes(raw)[:1] != b"[":
            return 1
        value = self._value("prompt", raw)
        return max(1, len(value)) if not isinstance(value[0] if value else 0, int) else 1

    def read(self, name: str) -> Any:
        """A field's value; it must be there."""
        return self._value(name, self.fields[name])

    def report_usage(self, force: bool) -> bool:
        """Make a stream report its usage, or leave its options as they came; whether the caller is owed the report."""
        raw = self._stream_options
        options = None if raw is None else self._value("stream_options", raw)
        if options is not None and not isinstance(options, dict):
            return True  # the upstream says what is wrong with it
        asked = options is not None and options.get("include_usage") is True
        if not asked and force:
            forced = _STREAM_WITH_USAGE if not options else msgspec.Raw(_encode({**options, "include_usage": True}))
            self.fields["stream_options"] = forced
        elif raw is not None:
            self.fields["stream_options"] = raw
        else:
            self.fields.pop("stream_options", None)
        return asked

    def details(self) -> dict[str, Any]:
        """The purpose of what is uploaded, and how long a video is asked for."""
        said = {name: self._value(name, self.fields[name]) for name in DETAILS if name in self.fields}
        return {name: text[:LONGEST_PURPOSE] for name, text in said.items() if isinstance(text, str)}

    def sent(self, model: bytes, cap_field: str) -> Sent:
        """`model` in place of the caller's name for it; a cap that the caller did not set goes by the name that this
        upstream knows."""
        fields = self.fields
        if model:
            fields["model"] = msgspec.Raw(model)
        if self._imposed_cap is None:
            return Sent(_encode(fields), _JSON)
        return Sent(_encode({**fields, cap_field: self._imposed_cap}), _JSON)

    @staticmethod
    def _value(name: str, raw: msgspec.Raw) -> Any:
        data = memoryview(raw)
        if len(data) > _LARGE and bytes(data).count(b",") > _MOST_VALUES:
            raise Refusal(
                400,
                "too_many_values",
                f"'{name}' holds more than {_MOST_VALUES} values. Send fewer in one call.",
                param=name,
            )
        try:
            return _decode_value(raw)
        except UNREADABLE:
            raise Refusal(400, "invalid_json", f"'{name}' cannot be read.", param=name) from None
