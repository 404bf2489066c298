"""Ephemeral tokens: what a browser connects with in place of a key. They are the gateway's own, and good for realtime alone.

A token is sealed (AES-256-GCM) under a key derived from a pepper: nothing is kept of it anywhere, and it says nothing to
whoever holds it. Whose it is, is looked up anew at each use, so that a revoked key takes its tokens with it.
"""

import base64
import binascii
import os
import zlib
from typing import TYPE_CHECKING, Any

import msgspec

from core.keys import Peppers
from core.snapshot import Caller, Snapshot
from proxy.errors import Refusal, credential_not_allowed, disabled_key, expired_key, invalid_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PREFIX = "ek_"
DEFAULT_SECONDS = 600  # as the provider's: 10 seconds to 2 hours
FEWEST_SECONDS, MOST_SECONDS = 10, 7200
BETA_SECONDS = 60  # of the beta's sessions, which know no expires_after

_INFO = b"aduana realtime token 1"
_MOST_BYTES = 12 * 1024  # sealed: a token travels in a header
_MOST_SESSION = 256 * 1024
_NONCE = 12


class Grant(msgspec.Struct, array_like=True, frozen=True):
    """What a token says."""

    key_id: str  # or an identity's
    expires_at: int  # Unix seconds
    beta: bool  # which dialect its session is written in
    transcribes: bool  # it makes no responses
    model: str | None
    session: dict[str, Any]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Grant).decode


class EphemeralTokens:
    """Seals and opens them."""

    def __init__(self, peppers: Peppers) -> None:
        self._peppers = peppers
        self._ciphers: dict[int, AESGCM] = {}

    def seal(self, grant: Grant) -> str:
        """A token. Raises `Refusal` (400) for a session that does not fit into one."""
        version = self._peppers.newest
        plain = _encode(grant)
        packed = zlib.compress(plain) if len(plain) <= _MOST_SESSION else plain
        if len(packed) > _MOST_BYTES:
            raise Refusal(
                400,
                "session_too_large",
                "The session's configuration is too large for an ephemeral token. Send instructions and tools by "
                "session.update when the session has begun.",
                param="session",
            )
        nonce = os.urandom(_NONCE)
        head = version.to_bytes(4, "big")
        sealed = head + nonce + self._cipher(version).encrypt(nonce, packed, head)
        return PREFIX + base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, text: str, now: float) -> Grant:
        """What a token says. Raises `Refusal` (401) for one that is none of ours or too old. `now`: Unix seconds."""
        encoded = text.removeprefix(PREFIX)
        try:
            sealed = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _unknown() from None
        head, nonce, ciphertext = sealed[:4], sealed[4 : 4 + _NONCE], sealed[4 + _NONCE :]
        version = int.from_bytes(head, "big")
        if len(ciphertext) < 16 or self._peppers.get(version) is None:
            raise _unknown()
        from cryptography.exceptions import InvalidTag

        try:
            packed = self._cipher(version).decrypt(nonce, ciphertext, head)
        except InvalidTag:
            raise _unknown() from None
        grant = _decode(zlib.decompress(packed))
        if grant.expires_at <= now:
            raise Refusal(
                401,
                "expired_api_key",
                "This ephemeral token has expired. Have your server ask for a new one (realtime/client_secrets).",
            )
        return grant

    def _cipher(self, version: int) -> "AESGCM":
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        cipher = self._ciphers.get(version)
        if cipher is None:
            key = HKDF(SHA256(), 32, salt=None, info=_INFO).derive(self._peppers[version])
            cipher = self._ciphers[version] = AESGCM(key)
        return cipher


def bearer_of(grant: Grant, snapshot: Snapshot, now: float) -> Caller:
    """Whom a token's holder calls for now. Raises `Refusal` (401, 403) where its key or identity may not call any more."""
    if grant.key_id.startswith("~"):
        identity = snapshot.identities_by_id.get(grant.key_id)
        if identity is None or identity.disabled:
            raise disabled_key()
        if not identity.caller.policy.allows_credential("entra"):
            raise credential_not_allowed("entra")
        return identity.caller
    key = snapshot.keys.get(grant.key_id)
    if key is None:
        raise invalid_key()
    if key.disabled:
        raise disabled_key()
    if key.expires_at is not None and key.expires_at <= now:
        raise expired_key()
    return key.caller


def _unknown() -> Refusal:
    return Refusal(
        401,
        "invalid_api_key",
        "Incorrect ephemeral token provided. Use one that this gateway's realtime/client_secrets answered with.",
    )
