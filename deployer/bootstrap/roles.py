"""Roles in Postgres that stand for managed identities, and their privileges: made, mended, and taken back where they are more
than `grants` says.

On Azure such a role is made by `pgaadauth_create_principal_with_oid`, which is in the database `postgres` alone; the one who
calls it is the server's Entra administrator.
https://learn.microsoft.com/azure/postgresql/flexible-server/how-to-manage-azure-ad-users
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from deployer.bootstrap.grants import GRANTS, Grant
from deployer.bootstrap.spec import ServiceRole

_EXISTS = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %(role)s)"
# By position: servers and their documentation do not agree on the columns' names.
_OBJECT_ID = """
SELECT object_id FROM pgaadauth_list_principals(false) AS listed (role, type, object_id, tenant, mfa, admin)
 WHERE role = %(role)s
"""
_CREATE = "SELECT pgaadauth_create_principal_with_oid(%(role)s, %(object_id)s, 'service', false, false)"

# Privileges as they are, of tables and views, their columns, and functions of ours. A column is listed where the table's
# own privilege does not cover it.
_HELD = """
WITH ours AS (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
SELECT c.relname, a.privilege_type, '{}'::text[]
  FROM pg_class c, aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
 WHERE c.relnamespace IN (SELECT oid FROM ours) AND r.rolname = %(role)s
 UNION ALL
SELECT c.relname, a.privilege_type, array_agg(t.attname::text ORDER BY t.attnum)
  FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid, aclexplode(t.attacl) a JOIN pg_roles r ON r.oid = a.grantee
 WHERE c.relnamespace IN (SELECT oid FROM ours) AND r.rolname = %(role)s
 GROUP BY c.relname, a.privilege_type
 UNION ALL
SELECT p.proname, a.privilege_type, '{}'::text[]
  FROM pg_proc p, aclexplode(p.proacl) a JOIN pg_roles r ON r.oid = a.grantee
 WHERE p.pronamespace IN (SELECT oid FROM ours) AND r.rolname = %(role)s
"""
_MAY_CONNECT = """
SELECT EXISTS (SELECT FROM pg_database d, aclexplode(d.datacl) a JOIN pg_roles r ON r.oid = a.grantee
                WHERE d.datname = current_database() AND r.rolname = %(role)s AND a.privilege_type = 'CONNECT'),
       EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) a JOIN pg_roles r ON r.oid = a.grantee
                WHERE n.nspname = current_schema() AND r.rolname = %(role)s AND a.privilege_type = 'USAGE')
"""
_OPEN_TO_ALL = """
SELECT EXISTS (SELECT FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
                WHERE d.datname = current_database() AND a.grantee = 0)
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """What a role has too little and too much."""

    missing: tuple[Grant, ...]
    beyond: tuple[Grant, ...]
    may_connect: bool

    @property
    def none(self) -> bool:
        return self.may_connect and not self.missing and not self.beyond

    def words(self, role: str) -> list[str]:
        return [
            *([] if self.may_connect else [f"let {role} connect"]),
            *(f"grant {role} {each}" for each in self.missing),
            *(f"take from {role} {each}" for each in self.beyond),
        ]


# ── Roles, in the database `postgres` ───────────────────────────────────────────────────────────────────────────────────


def unmade(administration: psycopg.Connection[Any], roles: Iterable[ServiceRole]) -> list[tuple[ServiceRole, bool]]:
    """Those that are not there, or (True) stand for another identity: one that was deleted and made again."""
    found = []
    for each in roles:
        where = {"role": each.role}
        if not _one(administration.execute(_EXISTS, where)):
            found.append((each, False))
        elif str(_one(administration.execute(_OBJECT_ID, where)) or "").lower() != each.object_id.lower():
            found.append((each, True))
    return found


def make(administration: psycopg.Connection[Any], role: ServiceRole) -> None:
    """Make one that is not there."""
    administration.execute(_CREATE, {"role": role.role, "object_id": role.object_id})


