"""The rows that a snapshot is made of, read from Postgres in one transaction and serialisable as they are.

They hold HMACs and sealed ciphertext only; entities that were removed are not among them.
"""

from decimal import Decimal
from typing import Any, LiteralString, TypeVar

import msgspec
import psycopg
from psycopg import IsolationLevel

FORMAT = 4
"""Of the serialised rows; raised whenever a struct of this module changes."""

_BATCH = 500  # rows turned into objects at once: the interpreter's lock is held for so long


class Row(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What the rows have in common: nothing but their shape."""


class PolicyRow(Row, array_like=True, frozen=True, gc=False):
    id: bytes  # 16 bytes, as all ids but a key's
    settings: bytes  # JSON


class ClientRow(Row, array_like=True, frozen=True, gc=False):
    id: bytes
    name: str
    policy_id: bytes | None


class TeamRow(Row, array_like=True, frozen=True, gc=False):
    id: bytes
    client_id: bytes
    name: str
    policy_id: bytes | None


class AppRow(Row, array_like=True, frozen=True, gc=False):
    id: bytes
    team_id: bytes
    name: str
    policy_id: bytes | None


class KeyRow(Row, array_like=True, frozen=True, gc=False):
    id: str
    app_id: bytes
    name: str
    policy_id: bytes | None
    pepper_version: int
    digest: bytes
    expires_at: float | None  # Unix seconds
    disabled: bool


class IdentityRow(Row, array_like=True, frozen=True, gc=False):
    id: str
    app_id: bytes
    name: str
    policy_id: bytes | None
    claim: str  # application | object | role
    value: str
    disabled: bool


class UpstreamRow(Row, array_like=True, frozen=True, gc=False):
    id: bytes
    name: str
    provider: str
    endpoint: str
    api_version: str | None
    auth: bytes  # JSON
    stream_usage: bool
    settings: bytes  # JSON


class RouteRow(Row, array_like=True, frozen=True, gc=False):
    id: bytes
    model: str
    fallback: str | None
    downshift: str | None
    created: int  # Unix seconds
    settings: bytes  # JSON


class TargetRow(Row, array_like=True, frozen=True, gc=False):
    route_id: bytes
    upstream_id: bytes
    deployment: str
    model: str | None
    priority: int
    weight: int
    settings: bytes  # JSON


class PriceRow(Row, array_like=True, frozen=True, gc=False):
    provider: str
    model: str
    unit: str
    usd: Decimal
    per: int
    effective_from: float  # Unix seconds


class BudgetRow(Row, array_like=True, frozen=True, gc=False):
    id: bytes
    scope: str  # client:a | team:a/b | app:a/b/c | key:a/b/c/d
    period: str
    amount_usd: Decimal
    on_exceeded: str
    throttle: bytes | None  # JSON
    credit_usd: Decimal
    credit_start: float  # Unix seconds; 0: none


class SecretRow(Row, array_like=True, frozen=True, gc=False):
    name: str
    master_key_version: int
    nonce: bytes
    ciphertext: bytes


class Rows(msgspec.Struct, frozen=True):
    """All of one version."""

    version: int
    policies: list[PolicyRow]
    clients: list[ClientRow]
    teams: list[TeamRow]
    apps: list[AppRow]
    keys: list[KeyRow]
    identities: list[IdentityRow]
    upstreams: list[UpstreamRow]
    routes: list[RouteRow]
    targets: list[TargetRow]
    prices: list[PriceRow]
    budgets: list[BudgetRow]
    secrets: list[SecretRow]


encode = msgspec.msgpack.Encoder(decimal_format="string").encode
"""Rows as bytes."""

_decoder = msgspec.msgpack.Decoder(Rows)


def decode(data: bytes | memoryview) -> Rows:
    """Rows from bytes. Raises `msgspec.DecodeError`."""
    return _decoder.decode(data)


def read_rows(connection: psycopg.Connection[Any]) -> Rows:
    """Read one version whole: the rows and their number are of the same moment. Blocks: for a thread of its own.

    The connection must not be in a transaction. Raises `psycopg.Error`.
    """
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    with connection.transaction(), connection.cursor(binary=True) as cursor:
        version = cursor.execute("SELECT version FROM snapshot_version").fetchone()
        if version is None:
            raise psycopg.DataError("snapshot_version is empty; it must hold one row")
        return Rows(
            version=version[0],
            policies=_read(
                cursor,
                PolicyRow,
                """
                SELECT uuid_send(id), convert_to(settings::text, 'UTF8') FROM policies WHERE removed_at IS NULL
                """,
            ),
            clients=_read(
                cursor,
                ClientRow,
                "SELECT uuid_send(id), name, uuid_send(policy_id) FROM clients WHERE removed_at IS NULL",
            ),
            teams=_read(
                cursor,
                TeamRow,
                """
                SELECT uuid_send(id), uuid_send(client_id), name, uuid_send(policy_id)
                  FROM teams WHERE removed_at IS NULL
                """,
            ),
            apps=_read(
                cursor,
                AppRow,
                """
                SELECT uuid_send(id), uuid_send(team_id), name, uuid_send(policy_id)
                  FROM apps WHERE removed_at IS NULL
                """,
            ),
            keys=_read(
                cursor,
                KeyRow,
                """
                SELECT id, uuid_send(app_id), name, uuid_send(policy_id), pepper_version, digest,
                       extract(epoch FROM expires_at)::float8, disabled_at IS NOT NULL
                  FROM api_keys WHERE removed_at IS NULL
                """,
            ),
            identities=_read(
                cursor,
                IdentityRow,
                """
                SELECT id, uuid_send(app_id), name, uuid_send(policy_id), claim, value, disabled_at IS NOT NULL
                  FROM identities WHERE removed_at IS NULL
                """,
            ),
            upstreams=_read(
                cursor,
                UpstreamRow,
                """
                SELECT uuid_send(id), name, provider, endpoint, api_version, convert_to(auth::text, 'UTF8'),
                       stream_usage, convert_to(settings::text, 'UTF8')
                  FROM upstreams WHERE removed_at IS NULL
                """,
            ),
            routes=_read(
                cursor,
                RouteRow,
                """
                SELECT uuid_send(id), model, fallback, downshift, extract(epoch FROM created_at)::int8,
                       convert_to(settings::text, 'UTF8')
                  FROM routes WHERE removed_at IS NULL
                """,
            ),
            targets=_read(
                cursor,
                TargetRow,
                """
                SELECT uuid_send(route_id), uuid_send(upstream_id), deployment, model, priority, weight,
                       convert_to(settings::text, 'UTF8')
                  FROM targets ORDER BY priority, deployment, id
                """,
            ),
            prices=_read(
                cursor,
                PriceRow,
                """
                SELECT provider, model, unit, usd, per, extract(epoch FROM effective_from)::float8
                  FROM prices ORDER BY effective_from DESC
                """,
            ),
            budgets=_read(
                cursor,
                BudgetRow,
                """
                SELECT uuid_send(id), scope, period, amount_usd, on_exceeded, convert_to(throttle::text, 'UTF8'),
                       credit_usd, coalesce(extract(epoch FROM credit_start), 0)::float8
                  FROM budgets WHERE removed_at IS NULL ORDER BY scope, period
                """,
            ),
            secrets=_read(
                cursor,
                SecretRow,
                "SELECT name, master_key_version, nonce, ciphertext FROM secrets",
            ),
        )


_R = TypeVar("_R", bound=Row)


def _read(cursor: psycopg.Cursor[Any], kind: type[_R], query: LiteralString) -> list[_R]:
    cursor.execute(query)
    rows: list[_R] = []
    while batch := cursor.fetchmany(_BATCH):
        rows.extend(kind(*row) for row in batch)
    return rows
