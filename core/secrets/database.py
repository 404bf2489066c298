"""`db://name`: a secret sealed with AES-256-GCM under a master key, kept in the table `secrets`.

The name is associated data, so that a row copied under another name does not open. A running proxy reads the sealed
ones from its snapshot; the master keys are secret references themselves and never in the database.
"""

import base64
import binascii
import os
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import AsyncConnection

from core.secrets import SecretError, SecretNotFound, SecretRef, SecretReferenceError, SecretResolver, SecretUnavailable
from core.snapshot import SealedSecret

_NONCE = 12  # bytes, NIST SP 800-38D section 8.2


class MasterKeys:
    """Versions of the master key by reference; the highest seals, each opens what it sealed."""

    def __init__(self, references: Mapping[int, str], resolver: SecretResolver) -> None:
        self._references = references
        self._resolver = resolver

    @property
    def newest(self) -> int:
        """The version that seals; 0 where there is none."""
        return max(self._references, default=0)

    async def seal(self, name: str, value: str) -> SealedSecret:
        """Seal a value under the newest master key. Raises `SecretError`, `SecretReferenceError` for a wrong name."""
        SecretRef.parse(f"db://{name}")
        if not value:
            raise SecretError(f"db://{name}: an empty value is no secret")
        if not self._references:
            raise SecretUnavailable(f"db://{name}: no master key is configured (ADUANA_MASTER_KEYS)")
        version = self.newest
        nonce = os.urandom(_NONCE)
        cipher = await self._cipher(version)
        return SealedSecret(name, version, nonce, cipher.encrypt(nonce, value.encode(), name.encode()))

    async def open(self, sealed: SealedSecret) -> str:
        """Raises `SecretError` where the master key is not at hand or is not the one that sealed it."""
        if sealed.master_key_version not in self._references:
            raise SecretUnavailable(
                f"db://{sealed.name}: sealed under master key version {sealed.master_key_version}, "
                "which is not configured (ADUANA_MASTER_KEYS)"
            )
        cipher = await self._cipher(sealed.master_key_version)
        try:
            return cipher.decrypt(sealed.nonce, sealed.ciphertext, sealed.name.encode()).decode()
        except (InvalidTag, ValueError):
            raise SecretError(
                f"db://{sealed.name}: does not open under master key version {sealed.master_key_version}; "
                "the key was replaced under the same version, or the row was changed"
            ) from None

    async def _cipher(self, version: int) -> AESGCM:
        reference = self._references[version]
        try:
            text = await self._resolver.resolve(reference)
        except SecretReferenceError as error:
            raise SecretError(f"master key version {version}: {error}") from None
        try:
            key = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != 32:
            raise SecretError(f"master key version {version} ({reference}) is not the base64 of 32 bytes")
        return AESGCM(key)


class DatabaseSource:
    """Opens what the current snapshot holds sealed; nothing is asked of Postgres."""

    def __init__(self, master_keys: MasterKeys, sealed: Callable[[], Mapping[str, SealedSecret]]) -> None:
        self._master_keys = master_keys
        self._sealed = sealed

    async def read(self, ref: SecretRef) -> str:
        sealed = self._sealed().get(ref.name)
        if sealed is None:
            raise SecretNotFound(f"{ref}: no such secret is stored (aduana secrets set {ref.name})")
        return await self._master_keys.open(sealed)


async def store_secret(connection: AsyncConnection[Any], sealed: SealedSecret) -> bool:
    """Write a sealed secret within the caller's transaction; True: it is new. The caller writes the audit event."""
    cursor = await connection.execute(
        """
        INSERT INTO secrets (name, master_key_version, nonce, ciphertext, updated_at)
        VALUES (%(name)s, %(version)s, %(nonce)s, %(ciphertext)s, now())
        ON CONFLICT (name) DO UPDATE
           SET master_key_version = excluded.master_key_version, nonce = excluded.nonce,
               ciphertext = excluded.ciphertext, updated_at = excluded.updated_at
        RETURNING xmax = 0
        """,
        {
            "name": sealed.name,
            "version": sealed.master_key_version,
            "nonce": sealed.nonce,
            "ciphertext": sealed.ciphertext,
        },
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def read_secrets(connection: AsyncConnection[Any]) -> dict[str, SealedSecret]:
    """Every sealed secret by name, for who works on the database itself and has no snapshot."""
    cursor = await connection.execute("SELECT name, master_key_version, nonce, ciphertext FROM secrets ORDER BY name")
    return {row[0]: SealedSecret(*row) for row in await cursor.fetchall()}
