"""What a list asks of upstreams, and what it says where it did not look at everything."""

import json
from types import SimpleNamespace

import pytest

from core.objects import Owner
from proxy.endpoints.table import ENDPOINTS
from proxy.lists import Lists
from proxy.objects import Page
from tests.proxy.deferred.test_shares import route, routes_of

ROWS = {row.name: row for row in ENDPOINTS}
CALLER = SimpleNamespace(client_id=b"c" * 16, app_id=b"a" * 16)


class House:
    """Objects, newest first, and the upstream `one` that has them."""

    def __init__(self, count, details=None, upstream=lambda number: "one"):
        self.fetched = 0
        ids = (b"c" * 16, b"t" * 16, b"a" * 16, "key")
        self.owners = [
            Owner(f"x{number}", "file", *ids, upstream(number), None, None, details(number) if details else {}, 0.0)
            for number in range(count)
        ]

    async def page(self, client_id, app_id, kind, *, after, before, limit, ascending):
        start = [owner.id for owner in self.owners].index(after) + 1 if after else 0
        return Page(self.owners[start : start + limit], start + limit < len(self.owners))

    async def fetch(self, candidate, target, limit):
        self.fetched += 1
        id = target.rsplit(b"/", 1)[1].decode()
        return 200, json.dumps({"id": id, "purpose": "vision" if id == "x150" else "assistants"}).encode()

    async def list(self, query):
        said = {}

        def whole(status, headers, body):
            said.update(json.loads(body), headers=dict(headers))

        routes = routes_of(route("4o", "gpt-4o"))
        answer, outcome = SimpleNamespace(whole=whole), SimpleNamespace(status=None)
        await Lists(self, self).answer(ROWS["files.list"], CALLER, None, routes, query, answer, [], outcome)
        return [each["id"] for each in said["data"]], said


async def test_a_filter_that_matches_little_asks_for_so_many_and_says_where_to_go_on():
    house = House(900)
    ids, said = await house.list(b"limit=100&purpose=vision")
    assert ids == ["x150"] and house.fetched == 200
    assert (said["has_more"], said["last_id"]) == (True, "x199")
    ids, said = await house.list(b"limit=100&purpose=vision&after=x800")
    assert (ids, said["has_more"], said["last_id"]) == ([], False, None)


async def test_a_purpose_that_is_known_costs_no_request():
    house = House(500, details=lambda number: {"purpose": "vision" if number == 450 else "assistants"})
    await house.list(b"limit=100&purpose=vision")
    assert house.fetched == 1


@pytest.mark.parametrize("query", [b"", b"limit=100"])
async def test_what_an_upstream_has_that_is_configured_no_longer_is_left_out_and_counted(query):
    house = House(9, upstream=lambda number: "gone" if number % 3 == 0 else "one")
    ids, said = await house.list(query)
    assert ids == ["x1", "x2", "x4", "x5", "x7", "x8"]
    assert (said["headers"][b"x-aduana-left-out"], said["has_more"]) == (b"3", False)
    assert b"x-aduana-left-out" not in (await House(3).list(query))[1]["headers"]


async def test_a_page_that_an_upstream_left_with_few_is_filled_from_the_next():
    ids, said = await House(10, upstream=lambda number: "gone" if number < 4 else "one").list(b"limit=3")
    assert ids == ["x4", "x5", "x6"]
    assert (said["has_more"], said["last_id"]) == (True, "x6")
