"""The meter of assistants' runs: objects as they change, and a run's usage when it has ended.

A run that needs its caller's tools ends its stream and goes on by another call; whoever hangs up does not end it either. Both
are `pending`: what the run used is known when it has ended.
"""

from typing import Any

import msgspec
from msgspec import Struct

from proxy.metering.figures import Units, Usage, positive
from proxy.metering.meters import EventMeter
from proxy.metering.usage import TERMINAL_RUN


class _Event(Struct):
    object: str = ""
    status: str | None = None
    usage: Usage | None = None
    delta: Any = None
    step_details: Any = None


_decode = msgspec.json.Decoder(_Event).decode


class RunMeter(EventMeter):
    """One run's stream."""

    __slots__ = ("_interpreted", "_searches")

    def __init__(self) -> None:
        super().__init__()
        self._searches = 0
        self._interpreted = False

    def units(self) -> Units:
        """Calls of built-in tools; whatever a run interprets is one session."""
        return positive(("file_search_call", self._searches), ("code_interpreter_session", int(self._interpreted)))

    def _read(self, data: bytes) -> None:
        event = _decode(data)
        if event.object == "thread.run":
            self.pending = event.status not in TERMINAL_RUN
            tokens = event.usage.tokens() if event.usage is not None else None
            if tokens is not None and not self.pending:
                self.usage = tokens._replace(units=(*tokens.units, *self.units()))
        elif event.object == "thread.run.step" and event.status == "completed":
            for kind in _tools(event.step_details):
                self._searches += kind == "file_search"
                self._interpreted |= kind == "code_interpreter"
        elif event.object == "thread.message.delta":
            for text in _texts(event.delta):
                self._texts.add(0, text)

    def _done(self) -> None:
        self.finished = True


def _tools(details: Any) -> list[Any]:
    calls = details.get("tool_calls") if isinstance(details, dict) else None
    return [call.get("type") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def _texts(delta: Any) -> list[str]:
    parts = delta.get("content") if isinstance(delta, dict) else None
    texts = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    values = [text.get("value") for text in texts if isinstance(text, dict)]
    return [value for value in values if isinstance(value, str)]
