"""Requests that mean harm: none is read otherwise than it is sent on, and none is a fault of the gateway's."""

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from proxy.batch_files import _lines
from proxy.bodies import JsonBody
from proxy.caps import Caps
from proxy.connection import ANSWER_KEY
from proxy.credentials import Credential
from proxy.endpoints.table import ENDPOINTS
from proxy.errors import Refusal
from proxy.headers import read_request_head
from proxy.intake import read_body
from proxy.lists import _names, _read
from proxy.lookalikes import ACTED_ON
from proxy.metering.tokenizer import Tokenizer
from proxy.nested_models import map_models
from proxy.opening import own_query
from proxy.references import FIELDS
from proxy.routing.names import Names

ROWS = {row.name: row for row in ENDPOINTS}
FUNCTIONS = SimpleNamespace(
    allowed_models=None,
    allowed_tools=frozenset({"function"}),
    max_output_tokens=None,
    max_input_tokens=None,
    max_context_tokens=None,
)


@pytest.mark.parametrize("query", [b"a&" * 300, b"x=" + b"y" * 9000])
def test_a_query_without_end_is_the_callers_error(query):
    with pytest.raises(Refusal, match="query"):
        own_query(query)


@pytest.mark.parametrize("limit", ["%C2%B2", "1" + "0" * 5000, "-1", "0", "", "1_0"])
def test_a_limit_that_is_none_is_the_callers_error(limit):
    with pytest.raises(Refusal, match="limit"):
        _read(b"limit=" + limit.encode())


@pytest.mark.parametrize(
    "body",
    [
        b'{"stream_format": "sse"}',
        b'{"stream": false, "stream_format": "sse"}',
        b'{"stream_format": "\\u0073se"}',
        b'{"stream": true}',
    ],
)
def test_a_stream_is_seen_however_it_is_asked_for(body):
    assert JsonBody(body).streamed()


@pytest.mark.parametrize("said", [b"1", b'"true"', b"[]"])
def test_work_in_the_background_is_asked_for_by_a_boolean_alone(said):
    with pytest.raises(Refusal, match="background"):
        JsonBody(b'{"background": %b}' % said).in_background()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("chat.completions", b'{"model": "m", "data_sources": [{"type": "azure_search", "parameters": {}}]}'),
        ("evals.runs.create", b'{"data_source": {"sampling_params": {"tools": [{"type": "web_search"}]}}}'),
        ("responses", b'{"model": "m", "input": [{"type": "tool_search_output", "tools": [{"type": "mcp"}]}]}'),
        ("responses", b'{"model": "m", "input": [{"\\u0074ools": [{"type": "web_search"}]}]}'),
        ("responses", b'{"model": "m", "tools": [{"type": "function", "x": {"tools": [{"type": "mcp"}]}}]}'),
    ],
)
async def test_a_tool_is_seen_wherever_it_is_brought(name, body):
    with pytest.raises(Refusal, match="does not allow the tool"):
        await Caps(Tokenizer()).apply(FUNCTIONS, ROWS[name], JsonBody(body), "m")


async def test_of_a_tool_whose_type_stands_twice_the_one_that_was_judged_is_sent():
    body = JsonBody(b'{"model": "m", "input": [], "tools": [{"type": "web_search", "type": "function"}]}')
    await Caps(Tokenizer()).apply(FUNCTIONS, ROWS["responses"], body, "m")
    assert b"web_search" not in body.sent(b'"m"', "").content


