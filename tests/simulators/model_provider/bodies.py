"""What a request brings: JSON or a form, taken in to the end and written into the journal."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from tests.simulators.model_provider import forms
from tests.simulators.model_provider.bill import SeenRequest
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.forms import BadForm, FormReader

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

_FORM = "multipart/form-data"
_LARGEST_BODY_SHOWN = 1 << 20
_UNREADABLE = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library "
    "correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
)


class ClientGone(Exception):
    """The client closed the connection."""


class Body:
    """The body of one request."""

    def __init__(self, raw: bytes = b"", form: dict[str, Any] | None = None) -> None:
        self._raw = raw
        self._form = form

    def json(self) -> dict[str, Any]:
        """The JSON; nothing at all is an empty object.

        Raises:
            ApiError: 400, it is not a JSON object.
        """
        if self._form is not None:
            raise ApiError(400, f"Unsupported content type: expected 'application/json', got '{_FORM}'.")
        try:
            body = msgspec.json.decode(self._raw) if self._raw else {}
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ApiError(400, _UNREADABLE) from error
        if not isinstance(body, dict):
            raise ApiError(400, "Invalid type for the request body: expected an object.", code="invalid_type")
        return body

    def form(self) -> dict[str, Any]:
        """The fields of a form, or of the JSON that was sent in its place; files are `forms.SentFile`.

        Raises:
            ApiError: 400, it is neither.
        """
        return self.json() if self._form is None else self._form


async def take_in(receive: Receive, content_type: str, seen: SeenRequest) -> Body:
    """Read a body to its end.

    Raises:
        ApiError: 400, it says that it is a form, and is none.
        ClientGone: the client closed the connection before the end.
    """
    if content_type.startswith(_FORM):
        return await _form(receive, content_type, seen)
    raw = b"".join([piece async for piece in _pieces(receive, seen)])
    if raw and len(raw) <= _LARGEST_BODY_SHOWN:
        try:
            seen.body = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            seen.body = None
    return Body(raw)


async def _form(receive: Receive, content_type: str, seen: SeenRequest) -> Body:
    try:
        reader = FormReader(content_type)
        async for piece in _pieces(receive, seen):
            reader.feed(piece)
        fields = reader.fields()
    except BadForm as error:
        raise ApiError(400, f"Could not parse multipart form: {error}") from error
    seen.body = forms.told(fields)
    return Body(form=fields)


async def _pieces(receive: Receive, seen: SeenRequest) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece: bytes = message.get("body", b"")
        seen.body_bytes += len(piece)
        yield piece
        if not message.get("more_body", False):
            return
