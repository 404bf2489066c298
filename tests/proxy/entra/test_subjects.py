"""Whom a verified token stands for, by the identities that there are."""

import pytest

from core.keys import Peppers, generate
from core.snapshot import Caller, EffectivePolicy, IdentityEntry, KeyEntry, Snapshot
from proxy.authentication import authenticate_caller
from proxy.entra import VerifiedToken
from proxy.entra.subjects import caller_of
from proxy.errors import Refusal

PEPPERS = Peppers({1: b"p" * 32})


def entry(
    claim: str, value: str, name: str, *, disabled: bool = False, kinds: frozenset[str] | None = None
) -> IdentityEntry:
    policy = EffectivePolicy(allowed_credentials=kinds)
    caller = Caller(f"~{name:0>8}", b"a" * 16, b"t" * 16, b"c" * 16, f"c/t/a/{name}", policy)
    return IdentityEntry(caller.key_id, claim, value, caller, disabled)


def snapshot(*entries: IdentityEntry) -> Snapshot:
    return Snapshot(1, 0.0, identities={(each.claim, each.value): each for each in entries})


def token(*roles: str, object: str | None = "o") -> VerifiedToken:
    return VerifiedToken("a", object, roles, "issuer", "kid", 1.0)


APP, OBJECT, READ, WRITE = (
    ("application", "a", "app"), ("object", "o", "object"), ("role", "read", "read"), ("role", "write", "write"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("entries", "presented", "found"),
    [
        ([entry(*APP), entry(*OBJECT), entry(*READ)], token("read"), "app"),
        ([entry(*OBJECT), entry(*READ)], token("read"), "object"),
        ([entry(*READ), entry(*WRITE)], token("read", "other"), "read"),
        ([entry(*READ), entry(*WRITE)], token("read", "write"), "ambiguous_identity"),
        ([entry(*READ), entry(*WRITE, disabled=True)], token("read", "write"), "read"),
        ([entry(*READ, disabled=True), entry(*WRITE, disabled=True)], token("read", "write"), "disabled_identity"),
        ([entry(*APP, disabled=True), entry(*OBJECT)], token(), "disabled_identity"),  # no way around
        ([entry(*OBJECT, disabled=True), entry(*READ)], token("read"), "disabled_identity"),
        ([entry(*APP, kinds=frozenset({"key"})), entry(*OBJECT)], token(), "credential_not_allowed"),
        (
            [entry("object", "a", "x"), entry("application", "o", "y"), entry("role", "a", "z")],
            token(),
            "unknown_identity",
        ),
        ([entry(*OBJECT)], token(object=None), "unknown_identity"),
        ([], token("read"), "unknown_identity"),
    ],
)
def test_the_narrowest_registration_decides(entries: list[IdentityEntry], presented: VerifiedToken, found: str):
    try:
        assert caller_of(presented, snapshot(*entries)).name == f"c/t/a/{found}"
    except Refusal as refusal:
        assert (refusal.code, refusal.status) == (found, 403)


def test_a_key_is_never_looked_at_as_a_token():
    new = generate()
    version, digest = PEPPERS.digest(new.secret)
    caller = Caller(new.id, b"a" * 16, b"t" * 16, b"c" * 16, "c/t/a/k", EffectivePolicy())
    known = Snapshot(1, 0.0, keys={new.id: KeyEntry(new.id, digest, version, caller, False, None)})
    nothing: object = object()  # whatever it is asked for, it has not
    for credential, code in ((new.text, None), (new.text[:-1] + "!", "invalid_api_key"), ("eyJ", "invalid_api_key")):
        try:
            assert authenticate_caller(credential.encode(), known, PEPPERS, nothing, 0.0) is caller  # type: ignore[arg-type]
            assert code is None
        except Refusal as refusal:
            assert refusal.code == code
