"""The first step: a credential becomes the `Caller` that the snapshot knows. It ends here and goes no further."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from core.keys import Disabled, Expired, NotAllowed, Peppers, Unknown, authenticate
from core.snapshot import Caller, Snapshot
from proxy.entra import looks_like_token
from proxy.entra.refusals import tokens_not_taken
from proxy.entra.subjects import caller_of
from proxy.errors import credential_not_allowed, disabled_key, expired_key, invalid_key, missing_key
from proxy.headers import RequestHead, Verified

if TYPE_CHECKING:
    from proxy.entra.tokens import EntraTokens
    from proxy.routing import RouteTable

_FOREVER = float("inf")


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


def authenticate_head(
    head: RequestHead, routes: "RouteTable", peppers: Peppers, tokens: "EntraTokens | None", now: float
) -> Caller | None:
    """The same for a request's head, which many requests of a connection share: its key is hashed once for as long as the
    configuration is in force and the key has not expired, unless a newer pepper has to be told of it."""
    known = head.verified
    if known is not None and known.by is routes.mark and now < known.until:
        return known.caller
    snapshot = routes.snapshot
    caller = authenticate_caller(head.credential, snapshot, peppers, tokens, now)
    entry = snapshot.keys.get(caller.key_id) if caller is not None else None
    if caller is not None and entry is not None and entry.pepper_version == peppers.newest:
        head.verified = Verified(routes.mark, caller, entry.expires_at if entry.expires_at is not None else _FOREVER)
    return caller


async def verify_caller(
    credential: bytes | None, snapshot: Callable[[], Snapshot], tokens: "EntraTokens | None"
) -> Caller:
    """Whom a call with a token is for that was not seen before. `snapshot` is asked for after the token was verified:
    that may have taken a fetch of signing keys."""
    assert credential is not None and tokens is not None
    token = await tokens.verify(credential)
    return caller_of(token, snapshot())
