"""Applying a seed file to a real Postgres: idempotent, whole or not at all, with an audit event a write."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from core import audit, issuance
from core.keys import Peppers, generate, parse, verify
from core.secrets.resolver import open_resolver
from core.seed.apply import apply_seed, plan_seed
from core.seed.document import SeedError
from core.seed.file import parse_seed

PEPPERS = Peppers({1: b"p" * 32})

SEED = """
upstreams:
  - {name: sim, provider: azure_openai, endpoint: "http://127.0.0.1:9", auth: {none: true}}
routes:
  - model: gpt-4o
    targets:
      - {upstream: sim, deployment: one, priority: 1}
      - {upstream: sim, deployment: two, weight: 3}
policies:
  - {name: standard, allowed_models: [gpt-4o]}
clients:
  - name: contoso
    policy: standard
    teams:
      - name: research
        apps:
          - name: chatbot
            policy: standard
            keys: [{name: prod}]
budgets:
  - {scope: "team:contoso/research", period: month, amount_usd: "500.00", alerts: [0.8, 1.0], on_exceeded: block}
prices:
  - {provider: azure_openai, model: one, input_per_million: 2.50, cached_input_per_million: "1.25", output_per_million: "10.00",
     effective_from: 2024-10-01}
"""
CHOSEN = SEED.replace("{name: prod}", '{name: prod, secret_ref: "env:CHOSEN"}')
PROD = "contoso/research/chatbot/prod"


class Tenant:
    def __init__(self, database_url: str) -> None:
        self.database_url = database_url
        self.environment: dict[str, str] = {}

    @asynccontextmanager
    async def transaction(self):
        async with await psycopg.AsyncConnection.connect(self.database_url) as connection:
            yield connection

    async def apply(self, text: str, *, prune: bool = False, name: str = "seed.yaml"):
        resolver = open_resolver(self.environment, ttl=1)
        async with self.transaction() as connection:
            seed = parse_seed(text.encode(), name)
            return await apply_seed(connection, seed, resolver, PEPPERS, actor="test", prune=prune)

    async def plan(self, text: str, *, prune: bool = False):
        resolver = open_resolver(self.environment, ttl=1)
        async with self.transaction() as connection:
            return await plan_seed(connection, parse_seed(text.encode()), resolver, PEPPERS, prune=prune)

    async def rows(self, query: str):
        async with self.transaction() as connection:
            return await (await connection.execute(query)).fetchall()

    async def everything(self):
        """All that a seed may touch, and the audit log."""
        tables = (
            "policies",
            "upstreams",
            "routes",
            "targets",
            "clients",
            "teams",
            "apps",
            "api_keys",
            "identities",
            "budgets",
            "prices",
        )
        found = {
            table: await self.rows(f"SELECT t::text FROM {table} t ORDER BY 1") for table in (*tables, "audit_events")
        }
        return found | {"version": await self.rows("SELECT version FROM snapshot_version")}


@pytest.fixture
def tenant(database_url: str) -> Tenant:
    return Tenant(database_url)


async def test_a_seed_is_applied_with_an_audit_event_an_entity(tenant):
    applied = await tenant.apply(SEED)
    assert [change.action for change in applied.plan.changes] == ["create"] * 9
    assert await tenant.rows(
        "SELECT u.name, deployment, priority, weight FROM targets JOIN upstreams u ON u.id = upstream_id "
        "ORDER BY deployment"
    ) == [("sim", "one", 1, 1), ("sim", "two", 0, 3)]
    units = dict(await tenant.rows("SELECT unit, usd::text FROM prices WHERE per = 1000000"))
    assert units == {
        "input_token": "2.500000000",
        "cached_input_token": "1.250000000",
        "output_token": "10.000000000",
    }
    async with tenant.transaction() as connection:
        events = await audit.events(connection)
        assert (await audit.verify(connection)).whole
    assert {(event.entity, event.entity_id, event.action, event.actor) for event in events} == {
        (change.kind, change.path, "create", "test") for change in applied.plan.changes
    }


async def test_prices_of_every_unit_are_rows_and_change_row_by_row(tenant):
    every = (
        SEED
        + """
  - provider: azure_openai
    model: speaks
    input_per_million: "2.50"
    output_per_million: "10"
    audio_input_per_million: "40"
    long_context: {above: 200000, input_per_million: "5", output_per_million: "15"}
    tiers: {batch: {input_per_million: "1.25", output_per_million: "5"}}
    calls_per_thousand: {web_search_call: "10"}
    effective_from: 2024-10-01
  - {provider: azure_openai, model: paints, images: {1024x1024/hd: "0.08", other: "0.04"}, effective_from: 2024-10-01}
