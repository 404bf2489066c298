"""redis-py for those who may block: one client a node, each client's keys asked for at the node that has them.

Not redis-py's own cluster client: that cannot verify the nodes of an Azure Managed Redis, which are announced by address, and
where one node is away it knows no way to go on with the others.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.identity.entra import EntraIssuer
from core.redis import RedisAddress, parse_redis_url
from core.redis.login import BlockingLogin, Credentials, LoginUnavailable, require_tls
from core.redis.slots import SlotMap, key_slot, read_slots, slot_of
from core.settings import Settings

# A node that did not answer is not asked again for as long as it took to find out, and in a cluster for some times that: the
# other nodes come first.
_SHARE = 4.0
_LONGEST_REST, _LONGEST_REST_ALONE = 20.0, 1.0  # seconds

NOT_HERE = (redis.exceptions.AskError, redis.exceptions.TryAgainError, redis.exceptions.ClusterDownError)
"""A client's slot is somewhere else (a MOVED is an AskError, too), on its way, or nobody's: the map is read again."""

Answer = TypeVar("Answer")


class RedisAway(Exception):
    """A node cannot be asked now, or does not answer as it should; the message names no secret."""


class _Certified(redis.SSLConnection):
    """Verifies a node by another name than the one it is reached by."""

    def __init__(self, *, certified: str, **options: Any) -> None:
        super().__init__(**options)
        self._certified, self._reached = certified, self.host

    def _wrap_socket_with_ssl(self, sock: Any) -> Any:
        self.host = self._certified
        try:
            return super()._wrap_socket_with_ssl(sock)  # type: ignore[no-untyped-call]
        finally:
            self.host = self._reached


class Node:
    """One node and its client."""

    def __init__(
        self, address: RedisAddress, login: BlockingLogin, timeout: float, ca_bundle: Path | None, name: str
    ) -> None:
        self.address = address
        self._login = login
        self._used: Credentials | None = None
        self._rests_until = 0.0  # monotonic
        self._reason = ""
        self.alone = True  # no other node waits for it
        options: dict[str, Any] = {
            "db": address.database,
            "credential_provider": self if login.needed else None,
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "retry": Retry(NoBackoff(), 0),
            "client_name": name,
            "protocol": 2,
        }
        connection: Any = redis.Connection
        if address.path is not None:
            connection = redis.UnixDomainSocketConnection
            options["path"] = address.path
        else:
            options |= {"host": address.host, "port": address.port}
        if address.tls:
            connection = _Certified
            options["certified"] = address.server_name
            options["ssl_ca_certs"] = None if ca_bundle is None else str(ca_bundle)
        self.redis = redis.Redis(connection_pool=redis.ConnectionPool(connection_class=connection, **options))
        self.redis.response_callbacks.pop("XRANGE", None)  # entries as they come: a list of fields

    def __str__(self) -> str:
        return repr(self.address)

    def get_credentials(self) -> tuple[str, ...]:
        """See `redis.CredentialProvider`: what a new connection is opened with."""
        self._used = self._login.current()
        return () if self._used is None else self._used.arguments

    def ask(self, question: Callable[[redis.Redis], Answer]) -> Answer:
        """The answer. Raises `RedisAway`; a node that did not answer then rests for a moment and is away without a try."""
        began = time.monotonic()
        if began < self._rests_until:
            raise RedisAway(self._reason)
        try:
            self._log_in_again()
            return question(self.redis)
        except NOT_HERE as error:
            raise RedisAway(f"{self.address!r}: {error}") from None
        except redis.AuthenticationError as error:
            self._login.forget()
            raise self._away(began, str(error)) from None
        except (redis.RedisError, LoginUnavailable, OSError) as error:
            raise self._away(began, str(error)) from error

    def close(self) -> None:
        self.redis.connection_pool.disconnect()

    def _log_in_again(self) -> None:
        """A token that was renewed is sent on the open connection."""
        credentials = self._login.current()
        if credentials is not None and self._used is not None and credentials is not self._used:
            self.redis.execute_command("AUTH", *credentials.arguments)  # type: ignore[no-untyped-call]
            self._used = credentials

    def _away(self, began: float, reason: str) -> RedisAway:
        self.close()
        now = time.monotonic()
        took = now - began
        self._rests_until = now + (min(took, _LONGEST_REST_ALONE) if self.alone else min(_SHARE * took, _LONGEST_REST))
        self._reason = f"{self.address!r}: {reason}"
        return RedisAway(self._reason)


class Clients:
    """The nodes of one Redis: itself, or its cluster's. One thread uses it."""

    def __init__(
        self,
        address: RedisAddress,
        login: BlockingLogin | None = None,
        *,
        timeout: float,
        name: str,
        ca_bundle: Path | None = None,
    ) -> None:
        """`timeout`: seconds for each connection and answer. `name`: how Redis lists us."""
        login = login or BlockingLogin(address)
        self._make: Callable[[RedisAddress], Node] = lambda at: Node(at, login, timeout, ca_bundle, name)
        self._home = self._make(address)
        self._nodes: dict[RedisAddress, Node] = {address: self._home}
        self._map: SlotMap | None = None
        self._outdated = True

    def by_node(self, clients: Iterable[UUID]) -> dict[Node, list[UUID]]:
        """Who is where. Raises `RedisAway` where nobody says."""
        if self._outdated:
            self._draw()
        found: dict[Node, list[UUID]] = {}
        for client in clients:
            found.setdefault(self._of(client), []).append(client)
        return found

    def ask(self, client: UUID, question: Callable[[redis.Redis], Answer]) -> Answer:
        """The answer of the client's node. Raises `RedisAway`."""
        (node,) = self.by_node([client])
        return self.ask_node(node, question)

    def ask_key(self, key: bytes, question: Callable[[redis.Redis], Answer]) -> Answer:
        """The answer of the node that has a key with a hash tag. Raises `RedisAway`."""
        if self._outdated:
            self._draw()
        return self.ask_node(self._at(key_slot(key)), question)

    def ask_node(self, node: Node, question: Callable[[redis.Redis], Answer]) -> Answer:
        """The same where the node is known."""
        try:
            return node.ask(question)
        except RedisAway:
            self._outdated = True
            raise

    def redraw(self) -> None:
        """Somebody said that a slot is somewhere else."""
        self._outdated = True

    def close(self) -> None:
        for node in self._nodes.values():
            node.close()

    def _of(self, client: UUID) -> Node:
        return self._at(slot_of(client))

    def _at(self, slot: int) -> Node:
        owner = None if self._map is None else self._map.owner(slot)
        return self._home if owner is None else self._nodes[owner]

    def _draw(self) -> None:
        """Read the map where somebody can be asked, the configured address first; else the last one has to do."""
        away: RedisAway | None = None
        for node in sorted(self._nodes.values(), key=lambda each: each is not self._home):
            try:
                told = node.ask(_slots_of)
            except RedisAway as error:
                away = away or error
                continue
            self._use(None if told is None else read_slots(told, node.address))
            return
        if self._map is None and away is not None:
            raise away

    def _use(self, drawn: SlotMap | None) -> None:
        self._outdated = False
        if drawn is None or drawn == self._map:
            return
        self._map = drawn
        for address in drawn.nodes - self._nodes.keys():
            self._nodes[address] = self._make(address)
        for address in self._nodes.keys() - drawn.nodes - {self._home.address}:
            self._nodes.pop(address).close()
        for node in self._nodes.values():
            node.alone = False


def open_clients(url: str, settings: Settings, *, timeout: float, name: str) -> Clients:
    """The nodes at a URL, logged in as the settings say. Raises `ValueError`."""
    address = parse_redis_url(url)
    issuer = None
    if settings.redis_auth == "entra":
        require_tls(address)
        issuer = EntraIssuer(settings.azure_credential, settings.azure_client_id, settings.ca_bundle)
    return Clients(address, BlockingLogin(address, issuer), timeout=timeout, name=name, ca_bundle=settings.ca_bundle)


def _slots_of(client: redis.Redis) -> Any:
    try:
        return client.execute_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]
    except redis.ResponseError:  # no cluster, or one that we need not know of
        return None
