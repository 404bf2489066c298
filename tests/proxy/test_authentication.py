"""The first step: a connection's key is hashed once, and holds no longer than what it was judged by."""

import pytest

from core.keys import Peppers, generate
from core.snapshot import Caller, EffectivePolicy, KeyEntry, Snapshot
from proxy.authentication import authenticate_head
from proxy.errors import Refusal
from proxy.headers import RequestHead, read_request_head
from proxy.routing import RouteTable

PEPPERS = Peppers({1: b"p" * 32})
OLD_AND_NEW = Peppers({1: b"p" * 32, 2: b"q" * 32})
KEY = generate()


def routes(*, disabled: bool = False, expires_at: float | None = None, key: str = KEY.secret) -> RouteTable:
    caller = Caller(KEY.id, b"a" * 16, b"t" * 16, b"c" * 16, "c/t/a/k", EffectivePolicy())
    version, digest = PEPPERS.digest(key)
    return RouteTable(Snapshot(1, 0.0, keys={KEY.id: KeyEntry(KEY.id, digest, version, caller, disabled, expires_at)}))


def head() -> RequestHead:
    return read_request_head([(b"authorization", b"Bearer " + KEY.text.encode())])


def refused(head: RequestHead, table: RouteTable, now: float) -> str | None:
    try:
        authenticate_head(head, table, PEPPERS, None, now)
    except Refusal as refusal:
        return refusal.code
    return None


@pytest.mark.parametrize(
    ("after", "code"),
    [(routes(disabled=True), "disabled_api_key"), (routes(key=generate().secret), "invalid_api_key")],
)
def test_a_key_is_judged_anew_by_every_configuration(after: RouteTable, code: str):
    asked = head()
    assert refused(asked, routes(), 0.0) is None
    assert refused(asked, after, 0.0) == code


def test_a_key_expires_between_two_requests_of_a_connection():
    asked, table = head(), routes(expires_at=100.0)
    assert [refused(asked, table, now) for now in (99.0, 99.9, 100.0, 101.0)] == [
        None,
        None,
        "expired_api_key",
        "expired_api_key",
    ]


def test_within_a_configuration_a_connections_key_is_hashed_once():
    asked, table = head(), routes()
    caller = authenticate_head(asked, table, PEPPERS, None, 0.0)
    object.__setattr__(table.snapshot, "keys", {})  # where it would be looked up
    assert authenticate_head(asked, table, PEPPERS, None, 1.0) is caller


def test_a_key_under_an_older_pepper_is_told_of_at_every_request():
    told: list[str] = []
    OLD_AND_NEW.outdated = lambda entry, secret: told.append(entry.id)
    asked, table = head(), routes()
    for _ in range(2):
        authenticate_head(asked, table, OLD_AND_NEW, None, 0.0)
    assert told == [KEY.id, KEY.id]
