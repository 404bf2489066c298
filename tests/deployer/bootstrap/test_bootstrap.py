"""`aduana bootstrap` as the job's identity, on a real Postgres behind Entra tokens, with Key Vault over the network."""

import base64
import json

import psycopg
import pytest

from core.store import NEEDED_REVISION
from deployer.bootstrap.grants import GRANTS
from deployer.bootstrap.spec import BootstrapSpec, ServiceRole, SpecError, pack, read_spec
from tests.deployer.bootstrap.installation import SEED, VAULT

STEPS = ["roles", "migrations", "privileges", "secrets", "seed"]


def standings(document: dict) -> dict[str, str]:
    return {step["id"]: step["standing"] for step in document["steps"]}


def changes(document: dict, step: str) -> list[str]:
    return next(each["changes"] for each in document["steps"] if each["id"] == step)


def test_a_plan_says_what_is_to_be_done_and_changes_nothing(installation, bootstrap):
    code, planned = bootstrap("--plan")
    assert code == 0
    assert standings(planned) == dict(zip(STEPS, ["to_do", "to_do", "unknown", "to_do", "unknown"], strict=True))
    assert changes(planned, "migrations") == [f"bring the tables from nothing to {NEEDED_REVISION}"]
    assert changes(planned, "secrets") == [
        f"make pepper 1 in kv://{VAULT}/pepper-1",
        f"make master key 1 in kv://{VAULT}/master-key-1",
    ]
    assert installation.vault.secrets == {}
    assert installation.postgres.execute("SELECT to_regclass('clients')", "aduana") == [(None,)]


def test_an_empty_installation_is_made_ready_once_and_a_second_run_finds_everything_in_place(installation, bootstrap):
    code, done = bootstrap()
    assert (code, set(standings(done).values())) == (0, {"done"})
    for name in ("pepper-1", "master-key-1"):
        assert len(base64.b64decode(installation.secret(name), validate=True)) == 32
    (key_ref,) = done["steps"][-1]["facts"]["keys"].values()
    assert key_ref.startswith(f"kv://{VAULT}/key-contoso-research-chatbot-prod-")
    assert installation.key() not in json.dumps(done)
    assert installation.key().startswith("adu_")

    secrets = {name: len(versions) for name, versions in installation.vault.secrets.items()}
    code, again = bootstrap()
    assert (code, set(standings(again).values())) == (0, {"in_place"})
    assert {name: len(versions) for name, versions in installation.vault.secrets.items()} == secrets


def test_what_was_seeded_is_never_seeded_again(installation, bootstrap):
    bootstrap()
    with psycopg.connect(installation.postgres.server.url("aduana"), autocommit=True) as connection:
        connection.execute("UPDATE policies SET settings = '{\"tokens_per_minute\": 7}'")
    installation.write_spec(SEED % "https://elsewhere.example")
    code, again = bootstrap()
    assert (code, standings(again)["seed"]) == (0, "in_place")
    assert installation.postgres.execute("SELECT endpoint FROM upstreams", "aduana") == [("https://models.example",)]


def test_an_installation_that_was_configured_already_is_not_seeded(installation, bootstrap):
    installation.write_spec(None)
    bootstrap()
    installation.postgres.execute("UPDATE installation SET seeded_at = NULL", "aduana")
    installation.postgres.execute("INSERT INTO clients (name) VALUES ('fabrikam')", "aduana")
    installation.write_spec()
    _, done = bootstrap()
    assert changes(done, "seed") == ["note that it is configured already"]
    assert installation.postgres.execute("SELECT name FROM clients", "aduana") == [("fabrikam",)]


@pytest.mark.parametrize("after", ["secrets", "seed"])
def test_an_interrupted_bootstrap_goes_on_where_it_stood(installation, bootstrap, after):
    """The vault goes away while secrets, or the seed's keys, are written."""
    if after == "seed":
        installation.write_spec(None)
        bootstrap()
        installation.postgres.execute("UPDATE installation SET seeded_at = NULL", "aduana")
        installation.write_spec()
    installation.vault.error = None
    refused = installation.vault.respond

    def respond(request):
        if request.method == "PUT" and request.token:
            return type(refused(request))(500, {"error": {"code": "InternalError", "message": "out of order"}})
        return refused(request)

    installation.vault.respond = respond
    code, failed = bootstrap()
    assert (code, failed["error"]["code"]) == (1, "vault")
    assert f"stopped at {after}" in failed["error"]["message"]
    assert installation.postgres.execute("SELECT count(*) FROM api_keys", "aduana") == [(0,)]
    installation.vault.respond = refused
    installation.vault.deleted.clear()
    code, done = bootstrap()
    assert (code, standings(done)["seed"]) == (0, "done")
    assert installation.postgres.execute("SELECT count(*) FROM api_keys", "aduana") == [(1,)]


