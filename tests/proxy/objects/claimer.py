"""A proxy's worth of claims without a proxy: `python -m tests.proxy.objects.claimer WHERE DATABASE NOTES CLIENT --seed N`.

Each line of NOTES is an id whose claim returned; every fifth one is released again (`-id`). SIGTERM ends it in order.
"""

import argparse
import asyncio
import os
import signal
from uuid import UUID

from core.objects import NewObject
from core.settings import Settings
from core.store import Database
from proxy.ledger.redis import RedisLog
from proxy.ledger.spool import SpoolLog
from proxy.objects import OwnersUnavailable
from proxy.objects.redis import RedisObjects
from proxy.objects.spool import SpoolObjects
from tests.proxy.ledger.calls import a_call, a_claim, admitted, settled


async def work(options: argparse.Namespace) -> None:
    settings = Settings(database_url="", redis_timeout=0.5, lease_seconds=3.0)
    if options.where.startswith("redis"):
        log = RedisLog(options.where, settings)
        objects = RedisObjects(log, Database(options.database))
    else:
        from pathlib import Path

        log = SpoolLog(Path(options.where), settings, segment_bytes=100_000)
        objects = SpoolObjects(log, Database(options.database))
    await log.start()
    await objects.start()
    notes = os.open(options.notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    client = UUID(options.client).bytes
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    async def one(number: int) -> None:
        """Objects are made by calls, whose records are among those of the claims."""
        call = a_call(client, number)
        id = f"file-{options.seed}-{number}"
        await log.admit(admitted(call), a_claim(call), required=False)
        try:
            await objects.claim(call, [NewObject(id, "file", f"upstream-{options.seed}")])
            os.write(notes, f"{id}\n".encode())
        except OwnersUnavailable:
            return
        finally:
            log.settle(settled(call, number), a_claim(call))
        if number % 5 == 0:
            await objects.release(call, id)
            os.write(notes, f"-{id}\n".encode())

    running: set[asyncio.Task] = set()
    number = 0
    while not stop.is_set():
        number += 1
        task = asyncio.create_task(one(number))
        running.add(task)
        task.add_done_callback(running.discard)
        await asyncio.sleep(0.015)
    await asyncio.gather(*running)
    await log.close()
    await objects.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("where")
    parser.add_argument("database")
    parser.add_argument("notes")
    parser.add_argument("client")
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(work(parser.parse_args()))
