"""What Azure's flexible server does with Entra tokens, on a real Postgres: TLS, roles that stand for identities and whose
password is the last token that was issued to them, and the functions by which such roles are made.

https://learn.microsoft.com/azure/postgresql/flexible-server/how-to-manage-azure-ad-users
"""

import asyncio
import contextlib
import ssl
import struct

import psycopg
import trustme
from psycopg import sql

from deployer.local.postgres import PostgresServer
from tests.relay import Relay
from tests.simulators.azure.managed_identity import ManagedIdentity

RESOURCE = "https://ossrdbms-aad.database.windows.net"
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)

# As Azure's, which are in the database `postgres` alone: a role by its name and the object's id, which is its security label.
_PRINCIPALS = """
    CREATE TABLE pgaadauth_principals (rolename name, principaltype text, objectid text, isadmin int);
    CREATE TABLE tokens (rolename name PRIMARY KEY, token text);
    CREATE FUNCTION pgaadauth_create_principal_with_oid(
        "roleName" text, "objectId" text, "objectType" text, "isAdmin" boolean, "isMfa" boolean) RETURNS text
        LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = "roleName") THEN
            RAISE EXCEPTION 'role "%" already exists', "roleName" USING ERRCODE = '42710';
        END IF;
        EXECUTE format('CREATE ROLE %I LOGIN', "roleName");
        EXECUTE format('ALTER ROLE %I PASSWORD %L', "roleName", (SELECT token FROM tokens WHERE rolename = "roleName"));
        EXECUTE format('GRANT %I TO "aduana-job" WITH ADMIN OPTION', "roleName");
        DELETE FROM pgaadauth_principals WHERE rolename = "roleName";
        INSERT INTO pgaadauth_principals VALUES ("roleName", "objectType", "objectId", "isAdmin"::int);
        RETURN format('Created role for "%s"', "roleName");
    END $$;
    CREATE FUNCTION pgaadauth_list_principals("isAdminValue" boolean)
        RETURNS TABLE (rolename name, principaltype text, objectid text, tenantid text, ismfa int, isadmin int)
        LANGUAGE sql SECURITY DEFINER
        AS $$ SELECT rolename, principaltype, objectid, '', 0, isadmin FROM pgaadauth_principals $$;
"""


_KEEP_TOKEN = """
INSERT INTO tokens VALUES (%(role)s, %(token)s) ON CONFLICT (rolename) DO UPDATE SET token = excluded.token
"""

OWNER = "aduana-job"
"""The server's Entra administrator, to whom the database belongs."""

OWNER_CLIENT_ID = "11111111-2222-3333-4444-555555555555"


class EntraPostgres:
    """A server's databases for identities: `admit` says which role a client id's tokens open."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.roles: dict[str | None, str] = {}  # client id → role
        self.logins: list[tuple[str, str]] = []  # role and token, as they were issued
        authority = trustme.CA()
        self.ca_bundle = server.directory / "postgres-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_bundle))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(context)
        self.front = _TlsFront(server.port, context)
        self.front.__enter__()
        self.execute(_PRINCIPALS)
        # What the administrator of a flexible server may; `postgres` as it is there, in which no other makes anything.
        self.execute(f'CREATE ROLE "{OWNER}" LOGIN CREATEROLE')

    def begin(self, identity: ManagedIdentity) -> None:
        """An empty database, and nobody but its owner."""
        self._identity = identity
        identity.on_issue = self._let_in
        identity.client_ids = (*identity.client_ids, OWNER_CLIENT_ID)
        self.execute(f'CREATE DATABASE aduana OWNER "{OWNER}"')
        self.admit(OWNER, OWNER_CLIENT_ID)

    def clear(self) -> None:
        self.execute("DROP DATABASE aduana WITH (FORCE)")
        for (role,) in self.execute("SELECT rolename FROM pgaadauth_principals"):
            self.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))
        self.execute("TRUNCATE pgaadauth_principals, tokens")
        self.roles.clear()
        self.logins.clear()

    def url(self, role: str, database: str = "aduana") -> str:
        """Without a password."""
        return f"postgresql://{role}@localhost:{self.front.port}/{database}?hostaddr=127.0.0.1"

    def admit(self, role: str, client_id: str | None = None) -> None:
        """Tokens that are issued from here on to this client id open this role."""
        self.roles[client_id] = role

    def forget_tokens(self, role: str) -> None:
        """No token that was issued so far opens a connection any more."""
        self.execute(sql.SQL("ALTER ROLE {} PASSWORD 'none'").format(sql.Identifier(role)))

    def close(self) -> None:
        self.front.__exit__()
        self.server.kill()

    def execute(self, statement: str | sql.Composed, database: str = "postgres") -> list[tuple]:
        with psycopg.connect(self.server.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _let_in(self, token: str, resource: str) -> None:
        client_id = next((id for known, _, id, _ in self._identity.issued if known == token), None)
        role = self.roles.get(client_id)
        if resource != RESOURCE or role is None:
            return
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            connection.execute(_KEEP_TOKEN, {"role": role, "token": token})  # the role may be made later
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
                return
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(token)))
        self.logins.append((role, token))


class _TlsFront(Relay):
    """What a Postgres without TLS lacks: it answers the request for it, and ends it."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__(port)
        self._context = context

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(8) != _SSL_REQUEST:  # Azure takes nobody without
            writer.transport.abort()
            return
        writer.write(b"S")
        with contextlib.suppress(ssl.SSLError, OSError):
            await writer.start_tls(self._context)
            await super()._pass(reader, writer)
