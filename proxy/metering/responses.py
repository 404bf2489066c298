"""The meter of responses: typed events; the last one holds the response with its usage."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from proxy.metering.figures import ABSENT, Units
from proxy.metering.meters import EventMeter
from proxy.metering.tools import essence, may_be_billed, units_of_items
from proxy.metering.usage import Response


class _Event(Struct):
    type: str = ""
    delta: Any = None
    output_index: int = 0
    response: Response | None = None
    item: Raw = ABSENT


_decode = msgspec.json.Decoder(_Event).decode
# The events whose `delta` is generated text; audio and the like are not tokens of text.
_TEXT_DELTAS = frozenset(
    {
        "response.output_text.delta",
        "response.refusal.delta",
        "response.function_call_arguments.delta",
        "response.reasoning_text.delta",
        "response.reasoning_summary_text.delta",
        "response.custom_tool_call_input.delta",
        "response.mcp_call_arguments.delta",
        "response.code_interpreter_call_code.delta",
    }
)
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "error"})
_STARTS = frozenset({"response.created", "response.queued"})


class ResponsesMeter(EventMeter):
    """One response's stream."""

    __slots__ = ("_items",)

    def __init__(self) -> None:
        super().__init__()
        self._items: list[dict[str, Any]] = []  # calls of built-in tools, where no usage is reported

    def units(self) -> Units:
        return units_of_items(self._items)

    def _read(self, data: bytes) -> None:
        event = _decode(data)
        if event.type in _TEXT_DELTAS:
            if isinstance(event.delta, str):
                self._texts.add(event.output_index, event.delta)
        elif event.type in _ENDS:
            self.finished, self.pending = True, False
            if event.response is not None:
                self.usage = event.response.tokens()
        elif event.type in _STARTS:
            self.pending = event.response is not None and event.response.background is True
        elif event.type == "response.output_item.done" and may_be_billed(event.item):
            self._items.append(essence(event.item))
