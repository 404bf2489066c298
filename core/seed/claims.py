"""The claims by which an identity is known: what Entra ID calls the application, the object or the role of a token."""

import re
from collections.abc import Mapping
from uuid import UUID

from core.seed.reading import Entry, Findings

CLAIMS = ("application", "object", "role")
"""An identity has exactly one; in a token `azp` (v1: `appid`), `oid` and `roles`."""

# As Entra ID allows a role's value: no blanks, 120 characters, and no point at its beginning.
_ROLE = re.compile(r"[!-\-/-~][!-~]{0,119}")
_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def read_claim(entry: Entry, findings: Findings) -> tuple[str, str] | None:
    """The one claim of an identity and its value; GUIDs in lower case."""
    given = [claim for claim in CLAIMS if entry.node(claim) is not None]
    if len(given) != 1:
        findings.wrong(entry.place, "an identity needs exactly one of application, object or role")
        return None
    (claim,) = given
    value = entry.check(claim, _role_problem if claim == "role" else _guid_problem)
    if value is None:
        return None
    return claim, value if claim == "role" else str(UUID(value))


def claim_of(values: Mapping[str, str | None]) -> tuple[str, str]:
    """The same, of an identity's values in a plan."""
    return next((claim, value) for claim in CLAIMS if (value := values[claim]) is not None)


def _guid_problem(text: str) -> str | None:
    if _GUID.fullmatch(text) is None:
        return "must be a GUID, such as 11111111-2222-3333-4444-555555555555"
    return None


def _role_problem(text: str) -> str | None:
    if _ROLE.fullmatch(text) is None:
        return "must be an app role's value: 1 to 120 characters without blanks, and no point at its beginning"
    return None
