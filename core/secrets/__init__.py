"""Secret references: a secret is named where it is needed (`env:NAME`, `file:/path`, `kv://vault/secret`, `db://name`)
and read, late and once, by a `SecretResolver`. No value read here is ever stored, logged or put into an error.
"""

import re
from dataclasses import dataclass
from typing import Literal, Protocol

Scheme = Literal["env", "file", "kv", "db"]

FORMS = "env:NAME, file:/path, kv://vault/secret[/version] or db://name"

_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Key Vault's own rules: https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates
_KV = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]{1,22})[A-Za-z0-9]/[A-Za-z0-9-]{1,127}(?:/[0-9A-Za-z]{1,64})?")
_DB = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?")


class SecretReferenceError(ValueError):
    """A text is not a secret reference. The message never repeats the text: it may be the secret itself."""


class SecretError(Exception):
    """A secret could not be read; the message names the reference and the reason, never a value."""


class SecretNotFound(SecretError):
    """What the reference names is not there."""


class SecretUnavailable(SecretError):
    """Where the secret is kept cannot be asked now (a closed file, a missing master key, no Key Vault)."""


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is, parsed. Safe to log."""

    scheme: Scheme
    name: str  # the variable, the path, vault/secret[/version], or the sealed secret's name

    @classmethod
    def parse(cls, text: str) -> "SecretRef":
        """Raises `SecretReferenceError`."""
        if text.startswith("env:"):
            return cls("env", _matching(_ENV, text[4:], "env:", "the name of an environment variable"))
        if text.startswith("file:"):
            path = text[5:]
            if not path.startswith("/") or path.endswith("/") or any(ord(character) < 32 for character in path):
                raise SecretReferenceError(
                    "file: must be followed by the absolute path of a file, as in file:/run/secret"
                )
            return cls("file", path)
        if text.startswith("kv://"):
            return cls("kv", _matching(_KV, text[5:], "kv://", "vault/secret or vault/secret/version"))
        if text.startswith("db://"):
            return cls("db", _matching(_DB, text[5:], "db://", "a name of letters, digits and . _ / - (128 at most)"))
        raise SecretReferenceError(f"this is not a secret reference; allowed are {FORMS}")

    def __str__(self) -> str:
        return f"{self.scheme}:{'//' if self.scheme in ('kv', 'db') else ''}{self.name}"


class SecretResolver(Protocol):
    """Reads secrets by reference, of any scheme."""

    async def resolve(self, ref: "SecretRef | str") -> str:
        """The value. Raises `SecretError`; `SecretReferenceError` for a text that is no reference."""
        ...


class SecretSource(Protocol):
    """Reads the secrets of one scheme; an adapter a file."""

    async def read(self, ref: SecretRef) -> str:
        """The value. Raises `SecretError`."""
        ...


def _matching(pattern: re.Pattern[str], name: str, scheme: str, what: str) -> str:
    if not pattern.fullmatch(name):
        raise SecretReferenceError(f"{scheme} must be followed by {what}")
    return name
