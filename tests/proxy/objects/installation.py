"""An installation without calls: processes that claim and ask, a writer that works when told, the servers between them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from core.ledger.records import Call
from core.objects import NewObject
from core.settings import Settings
from core.store import Database
from proxy.ledger.redis import RedisLog
from proxy.ledger.spool import SpoolLog
from proxy.objects import Objects
from proxy.objects.redis import RedisObjects
from proxy.objects.spool import SpoolObjects
from tests.proxy.ledger.calls import a_call
from tests.proxy.writer.desk import a_writer, ask

TIMEOUT = 0.4


class Installation:
    """`redis_url` None: the ledger is in files."""

    def __init__(self, database_url: str, redis_url: str | None, directory: Path, client: bytes) -> None:
        self.database_url, self.redis_url, self.spool = database_url, redis_url, directory / "spool"
        self.client = client
        self.objects: Objects  # of the first process
        self.log: RedisLog | SpoolLog
        self._opened: list[tuple[RedisLog | SpoolLog, Objects]] = []

    async def start_process(self) -> tuple[RedisLog | SpoolLog, Objects]:
        settings = Settings(database_url="", redis_timeout=TIMEOUT)
        log: RedisLog | SpoolLog
        objects: Objects
        if self.redis_url is not None:
            log = RedisLog(self.redis_url, settings)
            objects = RedisObjects(log, Database(self.database_url))
        else:
            log = SpoolLog(self.spool, settings)
            objects = SpoolObjects(log, Database(self.database_url))
        await log.start()
        await objects.start()
        self._opened.append((log, objects))
        return log, objects

    async def close(self) -> None:
        for log, objects in self._opened:
            await log.close()
            await objects.close()

    async def drain(self) -> None:
        """The writer brings in what there is."""
        options: dict[str, Any] = {"redis_url": self.redis_url} if self.redis_url else {"spool": self.spool}
        with a_writer(self.database_url, **options) as writer:
            while await asyncio.to_thread(writer.drain):
                pass
        if isinstance(self.log, SpoolLog):
            self.log.look()

    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["id"]: row for row in ask(self.database_url, "SELECT * FROM objects")}

    def call(self, *, client: bytes | None = None, app: int = 0xB) -> Call:
        call = a_call(client or self.client)
        return Call(call.id, call.client_id, call.team_id, UUID(int=app).bytes, *_rest(call))

    async def claim(self, *ids: str, objects: Objects | None = None, **columns: Any) -> Call:
        call = self.call(**{name: columns.pop(name) for name in ("client", "app") if name in columns})
        await (objects or self.objects).claim(call, [a_file(id, **columns) for id in ids])
        return call

    async def knows(self, id: str, objects: Objects | None = None) -> bool:
        return id in await (objects or self.objects).find(self.client, [id])


def _rest(call: Call) -> tuple[Any, ...]:
    return tuple(getattr(call, name) for name in call.__struct_fields__[4:])


def a_file(id: str, **columns: Any) -> NewObject:
    return NewObject(**{"id": id, "kind": "file", "upstream": "aoai-uksouth", **columns})


@asynccontextmanager
async def installation(
    database_url: str, redis_url: str | None, directory: Path, client: bytes
) -> AsyncIterator[Installation]:
    opened = Installation(database_url, redis_url, directory, client)
    opened.log, opened.objects = await opened.start_process()
    try:
        yield opened
    finally:
        await opened.close()


async def eventually(question: Any, seconds: float = 15.0) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not await question():
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)
