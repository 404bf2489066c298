"""A caller of the installation's own: an app `aduana/operations/verify`, whose keys live for minutes."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from core import issuance
from core.keys import NewKey, Peppers
from core.secrets.resolver import CachingResolver
from core.seed.apply import apply_seed
from core.seed.file import parse_seed
from core.store import Database

PATH = "aduana/operations/verify"

_LIFE = timedelta(minutes=15)

# Little may be spent by it, whatever becomes of a key. A model without a price is let through: it is one call.
_APP = """
policies:
  - {name: aduana-verify, requests_per_minute: 60, tokens_per_day: 100000, max_output_tokens: 1000, unpriced_models: allow}
clients:
  - name: aduana
    policy: aduana-verify
    teams: [{name: operations, apps: [{name: verify}]}]
"""


async def issue(database: Database, peppers: Peppers, resolver: CachingResolver, actor: str) -> NewKey:
    """A key that ends by itself; its app is made where there is none. Raises `psycopg.Error`, `KeyRefused`."""
    name = f"verify-{uuid4().hex[:12]}"
    async with await database.connector("aduana-verify").connect_async() as connection:
        await apply_seed(connection, parse_seed(_APP.encode(), "verify"), resolver, peppers, actor=actor)
        expires = datetime.now(UTC) + _LIFE
        return await issuance.create_key(connection, PATH, name, peppers, actor=actor, expires_at=expires)


async def revoke(database: Database, key_id: str, actor: str) -> None:
    """Switch it off."""
    async with await database.connector("aduana-verify").connect_async() as connection:
        await issuance.disable_key(connection, key_id, actor=actor)
