"""Files by way of a storage account: what the job made inside the network is put there, and fetched from outside.

https://learn.microsoft.com/rest/api/storageservices/put-block, …/put-block-list, …/get-blob. By Entra ID alone.
"""

import base64
import hashlib
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from core.identity import TokenUnavailable
from deployer.backup import BackupError

SCOPE = "https://storage.azure.com/.default"

_VERSION = {"x-ms-version": "2023-11-03"}
_BLOCK = 8 * 1024 * 1024  # bytes
_TIMEOUT = 60.0  # seconds
_ATTEMPTS = 6
_PATIENCE = 600.0  # seconds for a role that was given a moment ago to be in force
_BUSY = frozenset((408, 429, 500, 502, 503, 504))


class BlobFolder:
    """Blobs below one address, such as `https://account.blob.core.windows.net/container/prefix`."""

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        context: ssl.SSLContext,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`token`: gives an access token for storage; may raise `TokenUnavailable`. Raises `BackupError` for a wrong URL."""
        parts = urlsplit(url)
        if (
            parts.scheme != "https"
            or not parts.hostname
            or "@" in parts.netloc
            or parts.query
            or not parts.path.strip("/")
        ):
            raise BackupError(
                f"{url[:200]!r} is no place for blobs",
                "Such as https://account.blob.core.windows.net/container/prefix.",
            )
        self.url = url.rstrip("/")
        self._token, self._sleep = token, sleep
        self._http = httpx.Client(verify=context, timeout=_TIMEOUT)

    def __enter__(self) -> "BlobFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def put(self, path: Path, name: str) -> dict[str, Any]:
        """Upload a file, in blocks; its name, size and SHA-256. Raises `BackupError`."""
        digest, size = hashlib.sha256(), 0
        blocks: list[str] = []
        with path.open("rb") as file:
            while piece := file.read(_BLOCK):
                digest.update(piece)
                size += len(piece)
                blocks.append(base64.b64encode(f"{len(blocks):08d}".encode()).decode())
                self._ask("PUT", name, {"comp": "block", "blockid": blocks[-1]}, piece)
        listed = "".join(f"<Latest>{block}</Latest>" for block in blocks)
        body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'.encode()
        self._ask("PUT", name, {"comp": "blocklist"}, body)
        return {"name": name, "bytes": size, "sha256": digest.hexdigest()}

    def get(self, name: str, path: Path, expected: dict[str, Any]) -> None:
        """Download one to a file that its owner alone may read. Raises `BackupError` where it is not what was put there."""
        digest, size = hashlib.sha256(), 0
        path.touch(mode=0o600, exist_ok=False)
        with path.open("wb") as file:
            for piece in self._stream(name):
                digest.update(piece)
                size += len(piece)
                file.write(piece)
        if (size, digest.hexdigest()) != (expected["bytes"], expected["sha256"]):
            raise BackupError(f"{name} did not arrive as it was sent", "Run it again.", code="not_whole")

    def remove(self, name: str) -> None:
        """Take one away; well where it is not there."""
        self._ask("DELETE", name, {})

    def _stream(self, name: str) -> Iterator[bytes]:
        try:
            with self._http.stream("GET", self._address(name), headers=self._headers()) as answer:
                if answer.status_code != 200:
                    raise BackupError(f"{self.url}/{name} answered {answer.status_code}", code="storage")
                yield from answer.iter_bytes()
        except httpx.HTTPError as error:
            raise _away(self.url, error) from None

    def _ask(self, method: str, name: str, query: dict[str, str], content: bytes = b"") -> None:
        began, attempt = time.monotonic(), 0
        while True:
            attempt += 1
            try:
                answer = self._http.request(
                    method, self._address(name), params=query, content=content, headers=self._headers()
                )
            except httpx.HTTPError as error:
                if attempt >= _ATTEMPTS:
                    raise _away(self.url, error) from None
            else:
                if answer.status_code < 300 or (method == "DELETE" and answer.status_code == 404):
                    return
                code = answer.headers.get("x-ms-error-code", "")
                not_yet = code == "AuthorizationPermissionMismatch" and time.monotonic() - began < _PATIENCE
                if not not_yet and (answer.status_code not in _BUSY or attempt >= _ATTEMPTS):
                    raise BackupError(
                        f"{self.url} answered {answer.status_code} {code}",
                        "This identity needs the role Storage Blob Data Contributor on the container, and the account's "
                        "network rules must let it in.",
                        code="storage",
                    )
            self._sleep(min(2.0**attempt, 15.0))

    def _address(self, name: str) -> str:
        return f"{self.url}/{quote(name)}"

    def _headers(self) -> dict[str, str]:
        try:
            return {**_VERSION, "Authorization": f"Bearer {self._token()}"}
        except TokenUnavailable as error:
            raise BackupError(str(error), code="storage") from None


def _away(url: str, error: httpx.HTTPError) -> BackupError:
    return BackupError(
        f"{urlsplit(url).netloc} cannot be reached: {str(error) or type(error).__name__}",
        "Does the installation's egress let it through (egress.additional_hosts)?",
        code="storage",
    )
