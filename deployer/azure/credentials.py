"""As whom the installer calls Azure: the identity that Terraform's provider would choose, so that what preflight finds holds
for apply.

`ADUANA_AZURE_CREDENTIAL` says it outright. Else the `ARM_*` variables do, as azurerm reads them (a secret, a certificate, OIDC,
a managed identity), and else it is who is signed in to the Azure CLI.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.identity.threads import in_thread
from deployer.azure.errors import SignInFailed
from deployer.azure.settings import AzureSettings

_EARLY = 300.0  # seconds before its end that a token is no longer used
_LOUD = ("azure", "msal", "urllib3")
_TRUE = ("1", "true", "yes", "on")


@dataclass(frozen=True, slots=True)
class Login:
    """A way to sign in. `description` names it for people: no secret is in it."""

    kind: str
    description: str
    make: Callable[[], Any] = field(repr=False)


class Tokens:
    """The access tokens of one login, by scope, in memory. Concurrent requests for one scope are one request."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self._held: dict[str, tuple[str, float]] = {}  # scope → token, Unix seconds of its end
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, scope: str, refused: str | None = None) -> str:
        """A token; another one where `refused` is the one at hand. Raises `SignInFailed`."""
        async with self._locks.setdefault(scope, asyncio.Lock()):
            held = self._held.get(scope)
            if held is not None and held[0] != refused and time.time() < held[1] - _EARLY:
                return held[0]
            self._held[scope] = await in_thread(lambda: self._issue(scope))
            return self._held[scope][0]

    def _issue(self, scope: str) -> tuple[str, float]:
        for name in _LOUD:  # they log requests; what they have to say comes in their errors
            logging.getLogger(name).setLevel(logging.ERROR)
        credential: Any = None
        try:
            # A credential of its own for each token: those of the library keep tokens, and would give a refused one again.
            credential = self.login.make()
            issued = credential.get_token(scope)
        except SignInFailed:
            raise
        except Exception as error:
            raise _failed(self.login, error) from None
        finally:
            if credential is not None:
                credential.close()
        return issued.token, float(issued.expires_on)


def login_of(settings: AzureSettings) -> Login:
    """The same, whose first token is what fails: a session can be opened by who has no way in."""
    try:
        return choose_login(settings)
    except SignInFailed as failed:
        refused = failed

    def refuse() -> Any:
        raise refused

    return Login("none", "nobody", refuse)


def choose_login(settings: AzureSettings) -> Login:
    """The login that holds here. Raises `SignInFailed` where variables contradict each other or are not whole."""
    if settings.credential is not None:
        return _named(settings, settings.credential)
    given = settings.environment
    client = given.get("ARM_CLIENT_ID", "").strip()
    if _is_true(given, "ARM_USE_MSI"):
        return _named(settings, "managed_identity", client or None)
    if _is_true(given, "ARM_USE_AKS_WORKLOAD_IDENTITY"):
        return _named(settings, "workload_identity", client or None)
    if client and (given.get("ARM_CLIENT_SECRET") or given.get("ARM_CLIENT_SECRET_FILE_PATH")):
        secret = given.get("ARM_CLIENT_SECRET") or _read(given, "ARM_CLIENT_SECRET_FILE_PATH")
        return _principal(settings, client, "a secret", "ClientSecretCredential", client_secret=secret)
    if client and given.get("ARM_CLIENT_CERTIFICATE_PATH"):
        return _principal(
            settings,
            client,
            "a certificate",
            "CertificateCredential",
            certificate_path=given["ARM_CLIENT_CERTIFICATE_PATH"],
            password=given.get("ARM_CLIENT_CERTIFICATE_PASSWORD") or None,
        )
    if client and _is_true(given, "ARM_USE_OIDC"):
        return _principal(settings, client, "OIDC", "ClientAssertionCredential", func=lambda: _assertion(settings))
    return _named(settings, "cli")


def _named(settings: AzureSettings, kind: str, client_id: str | None = None) -> Login:
    client_id = client_id or settings.client_id
    options = _options(settings)

    def make() -> Any:
        import azure.identity as entra

        if kind == "cli":
            return entra.AzureCliCredential(**_some(tenant_id=settings.tenant_id), process_timeout=30)
        if kind == "managed_identity":
            return entra.ManagedIdentityCredential(
                **_some(client_id=client_id), connection_verify=options["connection_verify"]
            )
        if kind == "workload_identity":
            return entra.WorkloadIdentityCredential(
                **_some(client_id=client_id, tenant_id=settings.tenant_id), **options
            )
        if kind == "environment":
            return entra.EnvironmentCredential(**options)
        return entra.DefaultAzureCredential(
            **_some(managed_identity_client_id=client_id, workload_identity_client_id=client_id), **options
        )

    words = {
        "cli": "the Azure CLI's user",
        "managed_identity": "a managed identity",
        "workload_identity": "a workload identity",
        "environment": "the AZURE_* variables' identity",
        "default": "azure-identity's default credential",
    }[kind]
    return Login(kind, f"{words} {client_id}" if client_id and kind != "cli" else words, make)


