import logging
import time
from datetime import UTC, datetime

import psycopg
import pytest

from core import keys
from core.egress import AllowedHosts
from core.prices import GRAIN, Price, price_at
from core.snapshot import Snapshot, UpstreamIdentity
from core.snapshot.picture import build
from core.snapshot.rows import Rows, decode, encode, read_rows
from tests.core.tenant import PEPPERS, add_key, execute, write_tenant

OCTOBER = datetime(2024, 10, 1, tzinfo=UTC).timestamp()


def rows_of(database_url: str) -> Rows:
    with psycopg.connect(database_url, autocommit=True) as connection:
        return read_rows(connection)


def snapshot_of(database_url: str) -> Snapshot:
    return build(rows_of(database_url), 1.0)


def test_a_tenant_becomes_a_snapshot(database_url: str):
    new = write_tenant(database_url)
    snapshot = snapshot_of(database_url)
    entry = keys.authenticate(snapshot.keys, PEPPERS, new.text, time.time())
    assert not isinstance(entry, keys.Refusal)
    assert entry.caller.name == "contoso/research/chatbot/prod"
    assert {len(id) for id in (entry.caller.client_id, entry.caller.team_id, entry.caller.app_id)} == {16}
    assert snapshot.clients == {entry.caller.client_id}
    assert entry.caller.policy.allowed_models == {"gpt-4o", "gpt-4o-mini"}
    assert entry.caller.policy.refuse_unpriced
    route = snapshot.routes["gpt-4o"]
    assert (route.fallback, route.downshift) == ("gpt-4o-mini", None)
    assert abs(route.created - time.time()) < 3600
    (target,) = route.targets
    assert (target.upstream.endpoint, target.upstream.secret_ref) == ("https://contoso.example", "env:AOAI")
    assert target.upstream is snapshot.upstreams["aoai"]
    assert target.prices == (Price(OCTOBER, 2_500_000_000, 2_500_000_000, 10_000_000_000),)
    assert snapshot.sealed_secrets["sealed"].ciphertext == b"\x02"
    assert (snapshot.version, snapshot.read_at) == (rows_of(database_url).version, 1.0)


def test_rows_are_the_same_after_they_were_written_down(database_url: str):
    write_tenant(database_url)
    rows = rows_of(database_url)
    assert decode(encode(rows)) == rows


@pytest.mark.parametrize("entity", ["clients", "teams", "apps", "api_keys"])
def test_keys_under_what_was_removed_are_absent(database_url: str, entity: str):
    new = write_tenant(database_url)
    execute(database_url, f"UPDATE {entity} SET removed_at = now()")
    snapshot = snapshot_of(database_url)
    assert snapshot.keys == {}
    assert keys.authenticate(snapshot.keys, PEPPERS, new.text, 0.0) is keys.Unknown


def test_a_disabled_key_is_present_and_says_so(database_url: str):
    new = write_tenant(database_url)
    execute(database_url, "UPDATE api_keys SET disabled_at = now()")
    assert keys.authenticate(snapshot_of(database_url).keys, PEPPERS, new.text, 0.0) is keys.Disabled


def test_a_key_expires_at_its_time(database_url: str):
    new = write_tenant(database_url)
    execute(database_url, "UPDATE api_keys SET expires_at = to_timestamp(1000)")
    known = snapshot_of(database_url).keys
    assert keys.authenticate(known, PEPPERS, new.text, 999.0) is known[new.id]
    assert keys.authenticate(known, PEPPERS, new.text, 1000.0) is keys.Expired


def test_the_levels_of_policy_tighten_each_other(database_url: str):
    new = write_tenant(database_url)
    for table, settings in {
        "teams": '{"allowed_models": ["gpt-4o", "o3"], "unpriced_models": "allow", "on_limiter_loss": "allow"}',
        "apps": '{"allowed_endpoints": ["responses", "embeddings"], "unpriced_models": "allow"}',
        "api_keys": '{"allowed_endpoints": ["responses", "completions"], "on_limiter_loss": "refuse"}',
    }.items():
        execute(
            database_url,
            "INSERT INTO policies (name, settings) VALUES (%(name)s, %(settings)s)",
            name=table,
            settings=settings,
        )
        execute(
            database_url, f"UPDATE {table} SET policy_id = (SELECT id FROM policies WHERE name = %(name)s)", name=table
        )
    policy = snapshot_of(database_url).keys[new.id].caller.policy
    assert policy.allowed_models == {"gpt-4o"}
    assert policy.allowed_endpoints == {"responses"}
    assert not policy.refuse_unpriced
    assert policy.refuse_on_limiter_loss


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE policies SET removed_at = now()",
        """UPDATE policies SET settings = '{"allowed_modles": []}'""",
        "UPDATE policies SET settings = '[]'",
    ],
)
def test_a_policy_that_cannot_be_read_allows_nothing_and_keeps_nothing_else_back(database_url: str, statement: str):
    new = write_tenant(database_url)
    execute(database_url, statement)
    snapshot = snapshot_of(database_url)
    policy = snapshot.keys[new.id].caller.policy
    assert not policy.allows_model("gpt-4o")
    assert not policy.allows_endpoint("chat.completions")
    assert "gpt-4o" in snapshot.routes


