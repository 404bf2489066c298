"""Identities in a seed file: known by one claim each, kept under one id, told apart from keys."""

import pytest

from core.seed.document import SeedError
from core.seed.file import parse_seed
from tests.core.seed.test_seed_apply import SEED, Tenant

CI, ALICE = "11111111-2222-3333-4444-555555555555", "AAAAAAAA-bbbb-cccc-dddd-eeeeeeeeeeee"
IDENTITIES = f"""
            identities:
              - {{name: ci, application: {CI}}}
              - {{name: alice, object: {ALICE}, policy: standard}}
              - {{name: operators, role: llm.caller}}"""
WITH = SEED.replace("keys: [{name: prod}]", "keys: [{name: prod}]" + IDENTITIES)
APP = "contoso/research/chatbot"


@pytest.fixture
def tenant(database_url: str) -> Tenant:
    return Tenant(database_url)


async def stored(tenant: Tenant) -> dict[str, tuple[str, str, str]]:
    rows = await tenant.rows("SELECT name, id, claim, value FROM identities WHERE removed_at IS NULL")
    return {name: rest for name, *rest in rows}


def app(identities: str) -> str:
    listed = "".join(f"              - {each}\n" for each in identities.splitlines())
    return (
        "clients:\n  - name: c\n    teams:\n      - name: t\n        apps:\n          - name: a\n"
        f"            keys: [{{name: prod}}]\n            identities:\n{listed}"
    )


@pytest.mark.parametrize(
    ("identities", "line", "sentence"),
    [
        ("{name: ci}", 9, "an identity needs exactly one of application, object or role"),
        (
            f"{{name: ci, application: {CI}, role: r}}",
            9,
            "an identity needs exactly one of application, object or role",
        ),
        ("{name: ci, application: my-app}", 9, "application must be a GUID"),
        (f"{{name: ci, object: '{{{CI}}}'}}", 9, "object must be a GUID"),
        (f"{{name: ci, object: {CI.replace('-', '')}}}", 9, "object must be a GUID"),
        ("{name: ci, role: two words}", 9, "role must be an app role's value"),
        ("{name: ci, role: .hidden}", 9, "role must be an app role's value"),
        (f"{{name: ci, role: {'r' * 121}}}", 9, "role must be an app role's value"),
        ("{name: ci, roles: r}", 9, "unknown key 'roles'; did you mean role?"),
        (f"{{name: a, object: {ALICE}}}\n{{name: b, object: {ALICE.lower()}}}", 10, "the object aaaaaaaa-bbbb"),
        ("{name: a, role: r}\n{name: a, role: s}", 10, "the identity 'c/t/a/a' is given twice, first on line 9"),
        ("{name: prod, role: r}", 9, "the key on line 7 has the same name"),
    ],
)
def test_a_mistake_is_named_with_its_line(identities: str, line: int, sentence: str):
    found = list(map(str, parse_seed(app(identities).encode()).errors))
    assert any(each.startswith(f"seed.yaml:{line}: {sentence}") for each in found), found


async def test_identities_are_applied_once_with_an_audit_event_each(tenant):
    applied = await tenant.apply(WITH)
    created = [change.path for change in applied.plan.changes if change.kind == "identity"]
    assert created == [f"{APP}/{name}" for name in ("ci", "alice", "operators")]
    found = await stored(tenant)
    assert [found[name][1:] for name in ("ci", "alice", "operators")] == [
        ["application", CI],
        ["object", ALICE.lower()],
        ["role", "llm.caller"],
    ]
    assert await tenant.rows("SELECT count(*) FROM audit_events WHERE entity = 'identity'") == [(3,)]
    before = await tenant.everything()
    assert (await tenant.apply(WITH)).plan.changes == ()
    assert await tenant.everything() == before


