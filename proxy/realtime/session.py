"""One session: events in both directions, each response admitted and settled, and an end that both sides are told."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.utils import ClientDisconnected
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from core.ledger.records import UsageSource
from proxy.errors import Refusal
from proxy.metering import Tokens
from proxy.metering.figures import positive
from proxy.metering.realtime import usage_of_realtime_event
from proxy.realtime.events import (
    PCM16,
    ClientEvent,
    EventRefused,
    ServerEvent,
    characters_a_token,
    error_event,
    event,
    read_server_event,
)
from proxy.realtime.inspection import Inspector
from proxy.realtime.limits import CLOSE_WITHIN
from proxy.realtime.shares import RESPONSE, TRANSCRIPT, Share, Shares
from proxy.routing import Candidate

if TYPE_CHECKING:
    from proxy.calls import Gateway

_SOUND = frozenset({"audio_input_token", "cached_audio_input_token", "audio_output_token"})
_LOOK_EVERY = 1.0  # seconds between two looks at whether the caller may still call
_HEARD_CHARACTERS = 1000  # of base64 are a token of input at most (G.711, 10 tokens a second)
_KEPT_WITHIN = 5.0  # seconds for what the ledger is being told when a session ends
_LONGEST_REASON = 120  # bytes: a close frame holds 123

CUT_SHORT = "upstream_cut_short"
NORMAL, GOING_AWAY, REFUSED, FAULT = 1000, 1001, 1008, 1011


@dataclass(frozen=True, slots=True)
class End:
    """Why a session is over."""

    code: int
    reason: str = ""
    error_code: str | None = None
    by_caller: bool = False


@dataclass(slots=True)
class _Running:
    """A response under way, and what was received of it."""

    share: Share | None
    texts: list[str] = field(default_factory=list)
    sound: int = 0  # characters of base64


class Session:
    """Relays until one side, or the gateway, ends it."""

    def __init__(
        self,
        gateway: "Gateway",
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
        upstream: ClientConnection,
        inspector: Inspector,
        shares: Shares,
        model: str,
        candidate: Candidate,
    ) -> None:
        self._gateway = gateway
        self._receive = receive
        self._send = send
        self._upstream = upstream
        self._inspector = inspector
        self._shares = shares
        self._model = model
        self._candidate = candidate
        self._asked: deque[tuple[str, Share]] = deque()  # responses that the provider has not begun
        self._running: dict[str, _Running] = {}
        self._over: Refusal | None = None  # the budget is spent: it ends when nothing runs
        self._ended: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._context = 0  # tokens that the last response has read and said
        self._context_sound = 0  # of them
        self._unread = 0  # bytes of text since
        self._unheard = 0  # tokens of sound since
        self._instructions = 0  # bytes of the session's own words
        self._characters = PCM16  # of base64 a token that is said
        self._kept: set[asyncio.Task[None]] = set()

    async def run(self, first: dict[str, Any] | None, kind: str) -> End:
        """Relay; `first`: the session that the provider is told before anything else, by an event of a kind. Both sides are
        closed afterwards."""
        if first is not None:
            self._instructions = len(str(first))
            with contextlib.suppress(ConnectionClosed):
                await self._upstream.send(event(kind, session=first))
        loop = asyncio.get_running_loop()
        pumps = [loop.create_task(each) for each in (self._from_caller(), self._from_upstream(), self._watch())]
        end = End(GOING_AWAY, "the gateway is restarting", "gateway_stopped")
        try:
            done, _ = await asyncio.wait([*pumps, self._ended], return_when=asyncio.FIRST_COMPLETED)
            end = next(iter(done)).result()
        except asyncio.CancelledError:
            pass  # the drain time is over: both sides are told so
        except ClientDisconnected:
            end = End(NORMAL, by_caller=True)
        except Exception:
            end = End(FAULT, "internal error", "internal_error")
            raise
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._ended.cancel()
            await self._close(end)
            if self._kept:
                await asyncio.wait(self._kept, timeout=_KEPT_WITHIN)
            await self._settle_rest(end)
        return end

    # ── From the caller ─────────────────────────────────────────────────────────────────────────────────────────────

    async def _from_caller(self) -> End:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return End(message.get("code") or NORMAL, message.get("reason") or "", by_caller=True)
            text = message.get("text")
            await self._take(text.encode() if text is not None else message.get("bytes") or b"")

    async def _take(self, data: bytes) -> None:
        told: ClientEvent | None = None
        try:
            told = ClientEvent(data)
            await self._inspector.inspect(told)
            if told.type == "response.create":
                await self._admit(told)
            self._measure(told)
        except EventRefused as refused:
            await self._tell(refused.refusal, refused.event_id)
        except Refusal as refusal:
            await self._tell(refusal, told.id if told is not None else None)
        else:
            with contextlib.suppress(ConnectionClosed):  # the other pump ends the session
                await self._upstream.send(told.text())

    async def _admit(self, told: ClientEvent) -> None:
        if self._over is not None:
            raise self._over
        read = self._input()
        most = self._inspector.caller.policy.max_input_tokens
        if most is not None and read > most:
            raise Refusal(
                400,
                "max_input_tokens_exceeded",
                f"This response would read up to {read} tokens, and your policy allows {most} "
                "(max_input_tokens). Delete items of the conversation, or begin a new session.",
            )
        share = await self._reserve(self._inspector.response_cap(told), aloud=self._inspector.speaks(told))
        self._asked.append((told.named(), share))

    async def _reserve(self, output: int, *, aloud: bool) -> Share:
        """A response's share, for the most that it may use: all that is said may be sound. Raises `Refusal`."""
        sound = self._context_sound + self._unheard
        units = positive(("audio_input_token", sound), ("audio_output_token", output if aloud else 0))
        most = Tokens(self._input(), 0, output, 0, units)
        return await self._shares.admit(RESPONSE, self._model, self._candidate, most)

    def _input(self) -> int:
        """The most that a response may read."""
        return self._context + self._unread + self._unheard + self._instructions

    def _measure(self, told: ClientEvent) -> None:
        if told.type == "input_audio_buffer.append":
            self._unheard += told.size // _HEARD_CHARACTERS + 1
        elif told.type == "conversation.item.create":
            if b"input_audio" in told.body.data:
                self._unheard += told.size // _HEARD_CHARACTERS + 1
            else:
                self._unread += told.size
        elif told.type.endswith("session.update"):
            self._instructions = told.size

    # ── From the provider ───────────────────────────────────────────────────────────────────────────────────────────

    async def _from_upstream(self) -> End:
        upstream = self._upstream
        while True:
            try:
                message = await upstream.recv()
            except ConnectionClosed as closed:
                received = closed.rcvd
                if received is None:
                    return End(FAULT, "the model provider ended the session", CUT_SHORT)
                return End(received.code, received.reason)
            if isinstance(message, bytes):
                await self._send({"type": "websocket.send", "bytes": message})
                continue
            heard = read_server_event(message)
            if heard is not None:
                await self._hear(heard, message)
                if heard.type == "error":
                    message = self._without_secrets(message)
            await self._send({"type": "websocket.send", "text": message})
            if self._over is not None and not self._running and not self._asked:
                return self._spent(self._over)

    def _without_secrets(self, message: str) -> str:
        """An error without the gateway's credential, which some providers repeat."""
        assert self._gateway.realtime is not None
        for secret in self._gateway.realtime.credentials.spellings(self._candidate.target.upstream):
            message = message.replace(secret.decode("ascii"), "[redacted]")
        return message

    async def _hear(self, heard: ServerEvent, message: str) -> None:
        kind = heard.type
        if kind.endswith(".delta"):
            running = self._running.get(heard.response_id or "")
            if running is not None and isinstance(heard.delta, str):
                if "audio.delta" in kind:
                    running.sound += len(heard.delta)
                else:
                    running.texts.append(heard.delta)
        elif kind == "response.created":
            await self._keep(self._begun(heard))
        elif kind == "response.done":
            await self._keep(self._done(heard, message))
        elif kind == "conversation.item.input_audio_transcription.completed":
            await self._keep(self._transcribed(message))
        elif kind in ("session.created", "session.updated"):
            self._characters = characters_a_token(heard.session) or self._characters
        elif kind == "error" and heard.error is not None:
            self._not_begun(heard.error.event_id)

    async def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what the ledger has to know to its end, even where the session ends meanwhile."""
        task = asyncio.get_running_loop().create_task(work)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)
        await asyncio.shield(task)

    async def _begun(self, heard: ServerEvent) -> None:
        response = str(heard.response.id) if heard.response is not None else ""
        if self._asked:
            self._running[response] = _Running(self._asked.popleft()[1])
            return
        # A turn of the provider's own: it heard a pause.
        inspector = self._inspector
        try:
            if self._over is not None:
                raise self._over
            share: Share | None = await self._reserve(inspector.output_cap, aloud=inspector.aloud)
        except Refusal as refusal:
            with contextlib.suppress(ConnectionClosed):
                await self._upstream.send(event("response.cancel", response_id=response))
            share = await self._shares.note(RESPONSE, self._model, self._candidate, Tokens())
            self._running[response] = _Running(share)
            await self._tell(refusal, None)
            return
        self._running[response] = _Running(share)

    async def _done(self, heard: ServerEvent, message: str) -> None:
        response = heard.response
        running = self._running.pop(str(response.id) if response is not None else "", None)
        usage = usage_of_realtime_event(message)
        status = response.status if response is not None else None
        share = running.share if running is not None else None
        if usage is not None:
            self._context = usage.tokens.input + usage.tokens.output
            self._context_sound = sum(count for unit, count in usage.tokens.units if unit in _SOUND)
            self._unread = self._unheard = self._instructions = 0
            if running is None:
                share = await self._shares.note(RESPONSE, self._model, self._candidate, usage.tokens)
            if share is not None:
                self._shares.settle(share, usage.tokens, UsageSource.REPORTED, cancelled=status == "cancelled")
        elif running is not None:
            await self._count(running, "cancelled" if status == "cancelled" else None)

    async def _count(self, running: _Running, error_code: str | None) -> None:
        """Settle a response of which the provider did not say what it used, from what was received."""
        if running.share is None:
            return
        said = running.sound // self._characters
        text = await self._shares.count(self._model, running.texts)
        read = self._context + (self._unread + self._instructions) // 4 + self._unheard
        heard = min(self._unheard, read)
        units = positive(("audio_input_token", heard), ("audio_output_token", said))
        tokens = Tokens(read, 0, text + said, 0, units)
        cancelled = error_code is not None
        self._shares.settle(running.share, tokens, UsageSource.COUNTED, error_code=error_code, cancelled=cancelled)

    async def _transcribed(self, message: str) -> None:
        usage = usage_of_realtime_event(message)
        if usage is None:
            return
        model, candidate = self._inspector.transcriber or (self._model, self._candidate)
        share = await self._shares.note(TRANSCRIPT, model, candidate, usage.tokens)
        if share is not None:
            self._shares.settle(share, usage.tokens, UsageSource.REPORTED)

    def _not_begun(self, event_id: Any) -> None:
        """The provider refused what was asked for: nothing of it runs."""
        for index, (asked, share) in enumerate(self._asked):
            if asked == event_id:
                del self._asked[index]
                self._shares.settle(share, Tokens(), UsageSource.NONE, status=400, error_code="upstream_refused")
                return

    # ── Its end ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _tell(self, refusal: Refusal, event_id: str | None) -> None:
        self._gateway.metrics.refused[refusal.code] += 1
        await self._send({"type": "websocket.send", "text": error_event(refusal, event_id)})
        if refusal.code == "insufficient_quota":
            self._over = refusal
            if not self._running and not self._asked and not self._ended.done():
                self._ended.set_result(self._spent(refusal))

    @staticmethod
    def _spent(refusal: Refusal) -> End:
        return End(REFUSED, refusal.code, refusal.code)

    async def _watch(self) -> End:
        """Ends the session of a caller who may not call any more: a key that was revoked, a policy that was changed."""
        seen = None
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            routes = self._gateway.routes
            if routes is None or routes is seen:
                continue
            seen = routes
            reason = self._inspector.out_of_force(routes)
            if reason is not None:
                return End(REFUSED, reason, reason)

    async def _close(self, end: End) -> None:
        """Tell both sides; neither is waited for long."""
        code = end.code if _may_be_sent(end.code) else (NORMAL if end.code == 1005 else FAULT)
        reason = end.reason.encode()[:_LONGEST_REASON].decode("utf-8", "ignore")
        if not end.by_caller:
            with contextlib.suppress(Exception):  # it has gone
                await asyncio.wait_for(
                    self._send({"type": "websocket.close", "code": code, "reason": reason}), CLOSE_WITHIN
                )
        with contextlib.suppress(Exception):
            away = end.by_caller and not _may_be_sent(end.code)
            await asyncio.wait_for(self._upstream.close(NORMAL if away else code, reason), CLOSE_WITHIN)
        self._upstream.transport.abort()

    async def _settle_rest(self, end: End) -> None:
        """What ran is counted by what was received; what never began used nothing."""
        code = end.error_code or ("caller_hung_up" if end.by_caller else CUT_SHORT)
        for running in self._running.values():
            await self._count(running, code)
        for _, share in self._asked:
            self._shares.settle(
                share, Tokens(), UsageSource.NONE, status=None, error_code=code, cancelled=end.by_caller
            )
        self._running.clear()
        self._asked.clear()


def _may_be_sent(code: int) -> bool:
    """Whether a close frame may hold a code (RFC 6455, section 7.4)."""
    return code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014) or 3000 <= code < 5000
