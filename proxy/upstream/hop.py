"""What the connection-level fields of an answer ask for. They end at this hop and are never passed on."""

import re
from dataclasses import dataclass

from proxy.upstream.head import Header

_TIMEOUT = re.compile(rb"(?:^|[,; ])timeout=([0-9]{1,6})", re.IGNORECASE)
# `Connection` may name fields to be removed, but never take the framing away.
_NOT_REMOVABLE = frozenset([b"close", b"keep-alive", b"content-length"])


@dataclass(frozen=True, slots=True)
class HopOptions:
    """`codings` are the values of Transfer-Encoding; `keep_alive` the seconds that the server keeps an idle connection."""

    named: frozenset[bytes]  # fields that belong to this hop because Connection says so
    codings: list[bytes]
    keep_alive: int | None

    @classmethod
    def of(cls, fields: list[Header]) -> "HopOptions":
        """From the hop-by-hop fields alone, names in lower case."""
        named: set[bytes] = set()
        codings = []
        keep_alive = None
        for name, value in fields:
            if name == b"connection":
                named.update(option.strip().lower() for option in value.split(b","))
            elif name == b"transfer-encoding":
                codings.append(value.strip().lower())
            elif name == b"keep-alive" and (seconds := _TIMEOUT.search(value)):
                keep_alive = int(seconds[1])
        return cls(frozenset(named - _NOT_REMOVABLE), codings, keep_alive)
