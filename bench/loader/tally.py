"""What a run of the loader adds up, and what an answer is held against."""

from dataclasses import dataclass, field

from bench.loader import Order
from bench.traffic import DONE, Plan, answer_body, events, request

_COMPLAINTS = 5


@dataclass(slots=True)
class Tally:
    """The counters of one run. A latency counts when its request was due inside the window."""

    from_time: float = float("inf")  # of the window, on the loader's clock
    to_time: float = float("inf")
    sent: int = 0
    answered: int = 0
    wrong: int = 0
    broken: int = 0
    chunks: int = 0
    reads: int = 0
    latencies: list[float] = field(default_factory=list)
    first_bytes: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def complain(self, what: str) -> None:
        """Keep the first few things that went wrong for the reader."""
        if len(self.complaints) < _COMPLAINTS:
            self.complaints.append(what)


@dataclass(frozen=True, slots=True)
class Question:
    """A request as it is written, and the only answer that is right."""

    marker: int
    request: bytes
    body: bytes
    length_field: bytes  # as it must stand in the head of a whole answer
    ends: tuple[int, ...]  # of a stream: where each event ends in the body, [DONE] last
    credit: bytes  # what grants the stream's next event


def question(order: Order, marker: int) -> Question:
    """The question that bears this marker."""
    plan = Plan(marker, order.chunks, order.pace_ms)
    host = f"{order.host}:{order.port}"
    wire = request(plan, host, order.path, order.key)
    if not order.chunks:
        body = answer_body(plan)
        return Question(marker, wire, body, b"ength: %d\r\n" % len(body), (), b"")
    parts = [*events(plan, usage=False), DONE]
    ends, total = [], 0
    for part in parts:
        total += len(part)
        ends.append(total)
    return Question(marker, wire, b"".join(parts), b"", tuple(ends), marker.to_bytes(2, "big"))