"""
    )
    await tenant.apply(every)
    assert (await tenant.plan(every)).changes == ()
    changed = every.replace('{batch: {input_per_million: "1.25", output_per_million: "5"}}', "{}").replace(
        '"0.08"', '"0.09"'
    )
    assert [change.name[1] for change in (await tenant.plan(changed)).changes] == ["speaks", "paints"]
    await tenant.apply(changed)
    assert (await tenant.plan(changed)).changes == ()
    rows = await tenant.rows(
        "SELECT model, unit, usd::float, per FROM prices WHERE model IN ('speaks', 'paints') ORDER BY 1, 2"
    )
    assert rows == [
        ("paints", "image", 0.04, 1),
        ("paints", "image:1024x1024/hd", 0.09, 1),
        ("speaks", "audio_input_token", 40, 1_000_000),
        ("speaks", "input_token", 2.5, 1_000_000),
        ("speaks", "input_token>200000", 5, 1_000_000),
        ("speaks", "output_token", 10, 1_000_000),
        ("speaks", "output_token>200000", 15, 1_000_000),
        ("speaks", "web_search_call", 10, 1000),
    ]


async def test_applying_again_changes_nothing_and_writes_no_audit_event(tenant):
    await tenant.apply(SEED)
    before = await tenant.everything()
    applied = await tenant.apply(SEED)
    assert applied.plan.changes == () and applied.issued == () and applied.plan.unchanged == 9
    assert await tenant.everything() == before


async def test_the_example_of_the_design_is_applied_and_applied_again(tenant):
    text = (Path(__file__).parent / "design_example.yaml").read_text()
    # The example leaves out two entities that it refers to.
    text = text.replace(
        "routes:\n",
        "  - {name: aoai-ptu, provider: openai, endpoint: https://x.y, auth: {none: true}}\n"
        "routes:\n"
        "  - {model: gpt-4o-mini, targets: [{upstream: aoai-ptu, deployment: m}]}\n",
        1,
    )
    tenant.environment["CHATBOT_KEY"] = generate().text
    assert len((await tenant.apply(text)).issued) == 1
    assert (await tenant.apply(text)).plan.changes == ()


async def test_a_key_is_made_and_only_its_digest_is_stored(tenant):
    (issued,) = (await tenant.apply(SEED)).issued
    parsed = parse(issued.text)
    assert parsed is not None and issued.path == PROD
    ((id, digest),) = await tenant.rows("SELECT id, digest FROM api_keys")
    assert id == parsed[0] and verify(parsed[1], PEPPERS[1], digest)
    stored = str(await tenant.everything())
    assert parsed[1] not in stored and issued.text not in repr(issued)


async def test_a_changed_field_is_one_update_with_before_and_after(tenant):
    await tenant.apply(SEED)
    applied = await tenant.apply(SEED.replace('amount_usd: "500.00"', "amount_usd: 750"))
    (change,) = applied.plan.changes
    assert (change.action, change.kind, list(change.fields())) == ("update", "budget", [("amount_usd", "500", "750")])
    async with tenant.transaction() as connection:
        (event,) = await audit.events(connection, limit=1)
    assert event.before is not None and event.before["amount_usd"] == "500"
    assert event.after is not None and event.after["amount_usd"] == "750"


async def test_every_kind_of_entity_can_be_changed(tenant):
    await tenant.apply(SEED)
    changed = (
        SEED.replace("http://127.0.0.1:9", "http://127.0.0.1:10")
        .replace("weight: 3", "weight: 4")
        .replace("allowed_models: [gpt-4o]", "allowed_models: []")
        .replace("    policy: standard\n    teams", "    teams")
        .replace("            policy: standard\n", "")
        .replace("- name: research", "- name: research\n        policy: standard")
        .replace("{name: prod}", "{name: prod, policy: standard}")
        .replace("on_exceeded: block", "on_exceeded: throttle, throttle: {requests_per_minute: 1}")
        .replace(', cached_input_per_million: "1.25"', "")
    )
    applied = await tenant.apply(changed)
    assert [change.kind for change in applied.plan.changes] == [
        "policy", "upstream", "route", "client", "team", "app", "api_key", "budget", "price",
    ]  # fmt: skip
    assert (await tenant.apply(changed)).plan.changes == ()
    assert await tenant.rows("SELECT count(*) FROM prices") == [(2,)]


async def test_a_plan_changes_nothing(tenant):
    await tenant.apply(SEED)
    before = await tenant.everything()
    plan = await tenant.plan(
        SEED.replace("weight: 3", "weight: 4").replace("{name: prod}", "{name: prod}, {name: new}")
    )
    assert [(change.action, change.path) for change in plan.changes] == [
        ("update", "gpt-4o"),
        ("create", f"{PROD[:-4]}new"),
    ]
    assert await tenant.everything() == before


@pytest.mark.parametrize(
    "route",
    [
        "{model: other, aliases: [gpt-4o], targets: T}",
        "{model: latest, targets: T}",
        "{model: o, aliases: [latest], targets: T}",
    ],
)
async def test_what_callers_say_names_one_route_also_across_files(tenant, route):
    await tenant.apply(SEED.replace("- model: gpt-4o\n", "- model: gpt-4o\n    aliases: [latest]\n"))
    with pytest.raises(SeedError, match="is already a name of the route 'gpt-4o'"):
        await tenant.apply(f"routes:\n  - {route.replace('T', '[{upstream: sim, deployment: m}]')}\n")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("colour: red\n", "unknown key 'colour'"),
        ("policies: []\n", "the key 'policies' is given twice"),
        ("", "fallback names the route 'gone', which is neither in the file nor stored"),
        ("", "policy names the policy 'gone'"),
        ("", "upstream names the upstream 'gone'"),
        ("", "scope names the team 'contoso/gone'"),
    ],
)
async def test_nothing_is_applied_while_anything_is_wrong(tenant, wrong, sentence):
    broken = {
        "fallback": SEED.replace("- model: gpt-4o\n", "- model: gpt-4o\n    fallback: gone\n"),
        "policy": SEED.replace("    policy: standard\n    teams", "    policy: gone\n    teams"),
        "upstream": SEED.replace("{upstream: sim, deployment: two", "{upstream: gone, deployment: two"),
        "scope": SEED.replace("team:contoso/research", "team:contoso/gone"),
    }
    before = await tenant.everything()
    with pytest.raises(SeedError) as raised:
        await tenant.apply(broken.get(sentence.split()[0], SEED) + wrong)
    assert sentence in str(raised.value)
    assert await tenant.everything() == before


async def test_mistakes_in_the_file_and_dangling_names_are_told_together(tenant):
    text = SEED.replace("upstream: sim, deployment: two", "upstream: gone, deployment: two") + "colour: red\n"
    with pytest.raises(SeedError) as raised:
        await tenant.apply(text)
    lines = [text.splitlines()[finding.place.line - 1] for finding in raised.value.findings]
    assert ["gone" in lines[0], lines[1]] == [True, "colour: red"]


async def test_a_failure_in_the_middle_leaves_nothing(tenant):
    before = await tenant.everything()
    async with tenant.transaction() as connection:
        await connection.execute("ALTER TABLE prices ADD CONSTRAINT no CHECK (usd < 0)")
    with pytest.raises(psycopg.errors.CheckViolation):
        await tenant.apply(SEED)
    assert await tenant.everything() == before


async def test_a_file_may_build_on_what_is_stored(tenant):
    await tenant.apply(SEED)
    await tenant.apply("routes:\n  - {model: mini, targets: [{upstream: sim, deployment: m}], fallback: gpt-4o}\n")
    assert await tenant.rows("SELECT model FROM routes WHERE removed_at IS NULL ORDER BY 1") == [("gpt-4o",), ("mini",)]


async def test_without_prune_nothing_goes_not_even_a_target(tenant):
    await tenant.apply(SEED)
    before = await tenant.everything()
    applied = await tenant.apply(
        "routes:\n  - {model: gpt-4o, targets: [{upstream: sim, deployment: one, priority: 1}]}\n"
    )
    assert applied.plan.changes == ()
    assert "target gpt-4o → sim/two" in applied.plan.kept and f"key {PROD}" in applied.plan.kept
    assert await tenant.everything() == before


async def test_prune_removes_what_the_file_does_not_name_and_disables_its_keys(tenant):
    await tenant.apply(SEED)
    kept = SEED[: SEED.index("clients:")].replace("      - {upstream: sim, deployment: one, priority: 1}\n", "")
    applied = await tenant.apply(kept, prune=True)
    assert [(change.action, change.kind) for change in applied.plan.changes] == [
        ("remove", "price"), ("remove", "budget"), ("remove", "api_key"), ("remove", "app"), ("remove", "team"),
        ("remove", "client"), ("update", "route"),
    ]  # fmt: skip
    assert await tenant.rows("SELECT removed_at IS NOT NULL, disabled_at IS NOT NULL FROM api_keys") == [(True, True)]
    assert await tenant.rows("SELECT deployment FROM targets") == [("two",)]
    assert await tenant.rows("SELECT count(*) FROM clients WHERE removed_at IS NULL") == [(0,)]
    assert (await tenant.apply(kept, prune=True)).plan.changes == ()


async def test_prune_refuses_to_remove_what_the_file_still_refers_to(tenant):
    await tenant.apply(SEED)
    with pytest.raises(SeedError, match="which --prune would remove"):
        await tenant.apply("routes:\n  - {model: mini, targets: [{upstream: sim, deployment: m}]}\n", prune=True)


async def test_what_was_pruned_can_come_back(tenant):
    (first,) = (await tenant.apply(SEED)).issued
    await tenant.apply("clients: []\n", prune=True)
    (second,) = (await tenant.apply(SEED)).issued
    assert first.id != second.id
    assert (await tenant.apply(SEED)).plan.changes == ()


async def test_a_chosen_key_is_stored_as_its_digest_and_follows_its_value(tenant):
    first, second = generate(), generate()
    tenant.environment["CHOSEN"] = first.text
    assert (await tenant.apply(CHOSEN)).issued == ()
    assert (await tenant.apply(CHOSEN)).plan.changes == ()
    tenant.environment["CHOSEN"] = second.text
    (change,) = (await tenant.apply(CHOSEN)).plan.changes
    assert (change.action, change.path) == ("update", PROD)
    live = await tenant.rows("SELECT id, secret_ref FROM api_keys WHERE removed_at IS NULL")
    assert live == [(second.id, "env:CHOSEN")]
    assert await tenant.rows("SELECT disabled_at IS NOT NULL FROM api_keys WHERE removed_at IS NOT NULL") == [(True,)]
    stored = str(await tenant.everything())
    assert first.secret not in stored and second.secret not in stored
    assert (await tenant.apply(CHOSEN)).plan.changes == ()


async def test_a_chosen_key_with_the_same_id_and_another_secret_is_another_value(tenant):
    first, second = generate(), generate()
    tenant.environment["CHOSEN"] = first.text
    await tenant.apply(CHOSEN)
    tenant.environment["CHOSEN"] = f"adu_{first.id}_{second.secret}"
    assert len((await tenant.apply(CHOSEN)).plan.changes) == 1
    ((id, digest),) = await tenant.rows("SELECT id, digest FROM api_keys")
    assert id == first.id and verify(second.secret, PEPPERS[1], digest)


async def test_a_chosen_key_with_another_id_and_the_same_secret_is_another_key(tenant):
    first, second = generate(), generate()
    tenant.environment["CHOSEN"] = first.text
    await tenant.apply(CHOSEN)
    tenant.environment["CHOSEN"] = f"adu_{second.id}_{first.secret}"
    await tenant.apply(CHOSEN)
    assert await tenant.rows("SELECT id FROM api_keys WHERE removed_at IS NULL") == [(second.id,)]


async def test_a_pruned_chosen_key_comes_back_under_its_value(tenant):
    tenant.environment["CHOSEN"] = generate().text
    await tenant.apply(CHOSEN)
    await tenant.apply("clients: []\n", prune=True)
    await tenant.apply(CHOSEN)
    assert await tenant.rows("SELECT removed_at, disabled_at FROM api_keys") == [(None, None)]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [(None, "cannot be read: env:CHOSEN"), ("hunter2", "the value of env:CHOSEN is not a key")],
)
async def test_a_chosen_key_that_cannot_be_read_or_is_none_is_a_mistake_at_its_line(tenant, value, sentence):
    if value is not None:
        tenant.environment["CHOSEN"] = value
    with pytest.raises(SeedError) as raised:
        await tenant.apply(CHOSEN)
    assert sentence in str(raised.value) and str(raised.value).startswith("seed.yaml:19: ")
    assert "hunter2" not in str(raised.value)


async def test_an_id_that_another_key_has_is_refused(tenant):
    (issued,) = (await tenant.apply(SEED)).issued
    tenant.environment["CHOSEN"] = f"adu_{issued.id}_{generate().secret}"
    more = '{name: prod}, {name: ci, secret_ref: "env:CHOSEN"}'
    with pytest.raises(SeedError, match=f"already belongs to the key '{PROD}'"):
        await tenant.apply(SEED.replace("{name: prod}", more))
    tenant.environment["CHOSEN"] = generate().text
    with pytest.raises(SeedError, match="the same id as the key"):
        await tenant.apply(SEED.replace("{name: prod}", f'{more}, {{name: b, secret_ref: "env:CHOSEN"}}'))


async def test_a_disabled_key_stays_disabled(tenant):
    await tenant.apply(SEED)
    async with tenant.transaction() as connection:
        await issuance.disable_key(connection, PROD, actor="test")
    assert (await tenant.apply(SEED)).plan.changes == ()


async def test_a_key_in_its_grace_outlives_a_prune_and_goes_with_the_next_after_it(tenant):
    await tenant.apply(SEED)
    async with tenant.transaction() as connection:
        old = (await issuance.rotate_key(connection, PROD, PEPPERS, actor="test", grace=timedelta(hours=1))).old
    assert (await tenant.apply(SEED, prune=True)).plan.changes == ()
    async with tenant.transaction() as connection:
        await connection.execute("UPDATE api_keys SET expires_at = %s WHERE id = %s", (datetime.now(UTC), old.id))
    (change,) = (await tenant.apply(SEED, prune=True)).plan.changes
    assert (change.action, change.path) == ("remove", f"{PROD}~{old.id}")


async def test_two_seeds_at_once_do_not_interleave(tenant):
    second = SEED.replace("weight: 3", "weight: 4").replace('"500.00"', '"600.00"')
    applied = await asyncio.gather(*(tenant.apply(text) for text in (SEED, second, SEED, second)))
    assert sum(len(each.issued) for each in applied) == 1
    ((weight,),) = await tenant.rows("SELECT weight FROM targets WHERE deployment = 'two'")
    ((amount,),) = await tenant.rows("SELECT amount_usd::int FROM budgets")
    assert (weight, amount) in ((3, 500), (4, 600))
    async with tenant.transaction() as connection:
        assert (await audit.verify(connection)).whole


async def test_a_db_secret_that_is_not_stored_is_a_warning(tenant):
    applied = await tenant.apply(SEED.replace("auth: {none: true}", 'auth: {secret_ref: "db://azure"}'))
    assert "db://azure is not stored yet" in "".join(map(str, applied.plan.warnings))


FORWARDING = SEED.replace("auth: {none: true}}", "auth: {none: true}, unknown_objects: forward}")


async def test_an_upstream_of_one_client_may_forward_unknown_objects(tenant):
    assert (await tenant.apply(FORWARDING)).plan.warnings == ()


@pytest.mark.parametrize(
    "policy", ["{name: wide}", "{name: wide, allowed_models: [gpt-4*]}", "{name: wide, allowed_models: [latest]}"]
)
async def test_an_upstream_of_several_clients_may_not_forward_unknown_objects(tenant, policy):
    aliased = FORWARDING.replace("- model: gpt-4o\n", "- model: gpt-4o\n    aliases: [latest]\n")
    await tenant.apply(aliased)
    more = f"policies:\n  - {policy}\nclients:\n  - {{name: fabrikam, policy: wide}}\n"
    with pytest.raises(SeedError, match=r"seed\.yaml:2.*contoso, fabrikam"):
        await tenant.apply(more)


async def test_a_client_whose_policy_allows_nothing_there_does_not_use_an_upstream(tenant):
    await tenant.apply(FORWARDING)
    await tenant.apply(
        "policies:\n  - {name: none, allowed_models: []}\nclients:\n  - {name: fabrikam, policy: none}\n"
    )
