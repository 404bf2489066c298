"""Upstreams are asked how an object is, and what a batch's files hold: on the gateway's own account, whoever made it."""

from collections.abc import AsyncIterator
from urllib.parse import quote

from proxy.credentials import CredentialUnavailable
from proxy.deferred import Due, NotAccounted
from proxy.endpoints import Endpoint
from proxy.endpoints.table import ENDPOINTS, RETRIEVED
from proxy.errors import Refusal
from proxy.forwarding import Forwarder
from proxy.routing import Candidate, RouteTable
from proxy.upstream import UpstreamError

_LARGEST = 64 * 1024 * 1024  # bytes of an object
_LONGEST_LINE = 16 * 1024 * 1024
_CONTENT = next(row for row in ENDPOINTS if row.name == "files.content")

TOO_LONG = b""
"""In place of a line that is longer than any that can be read."""


class Gone(Exception):
    """The upstream has no such object (any more)."""


async def state_of(forwarder: Forwarder, routes: RouteTable, due: Due) -> bytes:
    """The object, as JSON. Raises `Gone`, `NotAccounted`."""
    return await ask(forwarder, routes, due.upstream, RETRIEVED[due.kind], due.path)


async def ask(
    forwarder: Forwarder, routes: RouteTable, upstream: str, row: Endpoint, path: str, query: str = ""
) -> bytes:
    """What a row answers for a path with its ids in it. Raises `Gone`, `NotAccounted`."""
    place = _place(routes, upstream, row)
    target = place.path.replace(row.path.encode(), path.encode("ascii", "replace"))
    if query:
        target += (b"&" if b"?" in target else b"?") + query.encode("ascii")
    try:
        status, body = await forwarder.fetch(place, target, _LARGEST)
    except (CredentialUnavailable, UpstreamError) as error:
        raise NotAccounted(_why(upstream, error)) from None
    if status == 404:
        raise Gone
    if status >= 300:
        raise NotAccounted(f"upstream {upstream} answered {status}")
    return body


async def lines_of(forwarder: Forwarder, routes: RouteTable, upstream: str, file_id: str) -> AsyncIterator[bytes]:
    """A file's lines that are not empty, as they come. Raises `Gone`, `NotAccounted`."""
    place = _place(routes, upstream, _CONTENT)
    target = place.path.replace(b"{file}", quote(file_id, safe="").encode())
    try:
        response = await forwarder.open(place, target)
        try:
            if response.status == 404:
                raise Gone
            if response.status >= 300:
                raise NotAccounted(f"upstream {upstream} answered {response.status} for a batch's file")
            splitter = LineSplitter(_LONGEST_LINE)
            while piece := await response.receive():
                for line in splitter.feed(piece):
                    yield line
            for line in splitter.feed(b"\n"):
                yield line
        finally:
            response.close()
    except (CredentialUnavailable, UpstreamError) as error:
        raise NotAccounted(_why(upstream, error)) from None


class LineSplitter:
    """Cuts a file's pieces into lines. Holds one unfinished line of `longest` bytes at most."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._rest = bytearray()
        self._too_long = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that end here and are not empty; `TOO_LONG` for each that is."""
        *ends, rest = piece.split(b"\n")
        found = []
        for end in ends:
            self._take(end)
            line = TOO_LONG if self._too_long else bytes(self._rest)
            if self._too_long or line.strip():
                found.append(line)
            self._rest.clear()
            self._too_long = False
        self._take(rest)
        return found

    def _take(self, part: bytes) -> None:
        if len(self._rest) + len(part) > self._longest:
            self._too_long = True
        if self._too_long:
            self._rest.clear()
        else:
            self._rest += part


def _place(routes: RouteTable, upstream: str, row: Endpoint) -> Candidate:
    try:
        return routes.place(upstream, row)
    except Refusal:
        raise NotAccounted(f"upstream {upstream} is not configured any more") from None


def _why(upstream: str, error: CredentialUnavailable | UpstreamError) -> str:
    """What went wrong, less what an error's text may repeat."""
    if isinstance(error, UpstreamError):
        return f"upstream {upstream} cannot be asked: {error.code}"
    return f"upstream {upstream} cannot be asked: its credential cannot be had"
