"""Applying a seed file: one transaction, all or nothing, each write with its audit event.

Keys without a `secret_ref` are made here and handed back once; of every key only the HMAC is stored.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from psycopg import AsyncConnection

from core import audit, keys
from core.keys import Peppers
from core.secrets import SecretError, SecretResolver
from core.seed.claims import claim_of
from core.seed.document import Finding
from core.seed.file import SeedFile
from core.seed.plan import Change, ChosenKey, Plan, make_plan
from core.seed.prices import stored_amounts
from core.seed.state import Key, State, lock_configuration, read_state

_TABLES: Mapping[str, str] = {
    "policy": "policies",
    "upstream": "upstreams",
    "route": "routes",
    "client": "clients",
    "team": "teams",
    "app": "apps",
    "budget": "budgets",
}
_PARENTS: Mapping[str, str] = {"team": "client", "app": "team"}


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key that was just made; `text` is shown once and stored nowhere."""

    path: str
    id: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done, and the keys that were made by it."""

    plan: Plan
    issued: tuple[IssuedKey, ...]


async def choose_keys(
    seed: SeedFile, resolver: SecretResolver
) -> tuple[dict[tuple[str, ...], ChosenKey], tuple[Finding, ...]]:
    """Read the keys that the file names by reference; what cannot be read, or is no key, is a finding at its line."""
    chosen: dict[tuple[str, ...], ChosenKey] = {}
    findings: list[Finding] = []
    for wanted in seed.entities:
        reference = wanted.values.get("secret_ref") if wanted.kind == "api_key" else None
        if reference is None:
            continue
        try:
            parsed = keys.parse((await resolver.resolve(reference)).strip())
        except SecretError as error:
            findings.append(Finding(seed.name, wanted.place, f"the key {wanted.path!r} cannot be read: {error}"))
            continue
        if parsed is None:
            message = f"the value of {reference} is not a key; one looks like adu_<8 characters>_<43 characters>"
            findings.append(Finding(seed.name, wanted.place, message))
        else:
            chosen[wanted.name] = ChosenKey(*parsed)
    return chosen, tuple(findings)


async def plan_seed(
    connection: AsyncConnection[Any], seed: SeedFile, resolver: SecretResolver, peppers: Peppers, *, prune: bool = False
) -> Plan:
    """What `apply_seed` would do now; changes nothing. Raises `SeedError` with all that is wrong."""
    chosen, errors = await choose_keys(seed, resolver)
    state = await read_state(connection)
    return make_plan(seed, state, chosen, peppers, prune=prune, now=datetime.now(UTC), errors=errors)


async def apply_seed(
    connection: AsyncConnection[Any],
    seed: SeedFile,
    resolver: SecretResolver,
    peppers: Peppers,
    *,
    actor: str,
    prune: bool = False,
    request_id: str | None = None,
) -> Applied:
    """Make the database what the file says, within the caller's transaction. Raises `SeedError`: roll back then."""
    chosen, errors = await choose_keys(seed, resolver)
    await lock_configuration(connection)
    state = await read_state(connection)
    plan = make_plan(seed, state, chosen, peppers, prune=prune, now=datetime.now(UTC), errors=errors)
    writer = _Writer(connection, state, chosen, peppers)
    await writer.park_claims(plan)
    for change in plan.changes:
        await writer.write(change)
        await audit.record(
            connection,
            actor=actor,
            action=change.action,
            entity=change.kind,
            entity_id=change.path,
            before=change.before,
            after=change.after,
            request_id=request_id,
        )
    return Applied(plan, tuple(writer.issued))


