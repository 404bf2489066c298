"""Access tokens of Entra ID in place of proxy keys: verified against the tenant's signing keys, then found among the snapshot's
identities. A token goes no further than this package, is never logged, and is kept as its SHA-256 alone.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a token that was verified says of its bearer. GUIDs are in lower case."""

    application: str  # azp, of v1 tokens appid: the client that asked for it
    object: str | None  # oid: the person, service principal or managed identity that it is for
    roles: tuple[str, ...]  # of the gateway's own registration
    issuer: str
    key_id: str  # that it is signed with
    expires_at: float  # Unix seconds; the leeway is in it


def looks_like_token(credential: str) -> bool:
    """Whether it is a signed JWT rather than a mistyped key: a JSON object in base64url begins so."""
    return credential.startswith("eyJ") and credential.count(".") == 2
