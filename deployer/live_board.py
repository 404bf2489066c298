"""What replicas say of targets now, from the board in Redis, for commands that show it. It only reads."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis import Redis

    from core.settings import Settings
    from core.targets import Notice

_PATIENCE = 3.0  # seconds


class BoardAway(Exception):
    """Redis cannot be asked; the message never repeats its password."""


def read_live_board(redis_url: str, settings: "Settings") -> "list[Notice]":
    """What holds now. Raises `BoardAway`."""
    from core.redis.clients import RedisAway, open_clients
    from core.targets import BOARD, read_board

    def ask(redis: "Redis") -> Any:
        pipeline: Any = redis.pipeline(transaction=False)
        return pipeline.time().hgetall(BOARD).execute()

    try:
        nodes = open_clients(redis_url, settings, timeout=_PATIENCE, name="aduana-cli")
        try:
            (seconds, micros), fields = nodes.ask_key(BOARD, ask)
        finally:
            nodes.close()
    except (RedisAway, ValueError) as error:
        raise BoardAway(str(error)) from None
    return read_board(fields, seconds * 1000 + micros // 1000)
