"""`kv://vault/secret[/version]`: Azure Key Vault, read as the identity that this process calls with.

azure-keyvault-secrets is imported by the first read. Its blocking client runs in a thread of its own, and asks our tokens
for the bearer's: they are kept and renewed elsewhere.
"""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.identity import TokenSource, TokenUnavailable
from core.identity.threads import in_thread
from core.secrets import SecretNotFound, SecretRef, SecretUnavailable
from core.trust import azure_transport

PUBLIC_SCOPE = "https://vault.azure.net/.default"
_PATIENCE = 15.0  # seconds for a read, its retries and a token included
_AT_ONCE = 8  # reads of one vault: it throttles
LIMITS: dict[str, Any] = {
    "connection_timeout": 3,
    "read_timeout": 5,
    "retry_total": 1,
    "retry_backoff_factor": 0.2,
    "logging_enable": False,
}


def is_by_name(url: str) -> bool:
    """Whether a vault's name is the first of its host's, as it is everywhere but on a machine of somebody's own."""
    return (urlsplit(url).hostname or "").startswith("{vault}.")


def scope_of(url: str) -> str:
    """What tokens are asked for, of a cloud whose vaults are at `url`."""
    host = urlsplit(url).hostname or ""
    return f"https://{host.removeprefix('{vault}.')}/.default" if is_by_name(url) else PUBLIC_SCOPE


class KeyVaultSource:
    """Reads from any vault that the identity may read; `url` is a vault's, with `{vault}` in place of its name."""

    def __init__(self, tokens: TokenSource, url: str, ca_bundle: Path | None = None) -> None:
        """`ca_bundle`: what vaults are verified by besides the usual authorities."""
        self._ca_bundle = ca_bundle
        self._tokens = tokens
        self._url = url
        self._by_name = is_by_name(url)
        self._scope = scope_of(url)
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()
        self._free: dict[str, asyncio.Semaphore] = {}  # by vault

    async def read(self, ref: SecretRef) -> str:
        free = self._free.setdefault(ref.name.partition("/")[0], asyncio.Semaphore(_AT_ONCE))
        try:
            async with free, asyncio.timeout(_PATIENCE):
                return await self._read(ref)
        except TimeoutError:
            raise SecretUnavailable(f"{ref}: the vault did not answer within {_PATIENCE:g} s") from None
        except TokenUnavailable as error:
            raise SecretUnavailable(f"{ref}: {error}") from None

    async def _read(self, ref: SecretRef) -> str:
        token = await self._tokens.obtain(self._scope)
        try:
            return await in_thread(lambda: self._ask(ref))
        except _Unauthorised:
            renewed = await self._tokens.renew(self._scope, token)
        try:
            if renewed != token:
                return await in_thread(lambda: self._ask(ref))
        except _Unauthorised:
            pass
        raise SecretUnavailable(f"{ref}: the vault does not accept this process's token (401): is it of its tenant?")

    def _ask(self, ref: SecretRef) -> str:
        """Blocks."""
        from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

        vault, name, *version = ref.name.split("/")
        try:
            found = self._client(vault).get_secret(name, version[0] if version else None, timeout=_PATIENCE)
        except ResourceNotFoundError:
            raise SecretNotFound(
                f"{ref}: the vault has no such secret{', or not this version' * bool(version)}"
            ) from None
        except HttpResponseError as error:
            raise _refused(ref, error) from None
        except (
            AzureError,
            ValueError,
            OSError,
        ) as error:  # the client's, or the vault asked for a token that is not for it
            raise SecretUnavailable(f"{ref}: the vault cannot be asked: {_reason(error)}") from None
        if not found.value:
            raise SecretNotFound(f"{ref}: the secret is empty")
        return str(found.value)

    def _client(self, vault: str) -> Any:
        with self._making:
            client = self._clients.get(vault)
            if client is None:
                from azure.keyvault.secrets import SecretClient

                bearer: Any = _Bearer(self._tokens, self._scope)
                client = self._clients[vault] = SecretClient(
                    self._url.replace("{vault}", vault),
                    bearer,
                    # Where the vault's host is not below the audience's, the library could not match the two. Ours does:
                    # `_Bearer` gives no token for another audience.
                    verify_challenge_resource=self._by_name,
                    **LIMITS,
                    **azure_transport(self._ca_bundle),
                )
            return client


class _Bearer:
    """Our tokens as azure-core asks for them: whatever a vault asks for, it gets a token for vaults or none."""

    def __init__(self, tokens: TokenSource, scope: str) -> None:
        self._tokens = tokens
        self._scope = scope

    def get_token_info(self, *scopes: str, options: Any = None) -> Any:  # azure.core.credentials.SupportsTokenInfo
        from azure.core.credentials import AccessTokenInfo
        from azure.core.exceptions import ClientAuthenticationError

        token = self._tokens.ready(self._scope)
        if token is None or scopes != (self._scope,):
            raise ClientAuthenticationError(f"there is no token for {' '.join(scopes)[:200]}, only for {self._scope}")
        # Already aged: the library then asks at every request and never uses one that was renewed meanwhile.
        return AccessTokenInfo(token, int(time.time()) + 1)


class _Unauthorised(Exception):
    """The vault refused the token itself."""


def _refused(ref: SecretRef, error: Any) -> Exception:
    """What a vault's answer means. Its body names the caller and the vault; of it the code alone is repeated."""
    if error.status_code == 401:
        return _Unauthorised()
    code = getattr(getattr(error, "error", None), "code", None)
    inner = getattr(getattr(error, "error", None), "innererror", None) or {}
    said = inner.get("code") or code or error.reason or "no reason"
    if error.status_code == 403:
        return SecretUnavailable(
            f"{ref}: the vault refuses to show it ({said}): this process needs the role Key Vault Secrets User, "
            "the vault's network rules must let it in, and the secret must be enabled"
        )
    if error.status_code is None:
        return SecretUnavailable(f"{ref}: the vault cannot be asked: {_reason(error)}")
    return SecretUnavailable(f"{ref}: the vault answered {error.status_code} ({said})")


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
