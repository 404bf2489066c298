"""The installation in both modes."""

import pytest

from tests.proxy.objects.installation import installation
from tests.proxy.writer.desk import add_client


@pytest.fixture
def client(database_url: str) -> bytes:
    return add_client(database_url)


@pytest.fixture(params=["redis", "spool"])
async def house(request, database_url, client, tmp_path):
    redis_url = request.getfixturevalue("redis_url") if request.param == "redis" else None
    async with installation(database_url, redis_url, tmp_path, client) as opened:
        yield opened


@pytest.fixture
async def with_redis(database_url, redis_url, client, tmp_path):
    async with installation(database_url, redis_url, tmp_path, client) as opened:
        yield opened
