"""What an answer gives to its caller, and what is nobody's gift: words of callers and of their tools."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.endpoints.table import ENDPOINTS
from proxy.making import _GIVEN, Known, Making
from proxy.references import FIELDS

ROWS = {row.name: row for row in ENDPOINTS}


class Owners:
    """Notes what is asked and claimed."""

    def __init__(self) -> None:
        self.claimed: dict[str, str] = {}
        self.most = 0

    async def find(self, client_id: bytes, ids: Any) -> dict[str, Any]:
        self.most = max(self.most, len(ids))
        return {}

    async def claim(self, call: Any, made: Any) -> None:
        self.most = max(self.most, len(made))
        self.claimed.update((each.id, each.kind) for each in made)


async def claimed(name: str, answer: Any, path: dict[str, str] | None = None) -> Owners:
    owners, row = Owners(), ROWS[name]
    call: Any = SimpleNamespace(client_id=b"c", requested_model="gpt-4o")
    making = Making(owners, Known(), row, call, path or {}, makes=row.makes is not None)  # type: ignore[arg-type]
    await making.whole(json.dumps(answer).encode(), "one")
    return owners


@pytest.mark.parametrize(
    ("name", "answer", "given"),
    [
        ("batches.retrieve", {"id": "batch_1", "output_file_id": "ID"}, {"ID": "file"}),
        ("fine_tuning.jobs.retrieve", {"id": "ftjob-1", "result_files": ["ID"]}, {"ID": "file"}),
        ("uploads.complete", {"id": "upload_1", "file": {"id": "ID", "object": "file"}}, {"ID": "file"}),
        (
            "threads.create_and_run",
            {"id": "run_1", "object": "thread.run", "thread_id": "ID"},
            {"run_1": "run", "ID": "thread"},
        ),
        (
            "threads.messages.retrieve",
            {"id": "msg_1", "content": [{"type": "text", "text": {"annotations": [{"file_path": {"file_id": "ID"}}]}}]},
            {"ID": "file"},
        ),
        (
            "threads.create",
            {"id": "thread_1", "tool_resources": {"file_search": {"vector_store_ids": ["ID"]}}},
            {"thread_1": "thread", "ID": "vector_store"},
        ),
        (
            "responses",
            {"id": "resp_1", "output": [{"type": "code_interpreter_call", "id": "ci_1", "container_id": "ID"}]},
            {"resp_1": "response", "ci_1": "item", "ID": "container"},
        ),
    ],
)
async def test_what_a_provider_gives_away_is_its_callers(name, answer, given):
    assert (await claimed(name, answer)).claimed == given


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("responses.retrieve", {"tools": [{"type": "function", "parameters": {"file_id": "ID"}}]}),
        ("responses.retrieve", {"text": {"format": {"type": "json_schema", "schema": {"file_id": "ID"}}}}),
        ("responses.retrieve", {"prompt": {"id": "p", "variables": {"file_id": "ID"}}}),
        ("responses.retrieve", {"metadata": {"file_id": "ID"}}),
        ("responses.retrieve", {"output": [{"type": "mcp_list_tools", "tools": [], "x": {"file_id": "ID"}}]}),
        ("responses.retrieve", {"output": [{"type": "local_shell_call", "action": {"env": {"file_id": "ID"}}}]}),
        ("evals.runs.output_items.retrieve", {"datasource_item": {"file_id": "ID"}}),
        ("evals.runs.retrieve", {"data_source": {"source": {"content": [{"object": "file", "id": "ID"}]}}}),
        ("vector_stores.files.retrieve", {"attributes": {"output_file_id": "ID"}}),
    ],
)
async def test_what_callers_and_their_tools_say_is_nobodys(name, answer):
    assert (await claimed(name, answer, {"response": "resp_1"})).claimed == {}


async def test_what_a_call_asks_for_is_not_given_away_by_its_answer():
    assert (await claimed("fine_tuning.jobs.retrieve", {"result_files": ["ID"]}, {"file": "ID"})).claimed == {}


async def test_an_answer_with_very_many_ids_is_claimed_in_parts():
    owners = await claimed("fine_tuning.jobs.retrieve", {"result_files": [f"file-{at}" for at in range(12_345)]})
    assert (len(owners.claimed), owners.most) == (12_345, 1000)


def test_what_may_be_given_away_has_to_be_the_callers_where_it_is_named():
    assert _GIVEN.keys() <= FIELDS


@pytest.mark.parametrize(
    ("name", "answer", "given"),
    [
        ("responses.retrieve", {"id": "resp_1", "output": [{"type": "reasoning", "id": "ID"}]}, {"ID": "item"}),
        ("conversations.items.list", {"object": "list", "data": [{"type": "message", "id": "ID"}]}, {"ID": "item"}),
    ],
)
async def test_the_items_of_what_ran_in_the_background_and_of_conversations_have_owners(name, answer, given):
    assert (await claimed(name, answer)).claimed == given


async def test_speech_in_a_chat_that_is_not_kept_is_its_callers_in_whichever_event_it_is_named():
    def making(owners: Owners) -> Making:
        call: Any = SimpleNamespace(client_id=b"c", requested_model="gpt-4o")
        return Making(owners, Known(), ROWS["chat.completions"], call, {"deployment": "my model"}, makes=False)  # type: ignore[arg-type]

    whole, streamed = Owners(), Owners()
    await making(whole).whole(b'{"id": "chatcmpl-1", "choices": [{"message": {"audio": {"id": "ID"}}}]}', "one")
    stream = making(streamed)
    for delta in (b'{"role":"assistant"}', b'{"content":""}', b'{"audio":{"id":"ID"}}'):
        await stream.events(b'data: {"id":"chatcmpl-1","choices":[{"delta":%b}]}\n\n' % delta, "one")
    assert whole.claimed == streamed.claimed == {"ID": "audio"}
