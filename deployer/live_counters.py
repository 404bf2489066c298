"""The counters of one client as Redis has them now, for commands that show them. It only reads."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from redis import Redis

    from core.limits.standing import Counters
    from core.settings import Settings

_PATIENCE = 3.0  # seconds


class CountersAway(Exception):
    """Redis cannot be asked; the message never repeats its password."""


def read_counters(redis_url: str, settings: "Settings", client: UUID, fields: Sequence[str]) -> "tuple[Counters, bool]":
    """What the fields hold, and whether the client's gate is closed. Raises `CountersAway`."""
    from core.ledger.keys import StreamKeys
    from core.limits.standing import Counters
    from core.redis.clients import RedisAway, open_clients

    keys = StreamKeys(client)

    def ask(redis: "Redis") -> Any:
        pipeline = redis.pipeline(transaction=False)
        for key in (keys.buckets, keys.spent, keys.reserved):
            pipeline.hmget(key, [*fields, ""])
        pipeline.hexists(keys.state, "wanted")
        return pipeline.execute()

    try:
        nodes = open_clients(redis_url, settings, timeout=_PATIENCE, name="aduana-cli")
        try:
            full, spent, reserved, closed = nodes.ask(client, ask)
        finally:
            nodes.close()
    except (RedisAway, ValueError) as error:
        raise CountersAway(str(error)) from None

    def there(values: Sequence[bytes | None]) -> dict[str, bytes]:
        return {name: value for name, value in zip(fields, values, strict=False) if value is not None}

    return (
        Counters(
            {name: float(value) for name, value in there(full).items()},
            {name: int(value) for name, value in there(spent).items()},
            {name: int(value) for name, value in there(reserved).items()},
        ),
        bool(closed),
    )
