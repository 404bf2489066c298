"""A response: drafted like a chat's, sent as text, as sound with its words, or as the call of a tool."""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

from tests.simulators.model_provider.drafting import Draft, Tool, Wish, answered_as, draft, seed_of, tokenizer_of
from tests.simulators.model_provider.media import seconds_to_say, sound
from tests.simulators.model_provider.realtime.session import Session
from tests.simulators.model_provider.realtime.usage import SAID_A_SECOND, Bill, Read
from tests.simulators.model_provider.shelf import Kept

_MOST_REQUESTS = 1000


async def respond(session: Session, asked: Mapping[str, Any]) -> None:
    """Answer what was said; what was sent until the client cancels or goes is billed."""
    aloud = session.dialect.aloud(session.shown, asked)
    instructions = str(asked.get("instructions") or session.shown.get("instructions") or "")
    drafted = await _draft(session, asked, instructions)
    read = await session.reading(instructions)
    bill = Bill(read, read.cached_by(session.read))
    session.read = Read(read.text, read.audio)
    response_id = session.provider.new_id("resp_")
    response = session.dialect.response(response_id, session.conversation, aloud, asked)
    answer = _Answer(session, response, drafted, bill, aloud=aloud)
    try:
        await answer.send()
    finally:
        session.bill(bill.charge(answered_as(session.model)))


async def _draft(session: Session, asked: Mapping[str, Any], instructions: str) -> Draft:
    tools = [
        Tool(tool["name"], tool.get("parameters"))
        for tool in asked.get("tools") or session.shown.get("tools") or ()
        if tool.get("type") == "function" and isinstance(tool.get("name"), str)
    ]
    choice = asked.get("tool_choice") or session.shown.get("tool_choice")
    last = session.items.all()[-1].shown if session.items.all() else {}
    if choice == "none" or last.get("type") == "function_call_output":
        tools = []
    said = session.said_last()
    wish = Wish(
        prompt=said,
        limit=session.dialect.limit(session.shown, asked),
        tools=tools,
        must_call="*" if choice == "required" else None,
        seed=seed_of(session.model, [instructions, said], None, len(session.items)),
    )
    return draft(wish, await tokenizer_of(session.model))


class _Answer:
    def __init__(self, session: Session, response: dict[str, Any], drafted: Draft, bill: Bill, *, aloud: bool) -> None:
        self._session = session
        self._response = response
        self._drafted = drafted
        self._bill = bill
        self._aloud = aloud
        self._place = {"response_id": response["id"], "output_index": 0}

    async def send(self) -> None:
        session = self._session
        await session.send("response.created", response=dict(self._response))
        limits = [{"name": "requests", "limit": _MOST_REQUESTS, "remaining": _MOST_REQUESTS - 1, "reset_seconds": 60.0}]
        await session.send("rate_limits.updated", rate_limits=limits)
        cut_off = self._drafted.finish == "length"
        status, reason = ("incomplete", "max_output_tokens") if cut_off else ("completed", None)
        try:
            await (self._call() if self._drafted.tool is not None else self._message())
        except asyncio.CancelledError:
            await self._done("cancelled", "client_cancelled")
            return
        await self._done(status, reason)

    async def _done(self, status: str, reason: str | None) -> None:
        details = {"type": status, "reason": reason} if reason else None
        done = {**self._response, "status": status, "status_details": details, "usage": self._bill.told()}
        await self._session.send("response.done", response=done)

    async def _call(self) -> None:
        session, drafted = self._session, self._drafted
        item: dict[str, Any] = {
            "id": session.provider.new_id("item_"),
            "object": "realtime.item",
            "type": "function_call",
            "status": "completed",
            "name": drafted.tool,
            "call_id": session.provider.new_id("call_"),
            "arguments": drafted.text,
        }
        begun = {**item, "status": "in_progress", "arguments": ""}
        self._bill.text += drafted.name_tokens
        await session.send("response.output_item.added", **self._place, item=begun)
        await session.add(begun)
        place = {**self._place, "item_id": item["id"], "call_id": item["call_id"]}
        for piece, size in drafted.pieces:
            self._bill.text += size
            await session.send("response.function_call_arguments.delta", **place, delta=piece)
        await session.send("response.function_call_arguments.done", **place, name=item["name"], arguments=drafted.text)
        await self._finish(item)

    async def _message(self) -> None:
        session = self._session
        item_id = session.provider.new_id("item_")
        item: dict[str, Any] = {"id": item_id, "object": "realtime.item", "type": "message", "role": "assistant"}
        begun = {**item, "status": "in_progress", "content": []}
        await session.send("response.output_item.added", **self._place, item=begun)
        await session.add(begun)
        place = {**self._place, "item_id": item_id, "content_index": 0}
        part = {"type": "audio", "transcript": ""} if self._aloud else {"type": "text", "text": ""}
        await session.send("response.content_part.added", **place, part=part)
        said = await (self._say(place) if self._aloud else self._write(place))
        words = "transcript" if self._aloud else "text"
        await session.send("response.content_part.done", **place, part={**part, words: said})
        text_type, audio_type = session.dialect.output_types()
        content = {"type": audio_type if self._aloud else text_type, words: said}
        status = "incomplete" if self._drafted.finish == "length" else "completed"
        await self._finish({**item, "status": status, "content": [content]})

    async def _write(self, place: dict[str, Any]) -> str:
        for piece, size in self._drafted.pieces:
            self._bill.text += size
            await self._session.send("response.output_text.delta", **place, delta=piece)
        await self._session.send("response.output_text.done", **place, text=self._drafted.text)
        return self._drafted.text

    async def _say(self, place: dict[str, Any]) -> str:
        session, text = self._session, self._drafted.text
        for piece, size in self._drafted.pieces:
            self._bill.text += size
            await session.send("response.output_audio_transcript.delta", **place, delta=piece)
        seconds = seconds_to_say(text)
        pieces, whole, _ = sound(seconds, "pcm16")
        tokens, sent = max(round(seconds * SAID_A_SECOND), 1), 0
        for piece_of_sound in pieces:
            sent += len(piece_of_sound)
            self._bill.audio = tokens * sent // whole
            encoded = base64.b64encode(piece_of_sound).decode()
            await session.send("response.output_audio.delta", **place, delta=encoded)
        await session.send("response.output_audio.done", **place)
        await session.send("response.output_audio_transcript.done", **place, transcript=text)
        return text

    async def _finish(self, item: dict[str, Any]) -> None:
        session = self._session
        self._response["output"] = [item]
        # What was said aloud is read again as sound.
        session.items.add(Kept(item, inside=self._bill.audio))
        if not session.dialect.beta:
            await session.send("conversation.item.done", item=item, previous_item_id=None)
        await session.send("response.output_item.done", **self._place, item=item)
