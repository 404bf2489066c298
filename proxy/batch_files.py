"""The lines of a batch's input file: each faces its caller's policy and is mapped to a deployment, like a call.

https://platform.openai.com/docs/guides/batch: a line is {"custom_id", "method", "url", "body"}.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from core.snapshot import Caller
from proxy.addressing import find_named
from proxy.bodies import JsonBody
from proxy.endpoints import Endpoint, ModelAt, Sends
from proxy.endpoints.table import ENDPOINTS
from proxy.errors import Refusal
from proxy.forms import FormBody
from proxy.references import may_refer, references
from proxy.routing import Candidate, RouteTable, check_endpoint
from proxy.unreadable import UNREADABLE

if TYPE_CHECKING:
    from proxy.calls import Gateway

_LONGEST_LINE = 16 * 1024 * 1024  # bytes
_MOST_LINES = 100_000
# What is remembered of a file has a bound (proxy.objects).
_MOST_MODELS = 16
_LONGEST_MODEL = 128  # characters
_AT_ONCE = 100  # lines between two looks at other calls
_IN_MEMORY = 256 * 1024

_BY_URL: dict[str, Endpoint] = {
    prefix + row.path: row
    for row in ENDPOINTS
    if row.method == "POST" and row.sends is Sends.JSON and row.model is ModelAt.BODY and not row.kinds
    for prefix in ("/v1/", "/")  # OpenAI's way, and Azure's
}


class _Line(msgspec.Struct):
    url: str
    body: msgspec.Raw
    method: str = "POST"
    custom_id: str = ""


_decode = msgspec.json.Decoder(_Line).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def endpoint_of(url: Any) -> Endpoint | None:
    """The row that a batch's `endpoint`, or a line's `url`, names."""
    return _BY_URL.get(url) if isinstance(url, str) else None


def models_of(details: Mapping[str, Any]) -> Sequence[str]:
    """The models that a batch's input file names."""
    models = details.get("models")
    return [model for model in models if isinstance(model, str)] if isinstance(models, list) else ()


class BatchLines:
    """Reads one file. The upstream that can serve its first line has to serve them all."""

    def __init__(self, gateway: "Gateway", routes: RouteTable, caller: Caller, now: float) -> None:
        self._gateway = gateway
        self._routes = routes
        self._caller = caller
        self._now = now
        self._upstream: str | None = None
        self._number = 0
        self._input = self._output = 0
        self._models: set[str] = set()

    async def rewrite(self, form: FormBody) -> None:
        """Put the mapped lines in the place of the form's file. Raises `Refusal` that names the line."""
        directory = str(self._gateway.settings.forms_dir)
        mapped = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=directory)  # noqa: SIM115 - the form keeps it
        async for line in _lines(form):
            self._number += 1
            if self._number > _MOST_LINES:
                raise _bad_line(self._number, f"a batch has at most {_MOST_LINES} lines")
            if self._number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            mapped.write(await self._map(line) + b"\n")
        if self._upstream is None:
            raise _bad_line(1, "the file holds no line")
        form.replace_file(mapped, mapped.tell())
        form.upstream = self._upstream
        form.estimate = {
            "lines": self._number,
            "input_tokens": self._input,
            "output_tokens": self._output,
            "models": sorted(self._models),
        }

    async def _map(self, data: bytes) -> bytes:
        try:
            line, fields = _decode(data), _decode_fields(data)
        except UNREADABLE as error:
            raise _bad_line(self._number, f"it is not a JSON object with url and body ({error})") from None
        endpoint = endpoint_of(line.url)
        if endpoint is None or line.method != "POST":
            raise _bad_line(self._number, f"'{line.method[:16]} {line.url[:64]}' is no endpoint of batches")
        try:
            body, candidate = await self._judge(endpoint, bytes(line.body))
        except Refusal as refusal:
            raise _bad_line(self._number, refusal.message, refusal) from None
        content = body.sent(candidate.model, candidate.cap_field).content
        assert isinstance(content, bytes)
        fields["body"] = msgspec.Raw(content)
        return _encode(fields)

    async def _judge(self, endpoint: Endpoint, data: bytes) -> tuple[JsonBody, Candidate]:
        caller, policy = self._caller, self._caller.policy
        check_endpoint(caller, endpoint)
        body = JsonBody(data)
        model = body.model()
        if body.streamed():
            raise Refusal(400, "invalid_batch_line", "a batch's calls cannot stream", param="stream")
        upstream = self._upstream
        if may_refer(endpoint, data):
            named = await find_named(
                self._gateway.objects, self._routes, caller, endpoint, {}, references(endpoint, body)
            )
            upstream = named.upstream or upstream
        _, candidates = self._routes.route(caller, model, endpoint, self._now, upstream=upstream)
        candidate = candidates[0]
        if self._upstream is None:
            self._upstream = candidate.upstream
        elif candidate.upstream != self._upstream:
            raise Refusal(
                400,
                "objects_on_several_upstreams",
                "it names an object that another model provider's resource has than the one of the lines before",
            )
        if candidate.parameters is not None:
            body.adopt(candidate.parameters)
        amounts = await self._gateway.caps.apply(policy, endpoint, body, model)
        self._input += amounts.input_tokens
        self._output += amounts.output_tokens
        self._models.add(model)
        if len(self._models) > _MOST_MODELS or len(model) > _LONGEST_MODEL:
            raise Refusal(
                400,
                "invalid_batch_line",
                f"a batch uses at most {_MOST_MODELS} models, of {_LONGEST_MODEL} characters each.",
            )
        return body, candidate


async def _lines(form: FormBody) -> AsyncIterator[bytes]:
    """The lines that are not empty."""
    rest = bytearray()
    async for piece in form.file():
        await asyncio.sleep(0)  # a file of empty lines is no reason to keep others waiting
        rest += piece
        if b"\n" not in piece:
            if len(rest) > _LONGEST_LINE:
                raise _bad_line(1, f"a line is longer than {_LONGEST_LINE} bytes")
            continue
        *whole, rest = rest.split(b"\n")
        for line in whole:
            if line.strip():
                yield bytes(line)
    if rest.strip():
        yield bytes(rest)


def _bad_line(number: int, why: str, cause: Refusal | None = None) -> Refusal:
    status = cause.status if cause is not None else 400
    code = cause.code if cause is not None else "invalid_batch_line"
    kind = cause.kind if cause is not None else "invalid_request_error"
    return Refusal(
        status, code, f"Line {number} of the batch's file: {why} Nothing was uploaded.", kind=kind, param="file"
    )
