"""How fast the writer is: `python -m tests.proxy.writer.measure [--calls N] [--apart]`.

Starts a Valkey and a Postgres, fills the stream, and times one writer draining it. `--apart`: each call's settlement
comes in a later transaction than its admission, as with calls that last; otherwise both come together. Writer and
Postgres take turns, so that calls/s of wall time is about what both do on one core.
"""

import argparse
import asyncio
import os
import resource
import tempfile
import time
from pathlib import Path

from core.settings import Settings
from core.store import Database
from core.store.migrate import migrate
from deployer.local.postgres import PostgresServer
from deployer.local.valkey import ValkeyServer
from proxy.ledger.redis import RedisLog
from tests.proxy.ledger.calls import a_call, a_claim, admitted, settled
from tests.proxy.writer.desk import a_writer, add_client, ask


def _cpu_of_children(parent: int) -> float:
    """Seconds of CPU of all of a server's processes."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            continue
        if int(fields[1]) == parent:
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


async def fill(url: str, client: bytes, count: int, together: int, apart: bool) -> None:
    log = RedisLog(url, Settings(database_url="", ledger_buffer_calls=10_000_000))
    await log.start()

    async def one(number: int) -> None:
        call = a_call(client, number)
        await log.admit(admitted(call), a_claim(call), required=True)
        if apart:
            await barrier.wait()
        log.settle(settled(call, number), a_claim(call))

    for start in range(0, count, together):
        barrier = asyncio.Event()
        tasks = [asyncio.create_task(one(number)) for number in range(start, min(start + together, count))]
        while apart and sum(stream.acked for stream in log._streams.values()) < 2 * start + len(tasks):
            await asyncio.sleep(0.001)
        barrier.set()
        await asyncio.gather(*tasks)
    await log.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=40_000)
    parser.add_argument("--together", type=int, default=64)
    parser.add_argument("--apart", action="store_true")
    options = parser.parse_args()
    together = 10_000 if options.apart else options.together
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        postgres, valkey = PostgresServer(Path(name) / "postgres"), ValkeyServer(Path(name) / "valkey")
        postgres.start()
        valkey.start()
        try:
            migrate(Database(postgres.url()))
            client = add_client(postgres.url())
            with a_writer(postgres.url(), redis_url=valkey.url) as writer:
                writer.drain()  # connected, and the months made
                asyncio.run(fill(valkey.url, client, options.calls, together, options.apart))
                servers = _cpu_of_children(postgres.pid)
                before, at = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
                while writer.drain():
                    pass
                wall = time.perf_counter() - at
                after = resource.getrusage(resource.RUSAGE_SELF)
                cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                totals = writer.totals
                servers = _cpu_of_children(postgres.pid) - servers
            assert ask(postgres.url(), "SELECT count(*) FROM usage_events")[0]["count"] == options.calls
            print(
                f"{options.calls / wall:,.0f} calls/s, {wall / options.calls * 1e6:.0f} µs a call, "
                f"of which {cpu / options.calls * 1e6:.0f} µs CPU are the writer's and "
                f"{servers / options.calls * 1e6:.0f} Postgres's; {totals.transactions} transactions"
            )
        finally:
            postgres.kill()
            valkey.kill()


if __name__ == "__main__":
    main()
