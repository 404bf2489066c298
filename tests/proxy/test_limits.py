"""Limits and budgets as callers meet them, on real processes: what is answered, what is written down, what outlives what."""

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import openai
import pytest
import redis as redis_py

from core.ledger.keys import StreamKeys
from deployer.local.ports import free_port
from tests.proxy.stack import Stack, eventually, seed_text
from tests.relay import Relay
from tests.simulators.azure.managed_redis import ManagedRedis

BODY = {"model": "gpt-4o", "max_tokens": 5, "messages": [{"role": "user", "content": "write 5 tokens"}]}


def seed(simulator_url: str, *, budgets: list | None = None, downshift: bool = False, **policy) -> str:
    document = json.loads(seed_text(simulator_url, policy=policy))
    document["budgets"] = budgets or []
    if downshift:
        next(route for route in document["routes"] if route["model"] == "gpt-4o")["downshift"] = "gpt-4o-mini"
    return json.dumps(document)


def a_budget(amount: str, **more) -> dict:
    return {"scope": "team:contoso/research", "period": "month", "amount_usd": amount, "on_exceeded": "block", **more}


@pytest.fixture
def serve(new_stack, simulator):
    """A stack whose proxy and writer run, by a seed of the test's own."""

    def make(redis: bool = True, seeded: dict | None = None, **settings: str) -> Stack:
        stack = new_stack(redis=redis, **settings)
        stack.seed(seed(simulator.url, **(seeded or {})))
        stack.start_writer()
        stack.start_proxy()
        return stack

    return make


def ask(http: httpx.Client, **body) -> httpx.Response:
    return http.post("/v1/chat/completions", json={**BODY, **body})


def first_answer(http: httpx.Client) -> httpx.Response:
    """The first call may find the gate closed and its patience at an end while the machine is busy."""
    return eventually("a call is admitted", lambda: (answer := ask(http)).status_code != 503 and answer)


@pytest.mark.parametrize("redis", [True, False], ids=["redis", "memory"])
def test_a_limit_per_minute_answers_as_openai_does(serve, redis):
    stack = serve(redis, {"requests_per_minute": 3, "tokens_per_minute": 100_000})
    with stack.http() as http:
        answers = [ask(http) for _ in range(4)]
    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert [each.headers["x-ratelimit-remaining-requests"] for each in answers] == ["2", "1", "0", "0"]
    assert answers[0].headers["x-ratelimit-limit-requests"] == "3"
    assert int(answers[0].headers["x-ratelimit-remaining-tokens"]) < 100_000
    error = answers[3].json()["error"]
    assert (error["code"], error["type"]) == ("rate_limit_exceeded", "requests")
    for part in ("requests_per_minute", "client contoso", "Limit 3", "Please try again in"):
        assert part in error["message"]
    milliseconds = int(answers[3].headers["retry-after-ms"])
    assert 0 < milliseconds <= 20_000
    assert int(answers[3].headers["retry-after"]) == -(-milliseconds // 1000)


@pytest.mark.parametrize(
    ("seeded", "code"),
    [
        ({"requests_per_minute": 1}, "rate_limit_exceeded"),
        ({"budgets": [a_budget("0.0005", scope="client:contoso", period="total")]}, "insufficient_quota"),
    ],
    ids=["limit", "budget"],
)
def test_the_sdk_maps_a_limit_and_a_budget_to_its_exception(serve, seeded, code):
    stack = serve(seeded=seeded)
    with stack.http() as http:
        first_answer(http)
    with (
        openai.OpenAI(base_url=f"{stack.url}/v1", api_key=stack.key, max_retries=0) as client,
        pytest.raises(openai.RateLimitError) as limited,
    ):
        for _ in range(20):
            client.chat.completions.create(**BODY)
    assert limited.value.code == code


@pytest.mark.parametrize("redis", [True, False], ids=["redis", "memory"])
def test_a_spent_budget_blocks_and_says_so_and_outlives_redis_or_the_process(serve, redis):
    stack = serve(redis, {"budgets": [a_budget("0.001")]}, lease_seconds="2")
    with stack.http() as http:
        answered = 1
        first_answer(http)
        while (refused := ask(http)).status_code == 200:
            answered += 1
        error = refused.json()["error"]
        assert (error["code"], error["type"]) == ("insufficient_quota", "insufficient_quota")
        assert refused.headers["x-should-retry"] == "false" and "retry-after" not in refused.headers
        for part in ("monthly budget of team contoso/research", "$0.001", "begins anew at"):
            assert part in error["message"]
        eventually("all calls are rows", lambda: len(stack.rows()) == answered)
        if redis:
            with redis_py.Redis.from_url(stack.environment["ADUANA_REDIS_URL"]) as valkey:
                valkey.flushall()
        else:
            stack.stop(number=signal.SIGKILL)
            stack.start_proxy()
        again = first_answer(http)
        assert again.status_code == 429 and again.json()["error"]["code"] == "insufficient_quota"
    assert len(stack.rows()) == answered
    assert sum(row["cost_usd"] for row in stack.rows()) <= Decimal("0.001")


def test_a_raised_budget_lets_in_within_two_seconds_and_alerts_are_raised_once(serve):
    stack = serve(seeded={"budgets": [a_budget("0.001", alerts=[0.5, 1.0])]})
    with stack.http() as http:
        first_answer(http)
        eventually("the budget is spent", lambda: ask(http).status_code == 429)
        alerts = eventually("an alert", lambda: stack.rows("SELECT * FROM budget_alerts ORDER BY threshold"))
        stack.execute("UPDATE budgets SET amount_usd = 1")
        eventually("it lets in", lambda: ask(http).status_code == 200, within=2)
    assert alerts == stack.rows("SELECT * FROM budget_alerts ORDER BY threshold")
    assert [alert["threshold"] for alert in alerts] == [Decimal("0.5")]
    assert alerts[0]["period_start"].astimezone(UTC) == datetime.now(UTC).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )


