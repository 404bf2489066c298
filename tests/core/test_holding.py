import psycopg
import pytest
from psycopg import AsyncConnection

from core.holding import Holding, announcement, holdings, read_announcement


@pytest.mark.parametrize(
    ("peppers", "master_keys", "said"),
    [
        ([1], [], "aduana-snapshot peppers=1 master-keys="),
        ([1, 2], [3, 10], "aduana-snapshot peppers=2,1 master-keys=10,3"),
    ],
)
def test_what_a_proxy_holds_is_said_and_read_again(peppers, master_keys, said):
    assert announcement(peppers, master_keys) == said
    assert read_announcement(said) == Holding(frozenset(peppers), frozenset(master_keys))


def test_a_long_list_keeps_its_newest_versions():
    said = announcement(range(1, 40), [999_999_999, 1])
    assert len(said) <= 63
    held = read_announcement(said)
    assert max(held.peppers) == 39 and held.master_keys == {1, 999_999_999}


async def test_everyone_on_this_database_is_seen_and_nobody_else(database_url: str, postgres: str):
    async with await AsyncConnection.connect(database_url) as connection:
        with (
            psycopg.connect(database_url, application_name=announcement([1], [])),
            psycopg.connect(database_url, application_name=announcement([1, 2], [7])),
            psycopg.connect(postgres, application_name=announcement([9], [9])),
            psycopg.connect(database_url, application_name="aduana-writer"),
        ):
            found = await holdings(connection)
    assert sorted(found, key=lambda one: len(one.peppers)) == [
        Holding(frozenset({1}), frozenset()),
        Holding(frozenset({1, 2}), frozenset({7})),
    ]