def test_targets_are_sorted_by_priority_and_those_of_removed_upstreams_are_gone(database_url: str):
    write_tenant(database_url)
    execute(
        database_url,
        """
        INSERT INTO targets (route_id, upstream_id, deployment, priority, weight)
        SELECT routes.id, upstreams.id, deployment, priority, 3
          FROM routes, upstreams, (VALUES ('last', 9), ('first', -1)) AS more (deployment, priority)
        """,
    )
    targets = snapshot_of(database_url).routes["gpt-4o"].targets
    assert [(target.deployment, target.weight) for target in targets] == [("first", 3), ("gpt-4o", 1), ("last", 3)]
    execute(database_url, "UPDATE upstreams SET removed_at = now()")
    assert snapshot_of(database_url).routes["gpt-4o"].targets == ()


@pytest.mark.parametrize(
    ("auth", "known"),
    [
        ('{"none": true}', True),
        ('{"managed_identity": true}', True),
        ('{"managed_identity": true, "none": true}', False),
        ('{"something": "else"}', False),
        ('{"secret_ref": 7}', False),
        ("7", False),
    ],
)
def test_an_upstream_that_this_version_cannot_sign_in_to_is_left_out(database_url: str, auth: str, known: bool):
    write_tenant(database_url)
    execute(database_url, "UPDATE upstreams SET auth = %(auth)s::jsonb", auth=auth)
    snapshot = snapshot_of(database_url)
    assert ("aoai" in snapshot.upstreams) is known
    assert len(snapshot.routes["gpt-4o"].targets) == int(known)


@pytest.mark.parametrize(
    ("endpoint", "allowed", "known"),
    [
        ("https://contoso.openai.azure.com/base", "", True),
        ("https://contoso.openai.azure.com/base", "*.openai.azure.com", True),
        ("https://contoso.openai.azure.com/base", "api.openai.com", False),
        ("http://169.254.169.254", "", False),
        ("http://[::ffff:169.254.169.254]:8080", "", False),
        ("http://2852039166", "", False),
    ],
)
def test_an_upstream_at_a_host_that_is_not_allowed_is_left_out_and_named(
    database_url, caplog, endpoint, allowed, known
):
    write_tenant(database_url)
    execute(database_url, "UPDATE upstreams SET endpoint = %(endpoint)s", endpoint=endpoint)
    with psycopg.connect(database_url) as connection:
        snapshot = build(read_rows(connection), 1.0, AllowedHosts.parse(allowed))
    assert ("aoai" in snapshot.upstreams) is known
    assert ("upstream aoai is left out" in caplog.text) is not known


def test_an_upstreams_identity_has_the_public_clouds_audience_where_none_is_given(database_url: str):
    write_tenant(database_url)
    for auth, identity in [
        ('{"managed_identity": true}', UpstreamIdentity(None, "https://cognitiveservices.azure.com/.default")),
        ('{"managed_identity": true, "client_id": "a", "audience": "b"}', UpstreamIdentity("a", "b")),
        ('{"none": true}', None),
    ]:
        execute(database_url, "UPDATE upstreams SET auth = %(auth)s::jsonb", auth=auth)
        assert snapshot_of(database_url).upstreams["aoai"].identity == identity


def price(database_url: str, model: str, unit: str, usd: str, per: int = 1_000_000, since: str = "2024-10-01") -> None:
    execute(
        database_url,
        "INSERT INTO prices VALUES ('azure_openai', %(model)s, %(unit)s, %(usd)s, %(per)s, %(since)s)",
        model=model,
        unit=unit,
        usd=usd,
        per=per,
        since=since,
    )


def test_prices_are_newest_first_with_the_cached_one_apart(database_url: str):
    write_tenant(database_url)
    price(database_url, "gpt-4o", "input_token", "0.000002", per=1, since="2025-01-01")
    price(database_url, "gpt-4o", "cached_input_token", "0.001", per=1000, since="2025-01-01")
    price(database_url, "gpt-4o", "output_token", "8", since="2025-01-01")
    prices = snapshot_of(database_url).routes["gpt-4o"].targets[0].prices
    new_year = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
    assert prices[0] == Price(new_year, 2_000_000_000, 1_000_000_000, 8_000_000_000)
    assert price_at(prices, new_year - 1) == Price(OCTOBER, 2_500_000_000, 2_500_000_000, 10_000_000_000)


def test_a_price_without_its_output_is_none(database_url: str, caplog: pytest.LogCaptureFixture):
    write_tenant(database_url)
    execute(database_url, "DELETE FROM prices WHERE unit = 'output_token'")
    with caplog.at_level(logging.ERROR):
        assert snapshot_of(database_url).routes["gpt-4o"].targets[0].prices == ()
    assert "azure_openai gpt-4o lacks its input or output" in caplog.text


