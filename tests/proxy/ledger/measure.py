"""What an admit and a settle cost: `python -m tests.proxy.ledger.measure redis://...` (or a directory, for the spool).

Prints CPU microseconds a call (this process alone) with so many callers at once, beside a loop that only encodes.
"""

import argparse
import asyncio
import os
import random
import time
from pathlib import Path
from uuid import uuid4

import redis
import uvloop

from core.ledger.records import encode
from core.settings import Settings
from proxy.ledger import LedgerLog
from proxy.ledger.redis import RedisLog
from tests.proxy.ledger.calls import a_call, a_claim, admitted, settled


async def calls(log: LedgerLog, client: bytes, count: int, lasting: float = 0.0) -> None:
    template = a_call(client)
    for _ in range(count):
        call = type(template)(os.urandom(16), *[getattr(template, f) for f in template.__struct_fields__[1:]])
        await log.admit(admitted(call), a_claim(call), required=True)
        if lasting:
            await asyncio.sleep(random.uniform(0, 2 * lasting))
        log.settle(settled(call), a_claim(call))


def resident() -> int:
    """Bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def redis_memory(where: str) -> int:
    """Bytes that Redis uses for data; 0 without one."""
    if not where.startswith("redis"):
        return 0
    with redis.Redis.from_url(where) as client:
        return client.info("memory")["used_memory"]


async def measure(where: str, callers: int, each: int, lasting: float) -> None:
    settings = Settings(database_url="", ledger_buffer_calls=10_000_000)
    log: LedgerLog
    if where.startswith("redis"):
        log = RedisLog(where, settings)
    else:
        from proxy.ledger.spool import SpoolLog

        log = SpoolLog(Path(where), settings)
    await log.start()
    client = uuid4().bytes
    await calls(log, client, 100)
    held_here, held_there = resident(), await redis_memory(where)
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(calls(log, client, each, lasting) for _ in range(callers)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    count = callers * each
    held_here, held_there = resident() - held_here, await redis_memory(where) - held_there
    await log.close()
    call = a_call(client)
    bare = time.process_time()
    for _ in range(count):
        type(call)(os.urandom(16), *[getattr(call, f) for f in call.__struct_fields__[1:]])
        encode(admitted(call))
        encode(settled(call))
    bare = time.process_time() - bare
    print(
        f"{callers} callers, {count} calls: {cpu / count * 1e6:.1f} µs CPU a call "
        f"(making and encoding the records alone: {bare / count * 1e6:.1f}), {count / wall:,.0f} calls/s; "
        f"while Postgres is away a call keeps {held_here / count:,.0f} bytes here and {held_there / count:,.0f} in Redis"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("where")
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--each", type=int, default=500)
    parser.add_argument("--lasting", type=float, default=0.0, help="mean seconds between admission and settlement")
    arguments = parser.parse_args()
    uvloop.run(measure(arguments.where, arguments.callers, arguments.each, arguments.lasting))
