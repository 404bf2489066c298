"""Whose key or token it is: keys as both providers take them, and Entra ID's access tokens as Azure does."""

from collections.abc import Mapping

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.provider import Provider


def bearer_of(headers: Mapping[str, str]) -> str | None:
    """The token of `Authorization: Bearer`."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def credential_of(headers: Mapping[str, str], *, azure: bool) -> str | None:
    """What the request shows: Azure's `api-key` goes first."""
    return (headers.get("api-key") if azure else None) or bearer_of(headers)


def refusal(provider: Provider, headers: Mapping[str, str], *, azure: bool) -> ApiError | None:
    """Why the request is let in no further; None: it is let in."""
    if not provider.keys and provider.bearer_tokens is None:
        return None
    credential = credential_of(headers, azure=azure)
    if credential in provider.keys:
        return None
    if not azure:
        return errors.wrong_key(credential) if credential else errors.no_key()
    if "api-key" in headers or provider.bearer_tokens is None:
        return errors.azure_denied()
    return None if bearer_of(headers) in provider.bearer_tokens else errors.azure_token_denied()
