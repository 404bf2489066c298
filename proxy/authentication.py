"""The first step: a credential becomes the `Caller` that the snapshot knows. It ends here and goes no further."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from core.keys import Disabled, Expired, NotAllowed, Peppers, Unknown, authenticate
from core.snapshot import Caller, Snapshot
from proxy.entra import looks_like_token
from proxy.entra.refusals import tokens_not_taken
from proxy.entra.subjects import caller_of
from proxy.errors import credential_not_allowed, disabled_key, expired_key, invalid_key, missing_key

if TYPE_CHECKING:
    from proxy.entra.tokens import EntraTokens


def authenticate_caller(
    credential: bytes | None, snapshot: Snapshot, peppers: Peppers, tokens: "EntraTokens | None", now: float
) -> Caller | None:
    """Whom a call is for, or the refusal that says what is wrong. None: it comes with a token of Entra ID that
    `verify_caller` has to verify first. `now` is Unix time in seconds."""
    if not credential:
        raise missing_key()
    try:
        text = credential.decode("ascii")
    except UnicodeDecodeError:
        raise invalid_key() from None
    verdict = authenticate(snapshot.keys, peppers, text, now)
    if verdict is Unknown:
        if not looks_like_token(text):
            raise invalid_key()
        if tokens is None:
            raise tokens_not_taken()
        known = tokens.known(credential, now)
        return caller_of(known, snapshot) if known is not None else None
    if verdict is Expired:
        raise expired_key()
    if verdict is Disabled:
        raise disabled_key()
    if verdict is NotAllowed:
        raise credential_not_allowed("key")
    return verdict.caller


async def verify_caller(
    credential: bytes | None, snapshot: Callable[[], Snapshot], tokens: "EntraTokens | None"
) -> Caller:
    """Whom a call with a token is for that was not seen before. `snapshot` is asked for after the token was verified:
    that may have taken a fetch of signing keys."""
    assert credential is not None and tokens is not None
    token = await tokens.verify(credential)
    return caller_of(token, snapshot())
