"""Entra ID tokens for what this process calls: model providers, Key Vault, Redis. Who calls *us* is not known here.

`tokens` keeps them fresh, `entra` asks azure-identity for them. A token stays in memory: it is never stored, logged or put
into an error.
"""

from dataclasses import dataclass, field
from typing import Protocol


class TokenUnavailable(Exception):
    """No token can be had now; the message names the identity, the scope and the reason."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. Times are Unix seconds."""

    value: str = field(repr=False)
    expires_at: float
    refresh_at: float  # when its issuer, or its life, says that the next one should be asked for


class TokenSource(Protocol):
    """The tokens of one identity, by scope, such as `https://cognitiveservices.azure.com/.default`."""

    def ready(self, scope: str) -> str | None:
        """The token where one is at hand that has not expired; waits for nothing. A renewed one shows here by itself."""
        ...

    async def obtain(self, scope: str) -> str:
        """The same, asked for now where it must be. Raises `TokenUnavailable`."""
        ...

    async def renew(self, scope: str, refused: str | None = None) -> str:
        """Another one in place of one that was refused, however long it would have lived; one request for any number of
        callers. `refused` is the token that the caller used: where it is no longer the one at hand, that one is given.

        May be the refused one again, where it was renewed a moment ago. Raises `TokenUnavailable`.
        """
        ...


class TokenIssuer(Protocol):
    """Where the tokens of one identity come from. Keeps nothing."""

    def issue(self, scope: str) -> Token:
        """A token that was issued now. Blocks on the network. Raises `TokenUnavailable`."""
        ...
