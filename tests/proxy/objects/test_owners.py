"""Whose an object is: claimed, found, contested, released; with a ledger on Redis and with one in files."""

import pytest

from core.objects import NewObject, ObjectIdInvalid
from proxy.objects import MOST_IDS, TooManyObjects
from tests.proxy.objects.installation import a_file, eventually
from tests.proxy.writer.desk import add_client, ask

HOSTILE = [
    "",
    " ",
    "file 1",
    "file\n1",
    "file\0",
    "dateï",
    "\ud800",
    "x" * 257,
    "file-1\r\nDEL *",
]


async def test_what_was_claimed_is_found_before_anybody_else_heard_of_it(house):
    call = house.call()
    new = NewObject(
        "batch_1", "batch", "aoai-uksouth", "gpt-4o", "file-1", {"input_file_id": "file-1"}, "batches/batch_1"
    )
    await house.objects.claim(call, [new])
    found = await house.objects.find(house.client, ["batch_1", "batch_2"])
    assert found.keys() == {"batch_1"}
    owner = found["batch_1"]
    assert (owner.client_id, owner.team_id, owner.app_id, owner.key_id) == (
        call.client_id,
        call.team_id,
        call.app_id,
        call.key_id,
    )
    assert (owner.id, owner.kind, owner.upstream, owner.model, owner.parent_id, owner.details, owner.removed) == (
        "batch_1",
        "batch",
        "aoai-uksouth",
        "gpt-4o",
        "file-1",
        {"input_file_id": "file-1"},
        False,
    )


async def test_postgres_says_the_same_as_was_claimed(house):
    await house.objects.claim(
        house.call(), [a_file("file-1", model="gpt-4o", parent_id="vs_1", details={"a": ["ü", 1]})]
    )
    before = (await house.objects.find(house.client, ["file-1"]))["file-1"]
    await house.drain()
    _, other = await house.start_process()
    if house.redis_url is not None:
        await house.log.ask(house.client, "FLUSHALL")
    assert (await other.find(house.client, ["file-1"]))["file-1"] == before


async def test_another_process_finds_it(house):
    await house.claim("file-1")
    _, other = await house.start_process()
    if house.redis_url is None:  # what one process has in its file, the other one learns from Postgres
        await house.drain()
    assert await house.knows("file-1", other)


async def test_an_object_of_another_client_is_found_as_its_own(house):
    stranger = add_client(house.database_url, "fabrikam")
    await house.claim("file-1")
    await house.drain()
    found = await house.objects.find(stranger, ["file-1"])
    assert found["file-1"].client_id == house.client


async def test_an_object_of_another_app_is_found_as_its_own(house):
    call = await house.claim("file-1", app=0xC)
    assert (await house.objects.find(house.client, ["file-1"]))["file-1"].app_id == call.app_id


async def test_an_owner_never_changes(house):
    first = await house.claim("file-1", app=0xB)
    await house.drain()
    await house.claim("file-1", app=0xC)
    await house.drain()
    assert (await house.objects.find(house.client, ["file-1"]))["file-1"].app_id == first.app_id
    assert house.rows()["file-1"]["app_id"].bytes == first.app_id
    reasons = [row["reason"] for row in ask(house.database_url, "SELECT reason FROM ledger_rejects")]
    assert reasons == ["file 'file-1' belongs to another app, or to another upstream, already"]


async def test_who_claims_what_another_client_owns_gets_nothing_that_lasts(house):
    stranger = add_client(house.database_url, "fabrikam")
    await house.claim("file-1")
    await house.drain()
    await house.claim("file-1", client=stranger)
    await house.drain()
    assert (await house.objects.find(stranger, ["file-1"]))["file-1"].client_id == house.client
    assert (await house.objects.find(house.client, ["file-1"]))["file-1"].client_id == house.client


async def test_a_claim_that_comes_twice_is_one(house):
    await house.claim("file-1", "file-1")
    await house.claim("file-1")
    await house.drain()
    assert house.rows().keys() == {"file-1"}
    assert ask(house.database_url, "SELECT * FROM ledger_rejects") == []


