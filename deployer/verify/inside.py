"""What can be seen from inside the network alone: private names, TLS, the database, and a call's whole way into the ledger."""

import asyncio
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg

from core.keys import NewKey, Peppers
from core.secrets import SecretError
from core.secrets.resolver import CachingResolver
from core.settings import Settings
from core.store import Database, schema_state
from core.trust import client_context
from deployer.verify import Check, caller, failed, passed, skipped
from deployer.verify.addresses import addresses_of
from deployer.verify.spec import Endpoint, VerifySpec

_PATIENCE = 10.0  # seconds for a name, a handshake, a health answer
_ANSWER = 120.0  # seconds for a model
_ENTRY = 30.0  # seconds for a new key to be known to every replica
_REVOKED_WITHIN = 2.0  # seconds that are promised
_LEDGER = 120.0  # seconds for a row
_EXPIRING = 21  # days

_ROUTES = "SELECT model FROM routes WHERE removed_at IS NULL AND model NOT LIKE '%%*' ORDER BY model LIMIT 50"
_ROW = """
SELECT input_tokens, output_tokens, cost_usd, unpriced, usage_source FROM usage_events
 WHERE caller = %(caller)s AND status = 200 AND admitted_at > now() - interval '30 minutes' LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Inside:
    """What the checks work with."""

    spec: VerifySpec
    settings: Settings
    database: Database
    resolver: CachingResolver
    actor: str

    async def run(self, report: Callable[[Check], None] = lambda check: None) -> list[Check]:
        """Every check that is asked for, in order; each is reported when it is done."""
        done = []
        for id, work in self._plan():
            if self.spec.only and not any(id == each or id.startswith(f"{each}.") for each in self.spec.only):
                continue
            async for check in _guarded(id, work):
                done.append(check)
                report(check)
        return done

    def _plan(self) -> Sequence[tuple[str, Callable[[], AsyncIterator[Check]]]]:
        return [
            ("dns", self._names),
            ("tls", self._handshakes),
            ("database", self._schema),
            ("proxy", self._proxy_ready),
            ("admin", self._admin_ready),
            ("call", self._call),
        ]

    # ── Names and handshakes ────────────────────────────────────────────────────────────────────────────────────────

    async def _names(self) -> AsyncIterator[Check]:
        for each in self.spec.endpoints:
            id = f"dns.{each.name}"
            try:
                addresses = await asyncio.wait_for(addresses_of(each.host), _PATIENCE)
            except (OSError, TimeoutError):
                yield failed(
                    id,
                    f"{each.host} does not resolve",
                    "Link the private DNS zone to the network, or ask who keeps it.",
                )
                continue
            public = [address for address in addresses if not ipaddress.ip_address(address).is_private]
            if public:
                yield failed(
                    id,
                    f"{each.host} resolves to {', '.join(public)}, which is public",
                    "The private zone is not linked to this network, or has no record of the private endpoint.",
                    addresses=addresses,
                )
            else:
                yield passed(id, f"{each.host} is {', '.join(addresses)}", addresses=addresses)

    async def _handshakes(self) -> AsyncIterator[Check]:
        for each in self.spec.endpoints:
            if each.tls:
                yield await _handshake(each, self.settings)

    # ── Services ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _schema(self) -> AsyncIterator[Check]:
        async with await self.database.connector("aduana-verify").connect_async() as connection:
            state = await schema_state(connection)
        if state.ready:
            yield passed("database", f"{state}", revision=state.current)
        else:
            yield failed("database", f"{state}", "Run aduana bootstrap.", revision=state.current)

    async def _proxy_ready(self) -> AsyncIterator[Check]:
        yield await self._ready("proxy.ready", self.spec.proxy_url)
        async with self._http() as http:
            answer = await http.post(
                f"{self.spec.proxy_url}/v1/chat/completions", json={"model": "any", "messages": []}
            )
        if answer.status_code == 401:
            yield passed("proxy.anonymous", "who shows no key is refused (401)", status=401)
        else:
            yield failed(
                "proxy.anonymous",
                f"who shows no key is answered {answer.status_code} in place of 401",
                "Is that address the proxy's, and nothing in front of it that answers by itself?",
                status=answer.status_code,
            )

    async def _admin_ready(self) -> AsyncIterator[Check]:
        if self.spec.admin_url is None:
            yield skipped("admin.ready", "it is published nowhere")
        else:
            yield await self._ready("admin.ready", self.spec.admin_url)

    async def _ready(self, id: str, url: str) -> Check:
        async with self._http() as http:
            answer = await http.get(f"{url}/readyz")
        if answer.status_code == 200:
            return passed(id, f"{url} is ready", status=200)
        try:
            missing = "; ".join(str(each) for each in answer.json()["missing"].values())
        except (ValueError, KeyError, AttributeError, TypeError):
            missing = answer.text[:200]
        return failed(
            id,
            f"{url} is not ready ({answer.status_code}): {missing}",
            "See the service's log.",
            status=answer.status_code,
        )

    # ── A call, from its key to its row ─────────────────────────────────────────────────────────────────────────────

    async def _call(self) -> AsyncIterator[Check]:
        peppers = await Peppers.load(self.settings.peppers, self.resolver)
        key = await caller.issue(self.database, peppers, self.resolver, self.actor)
        try:
            async for check in self._use(key):
                yield check
        finally:
            await caller.revoke(self.database, key.id, self.actor)
        yield await self._revoked(key)

    async def _use(self, key: NewKey) -> AsyncIterator[Check]:
        entered = await self._until(key, lambda status: status != 401, _ENTRY)
        if entered is None:
            yield failed(
                "call.key",
                f"a new key is still refused after {_ENTRY:.0f} s",
                "Do the proxies reach Postgres? See /readyz.",
            )
            return
        yield passed("call.key", f"a new key lets its bearer in after {entered:.1f} s", seconds=round(entered, 2))
        answered = await self._ask_models(key)
        yield answered
        if answered.status == "passed":
            yield await self._ledger(key)
        else:
            yield skipped("call.ledger", "no model answered")

    async def _ask_models(self, key: NewKey) -> Check:
        models = list(self.spec.models) or await self._routes()
        if not models:
            return skipped("call.model", "there is no route yet")
        told: dict[str, str] = {}
        for model in models:
            began = time.monotonic()
            body = {"model": model, "messages": [{"role": "user", "content": "Say OK."}], "max_completion_tokens": 200}
            async with self._http(key, _ANSWER) as http:
                answer = await http.post(f"{self.spec.proxy_url}/v1/chat/completions", json=body)
            took = time.monotonic() - began
            if answer.status_code == 200:
                usage = (answer.json().get("usage") or {}) if answer.text.startswith("{") else {}
                figures = {"model": model, "seconds": round(took, 2), "total_tokens": usage.get("total_tokens")}
                return passed("call.model", f"{model} answered in {took:.1f} s", **figures)
            told[model] = _said(answer)
        first, why = next(iter(told.items()))
        others = f" (and {len(told) - 1} others)" if len(told) > 1 else ""
        return failed(
            "call.model",
            f"no model answers: {first}{others}: {why}",
            "See the upstream's deployment and the proxy's role on it (aduana upstreams).",
            models=told,
        )

    async def _ledger(self, key: NewKey) -> Check:
        began = time.monotonic()
        path = await self._path(key)
        while time.monotonic() - began < _LEDGER:
            async with await self.database.connector("aduana-verify").connect_async() as connection:
                row = await (await connection.execute(_ROW, {"caller": path})).fetchone()
            if row is not None:
                took = time.monotonic() - began
                tokens, cost = row[0] + row[1], f"{row[2]:f}"
                words = "unpriced" if row[3] else f"{cost} USD"
                return passed(
                    "call.ledger",
                    f"the ledger has it after {took:.1f} s: {tokens} tokens, {words}",
                    seconds=round(took, 2),
                    tokens=tokens,
                    cost_usd=cost,
                    usage_source=row[4],
                )
            await asyncio.sleep(0.25)
        return failed(
            "call.ledger",
            f"the call is not in the ledger after {_LEDGER:.0f} s",
            "Does the writer run and reach Redis and Postgres? See its /readyz and log.",
        )

    async def _revoked(self, key: NewKey) -> Check:
        took = await self._until(key, lambda status: status == 401, _ENTRY)
        if took is None:
            return failed(
                "call.revoked",
                f"a key that was switched off still lets its bearer in after {_ENTRY:.0f} s",
                "Do all replicas reach Postgres? aduana_snapshot_age_seconds says so.",
            )
        return passed(
            "call.revoked", f"a key that was switched off is refused after {took:.1f} s", seconds=round(took, 2)
        )

    async def _until(self, key: NewKey, wanted: Callable[[int], bool], within: float) -> float | None:
        """Seconds until the proxy answers this key as wanted, several times in a row: there is more than one replica."""
        began, in_a_row, first = time.monotonic(), 0, 0.0
        async with self._http(key) as http:
            while time.monotonic() - began < within:
                asked = time.monotonic() - began
                answer = await http.get(f"{self.spec.proxy_url}/v1/models")
                if wanted(answer.status_code):
                    first = asked if in_a_row == 0 else first
                    in_a_row += 1
                    if in_a_row == 5:
                        return first
                else:
                    in_a_row = 0
                    await asyncio.sleep(0.1)
        return None

    async def _routes(self) -> list[str]:
        async with await self.database.connector("aduana-verify").connect_async() as connection:
            return [str(model) for (model,) in await (await connection.execute(_ROUTES)).fetchall()]

    async def _path(self, key: NewKey) -> str:
        query = "SELECT name FROM api_keys WHERE id = %(id)s"
        async with await self.database.connector("aduana-verify").connect_async() as connection:
            row = await (await connection.execute(query, {"id": key.id})).fetchone()
        return f"{caller.PATH}/{row[0] if row else ''}"

    def _http(self, key: NewKey | None = None, patience: float = _PATIENCE) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {key.text}"} if key is not None else {}
        # A connection a request: a balancer in front then chooses anew.
        limits = httpx.Limits(max_keepalive_connections=0)
        return httpx.AsyncClient(
            headers=headers,
            timeout=patience,
            verify=client_context(self.settings.ca_bundle),
            trust_env=False,
            limits=limits,
        )


async def _guarded(id: str, work: Callable[[], AsyncIterator[Check]]) -> AsyncIterator[Check]:
    """What a check runs into is what it says."""
    try:
        async for check in work():
            yield check
    except httpx.HTTPError as error:
        why = str(error) or type(error).__name__
        yield failed(id, f"no answer: {why[:300]}", "Is the service running, and this the network that it is in?")
    except psycopg.Error as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        yield failed(
            id, f"Postgres: {reason[:300]}", "Does the job's identity reach the database? See the check database."
        )
    except SecretError as error:
        yield failed(id, str(error), "Run aduana bootstrap.")


async def _handshake(endpoint: Endpoint, settings: Settings) -> Check:
    id = f"tls.{endpoint.name}"
    opening: Awaitable[Any] = asyncio.open_connection(
        endpoint.host, endpoint.port, ssl=client_context(settings.ca_bundle)
    )
    try:
        _, writer = await asyncio.wait_for(opening, _PATIENCE)
    except (ssl.SSLError, OSError, TimeoutError) as error:
        why = getattr(error, "verify_message", "") or str(error) or "no answer"
        return failed(
            id,
            f"{endpoint.host}:{endpoint.port}: {why}",
            "A proxy that opens TLS on the way, or a firewall that drops it?",
        )
    tls = writer.get_extra_info("ssl_object")
    writer.close()
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(tls.getpeercert()["notAfter"]), UTC)
    days = (until - datetime.now(UTC)).days
    figures = {"protocol": tls.version(), "expires": until.isoformat(timespec="seconds"), "days": days}
    if days < _EXPIRING:
        return failed(id, f"{endpoint.host}'s certificate ends in {days} days", "Renew it.", **figures)
    return passed(id, f"{endpoint.host} by {tls.version()}, its certificate is good for {days} days", **figures)


def _said(answer: httpx.Response) -> str:
    try:
        return f"{answer.status_code} {answer.json()['error']['message']}"[:300]
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code}"