@pytest.mark.parametrize(
    ("model", "deployment", "priced_as"),
    [
        ("named", "deployed", "named"),
        (None, "deployed", "deployed"),
        (None, "prod-east", "gpt-4o"),
        ("unpriced", "deployed", None),  # a model that is named has its own price, or none
    ],
)
def test_a_target_is_priced_by_its_model_else_its_deployment_else_the_route(
    database_url: str, model: str | None, deployment: str, priced_as: str | None
):
    write_tenant(database_url)
    for number, name in enumerate(("named", "deployed"), start=20):
        price(database_url, name, "input_token", str(number))
        price(database_url, name, "output_token", str(number))
    execute(database_url, "UPDATE targets SET model = %(model)s, deployment = %(name)s", model=model, name=deployment)
    prices = snapshot_of(database_url).routes["gpt-4o"].targets[0].prices
    input_price = {"named": 20_000_000_000, "deployed": 21_000_000_000, "gpt-4o": 2_500_000_000}
    assert [found.input for found in prices] == ([input_price[priced_as]] if priced_as else [])


def test_terms_and_pieces_are_parts_of_one_price(database_url: str, caplog: pytest.LogCaptureFixture):
    write_tenant(database_url)
    for unit, usd, per in [
        ("audio_input_token", "40", 1_000_000),
        ("image:1024x1024/hd", "0.08", 1),
        ("audio_millisecond", "0.36", 3_600_000),
        ("input_token@batch", "1.25", 1_000_000),
        ("output_token@batch", "5", 1_000_000),
        ("input_token@batch>200000", "2.50", 1_000_000),
        ("output_token@batch>200000", "10", 1_000_000),
        ("input_token>200000", "5", 1_000_000),
        ("output_token>200000", "15", 1_000_000),
        ("input_token@flex", "1", 1_000_000),  # without output: no terms at all
        ("unicorn", "1", 1),
    ]:
        price(database_url, "gpt-4o", unit, usd, per)
    with caplog.at_level(logging.ERROR):
        (found,) = snapshot_of(database_url).routes["gpt-4o"].targets[0].prices
    pieces = {"image:1024x1024/hd": 80_000_000 * GRAIN, "audio_millisecond": 100 * GRAIN}
    assert found == Price(
        OCTOBER,
        2_500_000_000,
        2_500_000_000,
        10_000_000_000,
        {**pieces, "audio_input_token": 40_000 * GRAIN},
        tiers={
            "batch": Price(
                *(OCTOBER, 1_250_000_000, 1_250_000_000, 5_000_000_000, pieces),
                long=Price(OCTOBER, 2_500_000_000, 2_500_000_000, 10_000_000_000, pieces),
                long_above=200_000,
            )
        },
        long=Price(OCTOBER, 5_000_000_000, 5_000_000_000, 15_000_000_000, pieces),
        long_above=200_000,
    )
    assert "gpt-4o in flex lacks its input or output" in caplog.text and "unicorn" in caplog.text


def test_a_model_that_is_sold_by_the_piece_has_a_price_without_tokens(database_url: str):
    write_tenant(database_url)
    execute(database_url, "DELETE FROM prices")
    price(database_url, "gpt-4o", "audio_millisecond", "0.006", per=60_000)
    (found,) = snapshot_of(database_url).routes["gpt-4o"].targets[0].prices
    assert found == Price(OCTOBER, 0, 0, 0, {"audio_millisecond": 100 * GRAIN}, sells_tokens=False)


def test_a_provider_has_prices_of_its_own(database_url: str):
    write_tenant(database_url)
    execute(database_url, "UPDATE upstreams SET provider = 'openai'")
    assert snapshot_of(database_url).routes["gpt-4o"].targets[0].prices == ()


def test_ten_thousand_keys_are_read_and_built(database_url: str):
    write_tenant(database_url)
    execute(
        database_url,
        """
        INSERT INTO api_keys (id, app_id, name, pepper_version, digest)
        SELECT lpad(n::text, 8, '0'), apps.id, 'key ' || n, 1, sha256(n::text::bytea)
          FROM apps, generate_series(1, 10000) AS n
        """,
    )
    last = add_key(database_url, "last")
    snapshot = snapshot_of(database_url)
    assert len(snapshot.keys) == 10_002
    assert snapshot.keys[last.id].caller.policy is snapshot.keys["00000001"].caller.policy


def test_unknown_objects_belong_to_the_one_client_that_uses_an_upstream(database_url: str, caplog):
    write_tenant(database_url)
    execute(database_url, """UPDATE upstreams SET settings = '{"unknown_objects": "forward"}'""")
    snapshot = snapshot_of(database_url)
    assert {snapshot.upstreams["aoai"].unknown_objects_of} == snapshot.clients
    execute(database_url, "INSERT INTO clients (name) VALUES ('fabrikam')")
    assert snapshot_of(database_url).upstreams["aoai"].unknown_objects_of is None
    assert "aoai is used by 2 clients" in caplog.text
