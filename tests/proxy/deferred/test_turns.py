"""One look at a session: which of its turns are billed now, which are waited for, and when nothing more is to come."""

import json
import time

import pytest

from core.ids import admitted_at
from proxy.deferred.turns import Turns
from tests.proxy.deferred.test_shares import due, route, routes_of

USAGE = {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}


class Provider:
    """Answers lists of turns; all else is empty."""

    def __init__(self, *turns):
        self.turns = turns

    async def fetch(self, place, target, limit):
        there = list(self.turns) if b"/turns?" in target else []
        return 200, json.dumps({"object": "list", "data": there, "has_more": False}).encode()


def turn(id="turn_1", status="completed", usage=USAGE, ago=0.0, took=0.0, **fields):
    """Now a moment after the call, or a while ago; it has ended `took` seconds before now."""
    at = int(time.time() - ago) + (not ago)  # no second may tick between it and the call
    ended = {} if not took else {"completed_at": time.time() - took}
    return {"id": id, "status": status, "usage": usage, "created_at": at, "completed_at": at, **ended, **fields}


async def look(*turns, status="idle", written=()):
    session = {"status": status, "agent": {"model": "gpt-4o", "tools": [], "service_tier": "auto"}}

    async def there(ids):
        return {id for id in ids if id in written}

    routes = routes_of(route("4o", "gpt-4o"))
    return await Turns(Provider(*turns)).look(routes, due("4o", "agent_session"), json.dumps(session).encode(), there)


@pytest.mark.parametrize(
    ("turns", "status", "codes", "over"),
    [
        ([{}], "idle", [None], True),
        ([{"usage": None}], "idle", [], False),  # it may be told yet
        ([{"usage": None, "took": 100}], "idle", ["usage_unreported"], True),
        ([{"usage": None, "status": "failed", "took": 100}], "idle", [], True),
        ([{"status": "failed"}], "failed", [None], True),
        ([{"status": "waiting", "usage": None}], "requires_action", [], True),  # the next call goes on with it
        ([{"status": "in_progress", "usage": None}], "in_progress", [], False),
        ([{"id": "turn_2", "status": "in_progress", "usage": None}, {}], "in_progress", [None], False),
        ([], "idle", [], False),  # what was asked for may not show yet
        ([{"ago": 50}], "idle", [None], False),  # an earlier one
    ],
)
async def test_a_session_is_over_when_it_rests_and_all_its_turns_are_billed(turns, status, codes, over):
    looked = await look(*(turn(**each) for each in turns), status=status)
    assert [event.error_code for event in looked.events] == codes
    assert looked.over is over


async def test_a_turn_has_one_event_of_its_own_time_whoever_looks():
    (first,) = (await look(turn(ago=3600))).events
    assert abs(admitted_at(first.call.id).timestamp() - (time.time() - 3600)) < 2
    (again,) = (await look(turn(ago=3600, usage={**USAGE, "output_tokens": 6}))).events
    assert again.call.id == first.call.id
    assert (await look(turn(ago=3600), written={first.call.id})).events == []
    (other,) = (await look(turn("turn_2", ago=3600))).events
    assert other.call.id != first.call.id


@pytest.mark.parametrize("at", [0, -1, 1e18, 4102444800])
async def test_a_time_that_cannot_be_is_the_calls(at):
    (event,) = (await look(turn(created_at=at))).events
    assert abs(admitted_at(event.call.id).timestamp() - time.time()) < 5
