"""An answer's `model` as the caller asked for it, where a route says so: at its top, and in what an event holds as response."""

from typing import Any

import msgspec

from proxy.unreadable import UNREADABLE

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def renamed(body: bytes, model: str) -> bytes:
    """A whole answer, or an event's data. What is no object, or names no model, stays as it is."""
    if b'"model"' not in body:
        return body
    try:
        fields = _decode(body)
        changed = _rename(fields, msgspec.Raw(_encode(model)))
    except UNREADABLE:
        return body
    return _encode(fields) if changed else body


def renamed_events(events: bytes, model: str) -> bytes:
    """Whole events of a stream; what is no data keeps its bytes."""
    if b'"model"' not in events:
        return events
    return b"\n".join(_renamed_line(line, model) for line in events.split(b"\n"))


def _renamed_line(line: bytes, model: str) -> bytes:
    if not line.startswith(b"data:"):
        return line
    data = line[5:].strip()
    new = renamed(data, model)
    return line if new is data else line.replace(data, new)


def _rename(fields: dict[str, Any], model: msgspec.Raw) -> bool:
    changed = False
    if _is_text(fields.get("model")):
        fields["model"] = model
        changed = True
    inner = fields.get("response")
    if inner is not None and bytes(inner)[:1] == b"{":
        within = _decode(inner)
        if _is_text(within.get("model")):
            within["model"] = model
            fields["response"] = within
            changed = True
    return changed


def _is_text(raw: msgspec.Raw | None) -> bool:
    return raw is not None and bytes(raw)[:1] == b'"'