async def test_a_changed_value_keeps_the_identitys_id(tenant):
    await tenant.apply(WITH)
    before = await stored(tenant)
    applied = await tenant.apply(WITH.replace(f"application: {CI}", "role: llm.ci"))
    (change,) = applied.plan.changes
    assert list(change.fields()) == [("application", CI, None), ("role", None, "llm.ci")]
    assert (await stored(tenant))["ci"] == [before["ci"][0], "role", "llm.ci"]


async def test_two_identities_may_exchange_their_values(tenant):
    await tenant.apply(WITH)
    before = await stored(tenant)
    swapped = WITH.replace(f"application: {CI}", "x").replace(f"object: {ALICE}", f"application: {CI}")
    await tenant.apply(swapped.replace("name: ci, x", f"name: ci, object: {ALICE}"))
    after = await stored(tenant)
    assert after["ci"] == [before["ci"][0], *before["alice"][1:]]
    assert after["alice"] == [before["alice"][0], *before["ci"][1:]]


async def test_a_value_that_another_identity_has_is_refused_at_its_line(tenant):
    await tenant.apply(WITH)
    other = WITH.replace("name: chatbot", "name: search").replace("role: llm.caller", "role: llm.other")
    with pytest.raises(SeedError) as raised:
        await tenant.apply(other)
    said = {finding.message for finding in raised.value.findings}
    assert said == {
        f"the application {CI} already belongs to the identity '{APP}/ci'",
        f"the object {ALICE.lower()} already belongs to the identity '{APP}/alice'",
    }
    line = raised.value.findings[0].place.line
    assert "name: ci" in other.splitlines()[line - 1]
    applied = await tenant.apply(other, prune=True)  # the holder goes first
    assert ("remove", f"{APP}/ci") in [(change.action, change.path) for change in applied.plan.changes]


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        (WITH, SEED.replace("{name: prod}", "{name: ci}"), f"there is an identity of this name already: {APP}/ci"),
        (
            SEED,
            WITH.replace("keys: [{name: prod}]", "").replace("name: ci", "name: prod"),
            "there is a key of this name",
        ),
    ],
)
async def test_a_key_and_an_identity_of_one_app_have_different_names(tenant, first: str, second: str, sentence: str):
    await tenant.apply(first)
    with pytest.raises(SeedError, match=sentence):
        await tenant.apply(second)


async def test_what_the_file_does_not_name_stays_until_it_is_pruned(tenant):
    await tenant.apply(WITH)
    kept = (await tenant.plan(SEED)).kept
    assert f"identity {APP}/ci" in kept
    applied = await tenant.apply(SEED, prune=True)
    assert {change.path for change in applied.plan.changes} == {
        f"{APP}/{name}" for name in ("ci", "alice", "operators")
    }
    assert await stored(tenant) == {}
    assert await tenant.rows("SELECT value FROM identities WHERE name = 'ci'") == [(CI,)]  # the ledger names it still
    await tenant.apply(WITH, prune=True)
    assert len(await stored(tenant)) == 3


async def test_an_identity_that_was_switched_off_stays_off(tenant):
    await tenant.apply(WITH)
    async with tenant.transaction() as connection:
        await connection.execute("UPDATE identities SET disabled_at = now() WHERE name = 'ci'")
    await tenant.apply(WITH.replace(f"application: {CI}", f"object: {CI}"))
    assert await tenant.rows("SELECT disabled_at IS NOT NULL FROM identities WHERE name = 'ci'") == [(True,)]


async def test_a_budget_of_an_identity_is_one_of_a_key(tenant):
    budget = f'budgets:\n  - {{scope: "key:{APP}/ci", period: day, amount_usd: 1, on_exceeded: block}}\n'
    await tenant.apply(WITH.replace("budgets:\n", budget))
    assert await tenant.rows("SELECT scope FROM budgets WHERE period = 'day'") == [(f"key:{APP}/ci",)]
    with pytest.raises(SeedError, match="neither in the file nor stored"):
        await tenant.apply(WITH.replace("budgets:\n", budget.replace("/ci", "/gone")))
