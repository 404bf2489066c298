"""Talks: chats, responses, conversations, assistants, realtime sessions."""

from typing import Any

from openai import OpenAI

from tests.simulators.operations.made import HELLO, MODEL, Made, Operation


def submitted(client: OpenAI, made: Made) -> Any:
    """A run that was told what its tool said."""
    tool: Any = {"type": "function", "function": {"name": "look_up"}}
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "call look_up"}]).id
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread, assistant_id=made.assistant, tools=[tool], poll_interval_ms=50
    )
    assert run.required_action is not None
    outputs: Any = [
        {"tool_call_id": call.id, "output": "42"} for call in run.required_action.submit_tool_outputs.tool_calls
    ]
    return client.beta.threads.runs.submit_tool_outputs(run.id, thread_id=thread, tool_outputs=outputs)


def said_in_realtime(client: OpenAI, made: Made) -> Any:
    """The usage of a response in a session."""
    with client.realtime.connect(model="gpt-realtime") as connection:
        connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "write 5 tokens"}]}
        )
        connection.response.create(response={"output_modalities": ["text"]})
        for event in connection:
            if event.type == "response.done":
                return event.response.usage
    return None


def connected(client: OpenAI, made: Made) -> Any:
    """The usage of a response over a WebSocket."""
    with client.responses.connect() as connection:
        connection.response.create(model=MODEL, input="write 5 tokens")
        for event in connection:
            if event.type == "response.completed":
                return event.response.usage
    return None


