"""How every connection to Postgres is made: with timeouts, and with keepalives that notice a server that is gone."""

from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo


class StoreUnavailable(Exception):
    """Postgres could not be reached, or went away; nothing of the last transaction is known to have happened."""


def conninfo(
    database_url: str,
    *,
    application_name: str,
    connect_timeout: int = 5,
    statement_timeout: float = 30.0,
    lock_timeout: float = 10.0,
) -> str:
    """The connection string for a database URL (or a libpq string); times in seconds.

    Raises `ValueError`, which does not repeat the URL.
    """
    given = parts_of(database_url)
    options = {
        "statement_timeout": f"{statement_timeout * 1000:.0f}",
        "lock_timeout": f"{lock_timeout * 1000:.0f}",
        "idle_in_transaction_session_timeout": "60000",
        "timezone": "UTC",
    }
    settings = {
        "application_name": application_name,
        "connect_timeout": connect_timeout,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        **given,  # what the URL says itself holds
        "options": " ".join(
            [*(f"-c {name}={value}" for name, value in options.items()), str(given.get("options", ""))]
        ),
    }
    return make_conninfo("", **settings)


def parts_of(database_url: str) -> dict[str, Any]:
    """What a database URL (or a libpq string) says, by libpq's keywords. Raises `ValueError`, which does not repeat it."""
    try:
        return dict(conninfo_to_dict(database_url))
    except ProgrammingError:
        # libpq's message may repeat a part of the URL, and so a password.
        raise ValueError("the database URL is not one that libpq understands (postgresql://user@host/name)") from None
