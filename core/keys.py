"""Proxy keys: `adu_<id>_<secret>`. Made and shown once; kept as an HMAC-SHA-256 of the secret under a pepper.

`authenticate` runs at every request: nothing that it could do without, and the same work for an unknown id as for a
wrong secret.
"""

import base64
import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

from core.secrets import SecretError, SecretReferenceError, SecretResolver
from core.snapshot import KeyEntry

_ALPHABET = string.digits + string.ascii_letters
_KEY = re.compile(r"adu_([0-9A-Za-z]{8})_([0-9A-Za-z_-]{43})")

SHORTEST_PEPPER = 32
"""Bytes: as long as the hash, RFC 2104 section 3."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made; `text` is what its owner is shown, once."""

    id: str
    secret: str = field(repr=False)
    text: str = field(repr=False)


def generate() -> NewKey:
    """A new key: a random id, and 32 random bytes as base64url."""
    id = _new_id()
    secret = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    return NewKey(id, secret, f"adu_{id}_{secret}")


def new_identity_id() -> str:
    """The id of an identity: it stands where a key's does, and no key has one like it."""
    return "~" + _new_id()


def _new_id() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(8))


def parse(text: str) -> tuple[str, str] | None:
    """The id and the secret of a key's text; None where it is not one."""
    match = _KEY.fullmatch(text)
    return (match[1], match[2]) if match else None


def digest(secret: str, pepper: bytes) -> bytes:
    """What Postgres keeps of a key's secret: 32 bytes."""
    return hmac.digest(pepper, secret.encode(), "sha256")


def verify(secret: str, pepper: bytes, expected: bytes) -> bool:
    """Whether a secret is the one of a digest, in a time that does not depend on how much of it is right."""
    return hmac.compare_digest(hmac.digest(pepper, secret.encode(), "sha256"), expected)


class _Sha256(Protocol):
    def copy(self) -> "_Sha256": ...
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


_Keyed = tuple[_Sha256, _Sha256]


def _keyed(pepper: bytes) -> _Keyed:
    """HMAC's two hashes with the key already in them (RFC 2104, section 4): a third of the time of a whole HMAC."""
    block = hashlib.sha256(pepper).digest() if len(pepper) > 64 else pepper
    block = block.ljust(64, b"\0")
    return hashlib.sha256(bytes(byte ^ 0x36 for byte in block)), hashlib.sha256(bytes(byte ^ 0x5C for byte in block))


def keyed_hash(keyed: _Keyed, secret: bytes) -> bytes:
    """HMAC-SHA-256 of a secret under a pepper that was prepared."""
    inner = keyed[0].copy()
    inner.update(secret)
    outer = keyed[1].copy()
    outer.update(inner.digest())
    return outer.digest()


class Peppers:
    """The peppers that this process holds, by version. The highest makes new keys.

    `outdated` is told of each key that was verified under an older one, with its secret; on a call's way.
    """

    __slots__ = ("_states", "_versions", "newest", "outdated")

    def __init__(self, versions: Mapping[int, bytes]) -> None:
        """Raises `ValueError` for none, or one that is too short."""
        if not versions:
            raise ValueError("no pepper is configured (ADUANA_PEPPERS)")
        for version, pepper in versions.items():
            if len(pepper) < SHORTEST_PEPPER:
                raise ValueError(f"pepper version {version} is shorter than {SHORTEST_PEPPER} bytes")
        self._versions = dict(versions)
        self._states = {version: _keyed(pepper) for version, pepper in versions.items()}
        self.newest = max(versions)
        self.outdated: Callable[[KeyEntry, str], None] | None = None

    @classmethod
    async def load(cls, references: Mapping[int, str], resolver: SecretResolver) -> "Peppers":
        """Read `settings.peppers`; a pepper is the secret's text as UTF-8. Raises `SecretError`, `ValueError`."""
        versions: dict[int, bytes] = {}
        for version, reference in references.items():
            try:
                versions[version] = (await resolver.resolve(reference)).encode()
            except (SecretError, SecretReferenceError) as error:
                raise SecretError(f"pepper version {version} cannot be read: {error}") from None
        return cls(versions)

    def get(self, version: int) -> bytes | None:
        return self._versions.get(version)

    def __getitem__(self, version: int) -> bytes:
        return self._versions[version]

    def __iter__(self) -> Iterator[int]:
        """The versions, newest first."""
        return iter(sorted(self._versions, reverse=True))

    def __repr__(self) -> str:
        return f"Peppers(versions={sorted(self._versions)})"

    def digest(self, secret: str) -> tuple[int, bytes]:
        """The newest version, and a secret's digest under it: what a new key is stored as."""
        return self.newest, digest(secret, self._versions[self.newest])


class Refusal(Enum):
    """Why a key does not let its bearer in."""

    UNKNOWN = "unknown"  # no such key, a wrong secret, or not a key at all: never told apart
    EXPIRED = "expired"  # the right secret, too late
    DISABLED = "disabled"  # the right secret of a key that was switched off
    NOT_ALLOWED = "not_allowed"  # the right secret, where the policy takes no keys


Unknown: Final = Refusal.UNKNOWN
Expired: Final = Refusal.EXPIRED
Disabled: Final = Refusal.DISABLED
NotAllowed: Final = Refusal.NOT_ALLOWED

# What an unknown id is compared with: no HMAC-SHA-256 is 32 zero bytes that anybody could find the secret of.
_NOBODY = bytes(32)


def authenticate(keys: Mapping[str, KeyEntry], peppers: Peppers, text: str, now: float) -> KeyEntry | Refusal:
    """The entry that a key's text opens, or why it opens none. `now` is Unix time in seconds."""
    match = _KEY.fullmatch(text)
    if match is None:
        return Unknown
    id, secret = match.groups()
    entry = keys.get(id)
    states = peppers._states
    keyed = states.get(entry.pepper_version) if entry is not None else None
    expected = entry.digest if entry is not None and keyed is not None else _NOBODY
    if not hmac.compare_digest(keyed_hash(keyed or states[peppers.newest], secret.encode()), expected) or entry is None:
        return Unknown
    if entry.disabled:
        return Disabled if entry.caller.policy.allows_credential("key") else NotAllowed
    if entry.expires_at is not None and entry.expires_at <= now:
        return Expired
    if entry.pepper_version != peppers.newest and peppers.outdated is not None:
        peppers.outdated(entry, secret)
    return entry
