"""The stock SDKs, untouched but for address and key: every endpoint, whole and streamed, sync and async, on both surfaces."""

import base64
import struct

import openai
import pytest

from tests.proxy.stack import MODELS, Stack

HELLO = [{"role": "user", "content": "Say hello to the world."}]


@pytest.fixture(params=["openai", "azure", "azure_v1"])
def sdk(request: pytest.FixtureRequest, tenant: Stack):
    """OpenAI on /v1, AzureOpenAI on the dated surface, OpenAI on Azure's /openai/v1."""
    if request.param == "azure":
        made = openai.AzureOpenAI(
            azure_endpoint=tenant.url, api_key=tenant.key, api_version="2024-10-21", max_retries=0
        )
    else:
        base = "/v1" if request.param == "openai" else "/openai/v1"
        made = openai.OpenAI(base_url=tenant.url + base, api_key=tenant.key, max_retries=0)
    with made as client:
        yield client


def request_id_of(answer) -> str:
    assert answer._request_id
    return answer._request_id


def test_a_chat_completion_is_answered_and_stands_in_the_ledger(sdk, tenant):
    answer = sdk.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert answer.choices[0].message.content
    row = tenant.row(request_id_of(answer))
    assert (row["input_tokens"], row["output_tokens"]) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert row["caller"] == "contoso/research/chatbot/prod"
    assert (row["endpoint"], row["requested_model"], row["route"]) == ("chat.completions", "gpt-4o", "gpt-4o")
    assert (row["upstream"], row["deployment"], row["status"]) == ("sim", "gpt-4o", 200)
    assert (row["usage_source"], row["streamed"], row["cancelled"]) == ("reported", False, False)
    # 2.50 and 10.00 USD a million tokens, in nano-dollars.
    assert row["cost_usd"] * 10**9 == answer.usage.prompt_tokens * 2500 + answer.usage.completion_tokens * 10000
    assert 0 < row["time_to_first_byte_ms"] <= row["duration_ms"]
    assert [(a["attempt"], a["upstream"], a["status"]) for a in tenant.attempts(row)] == [(1, "sim", 200)]


def test_a_streamed_chat_completion_has_every_chunk_and_its_usage_in_the_ledger(sdk, tenant):
    stream = sdk.chat.completions.create(
        model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    request_id = stream.response.headers["x-request-id"]
    chunks = list(stream)
    assert chunks[-1].usage is not None
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    row = tenant.row(request_id)
    assert (row["streamed"], row["usage_source"]) == (True, "reported")
    assert (row["input_tokens"], row["output_tokens"]) == (
        chunks[-1].usage.prompt_tokens,
        chunks[-1].usage.completion_tokens,
    )


def test_a_caller_who_did_not_ask_for_usage_does_not_see_it_and_the_ledger_has_it(sdk, tenant):
    stream = sdk.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
    request_id = stream.response.headers["x-request-id"]
    chunks = list(stream)
    assert all(chunk.usage is None and "usage" not in chunk.model_fields_set for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    row = tenant.row(request_id)
    assert row["usage_source"] == "reported"
    assert row["output_tokens"] == sum(1 for c in chunks if c.choices and c.choices[0].delta.content)


def test_a_completion_is_answered_whole_and_streamed(sdk, tenant):
    whole = sdk.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once upon a time", max_tokens=9)
    streamed = sdk.completions.create(
        model="gpt-3.5-turbo-instruct", prompt="Once upon a time", max_tokens=9, stream=True
    )
    request_id = streamed.response.headers["x-request-id"]
    assert "".join(chunk.choices[0].text for chunk in streamed if chunk.choices) == whole.choices[0].text
    rows = [tenant.row(request_id_of(whole)), tenant.row(request_id)]
    assert [row["output_tokens"] for row in rows] == [9, 9]
    assert {row["endpoint"] for row in rows} == {"completions"}


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings_are_answered(sdk, tenant, encoding):
    answer = sdk.embeddings.create(
        model="text-embedding-3-small", input=["one", "two"], dimensions=8, encoding_format=encoding
    )
    vectors = [item.embedding for item in answer.data]
    if encoding == "base64":
        vectors = [struct.unpack("<8f", base64.b64decode(vector)) for vector in vectors]
    assert [len(vector) for vector in vectors] == [8, 8]
    row = tenant.row(request_id_of(answer))
    assert (row["endpoint"], row["input_tokens"], row["output_tokens"]) == ("embeddings", answer.usage.prompt_tokens, 0)


def test_a_response_is_answered_whole(sdk, tenant):
    answer = sdk.responses.create(model="o3-mini", input="Why is the sky blue?")
    assert answer.output_text
    row = tenant.row(request_id_of(answer))
    assert (row["endpoint"], row["usage_source"]) == ("responses", "reported")
    assert row["reasoning_tokens"] == answer.usage.output_tokens_details.reasoning_tokens > 0
    assert row["output_tokens"] == answer.usage.output_tokens


def test_a_response_is_streamed_with_all_its_events(sdk, tenant):
    with sdk.responses.stream(model="gpt-4o", input="Why is the sky blue?") as stream:
        request_id = stream._response.headers["x-request-id"]
        events = list(stream)
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == events[-1].response.output_text
    row = tenant.row(request_id)
    assert (row["streamed"], row["output_tokens"]) == (True, events[-1].response.usage.output_tokens)


def test_models_are_listed_and_described(sdk):
    assert [model.id for model in sdk.models.list()] == sorted(MODELS)
    assert sdk.models.retrieve("gpt-4o").id == "gpt-4o"
    with pytest.raises(openai.NotFoundError):
        sdk.models.retrieve("gpt-99")


def test_tools_and_structured_output_pass(sdk):
    tool = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
    called = sdk.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "please call get_weather"}], tools=[tool]
    )
    assert called.choices[0].message.tool_calls[0].function.name == "get_weather"
    shaped = sdk.chat.completions.create(model="gpt-4o", messages=HELLO, response_format={"type": "json_object"})
    assert shaped.choices[0].message.content.startswith("{")


