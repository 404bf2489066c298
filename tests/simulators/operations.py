"""Every operation of the surface as a call of the stock SDK, by the name that it has in the SDK.

Whoever has a client can walk them: an operation makes what it needs first, and returns the SDK's object (of a list the first
page, of a stream its events). `Made` shares what was made between the operations of one client.
"""

import base64
import io
import json
import wave
from collections.abc import Callable
from functools import cached_property
from typing import Any

from openai import OpenAI

MODEL = "gpt-4o"
HELLO: Any = [{"role": "user", "content": "write 5 tokens"}]
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def wav(seconds: float) -> bytes:
    """Silence of 8 kHz."""
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(bytes(round(seconds * 8000)))
    return written.getvalue()


SOUND = wav(2.0)


class Made:
    """What other operations need, made at first use."""

    def __init__(self, client: OpenAI) -> None:
        self._client = client

    @cached_property
    def file(self) -> str:
        return self.new_file()

    @cached_property
    def vector_store(self) -> str:
        return self._client.vector_stores.create(name="papers", file_ids=[self.file]).id

    @cached_property
    def file_batch(self) -> str:
        return self._client.vector_stores.file_batches.create(self.vector_store, file_ids=[self.file]).id

    @cached_property
    def batch(self) -> str:
        return self.new_batch()

    @cached_property
    def voice_consent(self) -> str:
        return self.new_voice_consent()

    @cached_property
    def assistant(self) -> str:
        return self._client.beta.assistants.create(model=MODEL, instructions="Be brief.").id

    @cached_property
    def thread(self) -> str:
        return self.new_thread()

    @cached_property
    def run(self) -> Any:
        return self._client.beta.threads.runs.create_and_poll(
            thread_id=self.new_thread(), assistant_id=self.assistant, poll_interval_ms=50
        )

    def new_thread(self) -> str:
        return self._client.beta.threads.create(messages=[{"role": "user", "content": "write 5 tokens"}]).id

    def new_message(self) -> str:
        return self._client.beta.threads.messages.create(self.thread, role="user", content="x").id

    @cached_property
    def response(self) -> str:
        return self.new_response()

    @cached_property
    def conversation(self) -> str:
        return self._client.conversations.create(items=[{"role": "user", "content": "hello"}]).id

    def new_response(self, **fields: Any) -> str:
        made: Any = self._client.responses.create(model=MODEL, input="write 5 tokens", **fields)
        return made.id

    def new_item(self) -> str:
        items: Any = [{"type": "message", "role": "user", "content": "x"}]
        return self._client.conversations.items.create(self.conversation, items=items).data[0].id or ""

    def new_chat(self) -> str:
        made = self._client.chat.completions.create(model=MODEL, messages=HELLO, store=True, metadata={"of": "tests"})
        return made.id

    def new_voice_consent(self) -> str:
        return self._client.audio.voice_consents.create(name="x", language="en", recording=("a.wav", SOUND)).id

    def new_file(self, content: bytes = b"The harbor opens at nine.", purpose: Any = "assistants") -> str:
        return self._client.files.create(file=("notes.txt", content), purpose=purpose).id

    def new_upload(self, size: int = 5) -> str:
        upload = self._client.uploads.create(bytes=size, filename="a.txt", mime_type="text/plain", purpose="assistants")
        return upload.id

    def new_batch(self) -> str:
        body = {"model": MODEL, "messages": [{"role": "user", "content": "write 5 tokens"}]}
        line = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body": body}
        file = self.new_file(json.dumps(line).encode(), "batch")
        made = self._client.batches.create(
            input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h", metadata={"of": "tests"}
        )
        return made.id


def completed_upload(client: OpenAI, made: Made) -> Any:
    """An upload of two parts."""
    upload = made.new_upload(5)
    parts = [client.uploads.parts.create(upload, data=io.BytesIO(data)).id for data in (b"abc", b"de")]
    return client.uploads.complete(upload, part_ids=parts)


Operation = Callable[[OpenAI, Made], Any]

