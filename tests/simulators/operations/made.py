"""What operations need to be there already, and what they send."""

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
NOWHERE: Any = {"type": "none"}
BEARER: Any = {"type": "static_bearer", "token": "t-1", "mcp_server_url": "https://mcp.example"}
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
GRADER: Any = {
    "type": "string_check",
    "name": "same",
    "input": "{{sample.output_text}}",
    "reference": "{{item.expected}}",
    "operation": "eq",
}


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

    @cached_property
    def agent(self) -> str:
        return self.new_agent()

    @cached_property
    def agent_session(self) -> str:
        """Of two turns: one is a subagent's."""
        return self.new_agent_session(input="delegate: write 5 tokens")

    @cached_property
    def turn(self) -> str:
        return self._client.beta.agents.sessions.turns.list(self.agent_session).data[0].id

    @cached_property
    def subagent(self) -> str:
        return self._client.beta.agents.sessions.subagents.list(self.agent_session).data[0].id

    @cached_property
    def subagent_turn(self) -> str:
        turns = self._client.beta.agents.sessions.subagents.turns
        return turns.list(self.subagent, session_id=self.agent_session).data[0].id

    @cached_property
    def vault(self) -> str:
        return self.new_vault()

    @cached_property
    def vault_credential(self) -> str:
        return self.new_vault_credential()

    def new_agent(self) -> str:
        return self._client.beta.agents.create(model=MODEL, multi_agent={"enabled": True}).id

    def new_agent_session(self, **fields: Any) -> str:
        made: Any = self._client.beta.agents.sessions.create(
            agent_id=self.agent, environment=NOWHERE, extra_headers=AT_ONCE, **fields
        )
        return made.id

    def new_vault(self) -> str:
        return self._client.beta.agents.vaults.create(name="keys").id

    def new_vault_credential(self) -> str:
        return self._client.beta.agents.vaults.credentials.create(self.vault, name="docs", auth=BEARER).id

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


Operation = Callable[[OpenAI, Made], Any]