ASSISTANTS: dict[str, Operation] = {
    "assistants.create": lambda client, made: client.beta.assistants.create(model=MODEL, name="helper"),
    "assistants.list": lambda client, made: client.beta.assistants.list(),
    "assistants.retrieve": lambda client, made: client.beta.assistants.retrieve(made.assistant),
    "assistants.update": lambda client, made: client.beta.assistants.update(made.assistant, name="other"),
    "assistants.delete": lambda client, made: client.beta.assistants.delete(
        client.beta.assistants.create(model=MODEL).id
    ),
    "threads.create": lambda client, made: client.beta.threads.create(
        messages=[{"role": "user", "content": "x"}], metadata={"of": "tests"}
    ),
    "threads.retrieve": lambda client, made: client.beta.threads.retrieve(made.thread),
    "threads.update": lambda client, made: client.beta.threads.update(made.thread, metadata={"a": "b"}),
    "threads.delete": lambda client, made: client.beta.threads.delete(client.beta.threads.create().id),
    "threads.messages.create": lambda client, made: client.beta.threads.messages.create(
        made.thread, role="user", content=[{"type": "text", "text": "hello"}]
    ),
    "threads.messages.list": lambda client, made: client.beta.threads.messages.list(made.thread),
    "threads.messages.retrieve": lambda client, made: client.beta.threads.messages.retrieve(
        made.new_message(), thread_id=made.thread
    ),
    "threads.messages.update": lambda client, made: client.beta.threads.messages.update(
        made.new_message(), thread_id=made.thread, metadata={"a": "b"}
    ),
    "threads.messages.delete": lambda client, made: client.beta.threads.messages.delete(
        made.new_message(), thread_id=made.thread
    ),
    "threads.runs.create": lambda client, made: client.beta.threads.runs.create(
        made.new_thread(), assistant_id=made.assistant
    ),
    "threads.create_and_run": lambda client, made: client.beta.threads.create_and_run(
        assistant_id=made.assistant, thread={"messages": [{"role": "user", "content": "write 5 tokens"}]}
    ),
    "threads.runs.list": lambda client, made: client.beta.threads.runs.list(made.run.thread_id),
    "threads.runs.retrieve": lambda client, made: client.beta.threads.runs.retrieve(
        made.run.id, thread_id=made.run.thread_id
    ),
    "threads.runs.update": lambda client, made: client.beta.threads.runs.update(
        made.run.id, thread_id=made.run.thread_id, metadata={"a": "b"}
    ),
    "threads.runs.cancel": lambda client, made: client.beta.threads.runs.cancel(
        (run := client.beta.threads.runs.create(made.new_thread(), assistant_id=made.assistant)).id,
        thread_id=run.thread_id,
    ),
    "threads.runs.submit_tool_outputs": submitted,
    "threads.runs.steps.list": lambda client, made: client.beta.threads.runs.steps.list(
        made.run.id, thread_id=made.run.thread_id
    ),
    "threads.runs.steps.retrieve": lambda client, made: client.beta.threads.runs.steps.retrieve(
        client.beta.threads.runs.steps.list(made.run.id, thread_id=made.run.thread_id).data[0].id,
        run_id=made.run.id,
        thread_id=made.run.thread_id,
    ),
}
CHAT: dict[str, Operation] = {
    "chat.completions": lambda client, made: client.chat.completions.create(model=MODEL, messages=HELLO),
    "chat.completions.list": lambda client, made: client.chat.completions.list(metadata={"of": "tests"}, limit=2),
    "chat.completions.retrieve": lambda client, made: client.chat.completions.retrieve(made.new_chat()),
    "chat.completions.update": lambda client, made: client.chat.completions.update(
        made.new_chat(), metadata={"a": "b"}
    ),
    "chat.completions.delete": lambda client, made: client.chat.completions.delete(made.new_chat()),
    "chat.completions.messages.list": lambda client, made: client.chat.completions.messages.list(made.new_chat()),
    "completions": lambda client, made: client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once"),
    "embeddings": lambda client, made: client.embeddings.create(
        model="text-embedding-3-small", input="Once", encoding_format="float"
    ),
}
RESPONSES: dict[str, Operation] = {
    "responses": lambda client, made: client.responses.create(model=MODEL, input="write 5 tokens"),
    "responses.retrieve": lambda client, made: client.responses.retrieve(made.response),
    "responses.delete": lambda client, made: client.responses.delete(made.new_response()) or "nothing",
    "responses.cancel": lambda client, made: client.responses.cancel(made.new_response(background=True)),
    "responses.input_items.list": lambda client, made: client.responses.input_items.list(made.response),
    "responses.input_tokens.count": lambda client, made: client.responses.input_tokens.count(model=MODEL, input="x"),
    "responses.compact": lambda client, made: client.responses.compact(model=MODEL, previous_response_id=made.response),
    "decisions": lambda client, made: client.decisions.create(
        model=MODEL,
        input="The harbor is open.",
        questions=[
            {"type": "predicate", "instructions": "Is it open?"},
            {"type": "choice", "instructions": "Which?", "choices": [{"value": "a"}, {"value": True}], "name": "which"},
            {"type": "score", "instructions": "How much?", "levels": [{"label": "low"}, {"label": "high"}]},
        ],
    ),
    "conversations.create": lambda client, made: client.conversations.create(
        metadata={"of": "tests"}, items=[{"role": "user", "content": "hello"}]
    ),
    "conversations.retrieve": lambda client, made: client.conversations.retrieve(made.conversation),
    "conversations.update": lambda client, made: client.conversations.update(made.conversation, metadata={"a": "b"}),
    "conversations.delete": lambda client, made: client.conversations.delete(client.conversations.create().id),
    "conversations.items.create": lambda client, made: client.conversations.items.create(
        made.conversation, items=[{"type": "message", "role": "user", "content": "more"}]
    ),
    "conversations.items.list": lambda client, made: client.conversations.items.list(made.conversation),
    "conversations.items.retrieve": lambda client, made: client.conversations.items.retrieve(
        made.new_item(), conversation_id=made.conversation
    ),
    "conversations.items.delete": lambda client, made: client.conversations.items.delete(
        made.new_item(), conversation_id=made.conversation
    ),
    "models.list": lambda client, made: client.models.list(),
    "models.retrieve": lambda client, made: client.models.retrieve(MODEL),
}
REALTIME: dict[str, Operation] = {
    "responses.connect": connected,
    "realtime": said_in_realtime,
    "realtime.client_secrets.create": lambda client, made: client.realtime.client_secrets.create(
        session={"type": "realtime", "model": "gpt-realtime"}
    ),
    "realtime.sessions.create": lambda client, made: client.beta.realtime.sessions.create(
        model="gpt-4o-realtime-preview"
    ),
    "realtime.transcription_sessions.create": lambda client, made: client.beta.realtime.transcription_sessions.create(
        input_audio_transcription={"model": "gpt-4o-transcribe"}
    ),
}
