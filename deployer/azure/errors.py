"""What goes wrong when Azure is called, in words that say what to do."""

from collections.abc import Mapping
from typing import Any

from deployer.errors import CommandError


class AzureError(Exception):
    """Azure could not be asked, or said no. `remedy` is empty where nothing general helps."""

    code = "azure_failed"

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class Unreachable(AzureError):
    """No answer came: no network, a proxy, a name that does not resolve, a certificate that nobody here trusts."""

    code = "azure_unreachable"


class SignInFailed(AzureError):
    """No token can be had."""

    code = "azure_sign_in"


class Refused(AzureError):
    """Azure answered, and it was a no.

    `status` is HTTP's, `azure_code` Azure's word (`AuthorizationFailed`), `request` the method and path, `request_id` what
    Microsoft's support asks for, `body` the whole error object.
    """

    code = "azure_refused"

    def __init__(
        self,
        *,
        service: str,
        request: str,
        status: int,
        azure_code: str,
        told: str,
        request_id: str = "",
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.service, self.request, self.status = service, request, status
        self.azure_code, self.told, self.request_id = azure_code, told, request_id
        self.body = dict(body or {})
        self.headers: Mapping[str, str] = headers or {}
        words = f"{azure_code}: {told}" if azure_code and told else azure_code or told or "no reason was given"
        super().__init__(f"{service} answered {status} to {request}: {words}", _REMEDIES.get(azure_code, ""))

    @property
    def not_found(self) -> bool:
        """Whether it is simply not there."""
        return self.status == 404

    @property
    def forbidden(self) -> bool:
        """Whether the identity may not do that."""
        return self.status == 403


_REMEDIES = {
    "AuthorizationFailed": "Have the role given to this identity, or sign in as one that has it; a role given a moment "
    "ago takes up to ten minutes.",
    "SubscriptionNotFound": "Sign in to the tenant that the subscription belongs to, or correct subscription_id.",
    "InvalidAuthenticationTokenTenant": "The subscription belongs to another tenant: correct entra.tenant_id, or sign "
    "in to that one.",
    "MissingSubscriptionRegistration": "Register the resource provider: az provider register --namespace NAMESPACE --wait.",
    "ExpiredAuthenticationToken": "Sign in again; if it comes back, compare this machine's clock.",
    "TooManyRequests": "Wait a few minutes: the subscription's calls are being throttled.",
    "ScopeLocked": "Remove the lock, or have it removed by whoever put it there.",
    "RequestDisallowedByPolicy": "Ask for an exemption from the policy, or change what it objects to.",
}


def as_command_error(error: AzureError, doing: str) -> CommandError:
    """The same for a command to end with; `doing` is what was tried, such as "the state's storage cannot be made"."""
    return CommandError(doing, error.message, error.remedy, code=error.code)
