"""Key Vault as the job writes it: a secret that is not there is made, one that was deleted is brought back, and none that is
there is ever written over. Reads are `core.secrets.keyvault`'s.

It needs the role Key Vault Secrets Officer on the vault, and to be inside its network.
"""

import time
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from core.identity import TokenIssuer, TokenUnavailable
from core.identity.held import HeldToken
from core.secrets import SecretRef
from core.secrets.keyvault import LIMITS, is_by_name, scope_of
from core.trust import azure_transport

_PATIENCE = 120.0  # seconds for a deleted secret to be back, and for a role that was given a moment ago to count


class VaultError(Exception):
    """The vault cannot be asked, or refuses; the message names the secret and never a value."""


class Kept(Enum):
    """Whether a vault has a secret."""

    THERE = "there"
    DELETED = "deleted"  # and can be brought back
    ABSENT = "absent"


class Vault(Protocol):
    """The vaults that the job may write. References are `kv://vault/name`; each method blocks and raises `VaultError`."""

    def look(self, ref: SecretRef) -> Kept: ...

    def recover(self, ref: SecretRef) -> None:
        """Bring a deleted one back, with the value that it had."""
        ...

    def write(self, ref: SecretRef, value: str, tags: Mapping[str, str]) -> None:
        """A new version, the first one where there is none."""
        ...


class KeyVault:
    """The real one, as the identity of this process."""

    def __init__(self, issuer: TokenIssuer, url: str, ca_bundle: Path | None = None) -> None:
        """`url`: a vault's, with `{vault}` in place of its name."""
        self._ca_bundle = ca_bundle
        self._token = HeldToken(issuer, scope_of(url))
        self._url = url
        self._scope = scope_of(url)
        self._clients: dict[str, Any] = {}

    def look(self, ref: SecretRef) -> Kept:
        from azure.core.exceptions import ResourceNotFoundError

        client, name = self._of(ref)
        try:
            self._ask(ref, lambda: client.get_secret(name))
        except ResourceNotFoundError:
            pass
        else:
            return Kept.THERE
        try:
            self._ask(ref, lambda: client.get_deleted_secret(name))
        except ResourceNotFoundError:
            return Kept.ABSENT
        return Kept.DELETED

    def recover(self, ref: SecretRef) -> None:
        client, name = self._of(ref)

        def bring_back() -> None:
            poller = client.begin_recover_deleted_secret(name)
            poller.wait(_PATIENCE)

        self._ask(ref, bring_back)

    def write(self, ref: SecretRef, value: str, tags: Mapping[str, str]) -> None:
        client, name = self._of(ref)
        self._ask(ref, lambda: client.set_secret(name, value, tags=dict(tags), content_type="text/plain"))

    def _ask(self, ref: SecretRef, what: Any) -> Any:
        """Do it; a 403 is tried again for a while: a role takes minutes to be known to the vault."""
        from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

        until = time.monotonic() + _PATIENCE
        pause = 1.0
        while True:
            try:
                return what()
            except ResourceNotFoundError:
                raise
            except HttpResponseError as error:
                if error.status_code != 403 or _firewall(error) or time.monotonic() + pause > until:
                    raise VaultError(_words(ref, error)) from None
            except TokenUnavailable as error:
                raise VaultError(f"{ref}: {error}") from None
            except (AzureError, ValueError) as error:
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
                raise VaultError(f"{ref}: the vault cannot be asked: {reason}") from None
            time.sleep(pause)
            pause = min(pause * 2, 15.0)

    def _of(self, ref: SecretRef) -> tuple[Any, str]:
        vault, name = ref.name.split("/")[:2]
        client = self._clients.get(vault)
        if client is None:
            from azure.keyvault.secrets import SecretClient

            client = self._clients[vault] = SecretClient(
                self._url.replace("{vault}", vault),
                _Issued(self._token, self._scope),  # type: ignore[arg-type]
                verify_challenge_resource=is_by_name(self._url),
                **LIMITS,
                **azure_transport(self._ca_bundle),
            )
        return client, name


class _Issued:
    """Tokens as azure-core asks for them, for vaults alone."""

    def __init__(self, token: HeldToken, scope: str) -> None:
        self._token, self._scope = token, scope

    def get_token_info(self, *scopes: str, options: Any = None) -> Any:
        from azure.core.credentials import AccessTokenInfo
        from azure.core.exceptions import ClientAuthenticationError

        if scopes != (self._scope,):
            raise ClientAuthenticationError(f"there is no token for {' '.join(scopes)[:200]}, only for {self._scope}")
        token = self._token.current()
        return AccessTokenInfo(token.value, int(token.expires_at))


def _firewall(error: Any) -> bool:
    inner = getattr(getattr(error, "error", None), "innererror", None) or {}
    return inner.get("code") in ("ForbiddenByFirewall", "ForbiddenByConnection")


def _words(ref: SecretRef, error: Any) -> str:
    inner = getattr(getattr(error, "error", None), "innererror", None) or {}
    code = inner.get("code") or getattr(getattr(error, "error", None), "code", None) or error.reason or "no reason"
    if _firewall(error):
        return f"{ref}: the vault's network keeps this process out ({code}): it works inside the installation's network only"
    if error.status_code == 403:
        return f"{ref}: the vault refuses ({code}): this identity needs the role Key Vault Secrets Officer on it"
    if error.status_code == 409:
        return f"{ref}: the vault is busy with this name ({code}): it is being deleted or brought back; try again in a minute"
    return f"{ref}: the vault answered {error.status_code} ({code})"
