"""From a verified token to the `Caller`: the application it was given to, else the object it is for, else its role."""

from core.snapshot import Caller, IdentityEntry, Snapshot
from proxy.entra import VerifiedToken
from proxy.entra.refusals import ambiguous_identity, disabled_identity, unknown_identity
from proxy.errors import credential_not_allowed


def caller_of(token: VerifiedToken, snapshot: Snapshot) -> Caller:
    """Whom a call is for. Raises `Refusal` (403)."""
    entry = _find(token, snapshot)
    if entry.disabled:
        raise disabled_identity(entry.caller.name)
    if not entry.caller.policy.allows_credential("entra"):
        raise credential_not_allowed("entra")
    return entry.caller


def _find(token: VerifiedToken, snapshot: Snapshot) -> IdentityEntry:
    identities = snapshot.identities
    entry = identities.get(("application", token.application))
    if entry is not None:
        return entry
    if token.object is not None and (entry := identities.get(("object", token.object))) is not None:
        return entry
    of_roles = [entry for role in token.roles if (entry := identities.get(("role", role))) is not None]
    # One that is switched off takes its role's access away, not that of the others.
    able = [entry for entry in of_roles if not entry.disabled] or of_roles[:1]
    if len(able) > 1:
        raise ambiguous_identity(sorted(entry.value for entry in able))
    if not able:
        raise unknown_identity(token)
    return able[0]
