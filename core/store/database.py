"""Which database, and by what it lets us in: the URL's password, or an Entra token of this process's identity, which is good
for any number of new connections until it expires (Azure asks for it when a connection is opened, and never again).

https://learn.microsoft.com/azure/postgresql/flexible-server/concepts-azure-ad-authentication
"""

import atexit
import os
import tempfile
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg.conninfo import make_conninfo

from core.identity import TokenUnavailable
from core.identity.entra import EntraIssuer
from core.identity.held import HeldToken
from core.settings import Settings
from core.store.connection import conninfo, parts_of

SCOPE = "https://ossrdbms-aad.database.windows.net/.default"

LONGEST_LIFE = 1800.0
"""Seconds that a pool keeps a connection that a token opened: half of what Entra ID's tokens live at least, so that an
identity whose role was taken away is out before the last token of its would be."""


class Database:
    """One database of a tenant, as one process reaches it."""

    def __init__(self, url: str, token: HeldToken | None = None, ca_bundle: Path | None = None) -> None:
        """`url` is resolved (no reference). `token`: what is sent in place of a password; then the server has to prove its
        name, by the URL's `sslrootcert`, or else certifi's authorities and those of `ca_bundle`.

        Raises `ValueError`, without the URL.
        """
        given = parts_of(url)
        self._token = token
        self._url = url if token is None else _for_tokens(url, given, ca_bundle)

    @classmethod
    def of(cls, settings: Settings, url: str) -> "Database":
        """The database at a resolved URL, entered as the settings say. Raises `ValueError`."""
        if settings.database_auth == "password":
            return cls(url)
        issuer = EntraIssuer(settings.azure_credential, settings.azure_client_id, settings.ca_bundle)
        return cls(url, HeldToken(issuer, SCOPE), settings.ca_bundle)

    @property
    def by_token(self) -> bool:
        return self._token is not None

    def sibling(self, name: str) -> "Database":
        """Another database of the same server, entered in the same way."""
        other = copy(self)
        other._url = make_conninfo(self._url, dbname=name)
        return other

    def connector(
        self,
        application_name: str,
        *,
        connect_timeout: int = 5,
        statement_timeout: float = 30.0,
        lock_timeout: float = 10.0,
    ) -> "Connector":
        """What opens connections to it; times in seconds."""
        options = conninfo(
            self._url,
            application_name=application_name,
            connect_timeout=connect_timeout,
            statement_timeout=statement_timeout,
            lock_timeout=lock_timeout,
        )
        return Connector(options, self._token)


@dataclass(frozen=True, slots=True)
class Connector:
    """Opens connections of one kind. Where no token can be had it raises `psycopg.OperationalError`, as for a server that
    is away: who waits for the one waits for the other.
    """

    _conninfo: str = field(repr=False)
    _token: HeldToken | None = field(repr=False)

    def connect(self, *, autocommit: bool = False) -> psycopg.Connection[Any]:
        """A connection; blocks. Raises `psycopg.OperationalError`."""
        if self._token is None:
            return psycopg.connect(self._conninfo, autocommit=autocommit)
        try:
            password = self._token.current().value
        except TokenUnavailable as error:
            raise psycopg.OperationalError(str(error)) from None
        try:
            return psycopg.connect(self._conninfo, autocommit=autocommit, password=password)
        except psycopg.OperationalError as error:
            self._heed(error, password)
            raise

    async def connect_async(self, *, autocommit: bool = False) -> psycopg.AsyncConnection[Any]:
        """The same in an event loop."""
        if self._token is None:
            return await psycopg.AsyncConnection.connect(self._conninfo, autocommit=autocommit)
        try:
            password = (await self._token.obtain()).value
        except TokenUnavailable as error:
            raise psycopg.OperationalError(str(error)) from None
        try:
            return await psycopg.AsyncConnection.connect(self._conninfo, autocommit=autocommit, password=password)
        except psycopg.OperationalError as error:
            self._heed(error, password)
            raise

    def _heed(self, error: psycopg.OperationalError, password: str) -> None:
        # libpq gives no SQLSTATE here, and its words are in the server's language.
        if self._token is not None and error.pgconn is not None and error.pgconn.used_password:
            self._token.refuse(password)


def _for_tokens(url: str, given: dict[str, Any], ca_bundle: Path | None) -> str:
    said: dict[Literal["user", "password", "sslmode"], Any] = {
        "user": given.get("user"),
        "password": given.get("password"),
        "sslmode": given.get("sslmode", "verify-full"),
    }
    if not said["user"]:
        raise ValueError(
            "ADUANA_DATABASE_AUTH=entra needs the role's name in the database URL: postgresql://ROLE@host/name"
        )
    if said["password"]:
        raise ValueError("ADUANA_DATABASE_AUTH=entra sends a token: the database URL must hold no password")
    if said["sslmode"] != "verify-full":
        raise ValueError(
            f"ADUANA_DATABASE_AUTH=entra sends the server a token: sslmode={said['sslmode']} in the database URL does not "
            "make it prove its name; leave it out, or say verify-full"
        )
    trusted = {} if given.get("sslrootcert") else {"sslrootcert": _authorities(ca_bundle)}
    return make_conninfo(url, sslmode="verify-full", **trusted)


@cache
def _authorities(ca_bundle: Path | None) -> str:
    """A file with certifi's authorities, and those of a private bundle besides: libpq takes one file, and the libpq in
    psycopg's wheels looks for the system's where its builder had them. Raises `ValueError`.
    """
    import certifi

    if ca_bundle is None:
        return certifi.where()
    try:
        together = Path(certifi.where()).read_bytes() + b"\n" + ca_bundle.read_bytes()
    except OSError as error:
        raise ValueError(f"ADUANA_CA_BUNDLE cannot be read: {error.strerror}") from None
    descriptor, name = tempfile.mkstemp(prefix="aduana-authorities-", suffix=".pem")
    with os.fdopen(descriptor, "wb") as file:
        file.write(together)
    atexit.register(Path(name).unlink, missing_ok=True)
    return name