def test_a_spent_budget_sends_calls_to_the_cheaper_model_and_says_so(serve):
    stack = serve(seeded={"budgets": [a_budget("0.0005", on_exceeded="downshift")], "downshift": True})
    with stack.http() as http:
        first_answer(http)
        shifted = eventually("a downshift", lambda: "x-aduana-model" in (a := ask(http)).headers and a)
    assert (shifted.status_code, shifted.headers["x-aduana-model"]) == (200, "gpt-4o-mini")
    row = stack.row(shifted.headers["x-request-id"])
    assert (row["requested_model"], row["route"], row["deployment"]) == ("gpt-4o", "gpt-4o-mini", "gpt-4o-mini")


def test_a_spent_budget_throttles_to_the_limits_it_names_and_says_so(serve):
    throttle = {"requests_per_minute": 1}
    stack = serve(seeded={"budgets": [a_budget("0.0005", on_exceeded="throttle", throttle=throttle)]})
    with stack.http() as http:
        first_answer(http)
        refused = eventually("it is throttled", lambda: (answer := ask(http)).status_code == 429 and answer)
    error = refused.json()["error"]
    assert error["code"] == "rate_limit_exceeded" and 0 < int(refused.headers["retry-after"]) <= 60
    for part in ("requests_per_minute", "Limit 1", "the monthly budget of team contoso/research is spent"):
        assert part in error["message"]


def test_a_call_in_flight_holds_its_place_until_it_ends(serve):
    stack = serve(seeded={"max_concurrent_requests": 1})
    with (
        stack.http() as http,
        http.stream(
            "POST", "/v1/chat/completions", json={**BODY, "stream": True}, headers={"x-simulate": "hang-after=1"}
        ) as open_call,
    ):
        next(open_call.iter_raw())
        refused = ask(http)
        assert refused.status_code == 429 and "max_concurrent_requests" in refused.json()["error"]["message"]
        open_call.close()
        eventually("its place is free", lambda: ask(http).status_code == 200)


