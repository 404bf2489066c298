"""The counters of one client as Redis has them now, for commands that show them. It only reads."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from core.limits.standing import Counters

_PATIENCE = 3.0  # seconds


class CountersAway(Exception):
    """Redis cannot be asked; the message never repeats its password."""


def read_counters(redis_url: str, client: UUID, fields: Sequence[str]) -> "tuple[Counters, bool]":
    """What the fields hold, and whether the client's gate is closed. Raises `CountersAway`."""
    import redis

    from core.ledger.keys import StreamKeys
    from core.limits.standing import Counters

    keys = StreamKeys(client)
    try:
        with redis.Redis.from_url(redis_url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE) as connection:
            pipeline = connection.pipeline(transaction=False)
            for key in (keys.buckets, keys.spent, keys.reserved):
                pipeline.hmget(key, [*fields, ""])
            pipeline.hexists(keys.state, "wanted")
            full, spent, reserved, closed = pipeline.execute()
    except (redis.RedisError, ValueError, OSError) as error:
        raise CountersAway(type(error).__name__) from None

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
