"""`python -m bench.loader`: an order on standard input, its report on standard output; exit 1 where it could not begin."""

import gc
import sys

import msgspec
import uvloop

from bench.loader import Order, Report
from bench.loader.run import LoaderError, Run


async def _carry_out(order: Order) -> Report:
    return await Run(order).report()


def main() -> int:
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    gc.freeze()
    gc.disable()
    try:
        report = uvloop.run(_carry_out(order))
    except LoaderError as error:
        print(error, file=sys.stderr)
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
