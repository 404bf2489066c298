"""Which peppers and master keys each running proxy holds: said in the name of its connection to Postgres, so that whoever
rotates one sees whether all are ready.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

NAME = "aduana-snapshot"
"""What a proxy's listening connection is called."""

_LONGEST = 63  # bytes of an application_name, NAMEDATALEN - 1
_SAID = re.compile(rf"{NAME} peppers=([0-9,]*) master-keys=([0-9,]*)")


@dataclass(frozen=True, slots=True)
class Holding:
    """The versions that one proxy holds."""

    peppers: frozenset[int]
    master_keys: frozenset[int]


def announcement(peppers: Iterable[int], master_keys: Iterable[int]) -> str:
    """The connection's name. The newest versions come first; very old ones are left out where there is no room."""
    of_peppers, of_master_keys = (sorted(versions, reverse=True) for versions in (peppers, master_keys))
    while True:
        text = f"{NAME} peppers={_joined(of_peppers)} master-keys={_joined(of_master_keys)}"
        if len(text) <= _LONGEST:
            return text
        max(of_peppers, of_master_keys, key=len).pop()


def read_announcement(text: str) -> Holding:
    """What a connection's name says; nothing, of a proxy that says nothing."""
    match = _SAID.fullmatch(text)
    return (
        Holding(*(frozenset(map(int, filter(None, part.split(",")))) for part in match.groups())) if match else _NOTHING
    )


async def holdings(connection: AsyncConnection[Any]) -> list[Holding]:
    """Of every proxy that listens to this database now."""
    cursor = await connection.execute(
        """
        SELECT application_name FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE %(name)s
        """,
        {"name": f"{NAME} %"},
    )
    return [read_announcement(row[0]) for row in await cursor.fetchall()]


_NOTHING = Holding(frozenset(), frozenset())


def _joined(versions: list[int]) -> str:
    return ",".join(map(str, versions))
