"""What the database has of what a seed file may say, in the same words, so that the two can be compared.

Removed entities are not seen, except the ids of removed keys: an id is never given to another key unnoticed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg import AsyncConnection

from core.seed.claims import CLAIMS
from core.seed.prices import decimal_text, values_of

Key = tuple[str, tuple[str, ...]]
"""An entity's kind and its path of names."""

_LOCK = 0x41_44_53_45_45_44  # "ADSEED"

RETIRED = "~"
"""What parts the name of a key that a rotation replaced from its id: a seed file cannot name such a key."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """The parts of a proxy key that are compared and never shown."""

    id: str
    pepper_version: int
    digest: bytes = field(repr=False)
    expires_at: datetime | None
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Stored:
    """An entity as the database has it."""

    kind: str
    name: tuple[str, ...]
    id: Any  # uuid or, of keys and identities, text; None for what is known by its name alone (prices)
    values: Mapping[str, Any]  # as in `core.seed.file.Wanted`
    key: StoredKey | None = None


@dataclass(frozen=True, slots=True)
class State:
    """Everything at one moment."""

    entities: Mapping[Key, Stored]
    key_ids: Mapping[str, tuple[str, ...] | None]  # of every key ever: its path, None for a removed one
    secrets: frozenset[str]  # the names that db:// knows


async def lock_configuration(connection: AsyncConnection[Any]) -> None:
    """Until the end of the transaction nobody else seeds or changes keys by this door."""
    await connection.execute("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": _LOCK})


async def read_state(connection: AsyncConnection[Any]) -> State:
    """Read it all, within the caller's transaction."""
    found: dict[Key, Stored] = {}
    key_ids: dict[str, tuple[str, ...] | None] = {}

    def add(stored: Stored) -> None:
        found[stored.kind, stored.name] = stored

    for id, name, settings in await _rows(
        connection, "SELECT id, name, settings FROM policies WHERE removed_at IS NULL"
    ):
        add(Stored("policy", (name,), id, settings))
    for id, name, *columns in await _rows(connection, _UPSTREAMS):
        add(Stored("upstream", (name,), id, dict(zip(_UPSTREAM_KEYS, columns, strict=True))))
    for id, model, fallback, downshift, settings, targets in await _rows(connection, _ROUTES):
        ordered = sorted(targets, key=lambda each: (each["upstream"], each["deployment"]))
        route = {"fallback": fallback, "downshift": downshift, "targets": ordered, "settings": settings}
        add(Stored("route", (model,), id, route))
    for kind, query in (("client", _CLIENTS), ("team", _TEAMS), ("app", _APPS)):
        for id, path, policy in await _rows(connection, query):
            add(Stored(kind, tuple(path), id, {"policy": policy}))
    for row in await _rows(connection, _KEYS):
        id, path, policy, secret_ref, removed, *rest = row
        key_ids[id] = None if removed else tuple(path)
        if not removed:
            key = StoredKey(id, rest[0], bytes(rest[1]), rest[2], rest[3])
            add(Stored("api_key", tuple(path), id, {"policy": policy, "secret_ref": secret_ref}, key))
    for id, path, policy, claim, value in await _rows(connection, _IDENTITIES):
        add(Stored("identity", tuple(path), id, {"policy": policy, **dict.fromkeys(CLAIMS), claim: value}))
    for id, scope, period, amount, alerts, on_exceeded, throttle in await _rows(connection, _BUDGETS):
        budget = {
            "amount_usd": decimal_text(amount),
            "alerts": [decimal_text(alert) for alert in sorted(alerts)],
            "on_exceeded": on_exceeded,
            "throttle": throttle,
        }
        add(Stored("budget", (scope, period), id, budget))
    for provider, model, day, units in await _rows(connection, _PRICES):
        amounts = {unit: (Decimal(usd), per) for unit, (usd, per) in units.items()}
        add(Stored("price", (provider, model, day.isoformat()), None, values_of(amounts)))
    secrets = frozenset(row[0] for row in await _rows(connection, "SELECT name FROM secrets"))
    return State(found, key_ids, secrets)


async def _rows(connection: AsyncConnection[Any], query: str) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query)).fetchall()


_POLICIES = "SELECT id, name, settings FROM policies WHERE removed_at IS NULL"
_UPSTREAM_KEYS = ("provider", "endpoint", "api_version", "auth", "stream_usage", "settings")
_UPSTREAMS = """
    SELECT id, name, provider, endpoint, api_version, auth, stream_usage, settings
      FROM upstreams WHERE removed_at IS NULL
"""
_ROUTES = """
    SELECT r.id, r.model, r.fallback, r.downshift, r.settings,
           coalesce(jsonb_agg(jsonb_build_object('upstream', u.name, 'deployment', t.deployment, 'model', t.model,
                                                 'priority', t.priority, 'weight', t.weight,
                                                 'settings', t.settings))
                    FILTER (WHERE t.id IS NOT NULL), '[]')
      FROM routes r LEFT JOIN targets t ON t.route_id = r.id LEFT JOIN upstreams u ON u.id = t.upstream_id
     WHERE r.removed_at IS NULL
     GROUP BY r.id
"""
_CLIENTS = """
    SELECT c.id, ARRAY[c.name], p.name FROM clients c LEFT JOIN policies p ON p.id = c.policy_id
     WHERE c.removed_at IS NULL
"""
_TEAMS = """
    SELECT t.id, ARRAY[c.name, t.name], p.name
      FROM teams t JOIN clients c ON c.id = t.client_id LEFT JOIN policies p ON p.id = t.policy_id
     WHERE t.removed_at IS NULL AND c.removed_at IS NULL
"""
_APPS = """
    SELECT a.id, ARRAY[c.name, t.name, a.name], p.name
      FROM apps a JOIN teams t ON t.id = a.team_id JOIN clients c ON c.id = t.client_id
           LEFT JOIN policies p ON p.id = a.policy_id
     WHERE a.removed_at IS NULL AND t.removed_at IS NULL AND c.removed_at IS NULL
"""
_KEYS = """
    SELECT k.id, ARRAY[c.name, t.name, a.name, k.name], p.name, k.secret_ref,
           k.removed_at IS NOT NULL OR a.removed_at IS NOT NULL OR t.removed_at IS NOT NULL OR c.removed_at IS NOT NULL,
           k.pepper_version, k.digest, k.expires_at, k.disabled_at
      FROM api_keys k JOIN apps a ON a.id = k.app_id JOIN teams t ON t.id = a.team_id
           JOIN clients c ON c.id = t.client_id LEFT JOIN policies p ON p.id = k.policy_id
"""
_IDENTITIES = """
    SELECT i.id, ARRAY[c.name, t.name, a.name, i.name], p.name, i.claim, i.value
      FROM identities i JOIN apps a ON a.id = i.app_id JOIN teams t ON t.id = a.team_id
           JOIN clients c ON c.id = t.client_id LEFT JOIN policies p ON p.id = i.policy_id
     WHERE i.removed_at IS NULL AND a.removed_at IS NULL AND t.removed_at IS NULL AND c.removed_at IS NULL
"""
_BUDGETS = """
    SELECT id, scope, period, amount_usd, alerts, on_exceeded, throttle FROM budgets WHERE removed_at IS NULL
"""
_PRICES = """
    SELECT provider, model, effective_from, jsonb_object_agg(unit, jsonb_build_array(usd::text, per))
      FROM prices GROUP BY provider, model, effective_from
"""
