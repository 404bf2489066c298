"""The simulator against the stock SDK: what the SDK takes for OpenAI and for Azure OpenAI, streamed and not."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI, AzureOpenAI, OpenAI

from tests.simulators.fixtures import Simulator
from tests.simulators.model_provider.tokens import CL100K, O200K, Tokenizer

SAY: Any = [{"role": "user", "content": "Say something."}]
VERSION = "2024-10-21"


@pytest.fixture
def client(fresh_simulator: Simulator) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{fresh_simulator.url}/v1", api_key="sk-any", max_retries=0) as client:
        yield client


@pytest.fixture
def azure(fresh_simulator: Simulator) -> Iterator[AzureOpenAI]:
    with AzureOpenAI(
        azure_endpoint=fresh_simulator.url, api_key="azure-key", api_version=VERSION, max_retries=0
    ) as client:
        yield client


@pytest.fixture(scope="module")
def o200k() -> Tokenizer:
    return Tokenizer(O200K)


# Chat


def test_the_same_chat_has_the_same_answer_and_another_has_another(client: OpenAI) -> None:
    def answer(content: str) -> str | None:
        messages: Any = [{"role": "user", "content": content}]
        return client.chat.completions.create(model="gpt-4o", messages=messages).choices[0].message.content

    assert answer("one") == answer("one")
    assert answer("one") != answer("two")


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4", "gpt-3.5-turbo", "some-model"])
def test_usage_is_the_tokenizers_count_by_the_cookbooks_rule(client: OpenAI, model: str) -> None:
    tokenizer = Tokenizer(CL100K if model in ("gpt-4", "gpt-3.5-turbo") else O200K)
    messages: Any = [
        {"role": "system", "content": "Sé breve, por favor. 你好"},
        {"role": "user", "content": "What is a customs house?", "name": "alice"},
    ]
    said = sum(tokenizer.count(value) for message in messages for value in message.values())

    completion = client.chat.completions.create(model=model, messages=messages)

    assert completion.usage is not None
    assert completion.usage.prompt_tokens == said + 2 * 3 + 1 + 3
    assert completion.usage.completion_tokens == tokenizer.count(completion.choices[0].message.content or "")
    assert completion.choices[0].finish_reason == "stop"


def test_a_stream_carries_one_token_a_chunk_and_the_text_of_the_answer_that_is_not_streamed(
    client: OpenAI, o200k: Tokenizer
) -> None:
    whole = client.chat.completions.create(model="gpt-4o", messages=SAY).choices[0].message.content
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=SAY, stream=True))

    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    assert "".join(pieces) == whole
    for received in range(1, len(pieces) + 1):
        assert o200k.count("".join(pieces[:received])) == received
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_usage_that_was_asked_for_comes_in_one_last_chunk_without_choices(client: OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="gpt-4o", messages=SAY, stream=True, stream_options={"include_usage": True}
        )
    )

    others: list[Any] = chunks[:-1]
    last: Any = chunks[-1]
    assert last.choices == []
    assert last.usage.completion_tokens == sum(bool(chunk.choices[0].delta.content) for chunk in others)
    assert all(chunk.choices and "usage" in chunk.model_fields_set and chunk.usage is None for chunk in others)


def test_usage_that_was_not_asked_for_is_in_no_chunk(client: OpenAI) -> None:
    for chunk in client.chat.completions.create(model="gpt-4o", messages=SAY, stream=True):
        assert chunk.choices
        assert "usage" not in chunk.model_fields_set


def test_usage_cannot_be_asked_for_of_an_answer_that_is_not_streamed(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="gpt-4o", messages=SAY, stream_options={"include_usage": True})

    assert refused.value.param == "stream_options"


def test_the_limit_ends_an_answer_at_exactly_so_many_tokens(client: OpenAI, o200k: Tokenizer) -> None:
    for limit in ({"max_tokens": 7}, {"max_completion_tokens": 7}):
        options: Any = limit
        completion: Any = client.chat.completions.create(model="gpt-4o", messages=SAY, **options)

        assert completion.choices[0].finish_reason == "length"
        assert o200k.count(completion.choices[0].message.content) == completion.usage.completion_tokens == 7


def test_a_prompt_can_ask_for_a_number_of_tokens_and_for_an_echo(client: OpenAI, o200k: Tokenizer) -> None:
    def ask(content: str) -> Any:
        return client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": content}])

    assert ask("Please write 321 tokens.").usage.completion_tokens == 321
    text = "¡Hola! 👩‍👩‍👧 naïve — 東京"
    echoed = ask(f"echo {text}")
    assert echoed.choices[0].message.content == text
    assert echoed.usage.completion_tokens == o200k.count(text)


def test_an_echoed_stream_breaks_no_character(client: OpenAI) -> None:
    text = "👩‍👩‍👧 東京 naïve"
    messages: Any = [{"role": "user", "content": f"echo {text}"}]
    chunks = client.chat.completions.create(model="gpt-4o", messages=messages, stream=True)

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text


def test_a_stop_sequence_ends_the_answer_before_itself(client: OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "echo one two three four"}]

    completion = client.chat.completions.create(model="gpt-4o", messages=messages, stop=[" four", " three"])

    assert completion.choices[0].message.content == "one two"
    assert completion.choices[0].finish_reason == "stop"


def test_n_answers_differ_and_are_all_billed(client: OpenAI, o200k: Tokenizer) -> None:
    completion = client.chat.completions.create(model="gpt-4o", messages=SAY, n=3)
    texts = [choice.message.content or "" for choice in completion.choices]
    assert len(set(texts)) == 3
    assert completion.usage is not None
    assert completion.usage.completion_tokens == sum(map(o200k.count, texts))

    streamed = ["", "", ""]
    for chunk in client.chat.completions.create(model="gpt-4o", messages=SAY, n=3, stream=True):
        streamed[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert streamed == texts


WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Oslo", "Lima"]}, "days": {"type": "integer", "minimum": 2}},
            "required": ["city", "days"],
        },
    },
}


def test_a_tool_is_called_when_the_user_says_so(client: OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "Please call get_weather."}]

    called = client.chat.completions.create(model="gpt-4o", messages=messages, tools=[WEATHER])
    not_called = client.chat.completions.create(model="gpt-4o", messages=SAY, tools=[WEATHER])

    assert called.choices[0].finish_reason == "tool_calls"
    call: Any = (called.choices[0].message.tool_calls or [])[0]
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city":"Oslo","days":2}')
    assert not_called.choices[0].message.tool_calls is None


def test_a_streamed_tool_call_adds_up_to_the_one_that_is_not_streamed(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model="gpt-4o",
        messages=SAY,
        tools=[WEATHER],
        tool_choice="required",
    ) as stream:
        final = stream.get_final_completion()

    call: Any = (final.choices[0].message.tool_calls or [])[0]
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city":"Oslo","days":2}')


def test_an_answer_in_a_schema_fits_it(client: OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
        "required": ["name", "next"],
    }
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "node", "schema": schema}}

    in_schema = client.chat.completions.create(model="gpt-4o", messages=SAY, response_format=wanted)
    in_json = client.chat.completions.create(model="gpt-4o", messages=SAY, response_format={"type": "json_object"})

    assert in_schema.choices[0].message.content == '{"name":"","next":null}'
    assert in_json.choices[0].message.content == "{}"


@pytest.mark.parametrize("model", ["o3-mini", "gpt-5", "gpt-5-mini"])
def test_a_reasoning_model_bills_tokens_that_it_does_not_show(client: OpenAI, o200k: Tokenizer, model: str) -> None:
    completion = client.chat.completions.create(model=model, messages=SAY)

    usage: Any = completion.usage
    hidden = usage.completion_tokens_details.reasoning_tokens
    assert hidden > 0
    assert usage.completion_tokens == hidden + o200k.count(completion.choices[0].message.content or "")
    spent = client.chat.completions.create(model=model, messages=SAY, max_completion_tokens=10)
    assert (spent.choices[0].message.content, spent.choices[0].finish_reason) == ("", "length")
    with pytest.raises(openai.BadRequestError, match="max_completion_tokens"):
        client.chat.completions.create(model=model, messages=SAY, max_tokens=10)


def test_a_long_prompt_seen_before_is_cached_in_steps_of_128_from_1024_tokens_on(client: OpenAI) -> None:
    def cached(content: str) -> tuple[int, int]:
        messages: Any = [{"role": "system", "content": content}, *SAY]
        usage: Any = client.chat.completions.create(model="gpt-4o", messages=messages).usage
        return usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens

    long = "a cached prompt begins here" + " alike" * 1300
    assert cached(long)[1] == 0
    tokens, hit = cached(long + " and ends otherwise")
    assert 1024 <= hit <= tokens
    assert hit % 128 == 0
    assert tokens - hit < 128 + 40
    begins_alike = "a cached prompt begins here" + " alike" * 900
    assert cached(begins_alike + " but only so far" + " different" * 900)[1] == 0
    short = "a short prompt" + " alike" * 900
    assert [cached(short)[1], cached(short)[1]] == [0, 0]


# Azure


def test_azure_streams_its_filter_results_first_without_choice_or_usage(azure: AzureOpenAI) -> None:
    chunks: list[Any] = [
        *azure.chat.completions.create(
            model="my-deployment", messages=SAY, stream=True, stream_options={"include_usage": True}
        )
    ]
    first, others = chunks[0], chunks[1:]

    assert first.choices == []
    assert first.model_extra["prompt_filter_results"][0]["prompt_index"] == 0
    assert first.usage is None
    assert others[-1].usage.total_tokens > 0
    assert "content_filter_results" in others[1].choices[0].model_extra


def test_azure_serves_deployments_and_the_resource(azure: AzureOpenAI) -> None:
    completion = azure.chat.completions.create(model="my-deployment", messages=SAY)
    assert "content_filter_results" in (completion.choices[0].model_extra or {})
    assert azure.completions.create(model="d", prompt="p").choices[0].text
    assert len(azure.embeddings.create(model="text-embedding-3-small", input="x").data[0].embedding) == 1536
    assert azure.responses.create(model="d", input="hello").output_text
    assert azure.models.list().data


def test_azures_v1_surface_needs_no_api_version(fresh_simulator: Simulator) -> None:
    with OpenAI(base_url=f"{fresh_simulator.url}/openai/v1", api_key="k", max_retries=0) as client:
        assert client.chat.completions.create(model="d", messages=SAY).choices
        assert client.responses.create(model="d", input="hello").output_text


def test_azure_without_an_api_version_is_not_found_in_azures_shape(fresh_simulator: Simulator) -> None:
    url = f"{fresh_simulator.url}/openai/deployments/d/chat/completions"

    answer = httpx.post(url, json={"messages": SAY}, timeout=60)

    assert answer.status_code == 404
    assert answer.json() == {"error": {"code": "404", "message": "Resource not found"}}


def test_answers_carry_the_providers_headers(client: OpenAI, azure: AzureOpenAI) -> None:
    of_openai = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=SAY).headers
    of_azure = azure.chat.completions.with_raw_response.create(model="gpt-4o", messages=SAY).headers

    for headers in (of_openai, of_azure):
        assert headers["x-request-id"]
        assert headers["openai-processing-ms"].isdigit()
        for unit in ("requests", "tokens"):
            left, limit = int(headers[f"x-ratelimit-remaining-{unit}"]), int(headers[f"x-ratelimit-limit-{unit}"])
            assert 0 <= left < limit
            assert headers[f"x-ratelimit-reset-{unit}"].endswith("s")
    assert of_azure["apim-request-id"]
    assert of_azure["x-ms-region"] == "UK South"
    assert "apim-request-id" not in of_openai


# Completions, embeddings, models


def test_completions_answer_each_prompt_n_times(client: OpenAI) -> None:
    whole = client.completions.create(model="gpt-3.5-turbo-instruct", prompt=["a", "b"], n=2, max_tokens=5)
    assert [choice.index for choice in whole.choices] == [0, 1, 2, 3]
    assert {choice.finish_reason for choice in whole.choices} == {"length"}
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (2, 20)

    streamed = [""] * 4
    chunks = list(
        client.completions.create(
            model="gpt-3.5-turbo-instruct",
            prompt=["a", "b"],
            n=2,
            max_tokens=5,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    for chunk in chunks:
        for choice in chunk.choices:
            streamed[choice.index] += choice.text
    assert streamed == [choice.text for choice in whole.choices]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 20


def test_an_embedding_is_the_same_as_text_and_as_tokens_in_floats_and_in_base64(client: OpenAI) -> None:
    def embed(given: Any, **options: Any) -> Any:
        return client.embeddings.create(model="text-embedding-3-large", input=given, **options)

    text = "customs house"
    tokens = Tokenizer(CL100K).encode(text)
    whole = embed([text, "other"], encoding_format="float")

    assert [item.index for item in whole.data] == [0, 1]
    assert len(whole.data[0].embedding) == 3072
    assert whole.usage.prompt_tokens == whole.usage.total_tokens == len(tokens) + 1
    assert embed(text).data[0].embedding == pytest.approx(whole.data[0].embedding)
    assert embed([tokens]).data[0].embedding == pytest.approx(whole.data[0].embedding)
    assert sum(one * one for one in whole.data[0].embedding) == pytest.approx(1)
    assert len(embed(text, dimensions=256).data[0].embedding) == 256


@pytest.mark.parametrize("given", ["", [], [""], {"a": 1}, [["a"]]])
def test_an_embedding_of_nothing_is_refused(client: OpenAI, given: Any) -> None:
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="text-embedding-3-small", input=given)


def test_models_are_listed_and_shown(client: OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert "gpt-4o" in names
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"


# Errors


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("chat/completions", b"{not json", 400, None),
        ("chat/completions", b"[]", 400, None),
        ("chat/completions", b'{"messages":[]}', 400, "model"),
        ("chat/completions", b'{"model":"gpt-4o"}', 400, "messages"),
        ("chat/completions", b'{"model":"gpt-4o","messages":[]}', 400, "messages"),
        ("chat/completions", b'{"model":"gpt-4o","messages":[{"role":"boss","content":"x"}]}', 400, "messages[0].role"),
        ("chat/completions", b'{"model":"gpt-4o","messages":[{"role":"user","content":"x"}],"n":0}', 400, "n"),
        ("completions", b'{"model":"gpt-4o","prompt":"x","max_tokens":0}', 400, "max_tokens"),
        ("embeddings", b'{"model":"text-embedding-3-small"}', 400, "input"),
        ("embeddings", b'{"model":"text-embedding-ada-002","input":"x","dimensions":8}', 400, "dimensions"),
        ("responses", b'{"model":"gpt-4o"}', 400, "input"),
        ("responses", b'{"model":"gpt-4o","input":"x","previous_response_id":"resp_no"}', 400, "previous_response_id"),
        ("nowhere", b"{}", 404, None),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_is_refused_in_openais_shape(
    fresh_simulator: Simulator, path: str, body: bytes, status: int, param: str | None
) -> None:
    answer = httpx.post(f"{fresh_simulator.url}/v1/{path}", content=body, timeout=60)

    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert fresh_simulator.usage() == {}


def test_a_prompt_over_the_context_window_is_refused(client: OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "word " * 9000}]
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="gpt-4", messages=messages)

    assert refused.value.code == "context_length_exceeded"
    assert "maximum context length is 8192 tokens" in refused.value.message


def test_hundreds_of_streams_at_once_all_arrive_whole_and_all_are_billed(fresh_simulator: Simulator) -> None:
    streams, tokens = 200, 20

    async def one(client: AsyncOpenAI) -> int:
        messages: Any = [{"role": "user", "content": f"write {tokens} tokens"}]
        stream = await client.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
        return sum([bool(chunk.choices[0].delta.content) async for chunk in stream])

    async def all_of_them() -> list[int]:
        async with AsyncOpenAI(base_url=f"{fresh_simulator.url}/v1", api_key="k", max_retries=0) as client:
            return await asyncio.gather(*(one(client) for _ in range(streams)))

    assert asyncio.run(all_of_them()) == [tokens] * streams
    fresh_simulator.requests(finished=streams)
    total = fresh_simulator.usage()["gpt-4o"]
    assert (total["requests"], total["broken_off"], total["completion_tokens"]) == (streams, 0, streams * tokens)
