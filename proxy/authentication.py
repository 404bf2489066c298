"""The first step: a credential becomes the `Caller` that the snapshot knows. It ends here and goes no further."""

from core.keys import Disabled, Expired, NotAllowed, Peppers, Unknown, authenticate
from core.snapshot import Caller, Snapshot
from proxy.errors import credential_not_allowed, disabled_key, expired_key, invalid_key, missing_key


def authenticate_caller(credential: bytes | None, snapshot: Snapshot, peppers: Peppers, now: float) -> Caller:
    """Whom a call is for, or the 401 that says what is wrong. `now` is Unix time in seconds."""
    if not credential:
        raise missing_key()
    try:
        text = credential.decode("ascii")
    except UnicodeDecodeError:
        raise invalid_key() from None
    verdict = authenticate(snapshot.keys, peppers, text, now)
    if verdict is Unknown:
        raise invalid_key()
    if verdict is Expired:
        raise expired_key()
    if verdict is Disabled:
        raise disabled_key()
    if verdict is NotAllowed:
        raise credential_not_allowed("key")
    return verdict.caller
