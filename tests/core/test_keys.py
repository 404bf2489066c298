import re
from unittest.mock import patch

import pytest

from core import keys
from core.secrets import SecretError
from core.secrets.resolver import open_resolver
from core.snapshot import Caller, EffectivePolicy, KeyEntry

PEPPERS = keys.Peppers({1: b"1" * 32, 2: b"2" * 32})
CALLER = Caller("x", b"a" * 16, b"t" * 16, b"c" * 16, "client/team/app/key", EffectivePolicy())


def entry(new: keys.NewKey, version: int = 2, disabled: bool = False, expires_at: float | None = None) -> KeyEntry:
    return KeyEntry(new.id, keys.digest(new.secret, PEPPERS[version]), version, CALLER, disabled, expires_at)


def test_a_new_key_is_an_id_and_32_random_bytes_and_parses_to_them():
    new = keys.generate()
    assert re.fullmatch(r"adu_[0-9A-Za-z]{8}_[0-9A-Za-z_-]{43}", new.text)
    assert keys.parse(new.text) == (new.id, new.secret)
    assert keys.generate().text != new.text


def test_a_new_key_does_not_show_its_secret_when_it_is_printed():
    new = keys.generate()
    assert new.secret not in repr(new)
    assert "1111" not in repr(PEPPERS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sk-123",
        "adu_12345678_" + "a" * 42,
        "adu_12345678_" + "a" * 44,
        "adu_1234567_" + "a" * 43,
        "adu_1234567!_" + "a" * 43,
        "adu_12345678-" + "a" * 43,
        "adu_12345678_" + "a" * 42 + "=",
        "adu_12345678_" + "a" * 43 + "\n",
        " adu_12345678_" + "a" * 43,
        "adu_1234567\u0661_" + "a" * 43,
        "ADU_12345678_" + "a" * 43,
    ],
)
def test_what_is_not_exactly_a_key_is_none(text: str):
    assert keys.parse(text) is None
    assert keys.authenticate({}, PEPPERS, text, 0.0) is keys.Unknown


@pytest.mark.parametrize("version", [1, 2])
def test_a_right_key_opens_its_entry_under_whichever_pepper_it_was_made(version: int):
    new = keys.generate()
    known = {new.id: entry(new, version)}
    assert keys.authenticate(known, PEPPERS, new.text, 0.0) is known[new.id]


def test_an_unknown_id_and_a_wrong_secret_are_the_same_verdict():
    new, other = keys.generate(), keys.generate()
    known = {new.id: entry(new)}
    assert keys.authenticate(known, PEPPERS, other.text, 0.0) is keys.Unknown
    assert keys.authenticate(known, PEPPERS, f"adu_{new.id}_{other.secret}", 0.0) is keys.Unknown


def test_an_unknown_id_and_a_wrong_secret_do_the_same_work():
    new, other = keys.generate(), keys.generate()
    known = {new.id: entry(new)}

    def work(text: str) -> list[str]:
        with (
            patch.object(keys, "keyed_hash", wraps=keys.keyed_hash) as hashed,
            patch.object(keys.hmac, "compare_digest", wraps=keys.hmac.compare_digest) as compared,
        ):
            keys.authenticate(known, PEPPERS, text, 0.0)
            return ["hash"] * hashed.call_count + ["compare"] * compared.call_count

    assert work(other.text) == work(f"adu_{new.id}_{other.secret}") == ["hash", "compare"]


def test_a_right_key_that_is_disabled_or_expired_is_told_so_and_a_wrong_secret_is_not():
    new, other = keys.generate(), keys.generate()
    wrong = f"adu_{new.id}_{other.secret}"
    disabled, expired = {new.id: entry(new, disabled=True)}, {new.id: entry(new, expires_at=100.0)}
    assert keys.authenticate(disabled, PEPPERS, new.text, 0.0) is keys.Disabled
    assert keys.authenticate(disabled, PEPPERS, wrong, 0.0) is keys.Unknown
    assert keys.authenticate(expired, PEPPERS, new.text, 100.0) is keys.Expired
    assert keys.authenticate(expired, PEPPERS, wrong, 100.0) is keys.Unknown
    assert keys.authenticate(expired, PEPPERS, new.text, 99.9) is expired[new.id]


def test_a_key_under_a_pepper_that_is_not_held_is_unknown():
    new = keys.generate()
    known = {new.id: entry(new, 1)}
    assert keys.authenticate(known, keys.Peppers({2: b"2" * 32}), new.text, 0.0) is keys.Unknown


def test_the_fast_keyed_hash_is_hmac_sha_256():
    for length in (32, 64, 65, 200):
        pepper = bytes(range(200))[:length]
        new = keys.generate()
        held = keys.Peppers({7: pepper})
        known = {new.id: KeyEntry(new.id, keys.digest(new.secret, pepper), 7, CALLER, False, None)}
        assert held.digest(new.secret) == (7, keys.digest(new.secret, pepper))
        assert keys.authenticate(known, held, new.text, 0.0) is known[new.id]
        assert keys.verify(new.secret, pepper, keys.digest(new.secret, pepper))
        assert not keys.verify(new.secret + "x", pepper, keys.digest(new.secret, pepper))


async def test_peppers_are_read_by_reference_and_the_highest_version_is_the_newest(tmp_path):
    (tmp_path / "p").write_text("p" * 40 + "\n")
    resolver = open_resolver({"OLD": "o" * 32}, ttl=60)
    held = await keys.Peppers.load({2: f"file:{tmp_path}/p", 1: "env:OLD"}, resolver)
    assert (held.newest, held[2], held.get(1), held.get(3), list(held)) == (2, b"p" * 40, b"o" * 32, None, [2, 1])


async def test_a_pepper_that_is_missing_or_short_is_an_error_that_does_not_show_it():
    resolver = open_resolver({"SHORT": "hunter2"}, ttl=60)
    with pytest.raises(ValueError, match="version 3 is shorter than 32 bytes") as error:
        await keys.Peppers.load({3: "env:SHORT"}, resolver)
    assert "hunter2" not in str(error.value)
    with pytest.raises(SecretError, match="pepper version 1 cannot be read: env:NOT_THERE"):
        await keys.Peppers.load({1: "env:NOT_THERE"}, resolver)
    with pytest.raises(ValueError, match="ADUANA_PEPPERS"):
        await keys.Peppers.load({}, resolver)
