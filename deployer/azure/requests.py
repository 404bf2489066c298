"""One HTTPS request to Azure and its retries: a token, patience with what says that it is busy, and errors in Azure's words."""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from deployer.azure.credentials import Tokens
from deployer.azure.errors import Refused, Unreachable

_ATTEMPTS = 5
_LONGEST_WAIT = 60.0  # seconds; a longer Retry-After is an error, with its figure
_LARGEST_ANSWER = 64 * 1024 * 1024  # bytes; all resource providers of a subscription are some 6 MiB
_BUSY = frozenset((408, 429, 500, 502, 503, 504))
_REPEATABLE = frozenset(("GET", "HEAD", "PUT", "DELETE"))

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `body` is parsed JSON, or None where there is none; `text` what was no JSON; `at` the server's clock, in
    Unix seconds.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    url: str
    text: str = ""

    @property
    def at(self) -> float | None:
        try:
            return parsedate_to_datetime(self.headers["date"]).timestamp()
        except (KeyError, ValueError, TypeError):
            return None


class Service:
    """One service at one address, called as one identity for one audience."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        tokens: Tokens | None,
        *,
        name: str,
        url: str,
        audience: str = "",
        slots: asyncio.Semaphore,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`tokens` None: called without one. `slots` bounds the requests in flight of a whole session."""
        self.name, self.url = name, url
        self._http, self._tokens, self._slots, self._sleep = http, tokens, slots, sleep
        self._scope = f"{audience}/.default"

    async def request(
        self,
        method: str,
        target: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send it, with a JSON body or a form. `target` is a path below this service, or a whole URL on its host.

        Raises:
            Refused: any answer of 400 or more, after what retries may help.
            Unreachable: no answer.
            SignInFailed: no token.
        """
        url = self._resolve(target)
        shown = f"{method} {urlsplit(url).path}"
        token, renewed, attempt = None, False, 1
        while True:
            if self._tokens is not None and token is None:
                token = await self._tokens.get(self._scope)
            try:
                answer = await self._send(method, url, query, body, form, headers, token)
            except httpx.HTTPError as error:
                if attempt >= _ATTEMPTS or method not in _REPEATABLE or not _may_pass(error):
                    raise self._unreachable(shown, error) from None
                await self._sleep(_backoff(attempt))
                attempt += 1
                continue
            if answer.status < 400:
                return answer
            if answer.status == 401 and self._tokens is not None and not renewed:
                token, renewed = await self._tokens.get(self._scope, refused=token), True
                continue
            wait = _wait_of(answer, attempt)
            again = answer.status in _BUSY and (method in _REPEATABLE or answer.status == 429)
            if not again or attempt >= _ATTEMPTS or wait > _LONGEST_WAIT:
                raise self._refused(shown, answer)
            await self._sleep(wait)
            attempt += 1

    def _resolve(self, target: str) -> str:
        if not target.startswith("https://"):
            return self.url + target
        # A token goes to the host that it is for, wherever an answer's link points.
        if urlsplit(target).netloc.lower() != urlsplit(self.url).netloc.lower():
            raise Unreachable(f"{self.name} answered with a link to {urlsplit(target).netloc}, which is another host")
        return target

    async def _send(
        self,
        method: str,
        url: str,
        query: Mapping[str, str] | None,
        body: Any,
        form: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        token: str | None,
    ) -> Answer:
        sent = {"Accept": "application/json", **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        async with self._slots:
            request = self._http.build_request(
                method, httpx.URL(url).copy_merge_params(query or {}), json=body, data=form, headers=sent
            )
            response = await self._http.send(request, stream=True)
            try:
                content = b""
                async for piece in response.aiter_bytes():
                    content += piece
                    if len(content) > _LARGEST_ANSWER:
                        raise httpx.DecodingError("the answer is larger than 64 MiB")
            finally:
                await response.aclose()
        parsed = _parsed(content)
        text = content.decode(errors="replace") if parsed is None else ""
        return Answer(response.status_code, response.headers, parsed, str(response.url), text)

    def _refused(self, shown: str, answer: Answer) -> Refused:
        body = answer.body if isinstance(answer.body, dict) else {}
        error = body.get("error") if isinstance(body.get("error"), dict) else body
        assert isinstance(error, dict)
        code = str(error.get("code") or answer.headers.get("x-ms-error-code") or "")
        return Refused(
            service=self.name,
            request=shown,
            status=answer.status,
            azure_code=code[:100],
            told=" ".join(str(error.get("message") or "").split())[:1000],
            request_id=answer.headers.get("x-ms-request-id", "") or answer.headers.get("request-id", ""),
            body=error,
            headers=answer.headers,
        )

    def _unreachable(self, shown: str, error: httpx.HTTPError) -> Unreachable:
        host = urlsplit(self.url).netloc
        text = str(error)
        if "CERTIFICATE_VERIFY_FAILED" in text:
            return Unreachable(
                f"{host} shows a certificate that is not trusted here",
                "A proxy that opens TLS? Give its CA in ADUANA_CA_BUNDLE.",
            )
        why = "it did not answer in time" if isinstance(error, httpx.TimeoutException) else text or type(error).__name__
        return Unreachable(
            f"{self.name} ({host}) cannot be reached for {shown}: {why}",
            "Look at this machine's network, DNS and proxy (HTTPS_PROXY, NO_PROXY).",
        )


def link(base: str, target: str) -> str:
    """The URL that an answer's header or body points to, which may be relative to where it came from."""
    return urljoin(base, target)


def _parsed(content: bytes) -> Any:
    if not content:
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _may_pass(error: httpx.HTTPError) -> bool:
    return isinstance(error, httpx.TransportError) and "CERTIFICATE_VERIFY_FAILED" not in str(error)


def _backoff(attempt: int) -> float:
    return float(2 ** (attempt - 1)) * (0.5 + random.random() / 2)  # noqa: S311 - spread, not secrecy


def _wait_of(answer: Answer, attempt: int) -> float:
    """Seconds until it is to be asked again, as it says itself, or else by our own patience."""
    said = retry_after(answer.headers)
    return said if said is not None else _backoff(attempt)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The header in seconds; None where there is none, or nothing that can be read."""
    for name, unit in (("x-ms-retry-after-ms", 1000.0), ("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if not text:
            continue
        try:
            return max(0.0, float(text) / unit)
        except ValueError:
            try:
                return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
            except (ValueError, TypeError):
                return None
    return None