def test_of_a_nested_model_that_stands_twice_the_one_that_was_judged_is_sent():
    routes = SimpleNamespace(route=lambda *_, **__: (None, [SimpleNamespace(deployment="cheap")]))
    body = JsonBody(b'{"testing_criteria": [{"model": "dear", "model": "cheap"}]}')
    map_models(body, routes, None, ROWS["evals.create"], "one", 0.0)
    assert b"dear" not in body.sent(b"", "").content


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (b'{"model": "cheap", "Model": "dear"}', True),
        (b'{"model": "m", "STREAM": true}', True),
        (b'{"model": "m", "max_to\\u212aens": 9}', True),
        (b'{"model": "m", "\\u017ftore": true}', True),
        (b'{"model": "m", "Vector_Store_Ids": ["vs_1"]}', True),
        (b'{"model": "m", "top_k": 1, "Top_K": 2}', True),
        (b'{"model": "m", "topK": 2, "\\u00fcber": 1}', False),  # names of a server's own
        (b'{"model": "m", "stream": true}', False),
    ],
)
def test_a_field_that_a_careless_server_takes_for_a_judged_one_is_refused(body, refused):
    if refused:
        with pytest.raises(Refusal, match="in other letters"):
            JsonBody(body)
    else:
        assert JsonBody(body).model() == "m"


def test_all_that_the_gateway_reads_of_a_body_is_guarded_from_other_case():
    source = "".join(path.read_text() for path in Path("proxy").rglob("*.py"))
    read = set(re.findall(r'body\.read\("(\w+)"\)|fields\.get\("(\w+)"|\b(?:_value|count)\("(\w+)"', source))
    names = {name for groups in read for name in groups if name} - {"type", "event_id", "response", "client_secret"}
    assert names - ACTED_ON - FIELDS == set()  # the four stand in events, of which no other spelling goes on


@pytest.mark.parametrize("pieces", [[b"x" * 60, b"x" * 60], [b"x" * 120], [b"x" * 60, b"x" * 60, b""]])
async def test_behind_the_end_of_a_body_that_is_too_large_nothing_is_waited_for(pieces):
    coming = [
        {"type": "http.request", "body": piece, "more_body": place < len(pieces)}
        for place, piece in enumerate(pieces, 1)
    ]

    async def receive():
        return coming.pop(0)  # once more than there are pieces, a caller would wait for ever

    scope = {ANSWER_KEY: SimpleNamespace(take_body=lambda: None), "headers": []}
    with pytest.raises(Refusal, match="over the limit"):
        await read_body(scope, receive, read_request_head([]), 100)
    assert coming == []


@pytest.mark.parametrize("of", [read_request_head([(b"api-key", b"hunter2")]), Credential.of((b"api-key", b"hunter2"))])
def test_no_credential_is_told_by_who_holds_it(of):
    assert "hunter2" not in repr(of)
    assert all("hunter2" not in repr(part) for part in of.__rich_repr__())


def test_no_wildcard_means_a_name_without_end():
    names = Names({"o3-*": SimpleNamespace(model="o3-*", aliases=())})
    assert names.find("o3-mini") is not None
    assert names.find("o3-" + "x" * 300) is None


@pytest.mark.parametrize("name", [b"x-http-method-override", b"x-original-url", b"idempotency-key", b"openai-project"])
def test_a_header_that_would_mean_another_call_stays_here(name):
    assert read_request_head([(name, b"DELETE"), (b"openai-beta", b"assistants=v2")]).forwarded == [
        (b"openai-beta", b"assistants=v2")
    ]


@pytest.mark.parametrize(
    ("error", "gone"),
    [
        (b'{"error": {"message": "No such File object: file-1"}}', True),
        (b'{"error": {"code": "404", "message": "Resource not found"}}', False),
        (b'{"error": {"message": "Invalid URL (GET /v1/files/file-1)"}}', False),
        (b"<html>404</html>", False),
    ],
)
def test_only_an_error_that_names_an_object_says_that_it_is_gone(error, gone):
    assert _names(error, b"file-1") is gone


async def test_a_batch_file_of_empty_lines_leaves_others_their_turn():
    async def file():
        for _ in range(200):
            yield b"\n" * 65536

    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(count())
    assert [line async for line in _lines(SimpleNamespace(file=file))] == []
    other.cancel()
    assert turns >= 200
