"""A session: what its client may say, and what that does."""

import asyncio
import base64
import binascii
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.bill import Charge
from tests.simulators.model_provider.configuration import Model
from tests.simulators.model_provider.drafting import answered_as, tokenizer_of
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.provider import Provider
from tests.simulators.model_provider.realtime.dialect import Dialect, merged
from tests.simulators.model_provider.realtime.usage import HEARD_A_SECOND, Read
from tests.simulators.model_provider.resources.fields import text
from tests.simulators.model_provider.shelf import Kept, Shelf
from tests.simulators.model_provider.tokens import PER_IMAGE
from tests.simulators.model_provider.words import compose

_HALF_HOUR = 1800
_WORDS_A_SECOND = 2.5

Send = Callable[[str, dict[str, Any]], Awaitable[None]]
Respond = Callable[["Session", Mapping[str, Any]], Awaitable[None]]


class Session:
    """One connection's."""

    def __init__(
        self, provider: Provider, model: Model, dialect: Dialect, send: Send, respond: Respond, *, transcribes: bool
    ) -> None:
        self.provider = provider
        self.model = model
        self.dialect = dialect
        self.conversation = provider.new_id("conv_")
        self.items = Shelf("item")
        self.read = Read()
        """What the last response has read."""
        self.charges: list[Charge] = []
        session_id, expires = provider.new_id("sess_"), int(time.time()) + _HALF_HOUR
        self.shown = dialect.session(session_id, answered_as(model), expires, transcribes=transcribes)
        self._send = send
        self._respond = respond
        self._buffer = bytearray()
        self._responding: asyncio.Task[None] | None = None
        self._handlers: dict[str, Callable[[dict[str, Any]], Awaitable[None]]] = {
            "session.update": self._update,
            "transcription_session.update": self._update,
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.truncate": self._truncate_item,
            "conversation.item.delete": self._delete_item,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
            "output_audio_buffer.clear": self._clear_output,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
        }

    async def begin(self) -> None:
        """Say that it is there."""
        await self.send("session.created", session=self.shown)

    async def take(self, event: dict[str, Any]) -> None:
        """Do what the client says; what is wrong with it is told as an event, and the session goes on."""
        try:
            kind = text(event, "type")
            handle = self._handlers.get(kind)
            if handle is None:
                known = ", ".join(map(repr, self._handlers))
                raise errors.wrong_value("type", f"Invalid value: '{kind}'. Supported values are: {known}.")
            await handle(event)
        except ApiError as error:
            told = {**error.body()["error"], "event_id": event.get("event_id")}
            await self.send("error", error=told)

    async def send(self, kind: str, **fields: Any) -> None:
        """Send a server event."""
        name = self.dialect.name(kind)
        await self._send(name, {"type": name, "event_id": self.provider.new_id("event_"), **fields})

    def bill(self, charge: Charge) -> None:
        """Charge for something."""
        self.charges.append(charge)

    async def end(self) -> None:
        """The connection is closed."""
        if self._responding is not None:
            self._responding.cancel()
            await asyncio.gather(self._responding, return_exceptions=True)

    async def add(self, item: dict[str, Any]) -> dict[str, Any]:
        """Put an item at the end of the conversation, and say so."""
        before = self.items.all()
        previous = before[-1].shown["id"] if before else None
        self.items.add(Kept(item))
        if self.dialect.beta:
            await self.send("conversation.item.created", previous_item_id=previous, item=item)
            return item
        await self.send("conversation.item.added", previous_item_id=previous, item=item)
        if item.get("status") != "in_progress":
            await self.send("conversation.item.done", previous_item_id=previous, item=item)
        return item

    async def reading(self, instructions: str) -> Read:
        """What a response has to read."""
        tokenizer = await tokenizer_of(self.model)
        words, audio, images = tokenizer.count(instructions), 0, 0
        for kept in self.items.all():
            audio += kept.inside or 0
            item = kept.shown
            words += tokenizer.count(str(item.get("output") or "")) + tokenizer.count(str(item.get("arguments") or ""))
            for part in item.get("content") or ():
                words += tokenizer.count(part.get("text") or "")
                images += part.get("type") == "input_image"
        return Read(words, audio, images * PER_IMAGE)

    def said_last(self) -> str:
        """The last thing that the user said, in words."""
        for kept in reversed(self.items.all()):
            if kept.shown.get("role") == "user":
                return " ".join(
                    part.get("text") or part.get("transcript") or "" for part in kept.shown.get("content") or ()
                )
        return ""

    async def _update(self, event: dict[str, Any]) -> None:
        changes = event.get("session")
        if not isinstance(changes, dict):
            raise errors.missing("session")
        merged(self.shown, {name: value for name, value in changes.items() if name != "model"})
        await self.send("session.updated", session=self.shown)

    async def _create_item(self, event: dict[str, Any]) -> None:
        given = event.get("item")
        if not isinstance(given, dict):
            raise errors.missing("item")
        text(given, "type")
        item_id = given.get("id") or self.provider.new_id("item_")
        item = {"object": "realtime.item", "status": "completed", **given, "id": item_id}
        heard = 0
        for part in item.get("content") or ():
            if part.get("type") == "input_audio":
                sound = _decoded(part.pop("audio", ""), "item.content.audio")
                heard += self._heard(len(sound))
                part.setdefault("transcript", None)
        await self.add(item)
        self.items.find(item_id).inside = heard

    async def _retrieve_item(self, event: dict[str, Any]) -> None:
        await self.send("conversation.item.retrieved", item=self._item(event).shown)

    async def _truncate_item(self, event: dict[str, Any]) -> None:
        item = self._item(event)
        await self.send(
            "conversation.item.truncated",
            item_id=item.shown["id"],
            content_index=event.get("content_index", 0),
            audio_end_ms=event.get("audio_end_ms", 0),
        )

    async def _delete_item(self, event: dict[str, Any]) -> None:
        item = self._item(event)
        self.items.take(item.shown["id"])
        await self.send("conversation.item.deleted", item_id=item.shown["id"])

    def _item(self, event: Mapping[str, Any]) -> Kept:
        return self.items.find(text(event, "item_id"), status=400, param="item_id")

    async def _append(self, event: dict[str, Any]) -> None:
        self._buffer += _decoded(event.get("audio"), "audio")

    async def _clear(self, event: dict[str, Any]) -> None:
        self._buffer.clear()
        await self.send("input_audio_buffer.cleared")

    async def _clear_output(self, event: dict[str, Any]) -> None:
        await self.send("output_audio_buffer.cleared", response_id="")

    async def _commit(self, event: dict[str, Any]) -> None:
        if not self._buffer:
            raise ApiError(
                400,
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
                "but buffer only has 0.00ms of audio.",
                code="input_audio_buffer_commit_empty",
            )
        sound = bytes(self._buffer)
        self._buffer.clear()
        before = self.items.all()
        previous = before[-1].shown["id"] if before else None
        item_id = self.provider.new_id("item_")
        await self.send("input_audio_buffer.committed", previous_item_id=previous, item_id=item_id)
        part = {"type": "input_audio", "transcript": None}
        item = {"id": item_id, "object": "realtime.item", "type": "message", "status": "completed", "role": "user"}
        await self.add({**item, "content": [part]})
        self.items.find(item_id).inside = self._heard(len(sound))
        transcriber = self.dialect.transcriber(self.shown)
        if transcriber is not None:
            await self._transcribe(transcriber, item_id, part, sound)

    async def _transcribe(self, model: str, item_id: str, part: dict[str, Any], sound: bytes) -> None:
        seconds = self.dialect.seconds(self.shown, len(sound))
        pieces = compose(hashlib.sha256(sound).digest(), max(round(seconds * _WORDS_A_SECOND), 4))
        part["transcript"] = "".join(pieces)
        usage: dict[str, Any]
        if model.startswith("whisper"):
            usage = {"type": "duration", "seconds": round(seconds, 3)}
            charge = Charge(model, 0, units={"audio_millisecond": round(seconds * 1000)})
        else:
            audio = self._heard(len(sound))
            usage = {
                "type": "tokens",
                "total_tokens": audio + len(pieces),
                "input_tokens": audio,
                "input_token_details": {"text_tokens": 0, "audio_tokens": audio},
                "output_tokens": len(pieces),
            }
            charge = Charge(model, audio, completion_tokens=len(pieces), units={"audio_input_token": audio})
        place = {"item_id": item_id, "content_index": 0}
        self.bill(charge)
        for piece in pieces:
            await self.send("conversation.item.input_audio_transcription.delta", **place, delta=piece)
        await self.send(
            "conversation.item.input_audio_transcription.completed",
            **place,
            transcript=part["transcript"],
            usage=usage,
        )

    def _heard(self, size: int) -> int:
        return max(round(self.dialect.seconds(self.shown, size) * HEARD_A_SECOND), 1)

    async def _create_response(self, event: dict[str, Any]) -> None:
        if self._responding is not None and not self._responding.done():
            raise ApiError(
                400,
                "Conversation already has an active response in progress.",
                code="conversation_already_has_active_response",
            )
        if self.shown.get("type") == "transcription":
            raise ApiError(400, "A transcription session makes no responses.", code="invalid_value", param="type")
        asked = event.get("response")
        self._responding = asyncio.create_task(_quietly(self._respond(self, asked if isinstance(asked, dict) else {})))

    async def _cancel_response(self, event: dict[str, Any]) -> None:
        if self._responding is None or self._responding.done():
            raise ApiError(400, "Cancellation failed: no active response found.", code="response_cancel_not_active")
        self._responding.cancel()
        await asyncio.gather(self._responding, return_exceptions=True)


async def _quietly(work: Awaitable[None]) -> None:
    await work


def _decoded(audio: Any, param: str) -> bytes:
    try:
        return base64.b64decode(audio, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise errors.wrong_value(param, f"Invalid '{param}'. Expected base64-encoded audio bytes.") from error