def remove(administration: psycopg.Connection[Any], database: psycopg.Connection[Any], role: str) -> None:
    """Take a role away that stands for an identity that is gone, and before it its privileges: it owns nothing.

    One by one, as their grantor: DROP OWNED takes a member of the role, which the administrator on Azure is not.
    """
    name = sql.Identifier(role)
    with database.transaction():
        for grant in sorted(_held(database, role)):
            database.execute(_statement("REVOKE {} ON {} FROM {}", grant, name))
        on_database, on_schema = sql.Identifier(database.info.dbname), _schema(database)
        database.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(on_database, name))
        database.execute(sql.SQL("REVOKE ALL ON SCHEMA {} FROM {}").format(on_schema, name))
    administration.execute(sql.SQL("DROP ROLE {}").format(name))


# ── Privileges, in the installation's database ──────────────────────────────────────────────────────────────────────────


def is_open_to_all(database: psycopg.Connection[Any]) -> bool:
    """Whether any role of the server may connect, as Postgres begins."""
    return bool(_one(database.execute(_OPEN_TO_ALL)))


def close_to_others(database: psycopg.Connection[Any]) -> None:
    """From here on who was not let in by name cannot connect."""
    name = sql.Identifier(database.info.dbname)
    database.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    database.execute(sql.SQL("REVOKE CREATE ON SCHEMA {} FROM PUBLIC").format(_schema(database)))


def difference(database: psycopg.Connection[Any], role: ServiceRole) -> Difference:
    """Between what a role may do and what it should."""
    held = _held(database, role.role)
    wanted = {_sorted(database, grant) for grant in GRANTS[role.service]}
    connect, usage = database.execute(_MAY_CONNECT, {"role": role.role}).fetchone() or (False, False)
    return Difference(tuple(sorted(wanted - held)), tuple(sorted(held - wanted)), bool(connect and usage))


def _held(database: psycopg.Connection[Any], role: str) -> set[Grant]:
    rows = database.execute(_HELD, {"role": role}).fetchall()
    return {Grant(on, privilege, tuple(columns)) for on, privilege, columns in rows}


def settle(database: psycopg.Connection[Any], role: ServiceRole, found: Difference) -> None:
    """Make the role's privileges what they should be, in the caller's transaction."""
    name = sql.Identifier(role.role)
    for grant in found.beyond:
        database.execute(_statement("REVOKE {} ON {} FROM {}", grant, name))
    for grant in found.missing:
        database.execute(_statement("GRANT {} ON {} TO {}", grant, name))
    database.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(database.info.dbname), name))
    database.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(_schema(database), name))


def _statement(form: Any, grant: Grant, role: sql.Identifier) -> sql.Composed:
    columns = sql.SQL(", ").join(map(sql.Identifier, grant.columns))
    privilege = sql.SQL(grant.privilege)  # of `grants`, or as Postgres spells it
    what = sql.SQL("{} ({})").format(privilege, columns) if grant.columns else privilege
    on = (
        sql.SQL("FUNCTION {}").format(sql.Identifier(grant.on))
        if grant.privilege == "EXECUTE"
        else sql.Identifier(grant.on)
    )
    return sql.SQL(form).format(what, on, role)


def _sorted(database: psycopg.Connection[Any], grant: Grant) -> Grant:
    """Columns in the table's own order, as Postgres lists them."""
    if not grant.columns:
        return grant
    order: Mapping[str, int] = {
        name: number
        for number, (name,) in enumerate(
            database.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %(table)s::regclass AND attnum > 0 ORDER BY attnum",
                {"table": grant.on},
            ).fetchall()
        )
    }
    columns: Sequence[str] = sorted(grant.columns, key=lambda column: order.get(column, 0))
    return Grant(grant.on, grant.privilege, tuple(columns))


def _schema(database: psycopg.Connection[Any]) -> sql.Identifier:
    return sql.Identifier(str(_one(database.execute("SELECT current_schema()"))))


def _one(cursor: psycopg.Cursor[Any]) -> Any:
    row = cursor.fetchone()
    return row[0] if row is not None else None