class _Writer:
    """Writes changes in the order of the plan, so that what is referred to is there already."""

    def __init__(
        self,
        connection: AsyncConnection[Any],
        state: State,
        chosen: Mapping[tuple[str, ...], ChosenKey],
        peppers: Peppers,
    ) -> None:
        self._connection = connection
        self._ids: dict[Key, Any] = {at: stored.id for at, stored in state.entities.items()}
        self._chosen = chosen
        self._peppers = peppers
        self.issued: list[IssuedKey] = []

    async def write(self, change: Change) -> None:
        if change.action == "remove":
            await self._remove(change)
        elif change.kind == "api_key":
            await self._key(change)
        elif change.kind == "identity":
            await self._identity(change)
        elif change.kind == "price":
            await self._price(change)
        else:
            await self._entity(change)

    async def _remove(self, change: Change) -> None:
        at = (change.kind, change.name)
        if change.kind == "price":
            await self._run(
                "DELETE FROM prices WHERE provider = %(provider)s AND model = %(model)s AND effective_from = %(day)s",
                dict(zip(("provider", "model", "day"), change.name, strict=True)),
            )
        elif change.kind == "api_key":
            await self._retire_key(self._ids[change.kind, change.name])
        elif change.kind == "identity":
            await self._run("UPDATE identities SET removed_at = now() WHERE id = %(id)s", {"id": self._ids[at]})
        else:
            await self._run(
                f"UPDATE {_TABLES[change.kind]} SET removed_at = now() WHERE id = %(id)s",  # noqa: S608 - from the table
                {"id": self._ids[change.kind, change.name]},
            )

    async def _entity(self, change: Change) -> None:
        columns = self._columns(change)
        at = (change.kind, change.name)
        table = _TABLES[change.kind]
        if change.action == "create":
            names = ", ".join(columns)
            values = ", ".join(f"%({column})s" for column in columns)
            statement = f"INSERT INTO {table} ({names}) VALUES ({values}) RETURNING id"  # noqa: S608 - names are ours
            row = await (await self._connection.execute(statement, columns)).fetchone()
            assert row is not None
            self._ids[at] = row[0]
        else:
            sets = ", ".join(f"{column} = %({column})s" for column in columns)
            await self._run(f"UPDATE {table} SET {sets} WHERE id = %(id)s", {**columns, "id": self._ids[at]})  # noqa: S608
        if change.kind == "route":
            await self._targets(self._ids[at], (change.after or {})["targets"])

    def _columns(self, change: Change) -> dict[str, Any]:
        """The table's columns of an entity and their values; every name in here is written in this module."""
        after = change.after or {}
        if change.kind == "policy":
            return {"name": change.name[0], "settings": json.dumps(after)}
        if change.kind == "upstream":
            plain = {column: after[column] for column in ("provider", "endpoint", "api_version", "stream_usage")}
            return {
                "name": change.name[0],
                **plain,
                "auth": json.dumps(after["auth"]),
                "settings": json.dumps(after["settings"]),
            }
        if change.kind == "route":
            plain = {column: after[column] for column in ("fallback", "downshift")}
            return {"model": change.name[0], **plain, "settings": json.dumps(after["settings"])}
        if change.kind == "budget":
            return {
                "scope": change.name[0],
                "period": change.name[1],
                "amount_usd": Decimal(after["amount_usd"]),
                "alerts": [Decimal(alert) for alert in after["alerts"]],
                "on_exceeded": after["on_exceeded"],
                "throttle": json.dumps(after["throttle"]) if after["throttle"] is not None else None,
            }
        columns = {"name": change.name[-1], "policy_id": self._policy(after)}
        parent = _PARENTS.get(change.kind)
        if parent is not None:
            columns[f"{parent}_id"] = self._ids[parent, change.name[:-1]]
        return columns

    def _policy(self, after: Mapping[str, Any]) -> Any:
        return self._ids["policy", (after["policy"],)] if after["policy"] is not None else None

    async def _targets(self, route: Any, targets: list[dict[str, Any]]) -> None:
        rows = [
            {
                **each,
                "route": route,
                "upstream": self._ids["upstream", (each["upstream"],)],
                "settings": json.dumps(each["settings"]),
            }
            for each in targets
        ]
        await self._run(
            """
            DELETE FROM targets WHERE route_id = %(route)s AND NOT EXISTS (
                SELECT FROM unnest(%(upstreams)s::uuid[], %(deployments)s::text[]) AS kept (upstream, deployment)
                 WHERE kept.upstream = targets.upstream_id AND kept.deployment = targets.deployment)
            """,
            {
                "route": route,
                "upstreams": [row["upstream"] for row in rows],
                "deployments": [row["deployment"] for row in rows],
            },
        )
        for row in rows:
            await self._run(
                """
                INSERT INTO targets (route_id, upstream_id, deployment, model, priority, weight, settings)
                VALUES (%(route)s, %(upstream)s, %(deployment)s, %(model)s, %(priority)s, %(weight)s, %(settings)s)
                ON CONFLICT (route_id, upstream_id, deployment) DO UPDATE
                   SET model = excluded.model, priority = excluded.priority, weight = excluded.weight,
                       settings = excluded.settings
                """,
                row,
            )

    async def _key(self, change: Change) -> None:
        after = change.after or {}
        at = (change.kind, change.name)
        chosen = self._chosen.get(change.name)
        if change.action == "update" and "value" not in after:
            await self._run(
                "UPDATE api_keys SET policy_id = %(policy)s, secret_ref = %(ref)s WHERE id = %(id)s",
                {"policy": self._policy(after), "ref": after["secret_ref"], "id": self._ids[at]},
            )
            return
        if change.action == "update" and chosen is not None and self._ids[at] != chosen.id:
            await self._retire_key(self._ids[at])
        if chosen is None:
            new = keys.generate()
            self.issued.append(IssuedKey(change.path, new.id, new.text))
            chosen = ChosenKey(new.id, new.secret)
        version, digest = self._peppers.digest(chosen.secret)
        # A removed key may come back under the value that it had: its row is there, for the ledger names its id.
        await self._run(
            """
            INSERT INTO api_keys (id, app_id, name, policy_id, pepper_version, digest, secret_ref)
            VALUES (%(id)s, %(app)s, %(name)s, %(policy)s, %(version)s, %(digest)s, %(ref)s)
            ON CONFLICT (id) DO UPDATE
               SET app_id = excluded.app_id, name = excluded.name, policy_id = excluded.policy_id,
                   pepper_version = excluded.pepper_version, digest = excluded.digest,
                   secret_ref = excluded.secret_ref, removed_at = NULL,
                   expires_at = CASE WHEN api_keys.removed_at IS NULL THEN api_keys.expires_at END,
                   disabled_at = CASE WHEN api_keys.removed_at IS NULL THEN api_keys.disabled_at END
            """,
            {
                "id": chosen.id,
                "app": self._ids["app", change.name[:-1]],
                "name": change.name[-1],
                "policy": self._policy(after),
                "version": version,
                "digest": digest,
                "ref": after["secret_ref"],
            },
        )
        self._ids[at] = chosen.id

    async def _retire_key(self, id: str) -> None:
        await self._run(
            "UPDATE api_keys SET removed_at = now(), disabled_at = coalesce(disabled_at, now()) WHERE id = %(id)s",
            {"id": id},
        )

    async def park_claims(self, plan: Plan) -> None:
        """Two identities may exchange their values: until each has its own, the ones that change have none."""
        updates = [each for each in plan.changes if each.kind == "identity" and each.action == "update"]
        if updates:
            ids = [self._ids[each.kind, each.name] for each in updates]
            await self._run("UPDATE identities SET value = id WHERE id = ANY(%(ids)s)", {"ids": ids})

    async def _identity(self, change: Change) -> None:
        after = change.after or {}
        at = (change.kind, change.name)
        claim, value = claim_of(after)
        row = {
            "id": self._ids.setdefault(at, keys.new_identity_id()),
            "app": self._ids["app", change.name[:-1]],
            "name": change.name[-1],
            "policy": self._policy(after),
            "claim": claim,
            "value": value,
        }
        if change.action == "create":
            await self._run(
                """
                INSERT INTO identities (id, app_id, name, policy_id, claim, value)
                VALUES (%(id)s, %(app)s, %(name)s, %(policy)s, %(claim)s, %(value)s)
                """,
                row,
            )
        else:
            await self._run(
                "UPDATE identities SET policy_id = %(policy)s, claim = %(claim)s, value = %(value)s WHERE id = %(id)s",
                row,
            )

    async def _price(self, change: Change) -> None:
        amounts = stored_amounts(change.after or {})
        row = dict(zip(("provider", "model", "day"), change.name, strict=True)) | {
            "units": list(amounts),
            "usd": [usd for usd, _ in amounts.values()],
            "per": [per for _, per in amounts.values()],
        }
        await self._run(
            """
            DELETE FROM prices WHERE provider = %(provider)s AND model = %(model)s AND effective_from = %(day)s
               AND unit <> ALL(%(units)s)
            """,
            row,
        )
        await self._run(
            """
            INSERT INTO prices (provider, model, unit, usd, per, effective_from)
            SELECT %(provider)s, %(model)s, unit, usd, per, %(day)s
              FROM unnest(%(units)s::text[], %(usd)s::numeric[], %(per)s::bigint[]) AS priced (unit, usd, per)
            ON CONFLICT (provider, model, unit, effective_from) DO UPDATE SET usd = excluded.usd, per = excluded.per
            """,
            row,
        )

    async def _run(self, statement: str, values: Mapping[str, Any]) -> None:
        await self._connection.execute(statement, values)
