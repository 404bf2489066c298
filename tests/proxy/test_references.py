"""The ids within a body: every field that names an object is found, and nobody's own words are taken for one."""

import json

import pytest

from proxy.bodies import JsonBody
from proxy.endpoints.table import ENDPOINTS
from proxy.errors import Refusal
from proxy.references import FIELDS, may_refer, references

ROWS = {row.name: row for row in ENDPOINTS}


def found(name: str, body: dict) -> set[str]:
    data = json.dumps(body).encode()
    row = ROWS[name]
    if not may_refer(row, data):
        return set()
    return set(references(row, JsonBody(data)).own)


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("responses", {"previous_response_id": "ID"}),
        ("responses", {"conversation": "ID"}),
        ("responses", {"conversation": {"id": "ID"}}),
        ("responses", {"prompt": {"id": "ID", "variables": {"file_id": "mine"}}}),
        ("responses", {"input": [{"type": "item_reference", "id": "ID"}]}),
        ("responses", {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "ID"}]}]}),
        ("responses", {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "ID"}]}]}),
        ("responses", {"tools": [{"type": "file_search", "vector_store_ids": ["ID"]}]}),
        ("responses", {"tools": [{"type": "code_interpreter", "container": "ID"}]}),
        ("responses", {"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["ID"]}}]}),
        (
            "chat.completions",
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "ID"}}]}]},
        ),
        ("chat.completions", {"audio": {"voice": {"id": "ID"}, "format": "wav"}}),
        ("batches.create", {"input_file_id": "ID"}),
        ("fine_tuning.jobs.create", {"training_file": "ID"}),
        ("fine_tuning.jobs.create", {"validation_file": "ID"}),
        ("vector_stores.create", {"file_ids": ["ID"]}),
        ("vector_stores.file_batches.create", {"files": [{"file_id": "ID", "attributes": {}}]}),
        ("assistants.create", {"tool_resources": {"code_interpreter": {"file_ids": ["ID"]}}}),
        ("assistants.create", {"tool_resources": {"file_search": {"vector_store_ids": ["ID"]}}}),
        ("threads.runs.create", {"assistant_id": "ID"}),
        ("threads.messages.create", {"attachments": [{"file_id": "ID", "tools": []}]}),
        ("threads.messages.create", {"content": [{"type": "image_file", "image_file": {"file_id": "ID"}}]}),
        ("evals.runs.create", {"data_source": {"type": "jsonl", "source": {"type": "file_id", "id": "ID"}}}),
        ("videos.remix", {"video": {"id": "ID"}}),
        ("audio.speech", {"voice": {"id": "ID"}}),
    ],
)
def test_an_id_is_found_wherever_a_body_may_name_one(endpoint, body):
    assert found(endpoint, body) == {"ID"}


def test_an_id_behind_an_escaped_name_is_found():
    data = b'{"input": [], "previous_response\\u005fid": "resp_1"}'
    assert may_refer(ROWS["responses"], data)
    assert set(references(ROWS["responses"], JsonBody(data)).own) == {"resp_1"}


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"file_id": "ID"}},
        {"tools": [{"type": "function", "parameters": {"properties": {"file_id": {"type": "string"}}}}]},
        {"tools": [{"type": "function", "parameters": {"default": {"thread_id": "ID"}}}]},
        {"messages": [{"role": "user", "content": "my file_id is ID"}]},
        {"audio": {"voice": "alloy"}},
        {"conversation": None},
    ],
)
def test_what_is_the_callers_own_word_is_no_id(body):
    assert found("chat.completions", body) == set()


def test_items_that_are_passed_back_are_looked_at_but_need_not_be_known():
    body = {"input": [{"type": "reasoning", "id": "rs_1", "summary": []}, {"type": "item_reference", "id": "msg_1"}]}
    named = references(ROWS["responses"], JsonBody(json.dumps(body).encode()))
    assert named.passed_back == {"rs_1"}
    assert set(named.own) == {"msg_1"}


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_every_field_of_the_table_is_worth_a_look(field):
    assert may_refer(ROWS["responses"], json.dumps({field: {"id": "ID"}}).encode())


def test_a_whole_object_in_a_body_names_itself_and_a_schemas_type_does_not():
    assert found("evals.runs.create", {"data_source": {"content": [{"object": "file", "id": "ID"}]}}) == {"ID"}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    assert not may_refer(ROWS["chat.completions"], json.dumps({"tools": [tool]}).encode())


def test_a_file_in_the_place_of_a_prompts_word_is_found_and_words_are_not():
    variables = {"file_id": "mine", "of": {"type": "input_file", "file_id": "ID"}}
    assert found("responses", {"prompt": {"id": "PROMPT", "variables": variables}}) == {"PROMPT", "ID"}


def test_of_a_key_that_stands_twice_the_one_that_was_read_is_sent():
    body = JsonBody(b'{"tools": [{"container": "theirs", "container": "mine"}]}')
    assert set(references(ROWS["responses"], body).own) == {"mine"}
    assert b"theirs" not in body.sent(b"", "").content


def test_a_value_of_more_pieces_than_any_prompt_is_refused_before_it_is_looked_into():
    body = JsonBody(b'{"input": [' + b"[0]," * 300_000 + b'{"file_id": "file-1"}]}')
    with pytest.raises(Refusal, match="more than 250000 values"):
        references(ROWS["responses"], body)
