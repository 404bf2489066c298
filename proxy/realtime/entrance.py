"""What of sessions a process holds before there is one: the libraries behind them are not imported until a caller comes."""

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.utils import ClientDisconnected

from proxy.endpoints import Endpoint
from proxy.errors import Refusal
from proxy.headers import Headers

if TYPE_CHECKING:
    from proxy.calls import Gateway


class Entrance:
    """The ASGI application of a WebSocket's row."""

    def __init__(self, endpoint: Endpoint, gateway: "Gateway") -> None:
        self._endpoint = endpoint
        self._gateway = gateway

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from proxy.realtime.door import SocketEndpoint

        await SocketEndpoint(self._endpoint, self._gateway)(scope, receive, send)


def open_socket(**given: Any) -> Any:
    """A caller's WebSocket, for uvicorn: as a class of protocols is called."""
    from proxy.realtime.socket import Socket

    return Socket(**given)


async def refuse(send: Any, refusal: Refusal, own_headers: Headers, counted: dict[str, int]) -> None:
    """Answer a handshake with an HTTP error, in OpenAI's shape."""
    counted[refusal.code] += 1
    headers = [(b"content-type", b"application/json"), *own_headers, *refusal.headers()]
    try:
        await send({"type": "websocket.http.response.start", "status": refusal.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": refusal.body()})
    except ClientDisconnected:
        pass