def test_several_choices_pass_and_are_counted_together(sdk, tenant):
    answer = sdk.chat.completions.create(model="gpt-4o", messages=HELLO, n=3)
    assert len(answer.choices) == 3
    assert tenant.row(request_id_of(answer))["output_tokens"] == answer.usage.completion_tokens


async def test_the_asynchronous_sdks_work_whole_and_streamed(tenant):
    async with (
        openai.AsyncOpenAI(base_url=f"{tenant.url}/v1", api_key=tenant.key, max_retries=0) as plain,
        openai.AsyncAzureOpenAI(
            azure_endpoint=tenant.url, api_key=tenant.key, api_version="2024-10-21", max_retries=0
        ) as azure,
    ):
        for client in (plain, azure):
            whole = await client.chat.completions.create(model="gpt-4o", messages=HELLO)
            stream = await client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
            text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
            assert text == whole.choices[0].message.content
            assert (await client.embeddings.create(model="text-embedding-3-small", input="x")).data
            assert (await client.responses.create(model="gpt-4o", input="hello")).output_text
            assert (await client.completions.create(model="gpt-3.5-turbo-instruct", prompt="hello")).choices
            assert [model.id async for model in client.models.list()]


# ── Errors: the SDK raises its own typed exception ──────────────────────────────────────────────────────────────────────


def test_a_wrong_key_is_an_authentication_error(tenant):
    known = tenant.key.split("_")[1]
    messages = set()
    for key in ("sk-nothing", f"adu_{known}_" + "A" * 43, "adu_00000000_" + "A" * 43):
        with openai.OpenAI(base_url=f"{tenant.url}/v1", api_key=key, max_retries=0) as client:
            with pytest.raises(openai.AuthenticationError) as caught:
                client.chat.completions.create(model="gpt-4o", messages=HELLO)
            with pytest.raises(openai.AuthenticationError):
                client.models.list()
            assert (caught.value.status_code, caught.value.code) == (401, "invalid_api_key")
            messages.add(caught.value.message)
    assert len(messages) == 1  # an unknown id and a wrong secret are not told apart


def test_an_unknown_model_is_a_not_found_error(sdk):
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.chat.completions.create(model="gpt-99", messages=HELLO)
    assert caught.value.code == "model_not_found"
    assert caught.value.request_id


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_an_upstreams_error_passes_with_its_status_and_body(sdk, tenant, status, error):
    with pytest.raises(error) as caught:
        sdk.chat.completions.create(
            model="gpt-4o",
            messages=HELLO,
            extra_headers={"x-simulate": f"status={status}; error-message=as the provider said it; retry-after=7"},
        )
    assert "as the provider said it" in caught.value.message
    if status == 429:
        assert caught.value.response.headers["retry-after"] == "7"
    row = tenant.row(caught.value.request_id)
    assert (row["status"], row["usage_source"], row["cost_usd"]) == (status, "none", 0)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("stream", [False, True])
def test_a_provider_that_does_not_let_the_gateway_in_is_not_an_error_of_the_callers_key(sdk, tenant, status, stream):
    with pytest.raises(openai.InternalServerError, match="your key is not what is wrong") as caught:
        sdk.chat.completions.create(
            model="gpt-4o",
            messages=HELLO,
            stream=stream,
            extra_headers={"x-simulate": f"status={status}; error-message=Incorrect API key provided: sk-xyz"},
        )
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_credential_refused")
    assert "sk-xyz" not in str(caught.value)
    assert caught.value.response.headers["x-should-retry"] == "false"
    row = tenant.row(caught.value.request_id)
    assert (row["status"], row["error_code"], row["usage_source"]) == (502, "upstream_credential_refused", "none")
    assert [(each["status"], each["error_code"]) for each in tenant.attempts(row)] == [(status, f"http_{status}")]


def test_an_error_at_the_start_of_a_stream_is_the_sdks_typed_exception(sdk):
    with pytest.raises(openai.RateLimitError):
        sdk.chat.completions.create(
            model="gpt-4o", messages=HELLO, stream=True, extra_headers={"x-simulate": "status=429"}
        )


def test_a_stream_that_breaks_off_raises_and_what_came_is_counted(sdk, tenant):
    stream = sdk.chat.completions.create(
        model="gpt-4o", messages=HELLO, stream=True, extra_headers={"x-simulate": "cut-after=5"}
    )
    request_id = stream.response.headers["x-request-id"]
    received = []
    with pytest.raises(openai.APIError, match="broke off"):
        for chunk in stream:
            received += [c.delta.content for c in chunk.choices if c.delta.content]
    assert len(received) == 5
    row = tenant.row(request_id)
    assert (row["usage_source"], row["output_tokens"]) == ("counted", 5)
    assert (row["error_code"], row["cancelled"]) == ("upstream_cut_short", False)


def test_a_streamed_response_that_breaks_off_raises(sdk):
    with (
        pytest.raises(openai.APIError, match="broke off"),
        sdk.responses.stream(model="gpt-4o", input="hello", extra_headers={"x-simulate": "cut-after=3"}) as stream,
    ):
        list(stream)