async def test_several_objects_of_one_call_are_claimed_at_once(house):
    ids = [f"file-{number}" for number in range(20)]
    await house.claim(*ids)
    assert (await house.objects.find(house.client, ids)).keys() == set(ids)
    await house.drain()
    rows = house.rows()
    assert sorted(ids, key=lambda id: rows[id]["created_at"]) == ids


async def test_nothing_claimed_is_nothing_written(house):
    await house.objects.claim(house.call(), [])
    assert house.log.unacknowledged == 0


@pytest.mark.parametrize("id", HOSTILE)
async def test_what_cannot_be_an_id_is_unknown_and_claims_nothing(house, id):
    await house.claim("file-1")
    assert (await house.objects.find(house.client, [id, "file-1"])).keys() == {"file-1"}
    with pytest.raises(ObjectIdInvalid):
        await house.claim("file-2", id)
    with pytest.raises(ObjectIdInvalid):
        await house.claim("file-2", parent_id=id)
    await house.objects.release(house.call(), id)
    assert not await house.knows("file-2")


@pytest.mark.parametrize("id", ["}{", "*", "a" * 256, "object:x", "'; DROP TABLE objects; --", "%s", "$1", "-"])
async def test_an_id_is_a_name_and_nothing_else(house, id):
    await house.claim(id := id.replace(" ", "_"))
    assert await house.knows(id)
    assert not await house.knows(id[:-1] + "~")
    await house.drain()
    assert house.rows().keys() == {id}


async def test_no_text_in_an_object_keeps_it_from_being_written_down(house):
    details = {"filename": "a\0b\ud800", "nested": [{"\0": "\0"}]}
    await house.claim("file-1", model="gpt\0-4o\ud800" * 300, details=details)
    await house.claim("file-2")
    assert (await house.objects.find(house.client, ["file-1", "file-2"])).keys() == {"file-1", "file-2"}
    await house.drain()
    assert house.rows().keys() == {"file-1", "file-2"}
    assert house.rows()["file-1"]["details"]["filename"].startswith("a\ufffdb")


async def test_details_have_a_bound(house):
    with pytest.raises(ValueError, match="8192 are the most"):
        await house.claim("file-1", details={"x": "y" * 9000})
    await house.claim("file-1", details={"x": "y" * 8000})


async def test_a_long_question_is_answered_whole_and_a_longer_one_not_at_all(house):
    ids = [f"file-{number}" for number in range(2500)]
    for start in range(0, 2500, 100):
        await house.claim(*ids[start : start + 100])
    assert (await house.objects.find(house.client, ids)).keys() == set(ids)
    with pytest.raises(TooManyObjects, match="10000 are the most"):
        await house.objects.find(house.client, ["file-1"] * (MOST_IDS + 1))


# ── Released ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_gone_is_flagged_before_and_after_postgres_knows(house):
    await house.claim("file-1", "file-2")
    await house.drain()
    await house.objects.release(house.call(), "file-1")
    for _ in range(2):
        found = await house.objects.find(house.client, ["file-1", "file-2"])
        assert {id: owner.removed for id, owner in found.items()} == {"file-1": True, "file-2": False}
        await house.drain()
    assert (house.rows()["file-1"]["removed_at"] is None, house.rows()["file-2"]["removed_at"]) == (False, None)


async def test_what_redis_forgot_and_postgres_has_not_heard_of_is_gone_all_the_same(with_redis):
    await with_redis.claim("file-1")
    await with_redis.drain()
    await with_redis.log.ask(with_redis.client, "FLUSHALL")
    await with_redis.objects.release(with_redis.call(), "file-1")

    async def gone() -> bool:
        return (await with_redis.objects.find(with_redis.client, ["file-1"]))["file-1"].removed

    await eventually(gone)


async def test_no_client_releases_what_another_one_owns(house):
    stranger = add_client(house.database_url, "fabrikam")
    await house.claim("file-1")
    await house.drain()
    await house.objects.release(house.call(client=stranger), "file-1")
    assert not (await house.objects.find(house.client, ["file-1"]))["file-1"].removed
    await house.drain()
    assert house.rows()["file-1"]["removed_at"] is None


async def test_a_release_of_what_is_not_there_claims_nothing(house):
    await house.objects.release(house.call(), "file-1")
    await house.drain()
    assert house.rows() == {}
    assert not await house.knows("file-1")
