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
AT_ONCE = {"x-simulate": "ready-after=0"}
MANUAL = b"---\nname: sailing\ndescription: How to sail.\n---\nHoist the sail."
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

    @cached_property
    def training_file(self) -> str:
        said = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "Good morning."}]
        return self.new_file(json.dumps({"messages": said}).encode() + b"\n", "fine-tune")

    @cached_property
    def container(self) -> str:
        return self.new_container()

    @cached_property
    def container_file(self) -> str:
        return self.new_container_file()

    @cached_property
    def evaluation(self) -> str:
        return self.new_eval()

    @cached_property
    def eval_run(self) -> str:
        return self.new_eval_run()

    @cached_property
    def output_item(self) -> str:
        items = self._client.evals.runs.output_items.list(self.eval_run, eval_id=self.evaluation)
        return items.data[0].id

    @cached_property
    def video(self) -> str:
        return self._client.videos.create(prompt="a harbor", extra_headers=AT_ONCE).id

    @cached_property
    def character(self) -> str:
        return self._client.videos.create_character(name="sailor", video=("a.mp4", b"mp4")).id or ""

    @cached_property
    def skill(self) -> str:
        return self.new_skill()

    def new_job(self) -> str:
        return self._client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=self.training_file).id

    def new_paused_job(self) -> str:
        job = self.new_job()
        self._client.fine_tuning.jobs.pause(job)
        return job

    def new_container(self) -> str:
        return self._client.containers.create(name="box").id

    def new_container_file(self) -> str:
        return self._client.containers.files.create(self.container, file=("a.txt", b"text")).id

    def new_eval(self) -> str:
        config: Any = {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}
        return self._client.evals.create(data_source_config=config, testing_criteria=[GRADER], name="sums").id

    def new_eval_run(self, simulate: str = "ready-after=0") -> str:
        items = [{"item": {"question": f"echo {expected}", "expected": expected}} for expected in ("42", "7")]
        source: Any = {
            "type": "completions",
            "model": MODEL,
            "source": {"type": "file_content", "content": items},
            "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{item.question}}"}]},
        }
        made = self._client.evals.runs.create(
            self.evaluation, data_source=source, extra_headers={"x-simulate": simulate}
        )
        return made.id

    def new_skill(self) -> str:
        return self._client.skills.create(files=[("sail/SKILL.md", MANUAL)]).id

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
GRADER: Any = {
    "type": "string_check",
    "name": "same",
    "input": "{{sample.output_text}}",
    "reference": "{{item.expected}}",
    "operation": "eq",
}
FINE_TUNING: dict[str, Operation] = {
    "fine_tuning.jobs.create": lambda client, made: client.fine_tuning.jobs.create(
        model="gpt-4o-mini", training_file=made.training_file, suffix="mine"
    ),
    "fine_tuning.jobs.list": lambda client, made: client.fine_tuning.jobs.list(limit=2),
    "fine_tuning.jobs.retrieve": lambda client, made: client.fine_tuning.jobs.retrieve(made.new_job()),
    "fine_tuning.jobs.cancel": lambda client, made: client.fine_tuning.jobs.cancel(made.new_job()),
    "fine_tuning.jobs.pause": lambda client, made: client.fine_tuning.jobs.pause(made.new_job()),
    "fine_tuning.jobs.resume": lambda client, made: client.fine_tuning.jobs.resume(made.new_paused_job()),
    "fine_tuning.jobs.list_events": lambda client, made: client.fine_tuning.jobs.list_events(made.new_job()),
    "fine_tuning.jobs.checkpoints.list": lambda client, made: client.fine_tuning.jobs.checkpoints.list(made.new_job()),
    "fine_tuning.alpha.graders.run": lambda client, made: client.fine_tuning.alpha.graders.run(
        grader=GRADER, model_sample="42", item={"expected": "42"}
    ),
    "fine_tuning.alpha.graders.validate": lambda client, made: client.fine_tuning.alpha.graders.validate(grader=GRADER),
}
CONTAINERS: dict[str, Operation] = {
    "containers.create": lambda client, made: client.containers.create(name="box", file_ids=[made.file]),
    "containers.list": lambda client, made: client.containers.list(),
    "containers.retrieve": lambda client, made: client.containers.retrieve(made.container),
    "containers.delete": lambda client, made: client.containers.delete(made.new_container()) or "nothing",
    "containers.files.create": lambda client, made: client.containers.files.create(
        made.container, file=("a.txt", b"text")
    ),
    "containers.files.list": lambda client, made: client.containers.files.list(made.container),
    "containers.files.retrieve": lambda client, made: client.containers.files.retrieve(
        made.container_file, container_id=made.container
    ),
    "containers.files.delete": lambda client, made: (
        client.containers.files.delete(made.new_container_file(), container_id=made.container) or "nothing"
    ),
    "containers.files.content": lambda client, made: client.containers.files.content.retrieve(
        made.container_file, container_id=made.container
    ),
}
EVALS: dict[str, Operation] = {
    "evals.create": lambda client, made: client.evals.retrieve(made.new_eval()),
    "evals.list": lambda client, made: client.evals.list(),
    "evals.retrieve": lambda client, made: client.evals.retrieve(made.evaluation),
    "evals.update": lambda client, made: client.evals.update(made.evaluation, name="other"),
    "evals.delete": lambda client, made: client.evals.delete(made.new_eval()),
    "evals.runs.create": lambda client, made: client.evals.runs.retrieve(made.new_eval_run(), eval_id=made.evaluation),
    "evals.runs.list": lambda client, made: client.evals.runs.list(made.evaluation),
    "evals.runs.retrieve": lambda client, made: client.evals.runs.retrieve(made.eval_run, eval_id=made.evaluation),
    "evals.runs.cancel": lambda client, made: client.evals.runs.cancel(
        made.new_eval_run("ready-after=5"), eval_id=made.evaluation
    ),
    "evals.runs.delete": lambda client, made: client.evals.runs.delete(made.new_eval_run(), eval_id=made.evaluation),
    "evals.runs.output_items.list": lambda client, made: client.evals.runs.output_items.list(
        made.eval_run, eval_id=made.evaluation
    ),
    "evals.runs.output_items.retrieve": lambda client, made: client.evals.runs.output_items.retrieve(
        made.output_item, eval_id=made.evaluation, run_id=made.eval_run
    ),
}
VIDEOS: dict[str, Operation] = {
    "videos.create": lambda client, made: client.videos.create(
        prompt="a harbor", seconds="4", input_reference=("a.png", PICTURE)
    ),
    "videos.list": lambda client, made: client.videos.list(),
    "videos.retrieve": lambda client, made: client.videos.retrieve(made.video),
    "videos.delete": lambda client, made: client.videos.delete(client.videos.create(prompt="x").id),
    "videos.download_content": lambda client, made: client.videos.download_content(made.video),
    "videos.remix": lambda client, made: client.videos.remix(made.video, prompt="by night"),
    "videos.edit": lambda client, made: client.videos.edit(video=("a.mp4", b"mp4"), prompt="by night"),
    "videos.extend": lambda client, made: client.videos.extend(video=("a.mp4", b"mp4"), prompt="on", seconds="8"),
    "videos.create_character": lambda client, made: client.videos.create_character(
        name="sailor", video=("a.mp4", b"mp4")
    ),
    "videos.get_character": lambda client, made: client.videos.get_character(made.character),
}
SKILLS: dict[str, Operation] = {
    "skills.create": lambda client, made: client.skills.create(files=[("sail/SKILL.md", MANUAL)]),
    "skills.list": lambda client, made: client.skills.list(),
    "skills.retrieve": lambda client, made: client.skills.retrieve(made.skill),
    "skills.update": lambda client, made: client.skills.update(made.skill, default_version="1"),
    "skills.delete": lambda client, made: client.skills.delete(made.new_skill()),
    "skills.content.retrieve": lambda client, made: client.skills.content.retrieve(made.skill),
    "skills.versions.create": lambda client, made: client.skills.versions.create(
        made.skill, files=[("sail/SKILL.md", MANUAL)], default=True
    ),
    "skills.versions.list": lambda client, made: client.skills.versions.list(made.skill),
    "skills.versions.retrieve": lambda client, made: client.skills.versions.retrieve("1", skill_id=made.skill),
    "skills.versions.delete": lambda client, made: client.skills.versions.delete("1", skill_id=made.new_skill()),
    "skills.versions.content.retrieve": lambda client, made: client.skills.versions.content.retrieve(
        "1", skill_id=made.skill
    ),
}
REST = FINE_TUNING | CONTAINERS | EVALS | VIDEOS | SKILLS
OPERATIONS: dict[str, Operation] = (
    REST | CHAT | RESPONSES | FILES | VECTOR_STORES | IMAGES | AUDIO | ASSISTANTS | REALTIME
)