def test_a_deleted_pepper_is_brought_back_and_a_lost_one_is_never_replaced(installation, bootstrap):
    bootstrap()
    pepper = installation.secret("pepper-1")
    installation.vault.delete(VAULT, "pepper-1")
    _, planned = bootstrap("--plan")
    assert changes(planned, "secrets") == [f"bring back the deleted pepper 1 in kv://{VAULT}/pepper-1"]
    bootstrap()
    assert installation.secret("pepper-1") == pepper

    del installation.vault.secrets[VAULT, "pepper-1"]
    code, failed = bootstrap()
    assert (code, failed["error"]["code"]) == (1, "secret_lost")
    assert "1 keys were made under that pepper" in failed["error"]["message"]


def test_a_role_in_the_vault_that_was_given_a_moment_ago_is_waited_for(installation, bootstrap):
    installation.vault.forbids_writing = 1
    code, done = bootstrap()
    assert (code, standings(done)["secrets"]) == (0, "done")


def test_an_identity_that_was_made_anew_gets_a_role_of_its_own(installation, bootstrap):
    bootstrap()
    installation.object_ids["proxy"] = "99999999-8888-7777-6666-555555555555"
    installation.write_spec()
    _, done = bootstrap()
    assert changes(done, "roles") == [
        "make anew role aduana-proxy of the proxy's identity 99999999-8888-7777-6666-555555555555"
    ]
    assert standings(done)["privileges"] == "done"
    _, again = bootstrap()
    assert set(standings(again).values()) == {"in_place"}


def test_privileges_beyond_the_table_are_taken_back_but_not_while_older_replicas_run(installation, bootstrap):
    bootstrap()
    installation.postgres.execute('GRANT DELETE ON clients TO "aduana-proxy"', "aduana")
    installation.postgres.execute('REVOKE SELECT ON routes FROM "aduana-proxy"', "aduana")
    _, expanded = bootstrap("--expand-only")
    assert changes(expanded, "privileges") == ["grant aduana-proxy SELECT on routes"]
    _, done = bootstrap()
    assert changes(done, "privileges") == ["take from aduana-proxy DELETE on clients"]


def test_every_table_is_in_the_table_of_grants_or_is_nobodys(installation, bootstrap):
    bootstrap()
    tables = {
        name
        for (name,) in installation.postgres.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = 'public'::regnamespace",
            "aduana",
        )
    }
    granted = {grant.on for grants in GRANTS.values() for grant in grants} - {"make_usage_partition"}
    assert tables - granted == {"installation"}  # the job's own
    assert granted - tables == set()


def test_nobody_else_may_connect(installation, bootstrap):
    bootstrap()
    installation.postgres.execute("CREATE ROLE stranger LOGIN PASSWORD 'x'")
    try:
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            url = installation.postgres.server.url("aduana")
            psycopg.connect(url.replace(url.split("//")[1].split("@")[0], "stranger:x"))
    finally:
        installation.postgres.execute("DROP ROLE stranger")


def test_a_wrong_seed_is_told_with_its_line_and_nothing_of_it_is_applied(installation, bootstrap):
    installation.write_spec("upstreams:\n  - {name: sim, provider: nobody}\n")
    code, failed = bootstrap()
    assert (code, failed["error"]["code"]) == (1, "seed_invalid")
    assert "contoso.seed.yaml:2" in failed["error"]["message"]
    installation.write_spec()
    assert standings(bootstrap()[1])["seed"] == "done"


def test_a_spec_travels_packed_and_whole():
    spec = BootstrapSpec((ServiceRole("proxy", "aduana-proxy", "99999999-8888-7777-6666-555555555555"),), SEED)
    assert read_spec(pack(spec)) == spec
    assert len(pack(spec)) < 700


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is wrong"),
        ('{"roles": [], "sneed": 1}', "unknown field `sneed`"),
        ('{"roles": [{"service": "proxy", "role": "a; DROP", "object_id": "x"}]}', "roles"),
        ("H4sIAAAAAAAA", "cut short"),
        ("not a spec at all", "neither JSON nor"),
        (pack(BootstrapSpec(()))[:40], "neither JSON nor|cut short"),
    ],
)
def test_a_spec_that_is_none_is_refused_in_words(text, says):
    with pytest.raises(SpecError, match=says):
        read_spec(text)
