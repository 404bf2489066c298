import asyncio
import base64
import os

import pytest
from psycopg import AsyncConnection

from core.secrets import SecretError, SecretNotFound, SecretRef, SecretReferenceError, SecretUnavailable
from core.secrets.database import MasterKeys, read_secrets, store_secret
from core.secrets.resolver import CachingResolver, open_resolver, resolve_setting
from core.snapshot import SealedSecret

MASTER = {"MASTER_1": base64.b64encode(b"1" * 32).decode(), "MASTER_2": base64.urlsafe_b64encode(b"\xff" * 32).decode()}


@pytest.mark.parametrize(
    ("text", "scheme", "name"),
    [
        ("env:OPENAI_API_KEY", "env", "OPENAI_API_KEY"),
        ("file:/run/secrets/a b,c", "file", "/run/secrets/a b,c"),
        ("kv://contoso-kv/aoai-uksouth", "kv", "contoso-kv/aoai-uksouth"),
        (
            "kv://contoso-kv/aoai/0123456789abcdef0123456789abcdef",
            "kv",
            "contoso-kv/aoai/0123456789abcdef0123456789abcdef",
        ),
        ("db://aoai.uksouth", "db", "aoai.uksouth"),
    ],
)
def test_a_reference_names_its_scheme_and_what_is_there_and_prints_as_it_was_written(text: str, scheme: str, name: str):
    ref = SecretRef.parse(text)
    assert (ref.scheme, ref.name, str(ref)) == (scheme, name, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2-sk-abcdef",
        "env:",
        "env:hunter2 x",
        "env:1hunter2",
        "file:hunter2/relative",
        "file:/hunter2/",
        "file:/hunter2\n",
        "kv:hunter2",
        "kv://hunter2",
        "kv://-hunter2/x",
        "kv://hunter2/a/b/c",
        "kv://hunter2.vault.azure.net/x",
        "db:hunter2",
        "db://",
        "db:///hunter2",
        "vault://hunter2",
        "ENV:hunter2",
    ],
)
def test_what_is_no_reference_is_an_error_that_does_not_repeat_it(text: str):
    with pytest.raises(SecretReferenceError) as error:
        SecretRef.parse(text)
    assert "hunter2" not in str(error.value)


async def test_a_variable_that_is_empty_or_not_set_is_not_found():
    resolver = open_resolver({"KEY": "value", "EMPTY": ""}, ttl=60)
    assert await resolver.resolve("env:KEY") == "value"
    with pytest.raises(SecretNotFound, match="env:EMPTY: the environment variable is empty"):
        await resolver.resolve("env:EMPTY")
    with pytest.raises(SecretNotFound, match="not set"):
        await resolver.resolve(SecretRef.parse("env:OTHER"))


@pytest.mark.parametrize(
    ("content", "value"),
    [(b"s3cret\n", "s3cret"), (b"s3cret\r\n", "s3cret"), (b" a\nb\n\n", " a\nb\n"), (b"x" * 65536, "x" * 65536)],
)
async def test_a_file_is_its_text_without_the_newline_at_its_end(tmp_path, content: bytes, value: str):
    (tmp_path / "secret").write_bytes(content)
    assert await open_resolver({}, ttl=60).resolve(f"file:{tmp_path}/secret") == value


async def test_a_file_that_is_no_secret_is_an_error_that_names_the_file(tmp_path):
    resolver = open_resolver({}, ttl=60)
    (tmp_path / "large").write_bytes(b"x" * 65537)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, said in [
        ("large", "larger than 64 KiB"),
        ("binary", "not UTF-8"),
        ("empty", "empty"),
        ("folder", "not a regular file|Is a directory"),
        ("pipe", "not a regular file"),
        ("missing", "no such file"),
    ]:
        with pytest.raises(SecretError, match=f"^file:{tmp_path}/{name}: .*({said})"):
            await resolver.resolve(f"file:{tmp_path}/{name}")


async def test_a_scheme_whose_source_is_not_here_is_refused_clearly():
    with pytest.raises(SecretUnavailable, match="kv references cannot be read here"):
        await open_resolver({}, ttl=60).resolve("kv://vault/secret")


class Counted:
    """A source that says how often it was read."""

    def __init__(self) -> None:
        self.reads = 0
        self.gate = asyncio.Event()

    async def read(self, ref: SecretRef) -> str:
        self.reads += 1
        await self.gate.wait()
        if ref.name == "BROKEN":
            raise SecretNotFound("not there")
        return f"value {self.reads}"


