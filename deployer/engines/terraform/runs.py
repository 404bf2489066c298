"""What the record of earlier runs proves of a plan: which resources its own apply had begun to create."""

from collections.abc import Iterable
from pathlib import Path

from deployer.engines.terraform.ui import decode

_EXISTS = "already exists"


def begun(logs: Iterable[Path]) -> frozenset[str]:
    """The addresses that these runs, the oldest first, began to create, whether or not they came to an end.

    An address is left out where the first attempt was refused because the resource existed: then it was made by others.
    """
    started: set[str] = set()
    strangers: set[str] = set()
    for log in logs:
        starting, refused = _read(log)
        strangers |= refused - started
        started |= starting
    return frozenset(started - strangers)


def _read(log: Path) -> tuple[set[str], set[str]]:
    """What one run began to create, and what it could not create because it was there."""
    starting: set[str] = set()
    refused: set[str] = set()
    with log.open("rb") as lines:
        for line in lines:
            message = decode(line)
            if message is None:
                continue
            if message.type == "apply_start" and message.hook is not None and message.hook.action == "create":
                starting.add(message.hook.resource.addr)
            if (
                message.diagnostic is not None
                and _EXISTS in f"{message.diagnostic.summary} {message.diagnostic.detail}"
            ):
                refused.add(message.diagnostic.address)
    return starting, refused
