"""Assistants, threads and runs of the simulated provider."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.simulators.fixtures import Simulator

AT_ONCE = {"x-simulate": "ready-after=0"}
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "look_up",
        "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
    },
}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def client(fresh_simulator: Simulator) -> Iterator[OpenAI]:
    url = f"{fresh_simulator.url}/v1"
    with OpenAI(base_url=url, api_key="sk-any", max_retries=0, _strict_response_validation=True) as client:
        yield client


def thread_of(client: OpenAI, said: str = "write 5 tokens") -> str:
    return client.beta.threads.create(messages=[{"role": "user", "content": said}]).id


def run_of(client: OpenAI, thread: str, **fields: Any) -> Any:
    assistant = client.beta.assistants.create(model="gpt-4o", instructions="Be brief.")
    run = client.beta.threads.runs.create(
        thread, assistant_id=assistant.id, extra_headers=fields.pop("extra_headers", AT_ONCE), **fields
    )
    return client.beta.threads.runs.retrieve(run.id, thread_id=thread)


def test_a_run_writes_into_its_thread_and_tells_its_usage(fresh_simulator: Simulator, client: OpenAI) -> None:
    thread = thread_of(client)
    run = run_of(client, thread)

    assert run.status == "completed"
    messages = client.beta.threads.messages.list(thread, order="asc").data
    assert [message.role for message in messages] == ["user", "assistant"]
    (step,) = client.beta.threads.runs.steps.list(run.id, thread_id=thread).data
    assert step.step_details.to_dict() == {
        "type": "message_creation",
        "message_creation": {"message_id": messages[1].id},
    }
    assert step.usage == run.usage or step.usage.to_dict() == run.usage.to_dict()
    billed = fresh_simulator.usage()["gpt-4o"]
    assert run.usage.to_dict() == {name: billed[name] for name in run.usage.to_dict()}
    assert run.usage.completion_tokens == 5


def test_a_run_takes_its_time(client: OpenAI) -> None:
    thread = thread_of(client)
    assistant = client.beta.assistants.create(model="gpt-4o")
    run = client.beta.threads.runs.create(thread, assistant_id=assistant.id)

    assert (run.status, run.usage) == ("queued", None)
    with pytest.raises(openai.BadRequestError, match="while a run"):
        client.beta.threads.messages.create(thread, role="user", content="x")
    with pytest.raises(openai.BadRequestError, match="already has an active run"):
        client.beta.threads.runs.create(thread, assistant_id=assistant.id)
    assert client.beta.threads.runs.poll(run.id, thread_id=thread, poll_interval_ms=50).status == "completed"


def test_a_streamed_run_has_the_providers_events_in_their_order(client: OpenAI) -> None:
    assistant = client.beta.assistants.create(model="gpt-4o")
    events: list[Any] = list(
        client.beta.threads.create_and_run(
            assistant_id=assistant.id,
            thread={"messages": [{"role": "user", "content": "echo one two three"}]},
            stream=True,
        )
    )

    assert [event.event for event in events] == [
        "thread.created",
        "thread.run.created",
        "thread.run.queued",
        "thread.run.in_progress",
        "thread.run.step.created",
        "thread.run.step.in_progress",
        "thread.message.created",
        "thread.message.in_progress",
        *["thread.message.delta"] * 3,
        "thread.message.completed",
        "thread.run.step.completed",
        "thread.run.completed",
    ]
    assert events[-1].data.usage.total_tokens > 0
    assert "".join(event.data.delta.content[0].text.value for event in events[8:11]) == "one two three"


@pytest.mark.parametrize("stream", [False, True])
def test_a_run_waits_for_its_tools(client: OpenAI, stream: bool) -> None:
    thread = thread_of(client, "call look_up")
    run = run_of(client, thread, tools=[TOOL])

    assert run.status == "requires_action"
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    assert (call.function.name, call.function.arguments) == ("look_up", '{"id":0}')
    with pytest.raises(openai.BadRequestError, match="Expected tool outputs"):
        client.beta.threads.runs.submit_tool_outputs(run.id, thread_id=thread, tool_outputs=[])
    outputs: Any = [{"tool_call_id": call.id, "output": "42"}]
    if stream:
        events: list[Any] = list(
            client.beta.threads.runs.submit_tool_outputs(run.id, thread_id=thread, tool_outputs=outputs, stream=True)
        )
        assert events[-1].event == "thread.run.completed"
    else:
        client.beta.threads.runs.submit_tool_outputs(
            run.id, thread_id=thread, tool_outputs=outputs, extra_headers=AT_ONCE
        )
    done = client.beta.threads.runs.retrieve(run.id, thread_id=thread)
    assert done.status == "completed"
    steps: list[Any] = client.beta.threads.runs.steps.list(run.id, thread_id=thread, order="asc").data
    assert [step.type for step in steps] == ["tool_calls", "message_creation"]
    assert steps[0].step_details.tool_calls[0].function.output == "42"


def test_the_sdks_own_handler_takes_the_stream(client: OpenAI) -> None:
    assistant = client.beta.assistants.create(model="gpt-4o")
    with client.beta.threads.runs.stream(thread_id=thread_of(client), assistant_id=assistant.id) as stream:
        stream.until_done()
        final = stream.get_final_run()

    assert final.status == "completed"


def test_a_run_whose_caller_hung_up_goes_on_and_is_billed(fresh_simulator: Simulator, client: OpenAI) -> None:
    thread = thread_of(client, "write 20 tokens")
    assistant = client.beta.assistants.create(model="gpt-4o")
    with pytest.raises(openai.APIConnectionError):
        list(
            client.beta.threads.runs.create(
                thread, assistant_id=assistant.id, stream=True, extra_headers={"x-simulate": "cut-after=2"}
            )
        )

    fresh_simulator.requests(finished=3)
    (run,) = client.beta.threads.runs.list(thread).data
    assert run.status == "completed"
    assert fresh_simulator.usage()["gpt-4o"]["completion_tokens"] == 20


@pytest.mark.parametrize("state", ["failed", "expired", "cancelled"])
def test_a_run_can_be_made_to_end_otherwise(client: OpenAI, state: str) -> None:
    run = run_of(client, thread_of(client), extra_headers={"x-simulate": f"ready-after=0; ends-as={state}"})

    assert run.status == state


def test_a_run_that_met_its_limit_is_incomplete(client: OpenAI) -> None:
    run = run_of(client, thread_of(client, "write 600 tokens"), max_completion_tokens=300)

    assert (run.status, run.incomplete_details.reason) == ("incomplete", "max_completion_tokens")
    assert run.usage.completion_tokens == 300


def test_a_run_can_be_cancelled(client: OpenAI) -> None:
    thread = thread_of(client, "call look_up")
    waiting = run_of(client, thread, tools=[TOOL])

    assert client.beta.threads.runs.cancel(waiting.id, thread_id=thread).status == "cancelling"
    assert client.beta.threads.runs.poll(waiting.id, thread_id=thread, poll_interval_ms=50).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="Cannot cancel"):
        client.beta.threads.runs.cancel(waiting.id, thread_id=thread)


@pytest.mark.parametrize("position", ["tool_resources", "attachments", "image", "vector_store", "assistant", "thread"])
def test_what_a_body_names_has_to_be_there(client: OpenAI, position: str) -> None:
    beta = client.beta
    image: Any = [{"type": "image_file", "image_file": {"file_id": "file-none"}}]
    attachments: Any = [{"file_id": "file-none", "tools": [{"type": "file_search"}]}]
    calls: dict[str, Any] = {
        "tool_resources": lambda: beta.assistants.create(
            model="gpt-4o", tool_resources={"code_interpreter": {"file_ids": ["file-none"]}}
        ),
        "attachments": lambda: beta.threads.create(
            messages=[{"role": "user", "content": "x", "attachments": attachments}]
        ),
        "image": lambda: beta.threads.messages.create(thread_of(client), role="user", content=image),
        "vector_store": lambda: beta.threads.create(tool_resources={"file_search": {"vector_store_ids": ["vs_none"]}}),
        "assistant": lambda: beta.threads.runs.create(thread_of(client), assistant_id="asst_none"),
        "thread": lambda: beta.threads.runs.create("thread_none", assistant_id="asst_none"),
    }

    with pytest.raises((openai.BadRequestError, openai.NotFoundError), match="none"):
        calls[position]()
