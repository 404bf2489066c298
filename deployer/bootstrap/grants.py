"""What each service may do in the database, and nothing beyond it. A table a row; a test runs the services under it.

No service owns anything: tables are the migrating role's. `raise_snapshot_version` runs as whoever writes configuration, so
that who may write it may raise `snapshot_version`, too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deployer.bootstrap.spec import Service

_CONFIGURATION = (
    "policies",
    "clients",
    "teams",
    "apps",
    "api_keys",
    "identities",
    "upstreams",
    "routes",
    "targets",
    "budgets",
    "prices",
    "secrets",
)


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A privilege on a table, on some of its columns, or on a function."""

    on: str
    privilege: str  # SELECT | INSERT | UPDATE | DELETE | EXECUTE
    columns: tuple[str, ...] = ()  # none: the whole table

    def __str__(self) -> str:
        columns = f" ({', '.join(self.columns)})" if self.columns else ""
        return f"{self.privilege}{columns} on {self.on}"


def _all(tables: Mapping[str, str]) -> Iterator[Grant]:
    words = {"S": "SELECT", "I": "INSERT", "U": "UPDATE", "D": "DELETE"}
    for table, letters in tables.items():
        for letter in letters:
            yield Grant(table, words[letter])


GRANTS: Mapping[Service, frozenset[Grant]] = {
    "proxy": frozenset(
        [
            *_all(dict.fromkeys(_CONFIGURATION, "S")),
            *_all({"snapshot_version": "S", "alembic_version": "S", "pepper_rotation": "S"}),
            # What was spent, and what of it has arrived.
            *_all({"usage_events": "S", "usage_rollups": "S", "ledger_watermarks": "S"}),
            # Whose an object is; usage that comes later is claimed and ended.
            *_all({"objects": "S", "deferred_usage": "SU"}),
            # Keys that are shown come under a newer pepper, each with its audit event.
            Grant("api_keys", "UPDATE", ("pepper_version", "digest")),
            *_all({"audit_events": "SI"}),
            Grant("snapshot_version", "UPDATE", ("version",)),
            # Without Redis: who is the one proxy.
            Grant("sole_proxy", "SELECT"),
            Grant("sole_proxy", "UPDATE", ("holder", "held_since")),
        ]
    ),
    "writer": frozenset(
        [
            *_all({"usage_events": "SIUD", "usage_attempts": "I", "usage_rollups": "SIUD", "admitted_calls": "SIUD"}),
            *_all({"ledger_watermarks": "SIUD", "ledger_streams": "SIUD", "ledger_rejects": "I"}),
            *_all({"objects": "SIU", "deferred_usage": "SIUD", "alembic_version": "S"}),
            Grant("make_usage_partition", "EXECUTE"),
            # Alerts: the names that budgets are scoped by, and the time zone that their periods begin in.
            *_all({"clients": "S", "teams": "S", "apps": "S", "policies": "S", "budgets": "S", "budget_alerts": "SI"}),
            Grant("api_keys", "SELECT", ("id", "app_id", "name", "removed_at")),
            Grant("identities", "SELECT", ("id", "app_id", "name", "removed_at")),
        ]
    ),
    # It shows whether it is ready, and no more yet.
    "admin": frozenset(_all({"alembic_version": "S"})),
}
"""By service."""
