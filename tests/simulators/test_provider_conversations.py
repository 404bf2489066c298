"""What the simulated provider remembers of talks: responses, conversations, stored chats; and chats that are said aloud."""

import base64
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.simulators.fixtures import Simulator
from tests.simulators.operations import wav

AT_ONCE = {"x-simulate": "ready-after=0"}


@pytest.fixture
def lenient(fresh_simulator: Simulator) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{fresh_simulator.url}/v1", api_key="sk-any", max_retries=0) as client:
        yield client


@pytest.fixture
def client(fresh_simulator: Simulator) -> Iterator[OpenAI]:
    url = f"{fresh_simulator.url}/v1"
    with OpenAI(base_url=url, api_key="sk-any", max_retries=0, _strict_response_validation=True) as client:
        yield client


# Responses in the background


def test_a_background_response_is_queued_and_billed_when_it_has_ended(
    fresh_simulator: Simulator, client: OpenAI
) -> None:
    begun = client.responses.create(model="gpt-4o", input="write 7 tokens", background=True)
    assert (begun.status, begun.usage, begun.output) == ("queued", None, [])

    deadline = time.monotonic() + 20
    while (done := client.responses.retrieve(begun.id)).status == "queued":
        assert time.monotonic() < deadline
    assert done.status == "completed"
    assert done.usage is not None
    assert fresh_simulator.usage()["gpt-4o"]["total_tokens"] == done.usage.total_tokens
    assert client.responses.cancel(begun.id).status == "completed"


def test_a_background_response_can_be_cancelled(fresh_simulator: Simulator, client: OpenAI) -> None:
    begun = client.responses.create(
        model="gpt-4o", input="x", background=True, extra_headers={"x-simulate": "ready-after=0.3"}
    )
    assert client.responses.cancel(begun.id).status == "cancelled"

    waiting = client.responses.create(model="gpt-4o", input="y", background=True, extra_headers=AT_ONCE)
    assert client.responses.retrieve(waiting.id).status == "completed"
    assert client.responses.retrieve(begun.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="background=true"):
        client.responses.cancel(client.responses.create(model="gpt-4o", input="x").id)


def test_a_background_stream_can_be_taken_up_again(fresh_simulator: Simulator, client: OpenAI) -> None:
    fields: Any = {"model": "gpt-4o", "input": "write 9 tokens", "background": True, "stream": True}
    seen: list[Any] = []
    with pytest.raises(openai.APIConnectionError):
        for event in client.responses.create(**fields, extra_headers={"x-simulate": "ready-after=0; cut-after=4"}):
            seen.append(event)

    rest: list[Any] = list(
        client.responses.retrieve(seen[0].response.id, stream=True, starting_after=seen[-1].sequence_number)
    )
    events = [*seen, *rest]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[1].type == "response.queued"
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == events[-1].response.output_text
    assert fresh_simulator.usage()["gpt-4o"]["completion_tokens"] == 9


@pytest.mark.parametrize(("state", "error"), [("failed", "server_error"), ("cancelled", None)])
def test_a_background_response_can_be_made_to_end_otherwise(client: OpenAI, state: str, error: str | None) -> None:
    headers = {"x-simulate": f"ready-after=0; ends-as={state}"}
    begun = client.responses.create(model="gpt-4o", input="x", background=True, extra_headers=headers)

    done = client.responses.retrieve(begun.id)
    assert done.status == state
    assert (done.error.code if done.error else None) == error


def test_a_response_in_the_background_has_to_be_stored(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="store"):
        client.responses.create(model="gpt-4o", input="x", background=True, store=False)


# What is named has to be there


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"previous_response_id": "resp_none"}, 400),
        ({"conversation": "conv_none"}, 404),
        ({"conversation": {"id": "conv_none"}}, 404),
        ({"input": [{"type": "item_reference", "id": "msg_none"}]}, 404),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-none"}]}]}, 400),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "file-none"}]}]}, 400),
        ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_none"]}]}, 400),
        ({"tools": [{"type": "code_interpreter", "container": "cntr_none"}]}, 400),
        ({"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-none"]}}]}, 400),
        ({"conversation": "conv_none", "previous_response_id": "resp_none"}, 400),
    ],
)
def test_what_a_response_names_has_to_be_there(client: OpenAI, fields: Any, status: int) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.responses.create(**{"model": "gpt-4o", "input": "x", **fields})

    assert refused.value.status_code == status


def test_a_chat_names_files_that_are_there(client: OpenAI) -> None:
    file = client.files.create(file=("a.txt", b"x"), purpose="user_data").id

    def ask(file_id: str) -> Any:
        content: Any = [{"type": "text", "text": "x"}, {"type": "file", "file": {"file_id": file_id}}]
        return client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": content}])

    assert ask(file).choices
    with pytest.raises(openai.BadRequestError, match="file-none"):
        ask("file-none")


def test_an_item_of_an_earlier_response_can_be_referred_to(client: OpenAI) -> None:
    first: Any = client.responses.create(model="gpt-4o", input="write 50 tokens")
    items: Any = [{"type": "item_reference", "id": first.output[0].id}, {"role": "user", "content": "go on"}]
    second: Any = client.responses.create(model="gpt-4o", input=items)

    assert second.usage.input_tokens > 50


