"""A request's head as bytes: what the client adds, and the refusal of whatever could make two requests out of one.

A refusal is a `ValueError`: the caller of this package broke its contract, no upstream is involved.
"""

import re
from collections.abc import Iterable

Header = tuple[bytes, bytes]

# Connection-level in either direction (RFC 9110 §7.6.1, and Proxy-Connection, which old software sends).
HOP_BY_HOP = frozenset(
    [
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    ]
)
_OURS = HOP_BY_HOP | {b"host", b"content-length", b"accept-encoding", b"expect"}
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_METHOD = re.compile(rb"[A-Z]{1,20}")
# RFC 9110 §5.5: a value holds visible characters, space, tab and obs-text.
_VALUE_BYTES = bytes([9, *range(0x20, 0x7F), *range(0x80, 0x100)])
_TARGET_BYTES = bytes(range(0x21, 0x7F)).replace(b"#", b"")
_MOST_NAMES_KEPT = 1024

_good_names: set[bytes] = set()
_good_methods: set[bytes] = set()
_good_targets: set[bytes] = set()


def _check_name(name: bytes) -> None:
    if _TOKEN.fullmatch(name) is None:
        raise ValueError(f"{name!r} is not a header's name")
    if name.lower() in _OURS:
        raise ValueError(f"the header {name.decode()} is the upstream client's own; do not pass it")
    if len(_good_names) < _MOST_NAMES_KEPT:
        _good_names.add(name)


def _check_method(method: bytes) -> None:
    if _METHOD.fullmatch(method) is None or method == b"CONNECT":
        raise ValueError(f"{method!r} is not a method that the upstream client sends")
    if len(_good_methods) < _MOST_NAMES_KEPT:
        _good_methods.add(method)


def _check_target(target: bytes) -> None:
    if target[:1] != b"/" or target.translate(None, _TARGET_BYTES):
        raise ValueError(
            "a request's target starts with a slash and holds visible ASCII characters only, and no fragment"
        )
    if len(_good_targets) >= _MOST_NAMES_KEPT:
        _good_targets.clear()  # most name an object, and are seen once
    _good_targets.add(target)


def field_lines(headers: Iterable[Header]) -> bytes:
    """Fields as they are written, a line each. What goes out unchanged in many requests is made once. Raises `ValueError`."""
    fields = []
    values = []
    for name, value in headers:
        if name not in _good_names:
            _check_name(name)
        fields.append(b"%b: %b\r\n" % (name, value))
        values.append(value)
    if b"".join(values).translate(None, _VALUE_BYTES):
        raise ValueError("a header's value holds a line break or another control character")
    return b"".join(fields)


def request_head(
    method: bytes, target_prefix: bytes, target: bytes, after_target: bytes, lines: bytes, framing: bytes
) -> bytes:
    """The request line, the fields and the empty line.

    `after_target` is the rest of the request line with the origin's constant fields, `lines` are by `field_lines`, `framing`
    is the last field with the empty line (`content-length: 2\\r\\n\\r\\n`) or only the line's end. Raises `ValueError`.
    """
    if method not in _good_methods:
        _check_method(method)
    if target not in _good_targets:
        _check_target(target)
    return b"%b %b%b%b%b%b" % (method, target_prefix, target, after_target, lines, framing)
