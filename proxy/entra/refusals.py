"""What the bearer of a token is told where it does not let in. Ids of applications, objects and roles are no secrets; the token
is, and nothing that was not verified is repeated.
"""

from collections.abc import Sequence

from proxy.entra import VerifiedToken
from proxy.errors import Refusal


def tokens_not_taken() -> Refusal:
    return Refusal(
        401,
        "entra_not_configured",
        "This is an access token, and this gateway takes none: no Entra ID tenant is configured (ADUANA_ENTRA_TENANT_ID). "
        "Send a proxy key (adu_...) in the 'Authorization: Bearer' or 'api-key' header.",
    )


def invalid_token(why: str) -> Refusal:
    """`why` is the end of the sentence."""
    return Refusal(401, "invalid_token", f"The access token is refused: {why}.")


def expired_token() -> Refusal:
    return Refusal(401, "expired_token", "The access token has expired. Get a new one from Entra ID.")


def early_token() -> Refusal:
    return Refusal(
        401,
        "token_not_yet_valid",
        "The access token is not valid yet: its time (nbf or iat) is in the future. Is the clock of its issuer's client right?",
    )


def keys_unavailable() -> Refusal:
    return Refusal(
        503,
        "entra_unavailable",
        "The access token cannot be verified now: the signing keys of Entra ID cannot be fetched. Try again shortly.",
        kind="server_error",
        retry_after=2.0,
    )


def unknown_identity(token: VerifiedToken) -> Refusal:
    said = [f"application {token.application}"]
    if token.object is not None:
        said.append(f"object {token.object}")
    said.append(f"role {' or '.join(sorted(token.roles))}" if token.roles else "no role")
    return Refusal(
        403,
        "unknown_identity",
        f"The access token is valid, but nothing that it names is registered here ({', '.join(said)[:1000]}). Ask your Aduana "
        "administrator to add one of them to the identities of your app.",
        kind="permission_error",
    )


def disabled_identity(name: str) -> Refusal:
    return Refusal(
        403,
        "disabled_identity",
        f"The identity {name} is disabled. Ask your Aduana administrator to enable it.",
        kind="permission_error",
    )


def ambiguous_identity(roles: Sequence[str]) -> Refusal:
    return Refusal(
        403,
        "ambiguous_identity",
        f"The access token's roles belong to several identities ({', '.join(roles)[:1000]}), and nothing says which one calls. "
        "Ask your administrator to take one of them away, or to register your application or object id.",
        kind="permission_error",
    )
