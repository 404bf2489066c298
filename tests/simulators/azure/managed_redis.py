"""What Azure Managed Redis does with Entra tokens, in front of a Valkey: TLS, an ACL user that is the identity's object id and
whose passwords are the tokens that were issued, and the end of a connection whose last token ran out.
"""

import re
import ssl
import time
from pathlib import Path
from typing import Any

import redis as redis_py
import trustme

from tests.relay import Passage, Relay
from tests.simulators.azure.managed_identity import ManagedIdentity

RESOURCE = "https://redis.azure.com"
_AUTH = re.compile(rb"\$4\r\nAUTH\r\n\$\d+\r\n([^\r\n]+)\r\n\$\d+\r\n([^\r\n]+)\r\n")


class ManagedRedis:
    """Use as a context. `logins` are the tokens by which connections were opened or kept open, `expired` counts the dropped."""

    def __init__(self, valkey: Any, identity: ManagedIdentity, directory: Path, object_id: str) -> None:
        self._admin = redis_py.Redis.from_url(valkey.url)
        self._object_id = object_id
        self._identity = identity
        self._until: dict[Passage, float] = {}
        self.logins: list[tuple[Passage, str]] = []
        self.expired = 0
        authority = trustme.CA()
        serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(serving)
        self.ca_bundle = directory / "redis-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_bundle))
        self.relay = Relay(valkey.port, tls=serving, watch=self._watch)
        identity.object_id = object_id
        identity.on_issue = self._let_in

    @property
    def url(self) -> str:
        return f"rediss://localhost:{self.relay.port}/0"

    def __enter__(self) -> "ManagedRedis":
        self._admin.execute_command("ACL", "SETUSER", self._object_id, "reset", "on", "~*", "&*", "+@all")
        self.relay.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.relay.__exit__()
        self._admin.close()

    def revoke_all(self) -> None:
        """No token that was issued so far opens a connection any more."""
        self._admin.execute_command("ACL", "SETUSER", self._object_id, "resetpass")

    def _let_in(self, token: str, resource: str) -> None:
        if resource == RESOURCE:
            self._admin.execute_command("ACL", "SETUSER", self._object_id, f">{token}")

    def _watch(self, passage: Passage, data: bytes) -> None:
        for _, password in _AUTH.findall(data):
            token = password.decode()
            self.logins.append((passage, token))
            expires = next((until for known, _, _, until in self._identity.issued if known == token), 0.0)
            self._until[passage] = expires
            self.relay._loop.call_later(max(0.0, expires - time.time()), self._expire, passage)

    def _expire(self, passage: Passage) -> None:
        if passage in self.relay.passages and self._until[passage] <= time.time():
            self.expired += 1
            passage.drop()
