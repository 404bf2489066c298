"""What a session of an agent does: each message begins a turn, a chat of the provider's own that is billed like one.

A turn whose model calls a function waits for its result. With the tool `web_search`, a message that says "search" is searched
for; where subagents are allowed, one that says "delegate" is given to one, too.
"""

import asyncio
import json
from typing import Any

from tests.simulators.model_provider import inner
from tests.simulators.model_provider.chat import chat_completions
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.provider import Provider
from tests.simulators.model_provider.resources.fields import now
from tests.simulators.model_provider.shelf import Kept

_FUNCTION = ("name", "description", "parameters")


class Session:
    """One session at work."""

    def __init__(self, provider: Provider, surface: str, kept: Kept) -> None:
        self.kept = kept
        self.listeners: list[asyncio.Queue[dict[str, Any]]] = []
        self._provider = provider
        self._surface = surface
        self._said: list[dict[str, Any]] = []  # the conversation, as a chat

    def tell(self, kind: str, **fields: Any) -> None:
        """An event for whoever listens."""
        event = {"type": kind, "event_id": self._provider.new_id("evt_"), **fields}
        for each in self.listeners:
            each.put_nowait(json.loads(json.dumps(event)))

    async def say(self, messages: list[dict[str, Any]], ready_after: float, ends_as: str | None) -> None:
        """Begin a turn."""
        if self.kept.shown["status"] not in ("idle",):
            raise ApiError(409, f"The session is {self.kept.shown['status']}.")
        turn = self._turn(self.kept)
        for message in messages:
            said = _text(message.get("content"))
            self._said.append({"role": "user", "content": said})
            content = [{"type": "input_text", "text": said}]
            self._item(self.kept, turn, "message", role="user", status="completed", content=content)
        self._state("in_progress")
        await self._provider.later(ready_after, lambda: self._work(turn, ends_as))

    async def take_result(self, event: dict[str, Any], ready_after: float) -> None:
        """Go on with what a function said."""
        turn = self.kept.part("turn").find(event.get("turn_id"), status=400, param="turn_id")
        if turn.shown["status"] != "waiting":
            raise ApiError(400, "The turn waits for nothing.")
        output = event.get("output")
        self._said.append({"role": "tool", "tool_call_id": event.get("call_id"), "content": json.dumps(output)})
        self.kept.shown["required_actions"] = []
        self._state("in_progress")
        await self._provider.later(ready_after, lambda: self._work(turn, None))

    def cancel(self) -> None:
        """End the turn that is at work, or waits."""
        for turn in self.kept.part("turn").all():
            if turn.shown["status"] in ("queued", "in_progress", "waiting"):
                self._end(turn, "cancelled")

    async def _work(self, turn: Kept, ends_as: str | None) -> None:
        if turn.shown["status"] == "cancelled":
            return
        turn.shown |= {"status": "in_progress", "started_at": now()}
        self._event("turn.in_progress", turn)
        if ends_as is not None and ends_as != "completed":
            self._end(turn, ends_as)
            return
        answer = await self._ask(turn)
        if answer is None or turn.shown["status"] == "cancelled":
            return
        last = next((message["content"] for message in reversed(self._said) if message["role"] == "user"), "")
        if "search" in last and self._has("web_search"):
            action = {"type": "search", "query": last, "queries": [last]}
            self._item(self.kept, turn, "web_search_call", status="completed", action=action)
        if "delegate" in last and self.kept.shown["agent"]["multi_agent"]["enabled"]:
            await self._delegate(last)
        calls = answer["message"].get("tool_calls")
        if calls:
            self._call(turn, answer["message"], calls)
            return
        self._said.append({"role": "assistant", "content": answer["message"]["content"]})
        content = [{"type": "output_text", "text": answer["message"]["content"] or ""}]
        item = self._item(
            self.kept, turn, "message", role="assistant", status="completed", phase="final_answer", content=content
        )
        self.tell(
            "agent.session.turn.output_text.done",
            session_id=self.kept.shown["id"],
            turn_id=turn.shown["id"],
            item_id=item["id"],
            output_index=0,
            content_index=0,
            text=content[0]["text"],
        )
        self._end(turn, "completed")

    async def _ask(self, turn: Kept) -> dict[str, Any] | None:
        agent = self.kept.shown["agent"]
        messages = [{"role": "system", "content": agent["instructions"]}] if agent["instructions"] else []
        request: dict[str, Any] = {"model": agent["model"], "messages": [*messages, *self._said]}
        functions = [tool for tool in agent["tools"] if tool["type"] == "function"]
        if functions and self._said[-1]["role"] != "tool":
            request["tools"] = [
                {"type": "function", "function": {name: tool[name] for name in _FUNCTION if name in tool}}
                for tool in functions
            ]
        answer = await inner.ask(self._provider, self._surface, "/v1/chat/completions", request, chat_completions)
        if answer.status != 200:
            turn.shown["error"] = {"code": "server_error", "message": answer.body["error"]["message"]}
            self._end(turn, "failed")
            return None
        _add(turn.shown, answer.body["usage"])
        _add(self.kept.shown, answer.body["usage"])
        choice: dict[str, Any] = answer.body["choices"][0]
        return choice

    def _call(self, turn: Kept, message: dict[str, Any], calls: list[dict[str, Any]]) -> None:
        self._said.append({"role": "assistant", "content": None, "tool_calls": calls})
        turn.shown["status"] = "waiting"
        for call in calls:
            arguments = json.loads(call["function"]["arguments"])
            named = {"call_id": call["id"], "name": call["function"]["name"], "arguments": arguments}
            self.kept.shown["required_actions"].append({"type": "function_call", "turn_id": turn.shown["id"], **named})
            self._item(self.kept, turn, "function_call", status="in_progress", **named)
        self._state("requires_action")

    async def _delegate(self, task: str) -> None:
        """A subagent does the same once more."""
        agent = self.kept.shown["agent"]
        shown = {
            "id": self._provider.new_id("sub_"),
            "object": "agent.session.subagent",
            "session_id": self.kept.shown["id"],
            "parent_agent_id": agent["id"],
            "opened_at": now(),
            "closed_at": None,
            "instructions": [{"type": "output_text", "text": task}],
            "name": "helper",
            "status": "active",
        }
        subagent = self.kept.part("subagent").add(Kept(shown))
        turn = self._turn(subagent)
        request = {"model": agent["model"], "messages": [{"role": "user", "content": task}]}
        answer = await inner.ask(self._provider, self._surface, "/v1/chat/completions", request, chat_completions)
        _add(turn.shown, answer.body["usage"])
        content = [{"type": "output_text", "text": answer.body["choices"][0]["message"]["content"]}]
        self._item(
            subagent, turn, "message", role="assistant", status="completed", phase="final_answer", content=content
        )
        turn.shown |= {"status": "completed", "completed_at": now(), "subagent_id": shown["id"]}

    def _has(self, tool: str) -> bool:
        return any(each["type"] == tool for each in self.kept.shown["agent"]["tools"])

    def _turn(self, holder: Kept) -> Kept:
        shown = {
            "id": self._provider.new_id("turn_"),
            "object": "agent.session.turn",
            "session_id": self.kept.shown["id"],
            "agent_id": self.kept.shown["agent"]["id"],
            "subagent_id": None,
            "created_at": now(),
            "started_at": None,
            "completed_at": None,
            "error": None,
            "status": "queued",
            "usage": None,
        }
        turn = holder.part("turn").add(Kept(shown))
        self._event("turn.created", turn)
        return turn

    def _item(self, holder: Kept, turn: Kept, kind: str, **fields: Any) -> dict[str, Any]:
        shown = {"id": self._provider.new_id("item_"), "type": kind, "turn_id": turn.shown["id"], **fields}
        return holder.part("item").add(Kept(shown)).shown

    def _event(self, kind: str, turn: Kept) -> None:
        named = {"session_id": self.kept.shown["id"], "turn_id": turn.shown["id"], "turn": turn.shown}
        self.tell(f"agent.session.{kind}", **named)

    def _state(self, state: str) -> None:
        self.kept.shown |= {"status": state, "last_active_at": now()}
        self.tell(f"agent.session.{state}", session=self.kept.shown)

    def _end(self, turn: Kept, state: str) -> None:
        turn.shown |= {"status": state, "completed_at": now()}
        if state == "failed" and turn.shown["error"] is None:
            turn.shown["error"] = {"code": "server_error", "message": "Sorry, something went wrong."}
        self._event(f"turn.{state}", turn)
        self.kept.shown["required_actions"] = []
        self._state("idle")


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content if isinstance(part, dict))


def _add(shown: dict[str, Any], used: dict[str, Any]) -> None:
    """A chat's usage, in the words of sessions."""
    before = shown["usage"] or {
        "input_tokens": 0,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 0,
    }
    cached = (used.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    thought = (used.get("completion_tokens_details") or {}).get("reasoning_tokens", 0)
    shown["usage"] = {
        "input_tokens": before["input_tokens"] + used["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": before["input_tokens_details"]["cached_tokens"] + cached},
        "output_tokens": before["output_tokens"] + used["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": before["output_tokens_details"]["reasoning_tokens"] + thought},
        "total_tokens": before["total_tokens"] + used["total_tokens"],
    }