FILES: dict[str, Operation] = {
    "files.create": lambda client, made: client.files.create(file=("a.txt", b"text"), purpose="user_data"),
    "files.list": lambda client, made: client.files.list(purpose="assistants", limit=2),
    "files.retrieve": lambda client, made: client.files.retrieve(made.file),
    "files.content": lambda client, made: client.files.content(made.file),
    "files.delete": lambda client, made: client.files.delete(made.new_file()),
    "uploads.create": lambda client, made: client.uploads.create(
        bytes=5, filename="a.txt", mime_type="text/plain", purpose="assistants"
    ),
    "uploads.parts.create": lambda client, made: client.uploads.parts.create(made.new_upload(), data=b"12345"),
    "uploads.complete": completed_upload,
    "uploads.cancel": lambda client, made: client.uploads.cancel(made.new_upload()),
    "batches.create": lambda client, made: client.batches.retrieve(made.new_batch()),
    "batches.list": lambda client, made: client.batches.list(limit=2),
    "batches.retrieve": lambda client, made: client.batches.retrieve(made.batch),
    "batches.cancel": lambda client, made: client.batches.cancel(made.new_batch()),
}
VECTOR_STORES: dict[str, Operation] = {
    "vector_stores.create": lambda client, made: client.vector_stores.create(
        name="papers", expires_after={"anchor": "last_active_at", "days": 7}
    ),
    "vector_stores.list": lambda client, made: client.vector_stores.list(),
    "vector_stores.retrieve": lambda client, made: client.vector_stores.retrieve(made.vector_store),
    "vector_stores.update": lambda client, made: client.vector_stores.update(made.vector_store, name="others"),
    "vector_stores.delete": lambda client, made: client.vector_stores.delete(client.vector_stores.create().id),
    "vector_stores.search": lambda client, made: client.vector_stores.search(made.vector_store, query="harbor"),
    "vector_stores.files.create": lambda client, made: client.vector_stores.files.create(
        made.vector_store, file_id=made.new_file(), attributes={"of": "tests"}
    ),
    "vector_stores.files.list": lambda client, made: client.vector_stores.files.list(made.vector_store),
    "vector_stores.files.retrieve": lambda client, made: client.vector_stores.files.retrieve(
        made.file, vector_store_id=made.vector_store
    ),
    "vector_stores.files.update": lambda client, made: client.vector_stores.files.update(
        made.file, vector_store_id=made.vector_store, attributes={"page": 3.0}
    ),
    "vector_stores.files.delete": lambda client, made: client.vector_stores.files.delete(
        made.file, vector_store_id=client.vector_stores.create(file_ids=[made.file]).id
    ),
    "vector_stores.files.content": lambda client, made: client.vector_stores.files.content(
        made.file, vector_store_id=made.vector_store
    ),
    "vector_stores.file_batches.create": lambda client, made: client.vector_stores.file_batches.create(
        made.vector_store, files=[{"file_id": made.file}]
    ),
    "vector_stores.file_batches.retrieve": lambda client, made: client.vector_stores.file_batches.retrieve(
        made.file_batch, vector_store_id=made.vector_store
    ),
    "vector_stores.file_batches.cancel": lambda client, made: client.vector_stores.file_batches.cancel(
        made.file_batch, vector_store_id=made.vector_store
    ),
    "vector_stores.file_batches.list_files": lambda client, made: client.vector_stores.file_batches.list_files(
        made.file_batch, vector_store_id=made.vector_store
    ),
}
IMAGES: dict[str, Operation] = {
    "images.generate": lambda client, made: client.images.generate(model="gpt-image-1", prompt="a harbor"),
    "images.edit": lambda client, made: client.images.edit(
        model="gpt-image-1.5", image=[("a.png", PICTURE), ("b.png", PICTURE)], prompt="brighter"
    ),
    "images.create_variation": lambda client, made: client.images.create_variation(
        model="dall-e-2", image=("a.png", PICTURE), response_format="b64_json"
    ),
}
AUDIO: dict[str, Operation] = {
    "audio.speech": lambda client, made: client.audio.speech.create(
        model="gpt-4o-mini-tts", voice="alloy", input="Hello."
    ),
    "audio.transcriptions": lambda client, made: client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=("a.wav", SOUND)
    ),
    "audio.translations": lambda client, made: client.audio.translations.create(
        model="whisper-1", file=("a.wav", SOUND)
    ),
    "audio.voices.create": lambda client, made: client.audio.voices.create(
        name="mine", audio_sample=("a.wav", SOUND), consent=made.voice_consent
    ),
    "audio.voices.delete": lambda client, made: client.audio.voices.delete(
        client.audio.voices.create(name="mine", type="prompt", prompt="a calm voice").id
    ),
    "audio.voice_consents.create": lambda client, made: client.audio.voice_consents.create(
        name="mine", language="en-US", recording=("a.wav", SOUND)
    ),
    "audio.voice_consents.list": lambda client, made: client.audio.voice_consents.list(),
    "audio.voice_consents.retrieve": lambda client, made: client.audio.voice_consents.retrieve(made.voice_consent),
    "audio.voice_consents.update": lambda client, made: client.audio.voice_consents.update(
        made.voice_consent, name="ours"
    ),
    "audio.voice_consents.delete": lambda client, made: client.audio.voice_consents.delete(made.new_voice_consent()),
    "moderations": lambda client, made: client.moderations.create(input=["a calm text", "violence"]),
    "content_provenance_checks": lambda client, made: client.content_provenance_checks.create(file=("a.png", PICTURE)),
}


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
OPERATIONS: dict[str, Operation] = CHAT | RESPONSES | FILES | VECTOR_STORES | IMAGES | AUDIO | ASSISTANTS | REALTIME