async def test_a_secret_is_read_once_for_all_who_wait_even_when_the_first_of_them_gives_up():
    source = Counted()
    resolver = CachingResolver({"env": source}, ttl=60)
    waiting = [asyncio.create_task(resolver.resolve("env:A")) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    source.gate.set()
    assert await asyncio.gather(*waiting[1:]) == ["value 1"] * 4
    assert await resolver.resolve("env:A") == "value 1"
    assert source.reads == 1


async def test_a_secret_is_read_again_when_its_time_is_over():
    source = Counted()
    source.gate.set()
    resolver = CachingResolver({"env": source}, ttl=0.0)
    assert [await resolver.resolve("env:A"), await resolver.resolve("env:A")] == ["value 1", "value 2"]


async def test_a_failure_is_not_kept():
    source = Counted()
    source.gate.set()
    resolver = CachingResolver({"env": source}, ttl=60)
    for _ in range(2):
        with pytest.raises(SecretNotFound):
            await resolver.resolve("env:BROKEN")
    assert source.reads == 2


async def test_a_sealed_secret_is_stored_and_opened_under_any_master_key_that_is_held(database_url: str):
    sealed: dict[str, SealedSecret] = {}
    both = {1: "env:MASTER_1", 2: "env:MASTER_2"}
    resolver = open_resolver(MASTER, ttl=60, master_keys=both, sealed=lambda: sealed)
    async with await AsyncConnection.connect(database_url) as connection:
        assert await store_secret(connection, await MasterKeys({1: "env:MASTER_1"}, resolver).seal("old", "first"))
        assert await store_secret(connection, await MasterKeys(both, resolver).seal("new", "second"))
        assert not await store_secret(connection, await MasterKeys(both, resolver).seal("new", "third"))
        sealed.update(await read_secrets(connection))
    assert {name: secret.master_key_version for name, secret in sealed.items()} == {"old": 1, "new": 2}
    assert await resolver.resolve("db://old") == "first"
    assert await resolver.resolve("db://new") == "third"
    assert b"third" not in sealed["new"].ciphertext


async def test_a_sealed_secret_that_was_replaced_counts_at_once():
    sealed: dict[str, SealedSecret] = {}
    resolver = open_resolver(MASTER, ttl=60, master_keys={1: "env:MASTER_1"}, sealed=lambda: sealed)
    seal = MasterKeys({1: "env:MASTER_1"}, resolver).seal
    sealed["a"] = await seal("a", "before")
    assert await resolver.resolve("db://a") == "before"
    sealed["a"] = await seal("a", "after")
    assert await resolver.resolve("db://a") == "after"


async def test_a_sealed_secret_does_not_open_under_another_name_or_key_or_when_it_was_changed():
    resolver = open_resolver(MASTER, ttl=60)
    masters = MasterKeys({1: "env:MASTER_1"}, resolver)
    good = await masters.seal("a", "hunter2")
    for bad in (
        SealedSecret("b", 1, good.nonce, good.ciphertext),
        SealedSecret("a", 1, good.nonce, good.ciphertext[:-1] + bytes([good.ciphertext[-1] ^ 1])),
        SealedSecret("a", 1, good.nonce, b""),
        SealedSecret("a", 1, b"", good.ciphertext),
    ):
        with pytest.raises(SecretError, match="does not open under master key version 1"):
            await masters.open(bad)
    with pytest.raises(SecretError, match="does not open"):
        await MasterKeys({1: "env:MASTER_2"}, resolver).open(good)
    with pytest.raises(SecretUnavailable, match="master key version 1, which is not configured"):
        await MasterKeys({2: "env:MASTER_2"}, resolver).open(good)


async def test_a_master_key_that_is_not_32_bytes_is_an_error_that_does_not_show_it():
    resolver = open_resolver({"BAD": "aHVudGVyMg==", "WORSE": "hunter2!"}, ttl=60)
    for name in ("BAD", "WORSE"):
        with pytest.raises(SecretError, match=rf"env:{name}\) is not the base64 of 32 bytes") as error:
            await MasterKeys({1: f"env:{name}"}, resolver).seal("a", "value")
        assert "hunter2" not in str(error.value)
    with pytest.raises(SecretUnavailable, match="ADUANA_MASTER_KEYS"):
        await MasterKeys({}, resolver).seal("a", "value")


async def test_a_setting_may_be_a_reference_or_the_value_itself():
    resolver = open_resolver({"URL": "postgresql://db/aduana\n"}, ttl=60)
    assert await resolve_setting("env:URL", resolver) == "postgresql://db/aduana"
    assert await resolve_setting("postgresql://db/x", resolver) == "postgresql://db/x"