def _principal(settings: AzureSettings, client: str, by: str, kind: str, **how: Any) -> Login:
    tenant = settings.environment.get("ARM_TENANT_ID", "").strip() or settings.tenant_id
    if tenant is None:
        raise SignInFailed("ARM_CLIENT_ID is set without ARM_TENANT_ID", "Set ARM_TENANT_ID to the directory's id.")
    if settings.tenant_id is not None and tenant.lower() != settings.tenant_id.lower():
        raise SignInFailed(
            f"ARM_TENANT_ID is {tenant}, and the tenant file's entra.tenant_id {settings.tenant_id}",
            "Make them the same: what is installed belongs to one directory.",
        )

    def make() -> Any:
        import azure.identity as entra

        return getattr(entra, kind)(tenant, client, **how, **_options(settings))

    return Login("service_principal", f"the service principal {client}, by {by}", make)


def _options(settings: AzureSettings) -> dict[str, Any]:
    """Of every credential that speaks HTTPS itself."""
    return {
        "authority": settings.cloud.authority,
        "disable_instance_discovery": settings.custom_authority,
        "connection_verify": str(settings.ca_bundle) if settings.ca_bundle is not None else True,
    }


def _assertion(settings: AzureSettings) -> str:
    """The token that a pipeline gives to be exchanged: given outright, in a file, or from GitHub's endpoint."""
    given = settings.environment
    if text := given.get("ARM_OIDC_TOKEN", "").strip():
        return text
    if given.get("ARM_OIDC_TOKEN_FILE_PATH"):
        return _read(given, "ARM_OIDC_TOKEN_FILE_PATH")
    url = given.get("ARM_OIDC_REQUEST_URL") or given.get("ACTIONS_ID_TOKEN_REQUEST_URL")
    key = given.get("ARM_OIDC_REQUEST_TOKEN") or given.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    if not url or not key:
        raise SignInFailed(
            "ARM_USE_OIDC is set, and there is no token to exchange",
            "Set ARM_OIDC_TOKEN or ARM_OIDC_TOKEN_FILE_PATH; on GitHub give the job the permission id-token: write.",
        )
    import httpx

    try:
        answer = httpx.get(
            url,
            params={"audience": "api://AzureADTokenExchange"},
            headers={"Authorization": f"Bearer {key}"},
            timeout=20,
        )
        return str(answer.raise_for_status().json()["value"])
    except (httpx.HTTPError, KeyError, ValueError) as error:
        raise SignInFailed(f"the pipeline's OIDC endpoint gave no token ({type(error).__name__})") from None


def _read(given: Mapping[str, str], name: str) -> str:
    try:
        return Path(given[name]).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SignInFailed(f"{name} cannot be read: {error.strerror}") from None


def _is_true(given: Mapping[str, str], name: str) -> bool:
    return given.get(name, "").strip().lower() in _TRUE


def _some(**values: str | None) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


# https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_REMEDIES = (
    (r"AADSTS7000215", "The client secret is wrong: give its value, not its id."),
    (r"AADSTS7000222", "The client secret has expired: make a new one."),
    (r"AADSTS700016", "There is no such application in this tenant: correct the client id or the tenant."),
    (r"AADSTS90002", "There is no such tenant: correct entra.tenant_id, or the cloud that the region is in."),
    (r"AADSTS(700082|70043|50173|700084)", "The sign-in has expired: run az login again."),
    (r"AADSTS(50076|50079|53003|530003|530084)", "Conditional access asks for more: run az login --tenant TENANT on a "
     "device that fulfils it."),
    (r"AADSTS", "Look the code up at https://login.microsoftonline.com/error."),
    (r"(?i)azure cli not found", "Install the Azure CLI (https://aka.ms/azcli) and run az login, or set ARM_CLIENT_ID and "
     "ARM_CLIENT_SECRET for a service principal."),
    (r"(?i)az login|not logged in", "Run az login --tenant TENANT."),
)  # fmt: skip


def _failed(login: Login, error: Exception) -> SignInFailed:
    # The first line, cut: what follows in these libraries' errors is advice, or the answer's body.
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    remedy = next((words for pattern, words in _REMEDIES if re.search(pattern, str(error))), "")
    return SignInFailed(f"no token can be had as {login.description}: {reason}", remedy)
