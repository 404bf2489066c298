"""A tenant whose callers talk: one provider, two teams, prices for text and sound; and plain sockets to it."""

import base64
import json
from typing import Any
from uuid import UUID

import openai
from websockets.sync.client import ClientConnection, connect

from core.keys import generate
from tests.proxy.stack import Stack, eventually
from tests.simulators.fixtures import Simulator

MODEL, TRANSCRIBER = "gpt-realtime", "gpt-4o-transcribe"
SECOND_OF_SOUND = base64.b64encode(bytes(48_000)).decode()

PRICES = {
    MODEL: {
        "input_per_million": "4",
        "cached_input_per_million": "0.4",
        "output_per_million": "16",
        "audio_input_per_million": "32",
        "cached_audio_input_per_million": "0.4",
        "audio_output_per_million": "64",
    },
    TRANSCRIBER: {"input_per_million": "2.50", "output_per_million": "10", "audio_input_per_million": "6"},
}


def seed_text(
    simulator: str, *, policy: dict[str, Any], budgets: list[dict[str, Any]], upstream: dict[str, Any], gone: str | None
) -> str:
    first = [{"upstream": "gone", "deployment": "gone", "priority": 0}] if gone is not None else []
    apps = {
        "research": [{"name": "talker", "keys": [{"name": "prod", "secret_ref": "env:KEY"}]}],
        "sales": [{"name": "other", "keys": [{"name": "prod", "secret_ref": "env:OTHER_KEY"}]}],
    }
    return json.dumps(
        {
            "upstreams": [
                {"name": "sim", "provider": "openai", "endpoint": simulator, "auth": {"none": True}, **upstream},
                *({"name": "gone", "provider": "openai", "endpoint": gone, "auth": {"none": True}} for _ in first),
            ],
            "routes": [
                {
                    "model": model,
                    "targets": [*first, {"upstream": "sim", "deployment": model, "priority": 1}],
                }
                for model in (*PRICES, "gpt-4o")
            ],
            "policies": [{"name": "talking", "unpriced_models": "allow", **policy}],
            "clients": [
                {
                    "name": "contoso",
                    "policy": "talking",
                    "teams": [{"name": team, "apps": some} for team, some in apps.items()],
                }
            ],
            "budgets": budgets,
            "prices": [
                {"provider": provider, "model": model, "effective_from": "2024-01-01", **price}
                for model, price in PRICES.items()
                for provider in ("openai", "azure_openai")
            ],
        }
    )


class Estate:
    """The stack and its provider."""

    def __init__(self, stack: Stack, simulator: Simulator) -> None:
        self.stack = stack
        self.simulator = simulator
        self.other_key = generate().text

    def seed(
        self,
        *,
        budgets: list[dict[str, Any]] | None = None,
        upstream: dict[str, Any] | None = None,
        gone: str | None = None,
        **policy: Any,
    ) -> None:
        """`gone`: the address of an upstream that is asked before the simulator."""
        text = seed_text(self.simulator.url, policy=policy, budgets=budgets or [], upstream=upstream or {}, gone=gone)
        self.stack.seed(text, OTHER_KEY=self.other_key)

    def start(self, **seeded: Any) -> None:
        self.seed(**seeded)
        self.stack.start_proxy()
        self.stack.start_writer()

    def sdk(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.stack.url}/v1", api_key=self.stack.key, max_retries=0)

    def socket(
        self, path: str = f"/v1/realtime?model={MODEL}", *, key: str | None = "", protocols: Any = None, **headers: str
    ) -> ClientConnection:
        """A plain socket; `key`: "" is the stack's own, None: none is sent in a header."""
        if key is not None:
            headers["authorization"] = f"Bearer {key or self.stack.key}"
        url = f"ws{self.stack.url.removeprefix('http')}{path}"
        return connect(
            url, additional_headers=headers, subprotocols=protocols, proxy=None, max_size=None, open_timeout=60
        )

    def session_row(self, request_id: str) -> dict[str, Any]:
        """A session's own row, as soon as it is written."""
        rows = eventually(
            f"a session's row for {request_id}",
            lambda: self.stack.rows("SELECT * FROM usage_events WHERE request_id = %s AND kind = 'call'", request_id),
        )
        assert len(rows) == 1
        return dict(rows[0])

    def shares(self, parent: UUID, count: int) -> list[dict[str, Any]]:
        """A session's shares, as soon as so many are written."""
        return eventually(
            f"{count} shares of {parent}",
            lambda: (
                rows
                if len(rows := self.stack.rows("SELECT * FROM usage_events WHERE parent_id = %s ORDER BY id", parent))
                >= count
                else None
            ),
        )


def request_id(socket: ClientConnection) -> str:
    assert socket.response is not None
    return socket.response.headers["x-request-id"]


def said(text: str) -> dict[str, Any]:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    return {"type": "conversation.item.create", "item": item}


def told(socket: ClientConnection, *events: dict[str, Any], last: str = "response.done") -> list[dict[str, Any]]:
    """What comes until an event of a type, or an error."""
    for event in events:
        socket.send(json.dumps(event))
    seen: list[dict[str, Any]] = []
    while not seen or seen[-1]["type"] not in (last, "error"):
        seen.append(json.loads(socket.recv(timeout=60)))
    return seen


IN_TEXT = {"type": "session.update", "session": {"type": "realtime", "output_modalities": ["text"]}}
CREATE: dict[str, Any] = {"type": "response.create"}
