"""Lists of an app's own objects, from our table."""

import asyncio
import threading

import psycopg
import pytest

from proxy.objects import CursorUnknown
from tests.proxy.objects.installation import Installation
from tests.proxy.writer.desk import a_writer, add_client

IDS = [f"file-{number}" for number in range(7)]


async def listed(house: Installation, *, app: int = 0xB, kind: str = "file", **asked) -> tuple[list[str], bool]:
    page = await house.objects.page(house.client, house.call(app=app).app_id, kind, **{"limit": 100, **asked})
    return [owner.id for owner in page.owners], page.has_more


@pytest.fixture
async def stocked(house):
    """Seven files of one app, made one after the other, and what is not among them."""
    for number, id in enumerate(IDS):
        await house.claim(id)
        await house.claim(f"foreign-{number}", app=0xC)
        await house.claim(f"batch-{number}", kind="batch")
    await house.drain()
    return house


@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
async def test_pages_show_each_object_once_in_order_both_ways(stocked, ascending, size):
    expected = IDS if ascending else IDS[::-1]
    seen: list[str] = []
    more = True
    while more:
        ids, more = await listed(stocked, after=seen[-1] if seen else None, limit=size, ascending=ascending)
        assert len(ids) <= size
        seen += ids
    assert seen == expected

    back: list[str] = [seen[-1]]
    more = True
    while more:
        ids, more = await listed(stocked, before=back[0], limit=size, ascending=ascending)
        back = ids + back
    assert back == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"after": "file-4"}, ["file-3", "file-2", "file-1", "file-0"]),
        ({"after": "file-4", "ascending": True}, ["file-5", "file-6"]),
        ({"before": "file-4"}, ["file-6", "file-5"]),
        ({"after": "file-5", "before": "file-2"}, ["file-4", "file-3"]),
        ({"after": "file-2", "before": "file-5", "ascending": True}, ["file-3", "file-4"]),
        ({"after": "file-0"}, []),
        ({"before": "file-6"}, []),
    ],
)
async def test_cursors_stand_for_places_in_the_order_that_was_asked_for(stocked, asked, expected):
    assert await listed(stocked, **asked) == (expected, False)


async def test_an_app_and_a_kind_see_their_own(stocked):
    assert await listed(stocked, app=0xC, limit=2) == (["foreign-6", "foreign-5"], True)
    assert (await listed(stocked, kind="batch"))[0] == [f"batch-{number}" for number in reversed(range(7))]
    assert await listed(stocked, app=0xD) == ([], False)


async def test_what_is_gone_is_in_no_list_and_a_list_goes_on_from_it(stocked):
    await stocked.objects.release(stocked.call(), "file-4")
    await stocked.drain()
    assert (await listed(stocked))[0] == [id for id in reversed(IDS) if id != "file-4"]
    assert (await listed(stocked, after="file-4"))[0] == ["file-3", "file-2", "file-1", "file-0"]


@pytest.mark.parametrize("cursor", ["file-99", "foreign-1", "batch-1", "", "file\0"])
@pytest.mark.parametrize("side", ["after", "before"])
async def test_a_cursor_of_another_list_is_unknown(stocked, cursor, side):
    with pytest.raises(CursorUnknown):
        await listed(stocked, **{side: cursor})


async def test_objects_of_one_moment_have_an_order(house):
    await house.claim(*IDS)
    await house.drain()
    with psycopg.connect(house.database_url, autocommit=True) as connection:
        connection.execute("UPDATE objects SET created_at = '2026-01-01'")
    first, _ = await listed(house, limit=4, ascending=True)
    rest, _ = await listed(house, after=first[-1], limit=4, ascending=True)
    assert first + rest == IDS


async def test_a_list_says_what_postgres_knows_of_its_objects(stocked):
    page = await stocked.objects.page(stocked.client, stocked.call().app_id, "file", limit=1)
    assert page.owners == [(await stocked.objects.find(stocked.client, ["file-6"]))["file-6"]]


@pytest.fixture
async def writing(house):
    """A writer that works on its own."""
    options = {"redis_url": house.redis_url} if house.redis_url else {"spool": house.spool}
    stop = threading.Event()
    with a_writer(house.database_url, **options) as writer:
        thread = threading.Thread(target=writer.run, args=(stop,))
        thread.start()
        yield house
        stop.set()
        await asyncio.to_thread(thread.join)


async def test_a_list_right_after_a_create_has_it_and_right_after_a_delete_has_it_not(writing):
    for number in range(10):
        await writing.claim(f"file-{number}")
        assert await listed(writing) == ([f"file-{number}"], False)
        await writing.objects.release(writing.call(), f"file-{number}")
        assert await listed(writing) == ([], False)


async def test_another_processs_create_is_in_the_list_too(writing):
    if writing.redis_url is None:
        pytest.skip("without Redis one process serves")
    _, other = await writing.start_process()
    for number in range(5):
        await writing.claim(f"file-{number}", objects=other)
        assert f"file-{number}" in (await listed(writing))[0]


async def test_a_list_waits_no_longer_than_a_second_for_a_writer_that_is_away(house):
    add_client(house.database_url, "fabrikam")
    await house.claim("file-1")
    started = asyncio.get_running_loop().time()
    assert await listed(house) == ([], False)
    assert asyncio.get_running_loop().time() - started < 4
