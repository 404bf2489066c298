"""Once, whatever dies: kills, several processes at once, an outage, no Redis. And what a batch has to fit into."""

import signal
from decimal import Decimal

import openai
import pytest
import redis

from core.ledger.keys import StreamKeys
from deployer.local.ports import free_port
from tests.proxy.deferred.house import House, chat, in_background, lines, new_batch
from tests.proxy.stack import eventually

AGAIN = "UPDATE deferred_usage SET ended_at = NULL, claimed_until = NULL, due_at = now() + %s * interval '1 second'"
COUNT = "SELECT count(*) AS n FROM usage_events WHERE parent_id IS NOT NULL"


def spent(house) -> Decimal:
    return house.stack.rows("SELECT coalesce(sum(cost_usd), 0) AS cost FROM usage_rollups")[0]["cost"]


def test_a_proxy_killed_after_it_settled_and_before_it_said_so_leaves_one_row(new_house):
    house = new_house(lease_seconds="2")
    house.start()
    batch = new_batch(house.sdk, lines(chat("4o", 5), chat("4o-mini", 7)))
    events = house.events(batch, count=2)
    before = spent(house)
    # As if it had died between the two.
    house.stack.stop(number=signal.SIGKILL)
    house.stack.execute(AGAIN, 0)
    house.stack.start_proxy()
    house.ended(batch)
    assert house.events(batch, count=2) == events
    assert spent(house) == before
    house.check_bill(events, batch=True)


def test_a_row_whose_proxy_died_while_it_asked_is_taken_up_by_another(new_house):
    house = new_house(lease_seconds="2")
    house.start()
    house.simulator.faults({"path": "*/responses/*", "faults": {"hang": True}})
    made = in_background(house.sdk)
    house.known(made)
    house.hurry()
    eventually("it is claimed", lambda: house.known(made)["claimed_until"])
    house.stack.stop(number=signal.SIGKILL)
    house.simulator.faults()
    house.stack.start_proxy()
    house.check_bill(house.events(made))


def test_an_event_that_is_settled_twice_is_one_row_and_is_counted_once(new_house):
    house = new_house()
    house.start(budget="1")
    made = in_background(house.sdk, 500)
    house.known(made)
    house.stack.kill_writer()  # its row is not there to be found when it is asked for again
    for _ in range(2):
        house.stack.execute(AGAIN, 0)
        eventually("it is said to be settled", lambda: house.known(made)["ended_at"])
    house.stack.start_writer()
    (event,) = house.events(made)
    assert spent(house) == event["cost_usd"] > 0
    keys = StreamKeys(house.stack.rows("SELECT id FROM clients")[0]["id"])

    def counted():
        with redis.Redis.from_url(house.stack.environment["ADUANA_REDIS_URL"]) as client:
            fields = client.hgetall(keys.spent)
        return [int(amount) for field, amount in fields.items() if b":c:" in field] == [event["cost_usd"] * 10**9]

    eventually("the budget counts it once", counted)


def test_two_proxies_share_the_work_and_write_each_row_once(new_house):
    house = new_house()
    house.start()
    house.stack.start_proxy("proxy-1", port=free_port())
    made = [in_background(house.sdk, count) for count in range(1, 25)]
    for id in made:
        house.known(id)
    house.hurry()
    eventually(
        "all are accounted for",
        lambda: house.hurry() or house.stack.rows(COUNT)[0]["n"] >= len(made),
    )
    for id in made:
        house.ended(id)
    assert house.stack.rows(COUNT)[0]["n"] == len(made)
    total = house.simulator.usage()["gpt-4o"]
    sums = house.stack.rows("SELECT sum(input_tokens) AS i, sum(output_tokens) AS o FROM usage_events")[0]
    assert (sums["i"], sums["o"]) == (total["prompt_tokens"], total["completion_tokens"])


def test_without_redis_it_is_accounted_for_as_well(new_stack, start_simulator):
    house = House(new_stack(redis=False), start_simulator())
    house.start()
    batch = new_batch(house.sdk, lines(chat("4o", 5), chat("4o-mini", 7)))
    events = house.events(batch, count=2)
    house.check_bill(events, batch=True)
    house.stack.execute(AGAIN, 0)
    house.ended(batch)
    assert house.stack.rows(COUNT)[0]["n"] == 2


def test_a_batch_has_to_fit_what_is_left_of_a_budget(new_house):
    house = new_house()
    # Reserved are 4,096 tokens of output a line at $5 a million: 0.0205 dollars.
    house.start(budget="0.05")
    with pytest.raises(openai.RateLimitError) as refused:
        new_batch(house.sdk, lines(chat(), chat(), chat()))
    assert refused.value.code == "insufficient_quota"
    assert house.simulator.usage() == {} or all(t["requests"] == 0 for t in house.simulator.usage().values())
    batch = new_batch(house.sdk, lines(chat(), chat()))  # and it is given back when it is made
    again = new_batch(house.sdk, lines(chat(), chat()))
    (event,) = house.events(batch, again, count=2)[:1]
    assert event["cost_usd"] > 0


def test_a_batch_has_to_fit_a_limit_on_tokens(new_house):
    house = new_house()
    house.start(tokens_per_minute=10_000)
    with pytest.raises(openai.RateLimitError) as refused:
        new_batch(house.sdk, lines(chat(), chat(), chat()))
    assert refused.value.code == "rate_limit_exceeded"
    house.events(new_batch(house.sdk, lines(chat(), chat())))
