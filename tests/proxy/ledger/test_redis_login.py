"""Redis by Entra tokens: sent again on open connections before they run out, got anew where they are refused, never told."""

import asyncio
import contextlib
import logging
import ssl
import time
from uuid import UUID

import pytest

from core.identity.entra import EntraIssuer
from core.identity.tokens import KeptTokens
from core.redis import parse_redis_url
from core.redis.clients import Clients, open_clients
from core.redis.login import BlockingLogin, Credentials, EntraLogin, LoginUnavailable
from core.settings import Settings
from core.targets import Change, Notice
from proxy.ledger.redis import RedisLog
from proxy.targets.board import Board
from proxy.targets.opening import opener
from proxy.targets.sharing import Sharing
from proxy.writer.redis_source import RedisSource
from tests.proxy.ledger.calls import a_call, a_claim, admitted, settled
from tests.proxy.writer.desk import add_client
from tests.simulators.azure.managed_redis import ManagedRedis

OBJECT_ID = "0f0f0f0f-1111-2222-3333-444444444444"
LIFETIME = 4.0  # seconds: a token is due at half of it


@pytest.fixture
def azure(valkey, managed_identity, monkeypatch, tmp_path):
    for name, value in managed_identity.environment.items():
        monkeypatch.setenv(name, value)
    managed_identity.lifetime = LIFETIME
    with ManagedRedis(valkey, managed_identity, tmp_path, OBJECT_ID) as redis:
        yield redis


@pytest.fixture
async def tokens(azure):
    kept = KeptTokens(EntraIssuer("managed_identity"))
    yield kept
    kept.close()


@pytest.fixture
async def open_log(azure, tokens):
    opened = []

    async def start() -> RedisLog:
        settings = Settings(database_url="", redis_timeout=1.0)
        trust = ssl.create_default_context(cafile=str(azure.ca_bundle))
        log = RedisLog(azure.url, settings, tls=trust, login=EntraLogin(tokens))
        opened.append(log)
        await log.start()
        return log

    yield start
    for log in opened:
        await log.close()


async def until(condition, seconds: float = 20.0) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


async def a_call_of(log: RedisLog, client: bytes) -> None:
    call = a_call(client)
    await log.admit(admitted(call), a_claim(call), required=True)
    log.settle(settled(call), a_claim(call))


async def test_the_ledgers_open_connection_outlives_its_tokens(azure, open_log, managed_identity, database_url, caplog):
    client = add_client(database_url)
    log = await open_log()
    await until(lambda: log.connected)
    while len(azure.logins) < 4:
        await a_call_of(log, client)
        await asyncio.sleep(0.02)
    assert azure.expired == 0 and "lost" not in caplog.text
    assert len({passage for passage, _ in azure.logins}) == 1
    assert len({token for _, token in azure.logins}) == 4
    assert all(token not in caplog.text for token in managed_identity.tokens)


def test_the_writers_open_connection_outlives_its_tokens(azure):
    nodes = Clients(
        parse_redis_url(azure.url),
        BlockingLogin(parse_redis_url(azure.url), EntraIssuer("managed_identity")),
        timeout=5.0,
        name="test",
        ca_bundle=azure.ca_bundle,
    )
    source = RedisSource(nodes, lambda: [UUID(int=1)])
    deadline = time.monotonic() + 30
    while len(azure.logins) < 4:
        assert [piece.batches for piece in source.read()] == [()]
        assert time.monotonic() < deadline
    nodes.close()
    assert azure.expired == 0
    assert len({passage for passage, _ in azure.logins}) == 1


async def test_the_board_is_opened_anew_with_each_token_and_tells_on(azure, tokens, monkeypatch):
    monkeypatch.setattr("proxy.targets.sharing._LOOK", 0.1)
    login = EntraLogin(tokens)
    boards = [Board(replica) for replica in ("one", "two")]
    tls = ssl.create_default_context(cafile=azure.ca_bundle)
    lines = [Sharing(board, opener(parse_redis_url(azure.url), login, 2.0, tls), login, 2.0) for board in boards]
    running = [asyncio.create_task(line.run()) for line in lines]
    try:
        await until(lambda: len({token for _, token in azure.logins}) >= 4)
        assert azure.expired == 0
        boards[0].share(Notice("one", "aoai", "gpt-4o", Change.OPEN, 30.0))
        await until(lambda: not boards[1].health("aoai", "gpt-4o").admits(time.monotonic()))
    finally:
        for task in running:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_a_token_that_redis_refuses_is_renewed(azure, open_log, managed_identity, tokens, database_url, caplog):
    managed_identity.lifetime = 3600.0
    client = add_client(database_url)
    await tokens.obtain("https://redis.azure.com/.default")
    azure.revoke_all()
    log = await open_log()
    await until(lambda: log.connected)
    await a_call_of(log, client)
    assert len(managed_identity.tokens) == 2
    assert "WRONGPASS" in caplog.text
    assert all(token not in caplog.text for token in managed_identity.tokens)


async def test_the_user_is_the_tokens_object_id_or_the_urls(tokens):
    assert (await EntraLogin(tokens).obtain()).username == OBJECT_ID
    assert (await EntraLogin(tokens, "somebody").obtain()).username == "somebody"


async def test_a_token_without_an_object_id_says_what_to_do(managed_identity, tokens):
    managed_identity.object_id = None
    with pytest.raises(LoginUnavailable, match="give the user in the URL") as error:
        await EntraLogin(tokens).obtain()
    assert managed_identity.tokens[0] not in str(error.value)


def test_a_token_is_never_sent_in_the_clear():
    settings = Settings(database_url="", redis_auth="entra")
    with pytest.raises(ValueError, match="rediss://"):
        open_clients("redis://cache:6379", settings, timeout=1.0, name="test")


def test_credentials_show_no_password():
    assert "secret" not in repr(Credentials("user", "secret"))


def test_no_identity_endpoint_is_no_login_and_is_told_without_a_secret(azure, managed_identity, caplog):
    from tests.simulators.azure.server import Answer

    caplog.set_level(logging.DEBUG)
    managed_identity.error = Answer(500, {"statusCode": 500, "message": "in trouble"})
    nodes = open_clients(azure.url, Settings(database_url="", redis_auth="entra"), timeout=2.0, name="test")
    with pytest.raises(Exception, match="no token for"):
        nodes.by_node([UUID(int=1)])
    assert managed_identity.secret not in caplog.text
