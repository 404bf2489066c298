"""`aduana upstreams`: what routes ask of whom, and what replicas say of it."""

import redis as redis_py

from core.targets import BOARD, Change, Notice, board_field

ROUTED = """
upstreams:
  - {name: ptu, provider: azure_openai, endpoint: "https://ptu.example", auth: {none: true}}
  - {name: spare, provider: openai, endpoint: "https://spare.example", auth: {none: true}}
routes:
  - {model: m, targets: [{upstream: ptu, deployment: d}]}
  - {model: n, targets: [{upstream: ptu, deployment: d}, {upstream: ptu, deployment: e}]}
"""


def seeded(aduana, seed_file):
    seed_file.write_text(ROUTED)
    assert aduana("seed", str(seed_file)).code == 0


def say(redis_url, *notices: Notice) -> None:
    with redis_py.Redis.from_url(redis_url) as valkey:
        now = valkey.time()[0] * 1000
        for notice in notices:
            valkey.hset(BOARD, board_field(notice), now + round(notice.seconds * 1000))


def test_it_shows_what_replicas_say_of_each_target(aduana, seed_file, redis_url, monkeypatch):
    monkeypatch.setenv("ADUANA_REDIS_URL", redis_url)
    seeded(aduana, seed_file)
    say(
        redis_url,
        Notice("proxy-a", "ptu", "d", Change.COOLING, 500),
        Notice("proxy-b", "ptu", "d", Change.COOLING, 400),
        Notice("proxy-a", "ptu", "e", Change.OPEN, -1),
    )
    document = aduana("upstreams", "--json").json
    ptu, spare = document["upstreams"]
    first, second = ptu["targets"]
    assert document["source"] == "redis"
    assert (first["deployment"], first["routes"], first["state"]) == ("d", ["m", "n"], "cooling")
    assert first["replicas"] == ["proxy-a", "proxy-b"] and 400 < first["seconds_left"] <= 500
    assert (second["state"], second["seconds_left"], second["replicas"]) == ("closed", None, [])
    assert (spare["name"], spare["targets"]) == ("spare", [])
    text = aduana("upstreams").out
    assert "cooling" in text and "proxy-a, proxy-b" in text and "spare" in text


def test_without_redis_it_shows_the_targets_and_says_why_no_state(aduana, seed_file):
    seeded(aduana, seed_file)
    answer = aduana("upstreams", "--json")
    assert answer.json["source"] == "none"
    assert answer.json["upstreams"][0]["targets"][0]["state"] is None
    assert "no Redis" in aduana("upstreams").err


def test_a_redis_that_is_away_is_said_without_its_password(aduana, seed_file, free_port, monkeypatch):
    monkeypatch.setenv("ADUANA_REDIS_URL", f"redis://:hidden@127.0.0.1:{free_port}")
    seeded(aduana, seed_file)
    answer = aduana("upstreams")
    assert answer.code == 0 and "cannot be asked" in answer.err and "hidden" not in answer.err + answer.out
