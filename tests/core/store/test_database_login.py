"""`ADUANA_DATABASE_AUTH=entra`, against a real Postgres by TLS whose roles' passwords are the tokens that were issued."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from core.identity.entra import EntraIssuer
from core.identity.held import HeldToken
from core.settings import Settings
from core.snapshot.watch import SnapshotWatcher
from core.store import NEEDED_REVISION, Database, StoreUnavailable, open_store
from core.store.database import SCOPE
from tests.core.tenant import PEPPERS
from tests.simulators.azure.entra_postgres import OWNER, OWNER_CLIENT_ID, EntraPostgres
from tests.simulators.azure.managed_identity import ManagedIdentity
from tests.simulators.azure.server import Answer


@pytest.fixture
def azure(
    entra_postgres: EntraPostgres, managed_identity: ManagedIdentity, monkeypatch: pytest.MonkeyPatch
) -> EntraPostgres:
    for name, value in managed_identity.environment.items():
        monkeypatch.setenv(name, value)
    return entra_postgres


def settings(azure: EntraPostgres, **more: object) -> Settings:
    return Settings(
        azure.url(OWNER), database_auth="entra", azure_client_id=OWNER_CLIENT_ID, ca_bundle=azure.ca_bundle, **more
    )


def database(azure: EntraPostgres) -> Database:
    return Database.of(settings(azure), azure.url(OWNER))


async def end_connections(azure: EntraPostgres) -> None:
    await asyncio.to_thread(
        azure.execute, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'aduana-job'"
    )


async def test_connections_are_opened_with_one_token_for_as_long_as_it_is_good(azure: EntraPostgres):
    store = await open_store(database(azure), max_connections=3)
    try:
        async with store.transaction() as one, store.transaction() as other:
            for connection in (one, other):
                assert await (await connection.execute("SELECT current_user")).fetchone() == (OWNER,)
    finally:
        await store.close()
    assert len(azure.logins) == 1


async def test_a_new_connection_is_opened_with_the_token_of_its_own_time(
    azure: EntraPostgres, managed_identity: ManagedIdentity
):
    managed_identity.lifetime = 0.0  # each has expired when it is asked for again
    store = await open_store(database(azure), max_connections=1)
    try:
        async with store.transaction() as connection:
            await connection.execute("SELECT 1")
        await end_connections(azure)
        async with store.transaction() as connection:
            await connection.execute("SELECT 1")
    finally:
        await store.close()
    assert len({token for _, token in azure.logins}) == 2


def test_a_token_that_postgres_refuses_is_asked_for_anew(azure: EntraPostgres):
    connector = database(azure).connector("test")
    connector.connect().close()
    azure.forget_tokens(OWNER)
    with pytest.raises(psycopg.OperationalError):
        connector.connect()
    connector.connect().close()
    azure.forget_tokens(OWNER)
    with pytest.raises(psycopg.OperationalError):
        connector.connect()
    with pytest.raises(psycopg.OperationalError):  # where another one helps nobody it is not asked for at every attempt
        connector.connect()
    assert len(azure.logins) == 2


async def test_without_a_token_it_is_as_if_postgres_were_away(azure: EntraPostgres, managed_identity: ManagedIdentity):
    managed_identity.error = Answer(400, {"statusCode": 400, "message": "no identity"})
    try:
        with pytest.raises(psycopg.OperationalError, match="no token for https://ossrdbms-aad"):
            await asyncio.to_thread(database(azure).connector("test").connect)
        store = await open_store(database(azure))
        with pytest.raises(StoreUnavailable):
            async with store.transaction(wait=0.2):
                pass
        await store.close()
    finally:
        managed_identity.error = None


async def test_migrations_and_the_listening_connection_come_in_by_token_too(azure: EntraPostgres, tmp_path: Path):
    environment = {
        **os.environ,
        "ADUANA_DATABASE_URL": azure.url(OWNER),
        "ADUANA_DATABASE_AUTH": "entra",
        "ADUANA_AZURE_CLIENT_ID": OWNER_CLIENT_ID,
        "ADUANA_CA_BUNDLE": str(azure.ca_bundle),
    }
    command = [sys.executable, "-c", "from deployer.cli import main; main()", "migrate", "--json"]
    done = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True)
    assert (done.returncode, NEEDED_REVISION in done.stdout) == (0, True), done.stderr

    changed = asyncio.Event()
    watcher = SnapshotWatcher(
        database(azure), settings(azure, state_dir=tmp_path), PEPPERS, lambda snapshot: changed.set()
    )
    await watcher.start()
    try:
        assert watcher.current is not None, watcher.problem
        await end_connections(azure)
        azure.forget_tokens(OWNER)
        changed.clear()
        await asyncio.to_thread(azure.execute, "INSERT INTO clients (name) VALUES ('contoso')", "aduana")
        await asyncio.wait_for(changed.wait(), 10)
    finally:
        await watcher.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://host/aduana", "needs the role's name"),
        ("postgresql://job:hunter2@host/aduana", "must hold no password"),
        ("postgresql://job@host/aduana?sslmode=require", "sslmode=require in the database URL"),
        ("postgresql://job@host/aduana?sslmode=disable", "sslmode=disable in the database URL"),
    ],
)
def test_a_url_that_would_send_the_token_astray_is_refused(url: str, says: str):
    with pytest.raises(ValueError, match=says) as error:
        Database.of(Settings(url, database_auth="entra"), url)
    assert "hunter2" not in str(error.value)


def test_no_token_goes_to_a_server_that_does_not_prove_its_name(azure: EntraPostgres):
    token = HeldToken(EntraIssuer("managed_identity", OWNER_CLIENT_ID), SCOPE)
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        Database(azure.url(OWNER), token).connector("test").connect()
    elsewhere = azure.url(OWNER).replace("localhost", "postgres.contoso.example")
    with pytest.raises(psycopg.OperationalError, match="does not match"):
        Database(elsewhere, token, azure.ca_bundle).connector("test").connect()
