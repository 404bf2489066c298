"""Server-sent events, split from the bytes of a stream (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

LIMIT = 16 * 1024 * 1024  # bytes of one event


class EventTooLarge(Exception):
    """An upstream sends no end of an event."""


class EventSplitter:
    """Cuts a stream's pieces at the ends of events. Holds back at most one unfinished event of `limit` bytes."""

    __slots__ = ("_limit", "_rest")

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, piece: bytes) -> bytes:
        """The whole events there are now, byte for byte; b"" where none ends yet. Raises `EventTooLarge`."""
        rest = self._rest
        if not rest:
            if piece.endswith(b"\n\n"):
                return piece
            end = _last_end(piece, 0)
            if end:
                rest += piece[end:]
                return piece[:end]
            rest += piece
        else:
            seen = len(rest)
            rest += piece
            end = _last_end(rest, max(0, seen - 3))
            if end:
                whole = bytes(rest[:end])
                del rest[:end]
                return whole
        if len(rest) > self._limit:
            raise EventTooLarge
        return b""

    def rest(self) -> bytes:
        """What stood behind the last whole event."""
        return bytes(self._rest)


def _last_end(data: bytes | bytearray, start: int) -> int:
    """Where the last event that begins or goes on behind `start` ends; 0 where none does."""
    end = data.rfind(b"\n\n", start)
    if end != -1:
        return end + 2
    end = data.rfind(b"\r\n\r\n", start)
    return end + 4 if end != -1 else 0


def events(whole: bytes) -> list[bytes]:
    """The single events of what `EventSplitter.feed` gave, each with its end."""
    if whole.count(b"\n\n") == 1 and whole.endswith(b"\n\n"):
        return [whole]
    if b"\r" not in whole:
        return [event + b"\n\n" for event in whole.split(b"\n\n") if event]
    found, start = [], 0
    while start < len(whole):
        ends = [e for e in (_first_end(whole, b"\n\n", start), _first_end(whole, b"\r\n\r\n", start)) if e]
        end = min(ends, default=len(whole))
        found.append(whole[start:end])
        start = end
    return found


def _first_end(data: bytes, mark: bytes, start: int) -> int:
    at = data.find(mark, start)
    return at + len(mark) if at != -1 else 0


def data_of(event: bytes) -> bytes | None:
    """An event's data; None for a comment or an event without any."""
    if event.startswith(b"data: ") and event.find(b"\n", 6) == len(event) - 2:
        return event[6:-2]
    lines = []
    for line in event.splitlines():
        if line.startswith(b"data:"):
            lines.append(line[6:] if line[5:6] == b" " else line[5:])
    return b"\n".join(lines) if lines else None
