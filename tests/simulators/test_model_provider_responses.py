"""The simulator's Responses API against the stock SDK: events, storage, continuations."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.simulators.fixtures import Simulator
from tests.simulators.model_provider.tokens import O200K, Tokenizer


@pytest.fixture
def client(fresh_simulator: Simulator) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{fresh_simulator.url}/v1", api_key="sk-any", max_retries=0) as client:
        yield client


def test_a_response_reports_its_usage(client: OpenAI) -> None:
    response = client.responses.create(model="gpt-4o", input="Say something.", instructions="Be brief.")

    tokenizer = Tokenizer(O200K)
    usage: Any = response.usage
    assert response.status == "completed"
    said = ("system", "Be brief.", "user", "Say something.")
    assert usage.input_tokens == sum(map(tokenizer.count, said)) + 2 * 3 + 3
    assert usage.output_tokens == tokenizer.count(response.output_text)
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert (usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens) == (0, 0)


def test_a_streamed_response_has_the_providers_events_in_their_order(client: OpenAI) -> None:
    whole = client.responses.create(model="gpt-4o", input="write 5 tokens")
    events: list[Any] = list(client.responses.create(model="gpt-4o", input="write 5 tokens", stream=True))

    assert [event.type for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * 5,
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == events[9].text == events[-1].response.output_text == whole.output_text
    assert events[0].response.usage is None
    assert events[-1].response.usage == whole.usage
    assert len({event.response.id for event in events if hasattr(event, "response")}) == 1


def test_the_sdks_own_accumulator_takes_the_stream(client: OpenAI) -> None:
    with client.responses.stream(model="gpt-4o", input="write 9 tokens") as stream:
        final = stream.get_final_response()

    assert final.usage is not None
    assert final.usage.output_tokens == 9


def test_a_reasoning_model_shows_an_empty_reasoning_item_and_bills_it(client: OpenAI) -> None:
    events: list[Any] = list(client.responses.create(model="gpt-5", input="write 3 tokens", stream=True))

    response = events[-1].response
    assert [item.type for item in response.output] == ["reasoning", "message"]
    hidden = response.usage.output_tokens_details.reasoning_tokens
    assert hidden > 0
    assert response.usage.output_tokens == hidden + 3


def test_a_response_that_met_its_limit_is_incomplete(client: OpenAI) -> None:
    response = client.responses.create(model="gpt-4o", input="write 50 tokens", max_output_tokens=20)
    last: Any = list(
        client.responses.create(model="gpt-4o", input="write 50 tokens", max_output_tokens=20, stream=True)
    )[-1]

    assert (last.type, last.response.status) == ("response.incomplete", "incomplete")
    for one in (response, last.response):
        assert one.incomplete_details is not None
        assert one.incomplete_details.reason == "max_output_tokens"
        assert one.usage is not None
        assert one.usage.output_tokens == 20


def test_a_tool_is_called_streamed_and_not(client: OpenAI) -> None:
    tool: Any = {
        "type": "function",
        "name": "look_up",
        "strict": True,
        "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
    }
    response: Any = client.responses.create(model="gpt-4o", input="call look_up", tools=[tool])
    with client.responses.stream(model="gpt-4o", input="call look_up", tools=[tool]) as stream:
        streamed: Any = stream.get_final_response()

    for one in (response, streamed):
        assert (one.output[0].type, one.output[0].name) == ("function_call", "look_up")
        assert one.output[0].arguments == '{"id":0}'
        assert one.output[0].status == "completed"
    answered: Any = [
        {"role": "user", "content": "call look_up"},
        {"type": "function_call", "call_id": "c", "name": "look_up", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "42"},
    ]
    assert client.responses.create(model="gpt-4o", input=answered).output_text


def test_an_answer_in_a_schema_fits_it(client: OpenAI) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    text: Any = {"format": {"type": "json_schema", "name": "verdict", "schema": schema}}

    assert client.responses.create(model="gpt-4o", input="x", text=text).output_text == '{"ok":false}'


@pytest.mark.parametrize("stream", [False, True])
def test_a_stored_response_is_kept_until_it_is_deleted(client: OpenAI, stream: bool) -> None:
    created: Any = client.responses.create(model="gpt-4o", input="keep me", stream=stream)
    response = list(created)[-1].response if stream else created

    assert client.responses.retrieve(response.id) == response
    assert client.responses.input_items.list(response.id).data[0].type == "message"
    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_a_response_that_is_not_to_be_stored_is_not(client: OpenAI) -> None:
    response = client.responses.create(model="gpt-4o", input="forget me", store=False)

    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_what_follows_a_response_is_charged_for_what_went_before(client: OpenAI) -> None:
    first: Any = client.responses.create(model="gpt-4o", input="write 100 tokens")
    second: Any = client.responses.create(model="gpt-4o", input="go on", previous_response_id=first.id)
    alone: Any = client.responses.create(model="gpt-4o", input="go on")

    assert second.previous_response_id == first.id
    assert second.usage.input_tokens > alone.usage.input_tokens + first.usage.output_tokens