def test_a_large_prompt_near_a_limit_is_counted_exactly(serve):
    stack = serve(seeded={"tokens_per_minute": 2000})
    with stack.http() as http:
        answer = ask(http, messages=[{"role": "user", "content": "hello " * 1500}])  # 9,000 bytes, some 1,500 tokens
        assert answer.status_code == 200
        refused = ask(http, messages=[{"role": "user", "content": "hello " * 1500}])
    assert refused.status_code == 429 and refused.json()["error"]["type"] == "tokens"


@pytest.mark.parametrize(
    ("policy", "body", "status", "code"),
    [
        (
            {"max_input_tokens": 50},
            {"messages": [{"role": "user", "content": "a " * 200}]},
            400,
            "max_input_tokens_exceeded",
        ),
        ({"max_output_tokens": 3, "over_cap": "refuse"}, {}, 400, "max_output_tokens_exceeded"),
        ({"max_context_tokens": 20, "over_cap": "refuse"}, {"max_tokens": 19}, 400, "max_context_tokens_exceeded"),
        (
            {"allowed_tools": ["web_search"]},
            {"tools": [{"type": "function", "function": {"name": "f"}}]},
            403,
            "tool_not_allowed",
        ),
    ],
)
def test_what_a_policy_forbids_names_the_rule(serve, policy, body, status, code):
    stack = serve(seeded=policy)
    with stack.http() as http:
        answer = ask(http, **body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert stack.rows() == []


@pytest.mark.parametrize(("asked", "field"), [({"max_tokens": 500}, "max_tokens"), ({}, "max_completion_tokens")])
def test_a_cap_lowers_what_is_asked_for_and_sets_what_is_not(serve, fresh_simulator, asked, field):
    stack = serve(seeded={"max_output_tokens": 7})
    body = {name: value for name, value in BODY.items() if name != "max_tokens"}
    with stack.http() as http:
        answer = http.post(
            "/v1/chat/completions",
            json={**body, "messages": [{"role": "user", "content": "write 50 tokens"}], **asked},
        )
    assert answer.json()["usage"]["completion_tokens"] == 7
    assert answer.json()["choices"][0]["finish_reason"] == "length"
    # Another tenant's gateway may ask the shared provider for what ends later.
    [seen] = [each for each in fresh_simulator.requests(finished=1) if each["path"].endswith("/chat/completions")]
    assert {name: value for name, value in seen["body"].items() if name.startswith("max_")} == {field: 7}


@pytest.mark.parametrize("redis", [True, False], ids=["redis", "memory"])
def test_every_answer_to_a_known_caller_says_where_its_limits_stand(serve, redis):
    stack = serve(redis, {"requests_per_minute": 50, "tokens_per_day": 90_000, "max_input_tokens": 1000})
    with stack.http() as http:
        spent = first_answer(http)
        left = int(spent.headers["x-ratelimit-remaining-requests"])
        tokens = 90_000 - spent.json()["usage"]["total_tokens"]
        eventually(
            "it is settled", lambda: ask(http, model="none").headers["x-ratelimit-remaining-tokens"] == str(tokens)
        )
        for answer, status in (
            (ask(http, model="none"), 404),
            (ask(http, messages=[{"role": "user", "content": "word " * 3000}]), 400),
            (http.post("/v1/chat/completions", content=b"{"), 400),
            (http.get("/v1/models"), 200),
            (http.get("/v1/models/gpt-4o"), 200),
        ):
            assert answer.status_code == status, answer.text
            assert int(answer.headers["x-ratelimit-remaining-requests"]) >= left
            assert answer.headers["x-ratelimit-limit-requests"] == "50"
            assert answer.headers["x-ratelimit-remaining-tokens"] == str(tokens)
        stranger = http.get("/v1/models", headers={"authorization": "Bearer adu_nobody00_x"})
        assert stranger.status_code == 401 and "x-ratelimit-limit-requests" not in stranger.headers
    assert len(stack.rows()) == 1


def test_a_reset_budget_lets_in_within_two_seconds(serve):
    stack = serve(seeded={"budgets": [a_budget("0.001")]})
    with stack.http() as http:
        first_answer(http)
        eventually("the budget is spent", lambda: ask(http).status_code == 429)
        eventually("the ledger has it", lambda: not stack.rows("SELECT 1 FROM admitted_calls"))
        main = [sys.executable, "-c", "from deployer.cli import main; main()"]
        done = subprocess.run([*main, "budgets", "reset", "team:contoso/research"], env=stack.environment, check=False)
        assert done.returncode == 0
        eventually("it lets in", lambda: ask(http).status_code == 200, within=2)


# ── Under load ──────────────────────────────────────────────────────────────────────────────────────────────────────

PROXIES, CLIENTS, SECONDS = 4, 200, 6.0
RPM, TPM = 1200, 60_000


@dataclass
class Told:
    """What the callers were told."""

    admitted: list[tuple[float, float]] = field(default_factory=list)  # when asked and when answered, monotonic
    ids: set[str] = field(default_factory=set)  # of those
    refused: int = 0
    odd: list[str] = field(default_factory=list)


async def load(ports: list[int], key: str, told: Told, seed_number: int, seconds: float = SECONDS) -> None:
    limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
    end = time.monotonic() + seconds

    async def one(number: int, http: httpx.AsyncClient) -> None:
        chance = random.Random(seed_number * 1000 + number)
        while time.monotonic() < end:
            kind = chance.choice(("whole", "stream", "abandoned", "error"))
            headers = {"api-key": key, "x-request-id": f"load-{uuid.uuid4().hex}"}
            headers["x-simulate"] = "status=500" if kind == "error" else "chunk-delay=0.01"
            body = {**BODY, "max_tokens": 20, "stream": kind in ("stream", "abandoned")}
            body["messages"] = [{"role": "user", "content": f"write {chance.randint(1, 40)} tokens"}]
            asked = time.monotonic()
            url = f"http://127.0.0.1:{chance.choice(ports)}/v1/chat/completions"
            try:
                async with http.stream("POST", url, json=body, headers=headers) as answer:
                    if answer.status_code == 429:
                        told.refused += 1
                    elif answer.status_code in (200, 500):
                        told.admitted.append((asked, time.monotonic()))
                        told.ids.add(headers["x-request-id"])
                    elif answer.status_code != 503:
                        told.odd.append(f"{answer.status_code}: {(await answer.aread())[:200]!r}")
                    if kind == "abandoned":
                        async for _ in answer.aiter_raw():
                            break
                    else:
                        await answer.aread()
                if answer.status_code in (429, 503):
                    await asyncio.sleep(chance.uniform(0.05, 0.3))
            except httpx.HTTPError:
                await asyncio.sleep(0.05)

    async with httpx.AsyncClient(timeout=20, limits=limits, trust_env=False) as http:
        await asyncio.gather(*(one(number, http) for number in range(CLIENTS)))


def counters(stack: Stack, name: str) -> dict[str, int]:
    client = stack.rows("SELECT id FROM clients")[0]["id"]
    with redis_py.Redis.from_url(stack.environment["ADUANA_REDIS_URL"]) as valkey:
        found = valkey.hgetall(getattr(StreamKeys(UUID(str(client))), name))
    return {key.decode(): int(value) for key, value in found.items() if int(value)}


def assert_books_agree(stack: Stack) -> None:
    """Nothing is reserved any more, and what Redis says is spent is what the ledger says."""
    eventually("no call is open", lambda: not stack.rows("SELECT 1 FROM admitted_calls"), within=60)
    eventually("nothing is reserved", lambda: not counters(stack, "reserved"), within=60)

    def agree() -> bool:
        cost = sum(row["cost_usd"] for row in stack.rows("SELECT cost_usd FROM usage_events"))
        tokens = stack.rows("SELECT sum(input_tokens + output_tokens) AS sum FROM usage_events")[0]["sum"]
        spent = counters(stack, "spent")
        of_cost = [amount for name, amount in spent.items() if ":c:m:" in name]
        of_tokens = [amount for name, amount in spent.items() if ":t:d:" in name]
        return of_cost == [int(cost.scaleb(9))] and of_tokens == [int(tokens)]

    eventually("the spent amounts are the ledger's sums", agree, within=60)


def assert_one_row_each(stack: Stack, told: Told) -> None:
    """Every admitted call has its row and none has two; what nobody was told of has one only where the caller hung up."""

    def written() -> list[str]:
        return [row["request_id"] for row in stack.rows("SELECT request_id FROM usage_events")]

    eventually("every admitted call is a row", lambda: told.ids <= set(written()), within=60)
    assert len(written()) == len(set(written())), "a call has two rows"


def assert_bucket_held(told: Told, size: int, bursts: int = 1) -> None:
    """In any stretch of time at most `bursts` buckets and what flowed in were admitted; a call was admitted somewhere
    between being asked and being answered."""
    asked = sorted(told.admitted)
    for index, (start, _) in enumerate(asked):
        ends = sorted(end for _, end in asked[index:])
        for count, end in enumerate(ends, 1):
            assert count <= size * bursts + (end - start) * size / 60 + 1, (count, end - start)


@pytest.fixture
def cluster(new_stack, simulator):
    """Four proxies and a writer, with a limit, a quota and a budget on one key; their Redis may be behind a relay."""

    def make(behind: Callable[[str], str] = lambda url: url, **policy) -> tuple[Stack, list[int]]:
        stack = new_stack(lease_seconds="3", redis_timeout="0.5")
        stack.environment["ADUANA_REDIS_URL"] = behind(stack.environment["ADUANA_REDIS_URL"])
        policy = {"requests_per_minute": RPM, "tokens_per_minute": TPM, "tokens_per_day": 10**9, **policy}
        stack.seed(seed(simulator.url, budgets=[a_budget("1000")], **policy))
        stack.start_writer()
        ports = [stack.port] + [free_port() for _ in range(PROXIES - 1)]
        for number, port in enumerate(ports):
            stack.start_proxy(f"proxy-{number}", port=port)
        return stack, ports

    return make


def test_four_proxies_hold_one_keys_limits_to_the_call(cluster):
    stack, ports = cluster(requests_per_minute=100)
    told = Told()
    asyncio.run(load(ports, stack.key, told, 1))
    assert told.odd == [] and told.refused > 0 and len(told.admitted) > 90
    assert_bucket_held(told, 100)
    assert_one_row_each(stack, told)
    assert_books_agree(stack)


def test_tokens_are_held_to_the_bucket_where_input_is_text_and_output_is_capped(cluster):
    stack, ports = cluster(tokens_per_minute=6000)
    told, began = Told(), time.time()
    asyncio.run(load(ports, stack.key, told, 2))
    assert told.odd == [] and told.refused > 10
    assert_books_agree(stack)
    used = stack.rows("SELECT sum(input_tokens + output_tokens) AS sum FROM usage_events")[0]["sum"]
    assert used <= 6000 + 6000 * (time.time() - began) / 60


# Under the whole suite's load seed 3 twice found something reserved after a minute; alone it passes. Not understood yet.
@pytest.mark.full
@pytest.mark.parametrize("seed_number", [3, 4, 5])
def test_killed_proxies_leave_no_reservation_and_the_books_agree(cluster, seed_number):
    stack, ports = cluster(requests_per_minute=300)
    told = Told()

    async def kill_now_and_then() -> None:
        chance = random.Random(seed_number)
        for _ in range(2):
            await asyncio.sleep(chance.uniform(1.0, 2.0))
            number = chance.randrange(PROXIES)
            await asyncio.to_thread(stack.stop, f"proxy-{number}", signal.SIGKILL)
            await asyncio.to_thread(stack.start_proxy, f"proxy-{number}", port=ports[number])

    async def both() -> None:
        await asyncio.gather(load(ports, stack.key, told, seed_number), kill_now_and_then())

    asyncio.run(both())
    assert told.odd == [] and len(told.admitted) > 100
    assert_bucket_held(told, 300)
    assert_one_row_each(stack, told)
    assert_books_agree(stack)


@pytest.mark.parametrize("seed_number", [6, pytest.param(7, marks=pytest.mark.full)])
def test_a_redis_that_comes_back_empty_allows_each_bucket_one_more_burst(cluster, valkey, seed_number):
    stack, ports = cluster(lambda _: valkey.url, requests_per_minute=100)
    told = Told()

    async def empty() -> None:
        await asyncio.sleep(SECONDS / 2)
        valkey.kill()  # in this thread: the server ends with the one that started it
        valkey.start()

    async def both() -> None:
        await asyncio.gather(load(ports, stack.key, told, seed_number), empty())

    asyncio.run(both())
    assert told.odd == [] and told.refused > 0
    assert_bucket_held(told, 100, bursts=2)
    assert_one_row_each(stack, told)
    assert_books_agree(stack)


@pytest.fixture
def behind() -> Iterator[Callable[[str], str]]:
    """Puts a relay before a Redis: `behind(url)` is its URL, `behind.relay` the relay."""
    with ExitStack() as opened:

        def behind(url: str) -> str:
            behind.relay = opened.enter_context(Relay(urlsplit(url).port))
            return behind.relay.url(url)

        yield behind


def test_a_slow_redis_holds_the_limits_and_costs_each_call_its_round_trip_alone(cluster, behind):
    stack, ports = cluster(behind, requests_per_minute=30)
    with stack.http() as http:
        first_answer(http)  # the client's gate is open
    behind.relay.delay = 0.1
    told = Told()
    asyncio.run(load(ports, stack.key, told, 8, seconds=8.0))
    behind.relay.delay = 0.0
    assert told.odd == [] and told.refused > 0 and len(told.admitted) >= 25
    assert_bucket_held(told, 30)
    assert_one_row_each(stack, told)
    assert_books_agree(stack)


def test_a_redis_that_drops_its_connections_again_and_again_holds_the_limits_and_the_books(cluster, behind):
    stack, ports = cluster(behind, requests_per_minute=30)
    told = Told()
    with stack.http() as http:
        first_answer(http)  # the client's gate is open
    behind.relay.drop_every(0.3)
    asyncio.run(load(ports, stack.key, told, 9, seconds=8.0))
    behind.relay.drop_every(None)
    assert behind.relay.dropped > 50 and told.odd == [] and len(told.admitted) >= 20
    assert_bucket_held(told, 30)
    assert_one_row_each(stack, told)
    assert_books_agree(stack)
    with stack.http() as http:  # nothing was started anew
        eventually("calls are admitted or limited again", lambda: ask(http).status_code in (200, 429), within=5)


def test_a_tenant_serves_and_shows_its_limits_by_tokens_alone(
    new_stack, simulator, managed_identity, tmp_path, start_valkey
):
    managed_identity.lifetime = 4.0  # seconds: every process sends several
    with ManagedRedis(start_valkey(), managed_identity, tmp_path, "0f0f0f0f-1111-2222-3333-444444444444") as redis:
        stack = new_stack(redis=False, redis_auth="entra", ca_bundle=str(redis.ca_bundle))
        stack.environment |= {"ADUANA_REDIS_URL": redis.url, **managed_identity.environment}
        stack.seed(seed(simulator.url, requests_per_day=1000))
        stack.start_writer()
        stack.start_proxy()
        with stack.http() as http:
            first_answer(http)
            eventually("tokens ran out", lambda: ask(http).status_code == 200 and len(redis.logins) > 12, within=40)
        main = [sys.executable, "-c", "from deployer.cli import main; main()"]
        command = [*main, "limits", "show", "contoso/research/chatbot/prod", "--json"]
        shown = json.loads(subprocess.run(command, env=stack.environment, capture_output=True, check=True).stdout)
        assert shown["source"] == "redis" and shown["limits"][0]["used"] > 1
        assert redis.expired == 0
    for name in ("proxy-0", "writer"):
        assert all(token not in stack.log(name) for token in managed_identity.tokens)
