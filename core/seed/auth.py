"""How an upstream is signed in to, as a seed file says it: a secret, an identity, or nothing."""

import re
from typing import Any

from core.seed.reading import Entry, Findings

_WAYS = ("secret_ref", "managed_identity", "none")
_CLIENT_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_AUDIENCE = re.compile(r"(https|api)://[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*//?\.default")


def read_auth(auth: Entry, provider: str | None, findings: Findings) -> dict[str, Any] | None:
    """The `auth` of an upstream; None where it is wrong."""
    ways = [key for key in _WAYS if auth.node(key) is not None]
    if len(ways) != 1:
        findings.wrong(auth.place, "auth needs exactly one of secret_ref, managed_identity or none")
        return None
    for key in ("client_id", "audience"):
        if key in auth.fields.values and ways != ["managed_identity"]:
            findings.wrong(auth.place_of(key), f"{key} belongs to managed_identity")
    if ways == ["secret_ref"]:
        ref = auth.secret_ref("secret_ref")
        return {"secret_ref": str(ref)} if ref is not None else None
    if not auth.flag(ways[0], default=False):
        findings.wrong(auth.place_of(ways[0]), f"{ways[0]} must be true, or left out")
    if ways == ["none"]:
        return {"none": True}
    if provider == "openai":
        findings.wrong(auth.place_of("managed_identity"), "OpenAI takes no Entra ID tokens; give a secret_ref")
    rules = {"client_id": _client_id_problem, "audience": _audience_problem}
    given = {key: auth.check(key, rule) for key, rule in rules.items() if auth.node(key) is not None}
    return {"managed_identity": True, **{key: value for key, value in given.items() if value is not None}}


def _client_id_problem(text: str) -> str | None:
    return None if _CLIENT_ID.fullmatch(text) else "must be a client id, such as 00000000-0000-0000-0000-000000000000"


def _audience_problem(text: str) -> str | None:
    return (
        None if _AUDIENCE.fullmatch(text) else "must be a scope, such as https://cognitiveservices.azure.com/.default"
    )
