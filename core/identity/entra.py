"""Asks azure-identity for tokens, with the credential that the settings name.

azure-identity is imported by the first request for a token: a process that needs none does without its 35 MiB. Its blocking
credentials are used, so that no second HTTP client is needed at run time.
"""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from core.identity import Token, TokenUnavailable
from core.identity.tokens import KeptTokens
from core.trust import azure_transport

CredentialKind = Literal["managed_identity", "workload_identity", "environment", "default"]

_AHEAD = 300.0  # seconds before its expiry that a token without a `refresh_on` is renewed
_LIMITS: Mapping[str, Any] = {"connection_timeout": 5, "read_timeout": 10}  # seconds
_LOUD = ("azure", "msal", "urllib3")


class EntraIssuer:
    """One identity: this process's own, or with a `client_id` a user-assigned one."""

    def __init__(self, kind: CredentialKind, client_id: str | None = None, ca_bundle: Path | None = None) -> None:
        self._kind = kind
        self._client_id = client_id
        self._ca_bundle = ca_bundle  # that its authority is verified by, besides the usual ones

    def issue(self, scope: str) -> Token:
        # A credential of its own for each request: those of the library keep tokens, and would give a refused one again.
        credential = self._credential()
        try:
            issued = credential.get_token_info(scope)
        except Exception as error:
            raise TokenUnavailable(f"no token for {scope} as {self}: {_reason(error)}") from None
        finally:
            credential.close()
        now, expires_at = time.time(), float(issued.expires_on)
        ahead = expires_at - min(_AHEAD, (expires_at - now) / 2)
        refresh_on = float(issued.refresh_on) if issued.refresh_on is not None else ahead
        return Token(issued.token, expires_at, min(refresh_on, ahead))

    def __str__(self) -> str:
        return f"{self._kind} {self._client_id}" if self._client_id is not None else self._kind

    def _credential(self) -> Any:
        _quieten()
        import azure.identity as entra

        client_id = self._client_id
        try:
            options = {**_LIMITS, **azure_transport(self._ca_bundle)}
        except OSError as error:  # ssl.SSLError, too
            raise TokenUnavailable(f"the certificates of {self._ca_bundle} cannot be used: {_reason(error)}") from None
        make: dict[CredentialKind, Callable[[], Any]] = {
            "managed_identity": lambda: entra.ManagedIdentityCredential(client_id=client_id, **options),
            "workload_identity": lambda: entra.WorkloadIdentityCredential(
                **({"client_id": client_id} if client_id is not None else {}), **options
            ),
            "environment": lambda: entra.EnvironmentCredential(**options),
            "default": lambda: entra.DefaultAzureCredential(
                **(
                    {"managed_identity_client_id": client_id, "workload_identity_client_id": client_id}
                    if client_id is not None
                    else {}
                ),
                **options,
            ),
        }
        try:
            return make[self._kind]()
        except ValueError as error:  # what the environment should say and does not
            raise TokenUnavailable(f"{self} cannot be used: {_reason(error)}") from None


class Identities:
    """Every identity that this process calls with, each kept once."""

    def __init__(self, kind: CredentialKind, client_id: str | None = None, ca_bundle: Path | None = None) -> None:
        """`client_id`: of the identity that is meant where none is named; `ca_bundle`: as of `EntraIssuer`."""
        self._kind = kind
        self._ca_bundle = ca_bundle
        self._own = client_id
        self._kept: dict[str | None, KeptTokens] = {}

    def of(self, client_id: str | None = None) -> KeptTokens:
        """The tokens of an identity, this process's own where none is named."""
        named = client_id if client_id is not None else self._own
        kept = self._kept.get(named)
        if kept is None:
            kept = self._kept[named] = KeptTokens(EntraIssuer(self._kind, named, self._ca_bundle))
        return kept

    def close(self) -> None:
        for kept in self._kept.values():
            kept.close()


def _quieten() -> None:
    """These libraries log requests at debug and info level: what they have to say comes in their errors."""
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.ERROR)


def _reason(error: Exception) -> str:
    """The first line, cut: what follows in these libraries' errors is advice, or the answer's body."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
