"""`aduana limits show`: what Redis holds of a caller's limits, or the ledger where Redis cannot be asked."""

import time
from uuid import UUID

import psycopg
import pytest
import redis as redis_py

from core.ledger.keys import StreamKeys
from core.limits import Budget, Quota, Rate
from core.limits.standing import BUCKET_EPOCH, fields_of
from core.snapshot.picture import build
from core.snapshot.rows import read_rows

LIMITED = """
policies:
  - {name: limited, requests_per_minute: 60, tokens_per_day: 1000}
clients:
  - name: contoso
    policy: limited
    teams: [{name: research, apps: [{name: chatbot, keys: [{name: prod}]}]}]
budgets:
  - {scope: "team:contoso/research", period: month, amount_usd: "5", on_exceeded: block}
"""
PATH = "contoso/research/chatbot/prod"


@pytest.fixture
def limited(aduana, seed_file):
    seed_file.write_text(LIMITED)
    assert aduana("seed", str(seed_file)).code == 0
    return aduana


def rules(database_url):
    with psycopg.connect(database_url) as connection:
        (entry,) = build(read_rows(connection), time.time()).keys.values()
    return entry.caller


@pytest.mark.parametrize("clustered", [False, True])
def test_it_shows_what_redis_holds(limited, database_url, request, monkeypatch, clustered):
    caller = rules(database_url)
    if clustered:
        cluster = request.getfixturevalue("start_cluster")()
        redis_url, here = cluster.url, cluster.owner(caller.client_id).url  # whichever node has the client's keys
    else:
        redis_url = here = request.getfixturevalue("redis_url")
    monkeypatch.setenv("ADUANA_REDIS_URL", redis_url)
    keys, now = StreamKeys(UUID(bytes=caller.client_id)), time.time()
    found = dict(zip((type(rule) for rule in caller.rules.always), fields_of(caller.rules.always, now), strict=True))
    with redis_py.Redis.from_url(here) as valkey:
        valkey.hset(keys.buckets, found[Rate], (now - BUCKET_EPOCH + 3600) * 1e6)
        valkey.hset(keys.spent, found[Quota], 300)
        valkey.hset(keys.reserved, found[Quota], 100)
        valkey.hset(keys.spent, found[Budget], 1_250_000_000)
        valkey.hset(keys.state, "wanted", "x")
    document = limited("limits", "show", PATH, "--json").json
    assert (document["source"], document["waiting"]) == ("redis", True)
    by_name = {each["name"]: each for each in document["limits"]}
    quota = by_name["tokens_per_day"]
    assert (quota["used"], quota["reserved"], quota["remaining"]) == (300, 100, 600)
    assert (quota["scope"], quota["unit"]) == ("client:contoso", "tokens")
    assert by_name["requests_per_minute"]["used"] > 60  # it owes
    assert by_name["budget_per_month"]["remaining"] == "3.750000000"
    text = limited("limits", "show", PATH)
    assert "$1.2500" in text.out and "team:contoso/research" in text.out and "writer" in text.err


def test_without_redis_it_shows_the_ledgers_figures_and_says_so(limited):
    answer = limited("limits", "show", PATH)
    assert answer.code == 0 and "tokens_per_day" in answer.out and "no Redis" in answer.err


def test_a_redis_that_is_away_is_said_without_its_password(limited, free_port, monkeypatch):
    monkeypatch.setenv("ADUANA_REDIS_URL", f"redis://:sesame@127.0.0.1:{free_port}/0")
    answer = limited("limits", "show", PATH)
    assert answer.code == 0 and "Redis cannot be asked" in answer.err and "sesame" not in answer.out + answer.err


def test_a_key_that_is_not_there_is_told(limited):
    assert limited("limits", "show", "contoso/nobody", "--json").json["error"]["code"] == "no_such_key"
