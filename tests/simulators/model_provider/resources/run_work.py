"""What a run does: it asks its model (a chat of the provider's own, billed like one) and writes the answer into the thread, or
waits for what its tools say. Each step is an event of the assistants' stream.
"""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulators.model_provider import inner
from tests.simulators.model_provider.chat import chat_completions
from tests.simulators.model_provider.provider import Provider
from tests.simulators.model_provider.resources import threads
from tests.simulators.model_provider.resources.fields import now
from tests.simulators.model_provider.shelf import Kept

_PIECE = re.compile(r"\s*\S+|\s+$")
_NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the stream."""

    name: str
    data: Any
    carries_text: bool = False


class Work:
    """One run at work."""

    def __init__(self, provider: Provider, surface: str, thread: Kept, run: Kept) -> None:
        self._provider = provider
        self._surface = surface
        self._thread = thread
        self._run = run
        self._usage = dict(_NO_USAGE)
        self._said: list[dict[str, Any]] = []  # calls of tools and what they said
        self._waiting: Kept | None = None  # the step whose tools are at work

    def take_outputs(self, outputs: Mapping[str, Any]) -> None:
        """Go on with what the tools said."""
        self._said += [
            {"role": "tool", "tool_call_id": call_id, "content": output or ""} for call_id, output in outputs.items()
        ]
        if self._waiting is not None:
            for call in self._waiting.shown["step_details"]["tool_calls"]:
                call["function"]["output"] = outputs[call["id"]]
            self._waiting.shown |= {"status": "completed", "completed_at": now()}
        self._run.shown |= {"status": "queued", "required_action": None}

    def cancel(self) -> None:
        """End it, where it has not ended."""
        if self._run.shown["status"] == "cancelling":
            self._end("cancelled")

    async def events(self, ends_as: str | None) -> AsyncIterator[Event]:
        """Work until the run has ended or waits for tools; `ends_as` is the state that it is made to end in."""
        shown = self._run.shown
        if shown["status"] != "queued":
            return
        if self._waiting is not None:
            yield Event("thread.run.step.completed", dict(self._waiting.shown))
            self._waiting = None
        shown |= {"status": "in_progress", "started_at": now()}
        yield Event("thread.run.in_progress", dict(shown))
        if ends_as is not None and ends_as != "completed":
            yield self._end(ends_as)
            return
        answer = await inner.ask(
            self._provider, self._surface, "/v1/chat/completions", self._request(), chat_completions
        )
        if shown["status"] == "cancelling":
            yield self._end("cancelled")
            return
        if answer.status != 200:
            shown["last_error"] = {"code": "server_error", "message": answer.body["error"]["message"]}
            yield self._end("failed")
            return
        for name in self._usage:
            self._usage[name] += answer.body["usage"][name]
        choice = answer.body["choices"][0]
        answered = self._calls if choice["message"].get("tool_calls") else self._message
        async for event in answered(choice, answer.body["usage"]):
            yield event

    def _request(self) -> dict[str, Any]:
        shown = self._run.shown
        messages: list[dict[str, Any]] = []
        if shown["instructions"]:
            messages.append({"role": "system", "content": shown["instructions"]})
        messages += [
            {"role": message.shown["role"], "content": threads.said(message)}
            for message in self._thread.part("message").all()
        ]
        messages = [*messages, *self._said] or [{"role": "user", "content": ""}]
        tools = [tool for tool in shown["tools"] if tool.get("type") == "function"]
        request: dict[str, Any] = {"model": shown["model"], "messages": messages}
        if tools and not self._said:
            request |= {"tools": tools, "tool_choice": shown["tool_choice"]}
        if shown["max_completion_tokens"]:
            request["max_completion_tokens"] = shown["max_completion_tokens"]
        if isinstance(shown["response_format"], dict):
            request["response_format"] = shown["response_format"]
        return request

    async def _message(self, choice: dict[str, Any], usage: dict[str, Any]) -> AsyncIterator[Event]:
        text = choice["message"]["content"] or ""
        fields = {"run_id": self._run.shown["id"], "assistant_id": self._run.shown["assistant_id"]}
        message = threads.add_message(self._provider, self._thread, {"role": "assistant", "content": text}, **fields)
        step = self._step("message_creation", {"message_creation": {"message_id": message.shown["id"]}})
        yield Event("thread.run.step.created", dict(step.shown))
        yield Event("thread.run.step.in_progress", dict(step.shown))
        begun = {**message.shown, "status": "in_progress", "content": [], "completed_at": None}
        yield Event("thread.message.created", begun)
        yield Event("thread.message.in_progress", begun)
        for piece in _PIECE.findall(text):
            block = {"index": 0, "type": "text", "text": {"value": piece, "annotations": []}}
            delta = {"id": message.shown["id"], "object": "thread.message.delta", "delta": {"content": [block]}}
            yield Event("thread.message.delta", delta, carries_text=True)
        cut_off = choice["finish_reason"] == "length"
        if cut_off:
            message.shown |= {"status": "incomplete", "incomplete_details": {"reason": "max_tokens"}}
        yield Event(f"thread.message.{message.shown['status']}", dict(message.shown))
        step.shown |= {"status": "completed", "completed_at": now(), "usage": _told(usage)}
        yield Event("thread.run.step.completed", dict(step.shown))
        if cut_off:
            self._run.shown["incomplete_details"] = {"reason": "max_completion_tokens"}
        yield self._end("incomplete" if cut_off else "completed")

    async def _calls(self, choice: dict[str, Any], usage: dict[str, Any]) -> AsyncIterator[Event]:
        calls = choice["message"]["tool_calls"]
        self._said.append({"role": "assistant", "content": None, "tool_calls": calls})
        told = [{**call, "function": {**call["function"], "output": None}} for call in calls]
        step = self._step("tool_calls", {"tool_calls": told})
        step.shown["usage"] = _told(usage)
        self._waiting = step
        yield Event("thread.run.step.created", {**step.shown, "usage": None})
        yield Event("thread.run.step.in_progress", {**step.shown, "usage": None})
        delta = {
            "id": step.shown["id"],
            "object": "thread.run.step.delta",
            "delta": {
                "step_details": {
                    "type": "tool_calls",
                    "tool_calls": [{"index": index, **call} for index, call in enumerate(told)],
                }
            },
        }
        yield Event("thread.run.step.delta", delta, carries_text=True)
        self._run.shown |= {
            "status": "requires_action",
            "required_action": {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}},
        }
        yield Event("thread.run.requires_action", dict(self._run.shown))

    def _step(self, kind: str, details: dict[str, Any]) -> Kept:
        shown = {
            "id": self._provider.new_id("step_"),
            "object": "thread.run.step",
            "created_at": now(),
            "run_id": self._run.shown["id"],
            "assistant_id": self._run.shown["assistant_id"],
            "thread_id": self._thread.shown["id"],
            "type": kind,
            "status": "in_progress",
            "cancelled_at": None,
            "completed_at": None,
            "expired_at": None,
            "failed_at": None,
            "last_error": None,
            "step_details": {"type": kind, **details},
            "metadata": {},
            "usage": None,
        }
        return self._run.part("step").add(Kept(shown))

    def _end(self, state: str) -> Event:
        shown = self._run.shown
        shown |= {"status": state, "required_action": None, "expires_at": None, "usage": dict(self._usage)}
        if f"{state}_at" in shown:
            shown[f"{state}_at"] = now()
        if state == "failed" and shown["last_error"] is None:
            shown["last_error"] = {"code": "server_error", "message": "Sorry, something went wrong."}
        return Event(f"thread.run.{state}", dict(shown))


def _told(usage: Mapping[str, Any]) -> dict[str, Any]:
    return {name: usage[name] for name in _NO_USAGE}
