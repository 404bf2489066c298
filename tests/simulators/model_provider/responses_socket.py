"""Responses over a WebSocket: each `response.create` is answered with the events that its stream would have."""

import json
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tests.simulators.model_provider import inner
from tests.simulators.model_provider.bill import SeenRequest
from tests.simulators.model_provider.credentials import refusal
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.exchange import OPENAI
from tests.simulators.model_provider.provider import Provider
from tests.simulators.model_provider.responses import create

Message = MutableMapping[str, Any]


async def serve(
    provider: Provider,
    surface: str,
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """One connection, until its client goes."""
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    seen = SeenRequest(
        id=f"req_{secrets.token_hex(16)}", method="GET", path=scope["path"], query="", headers=headers, body={}
    )
    provider.journal.add(seen)
    await receive()
    if refusal(provider, dict(headers), azure=surface != OPENAI) is not None:
        await send({"type": "websocket.close", "code": 1000})  # 403, before it is accepted
        return
    seen.status = 101
    await send({"type": "websocket.accept", "headers": [(b"x-simulator", provider.marker.encode())]})
    while (message := await receive())["type"] != "websocket.disconnect":
        event = json.loads(message.get("text") or message.get("bytes") or b"{}")
        event.pop("type", None)
        answer = await inner.stream(provider, surface, "/v1/responses", {**event, "stream": True}, create)
        if isinstance(answer, ApiError):
            await send(_text({"type": "error", "status": answer.status, **answer.body()}))
            continue
        for part in answer.split(b"\n\n"):
            data = next((line[6:] for line in part.split(b"\n") if line.startswith(b"data: {")), None)
            if data is not None:
                await send({"type": "websocket.send", "text": data.decode()})
    seen.done = True


def _text(event: dict[str, Any]) -> Message:
    return {"type": "websocket.send", "text": json.dumps(event)}
