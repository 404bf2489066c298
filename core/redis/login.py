"""By what a connection to Redis is opened, and kept open: a password, or an Entra token that is renewed while it is in use.

Azure Managed Redis takes a token for a password, with the identity's object id as the user, and drops a connection whose
token ran out; a new one is sent by AUTH on the open connection.
"""

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Protocol

from core.identity import TokenIssuer, TokenSource, TokenUnavailable
from core.identity.held import HeldToken
from core.redis import RedisAddress

SCOPE = "https://redis.azure.com/.default"


class LoginUnavailable(Exception):
    """Who we are cannot be said now; the message names no secret."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What AUTH is given."""

    username: str | None
    password: str = field(repr=False)

    @property
    def arguments(self) -> tuple[str, ...]:
        return (self.password,) if self.username is None else (self.username, self.password)


class Login(Protocol):
    """For the proxy. The same object is given again for as long as nothing changed."""

    def ready(self) -> Credentials | None:
        """What an open connection should have been given by now; waits for nothing. None: nothing is at hand."""
        ...

    async def obtain(self) -> Credentials | None:
        """What a new connection is opened with; None: nothing. Raises `LoginUnavailable`."""
        ...

    async def renew(self, refused: Credentials) -> None:
        """Redis refused it: get another where that can be done. Raises `LoginUnavailable`."""
        ...


class PasswordLogin:
    """What the URL says."""

    def __init__(self, address: RedisAddress) -> None:
        self._credentials = credentials_in(address)

    def ready(self) -> Credentials | None:
        return self._credentials

    async def obtain(self) -> Credentials | None:
        return self._credentials

    async def renew(self, refused: Credentials) -> None:
        """Nobody but a restart can."""


class EntraLogin:
    """The token of this process's identity; its user is the URL's, or else the token's `oid`."""

    def __init__(self, tokens: TokenSource, username: str | None = None) -> None:
        self._tokens = tokens
        self._username = username
        self._last: Credentials | None = None

    def ready(self) -> Credentials | None:
        token = self._tokens.ready(SCOPE)
        return None if token is None else self._with(token)

    async def obtain(self) -> Credentials:
        try:
            return self._with(await self._tokens.obtain(SCOPE))
        except TokenUnavailable as error:
            raise LoginUnavailable(str(error)) from None

    async def renew(self, refused: Credentials) -> None:
        try:
            await self._tokens.renew(SCOPE, refused.password)
        except TokenUnavailable as error:
            raise LoginUnavailable(str(error)) from None

    def _with(self, token: str) -> Credentials:
        if self._last is None or self._last.password != token:
            self._last = Credentials(self._username or _object_id(token), token)
        return self._last


class BlockingLogin:
    """For those who may block: the URL's password, or with an issuer its tokens, each used until it should be renewed."""

    def __init__(self, address: RedisAddress, tokens: TokenIssuer | None = None) -> None:
        self._username = address.username
        self._held = HeldToken(tokens, SCOPE) if tokens is not None else None
        self._credentials = credentials_in(address) if tokens is None else None

    @property
    def needed(self) -> bool:
        return self._held is not None or self._credentials is not None

    def current(self) -> Credentials | None:
        """Raises `LoginUnavailable`."""
        if self._held is not None:
            try:
                token = self._held.current().value
            except TokenUnavailable as error:
                raise LoginUnavailable(str(error)) from None
            if self._credentials is None or self._credentials.password != token:
                self._credentials = Credentials(self._username or _object_id(token), token)
        return self._credentials

    def forget(self) -> None:
        """Redis refused it: the next one is asked for anew."""
        if self._held is not None and self._credentials is not None:
            self._held.refuse(self._credentials.password)


def require_tls(address: RedisAddress) -> None:
    """Raises `ValueError` where a token would go over the wire in the clear."""
    if not address.tls:
        raise ValueError(f"ADUANA_REDIS_AUTH=entra sends Redis a token: {address!r} must be reached by TLS (rediss://)")


def credentials_in(address: RedisAddress) -> Credentials | None:
    return None if address.password is None else Credentials(address.username, address.password)


def _object_id(token: str) -> str:
    """The identity's object id. Redis judges the token, not we: it is read without being verified."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["oid"])
    except (IndexError, binascii.Error, ValueError, KeyError, TypeError):
        raise LoginUnavailable(
            "the token for Redis names no object id (oid); give the user in the URL: rediss://USER@HOST:10000"
        ) from None
