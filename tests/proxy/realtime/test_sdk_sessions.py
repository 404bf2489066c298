"""Stock SDKs hold sessions through the proxy."""

import asyncio
from typing import Any

import openai

from tests.proxy.realtime.sessions import MODEL, Estate

SAY: Any = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "write 4 tokens"}]}


def last_of(connection: Any) -> Any:
    for event in connection:
        if event.type in ("response.done", "error"):
            return event
    raise AssertionError("it ended before its response")


def test_the_sdk_holds_a_session(held: Estate) -> None:
    with held.sdk() as client, client.realtime.connect(model=MODEL) as connection:
        assert connection.recv().type == "session.created"
        connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        connection.conversation.item.create(item=SAY)
        connection.response.create()
        done = last_of(connection)

    assert done.response.usage.output_tokens == 4


def test_the_asynchronous_sdk_holds_a_session(held: Estate) -> None:
    async def talk() -> Any:
        async with (
            openai.AsyncOpenAI(base_url=f"{held.stack.url}/v1", api_key=held.stack.key, max_retries=0) as client,
            client.realtime.connect(model=MODEL) as connection,
        ):
            await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
            await connection.conversation.item.create(item=SAY)
            await connection.response.create()
            async for event in connection:
                if event.type in ("response.done", "error"):
                    return event
        return None

    assert asyncio.run(talk()).response.usage.output_tokens == 4


def test_the_betas_dialect_is_spoken_where_it_is_asked_for(held: Estate) -> None:
    sockets = f"ws{held.stack.url.removeprefix('http')}/v1"
    client = held.sdk().with_options(websocket_base_url=sockets)
    with client, client.beta.realtime.connect(model=MODEL) as connection:
        connection.session.update(session={"modalities": ["text"]})
        connection.conversation.item.create(item=SAY)
        connection.response.create()
        done = last_of(connection)

    assert done.response.usage.output_tokens == 4
    assert done.response.to_dict()["modalities"] == ["text"]


def test_azures_sdk_holds_a_session_on_the_dated_surface(held: Estate) -> None:
    with (
        openai.AzureOpenAI(
            azure_endpoint=held.stack.url,
            websocket_base_url=f"ws{held.stack.url.removeprefix('http')}/openai",
            api_key=held.stack.key,
            api_version="2025-04-01-preview",
            max_retries=0,
        ) as client,
        client.beta.realtime.connect(model=MODEL) as connection,
    ):
        connection.session.update(session={"modalities": ["text"]})
        connection.conversation.item.create(item=SAY)
        connection.response.create()
        done = last_of(connection)

    assert done.response.usage.output_tokens == 4