# Conversations


def test_a_conversation_takes_up_what_was_said(client: OpenAI) -> None:
    conversation = client.conversations.create(items=[{"role": "user", "content": "hello"}])
    first: Any = client.responses.create(model="gpt-4o", input="write 40 tokens", conversation=conversation.id)
    second: Any = client.responses.create(model="gpt-4o", input="go on", conversation=conversation.id)

    assert first.conversation.id == conversation.id
    assert second.usage.input_tokens > first.usage.input_tokens + 40
    items: list[Any] = client.conversations.items.list(conversation.id, order="asc").data
    assert [item.role for item in items] == ["user", "user", "assistant", "user", "assistant"]
    assert items[2].id == first.output[0].id
    client.conversations.items.delete(items[0].id, conversation_id=conversation.id)
    assert len(client.conversations.items.list(conversation.id).data) == 4
    client.conversations.delete(conversation.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="gpt-4o", input="x", conversation=conversation.id)


# What it would cost


def test_input_tokens_are_counted_as_they_are_billed(fresh_simulator: Simulator, client: OpenAI) -> None:
    fields: Any = {"model": "gpt-4o", "input": "of harbors and ships", "instructions": "Be brief."}
    counted = client.responses.input_tokens.count(**fields).input_tokens
    assert fresh_simulator.usage() == {}

    response: Any = client.responses.create(**fields)
    assert response.usage.input_tokens == counted


def test_a_compaction_is_billed(fresh_simulator: Simulator, lenient: OpenAI) -> None:
    compacted = lenient.responses.compact(model="gpt-4o", input=[{"role": "user", "content": "a long talk"}])

    assert [item.type for item in compacted.output] == ["message", "compaction"]
    assert fresh_simulator.usage()["gpt-4o"]["total_tokens"] == compacted.usage.total_tokens


# Chats that are stored


@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_is_stored_where_it_asks_for_it(client: OpenAI, lenient: OpenAI, stream: bool) -> None:
    fields: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "write 5 tokens"}], "stream": stream}
    made: Any = client.chat.completions.create(**fields, store=True, metadata={"of": f"stored {stream}"})
    completion_id = next(iter(made)).id if stream else made.id
    if stream:
        list(made)

    stored = client.chat.completions.retrieve(completion_id)
    assert stored.choices[0].message.content
    assert stored.usage is not None
    assert stored.usage.completion_tokens == 5
    assert [one.id for one in client.chat.completions.list(metadata={"of": f"stored {stream}"})] == [completion_id]
    (message,) = lenient.chat.completions.messages.list(completion_id).data
    assert message.content == "write 5 tokens"
    client.chat.completions.delete(completion_id)
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(completion_id)


def test_a_chat_that_does_not_ask_for_it_is_not_stored(client: OpenAI) -> None:
    made = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}])

    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(made.id)


# Chats that are said aloud

ALOUD: Any = {
    "model": "gpt-4o-audio-preview",
    "modalities": ["text", "audio"],
    "audio": {"voice": "alloy", "format": "pcm16"},
}


def heard(seconds: float) -> Any:
    sound = {"data": base64.b64encode(wav(seconds)).decode(), "format": "wav"}
    return [
        {
            "role": "user",
            "content": [{"type": "text", "text": "write 30 tokens"}, {"type": "input_audio", "input_audio": sound}],
        }
    ]


def test_a_chat_that_is_said_aloud_reports_its_audio_tokens(fresh_simulator: Simulator, client: OpenAI) -> None:
    answer: Any = client.chat.completions.create(**{**ALOUD, "messages": heard(3)})
    events: list[Any] = list(
        client.chat.completions.create(
            **{**ALOUD, "messages": heard(3)}, stream=True, stream_options={"include_usage": True}
        )
    )

    audio = answer.choices[0].message.audio
    assert answer.choices[0].message.content is None
    assert base64.b64decode(audio.data)
    details = answer.usage.completion_tokens_details
    assert answer.usage.prompt_tokens_details.audio_tokens == 30
    assert details.audio_tokens == answer.usage.completion_tokens - 30 > 0
    assert events[-1].usage == answer.usage
    deltas = [event.choices[0].delta.audio for event in events if event.choices and event.choices[0].delta.audio]
    assert "".join(delta.transcript or "" for delta in deltas) == audio.transcript
    billed: Any = fresh_simulator.usage()["gpt-4o-audio-preview"]
    assert billed["total_tokens"] == 2 * answer.usage.total_tokens
    assert billed["units"] == {"audio_input_token": 60, "audio_output_token": 2 * details.audio_tokens}


def test_an_image_in_a_chat_costs_tokens(client: OpenAI) -> None:
    def tokens(*parts: Any) -> int:
        content: Any = [{"type": "text", "text": "look"}, *parts]
        answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": content}])
        assert answer.usage is not None
        return answer.usage.prompt_tokens

    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    assert tokens(image) == tokens() + 85
