"""A proxy's worth of calls without a proxy: admits and settles at a rate, and notes what it did in a plain file.

`python -m tests.proxy.ledger.caller WHERE NOTES CLIENT... --rate N --seed N`. Each line of NOTES is written before the
next step: `T id` tried, `A id` admitted, `R id` refused, `S id number` settled as `calls.settled(call, number)`.
SIGTERM ends it in order.
"""

import argparse
import asyncio
import os
import random
import signal
from pathlib import Path
from uuid import UUID

from core.settings import Settings
from proxy.ledger import LedgerError, LedgerLog
from proxy.ledger.redis import RedisLog
from proxy.ledger.spool import SpoolLog
from tests.proxy.ledger.calls import a_call, a_claim, admitted, settled


async def work(options: argparse.Namespace) -> None:
    settings = Settings(
        database_url="",
        redis_timeout=0.5,
        lease_seconds=options.lease,
        ledger_buffer_calls=options.buffer,
        on_ledger_full=options.on_full,
    )
    log: LedgerLog
    if options.where.startswith("redis"):
        log = RedisLog(options.where, settings)
    else:
        log = SpoolLog(Path(options.where), settings, segment_bytes=100_000)
    await log.start()
    notes = os.open(options.notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    randomness = random.Random(options.seed)
    clients = [UUID(client).bytes for client in options.clients]
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    async def one(number: int, client: bytes, seconds: float) -> None:
        call = a_call(client, number)
        name = call.id.hex()
        os.write(notes, f"T {name}\n".encode())
        try:
            await log.admit(admitted(call), a_claim(call), required=True)
        except LedgerError:
            os.write(notes, f"R {name}\n".encode())
            return
        os.write(notes, f"A {name}\n".encode())
        await asyncio.sleep(seconds)
        log.settle(settled(call, number), a_claim(call))
        os.write(notes, f"S {name} {number}\n".encode())

    open_calls: set[asyncio.Task] = set()
    number = 0
    while not stop.is_set():
        for _ in range(max(1, options.rate // 100)):
            number += 1
            long = randomness.random() < 0.02
            task = asyncio.create_task(
                one(number, randomness.choice(clients), randomness.uniform(1, 2) if long else randomness.random() / 5)
            )
            open_calls.add(task)
            task.add_done_callback(open_calls.discard)
        await asyncio.sleep(max(1, options.rate // 100) / options.rate)
    await asyncio.gather(*open_calls)
    await log.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("where")
    parser.add_argument("notes")
    parser.add_argument("clients", nargs="+")
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lease", type=float, default=3.0)
    parser.add_argument("--buffer", type=int, default=100_000)
    parser.add_argument("--on-full", default="refuse")
    asyncio.run(work(parser.parse_args()))
