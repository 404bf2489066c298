"""From rows to the `Snapshot`: joins them, works out each key's effective policy and each target's prices.

One broken row must not keep the rest from being replaced, or a revocation would wait for it: what cannot be understood
is left out, or allows nothing, and is logged.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from core.egress import ANYWHERE, AllowedHosts
from core.limits import Budget, Family, OnExceeded, Period, Rate, Rules, Scope, ScopeKind
from core.limits.rules import NOTHING, RATES, UTC, Level, families_of, level_of, together
from core.model_names import STAR, covers
from core.money import nano_usd
from core.policies import Policy, PolicyError, effective
from core.sharing import users_of
from core.snapshot import (
    Caller,
    EffectivePolicy,
    IdentityEntry,
    KeyEntry,
    Route,
    SealedSecret,
    Snapshot,
    Target,
    Upstream,
    UpstreamIdentity,
)
from core.snapshot.pricing import Prices, prices_of
from core.snapshot.rows import (
    AppRow,
    BudgetRow,
    ClientRow,
    IdentityRow,
    KeyRow,
    RouteRow,
    Rows,
    TeamRow,
    UpstreamRow,
)

_log = logging.getLogger("aduana.snapshot")

_ALLOWS_NOTHING = EffectivePolicy(allowed_models=frozenset(), allowed_endpoints=frozenset())

COGNITIVE_SERVICES = "https://cognitiveservices.azure.com/.default"
"""Whose tokens Azure OpenAI takes, in the public cloud."""

_Holder = KeyRow | IdentityRow
_H = TypeVar("_H", KeyRow, IdentityRow)
_Place = tuple[AppRow, TeamRow, ClientRow]


def build(rows: Rows, read_at: float, allowed: AllowedHosts = ANYWHERE) -> Snapshot:
    """The snapshot of some rows; upstreams that are not at an allowed host are left out.

    Pure but for its log; some tenths of a second for 10,000 keys, so for a thread.
    """
    callers = _Callers(rows)
    upstreams = {row.id: found for row in rows.upstreams if (found := _upstream(row, callers, allowed)) is not None}
    identities = callers.identities()
    prices = prices_of(rows.prices)
    return Snapshot(
        version=rows.version,
        read_at=read_at,
        keys=callers.keys(),
        identities={(entry.claim, entry.value): entry for entry in identities},
        identities_by_id={entry.id: entry for entry in identities},
        routes=_routes(rows, upstreams, prices),
        prices=prices,
        upstreams={upstream.name: upstream for upstream in upstreams.values()},
        clients=frozenset(row.id for row in rows.clients),
        families=callers.families,
        sealed_secrets={
            row.name: SealedSecret(row.name, row.master_key_version, row.nonce, row.ciphertext) for row in rows.secrets
        },
    )


class _Callers:
    """Works out whom each key and identity stands for: its policies' common ground, and the rules of its levels."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._clients = {row.id: row for row in rows.clients}
        self._teams = {row.id: row for row in rows.teams}
        self._apps = {row.id: row for row in rows.apps}
        self._policies = _EffectivePolicies(rows)
        self._budgets = _budgets(rows)
        self._levels: dict[str, Level] = {}  # by scope, as budgets say it
        self._zones: dict[bytes, str] = {}  # of clients
        self._rules: dict[tuple[str, str], Rules] = {}  # of keys that have none of their own, by app

        self._aliases = {row.model: tuple(_settings(row.settings).get("aliases", ())) for row in rows.routes}
        self.families = self._families()

    def keys(self) -> dict[str, KeyEntry]:
        """All keys by id."""
        return {row.id: self._key(row, self._caller(row, *place)) for row, place in self._placed(self._rows.keys)}

    def identities(self) -> list[IdentityEntry]:
        """All identities."""
        placed = self._placed(self._rows.identities)
        return [
            IdentityEntry(row.id, row.claim, row.value, self._caller(row, *place), row.disabled)
            for row, place in placed
        ]

    def sole_user(self, upstream: UpstreamRow) -> bytes | None:
        """The client to whom an upstream's unknown objects may be given; None where several use it, or nobody."""
        names = {row.id: (row.model, *self._aliases[row.model]) for row in self._rows.routes}
        here = [row.route_id for row in self._rows.targets if row.upstream_id == upstream.id]
        models = {name for route in here for name in names.get(route, ())}
        allowed = {row.id: self._policies.of(row.policy_id).allowed_models for row in self._rows.clients}
        users = users_of(models, allowed)
        if len(users) > 1:
            _log.error(
                "upstream %s is used by %d clients: its unknown objects are refused, whatever unknown_objects says",
                upstream.name,
                len(users),
            )
        return users[0] if len(users) == 1 else None

    def _placed(self, rows: list[_H]) -> Iterator[tuple[_H, _Place]]:
        """What each hangs under; one under something that was removed is left out."""
        for row in rows:
            app = self._apps.get(row.app_id)
            team = self._teams.get(app.team_id) if app is not None else None
            client = self._clients.get(team.client_id) if team is not None else None
            if app is not None and team is not None and client is not None:
                yield row, (app, team, client)

    def _families(self) -> dict[bytes, tuple[Family, ...]]:
        of_clients: dict[bytes, dict[str, Level]] = defaultdict(dict)
        for key, place in self._placed(self._rows.keys):
            of_clients[place[-1].id].update(self._levels_of(key, *place))
        for identity, place in self._placed(self._rows.identities):
            of_clients[place[-1].id].update(self._levels_of(identity, *place))
        return {client: families_of(levels.values(), self._names) for client, levels in of_clients.items()}

    def _key(self, row: KeyRow, caller: Caller) -> KeyEntry:
        disabled = row.disabled or not caller.policy.allows_credential("key")
        return KeyEntry(row.id, row.digest, row.pepper_version, caller, disabled, row.expires_at)

    def _caller(self, row: _Holder, app: AppRow, team: TeamRow, client: ClientRow) -> Caller:
        return Caller(
            key_id=row.id,
            app_id=app.id,
            team_id=team.id,
            client_id=client.id,
            name=f"{client.name}/{team.name}/{app.name}/{row.name}",
            policy=self._policies.of(client.policy_id, team.policy_id, app.policy_id, row.policy_id),
            rules=self._rules_of(row, app, team, client),
        )

    def _rules_of(self, row: _Holder, app: AppRow, team: TeamRow, client: ClientRow) -> Rules:
        levels = self._levels_of(row, app, team, client)
        own = levels[f"key:{client.name}/{team.name}/{app.name}/{row.name}"]
        families = self.families[client.id]
        if own != NOTHING:
            return together(tuple(levels.values()), families, self._names)
        shared = (client.name, f"{team.name}/{app.name}")
        rules = self._rules.get(shared)
        if rules is None:
            rules = self._rules[shared] = together(tuple(levels.values()), families, self._names)
        return rules

    def _levels_of(self, row: _Holder, app: AppRow, team: TeamRow, client: ClientRow) -> dict[str, Level]:
        zone = self._zones.get(client.id)
        if zone is None:
            policy = self._policies.named(client.policy_id)
            zone = self._zones[client.id] = (policy.time_zone if policy is not None else None) or UTC
        of_team, of_app = f"{client.name}/{team.name}", f"{client.name}/{team.name}/{app.name}"
        scopes = (
            (ScopeKind.CLIENT, client.id.hex(), client.name, client.policy_id),
            (ScopeKind.TEAM, team.id.hex(), of_team, team.policy_id),
            (ScopeKind.APP, app.id.hex(), of_app, app.policy_id),
            (ScopeKind.KEY, row.id, f"{of_app}/{row.name}", row.policy_id),
        )
        return {f"{kind}:{name}": self._level(kind, id, name, policy, zone) for kind, id, name, policy in scopes}

    def _names(self, model: str) -> tuple[str, ...]:
        """What callers may say that a limit of a model holds for: a route's aliases are other names for it."""
        aliases = (alias for route, some in self._aliases.items() if covers(model, route) for alias in some)
        return tuple(dict.fromkeys((model, *sorted(aliases))))

    def _level(self, kind: ScopeKind, id: str, name: str, policy_id: bytes | None, zone: str) -> Level:
        at = f"{kind}:{name}"
        level = self._levels.get(at)
        if level is None:
            rows = self._budgets.get(at, ())
            if policy_id is None and not rows:
                level = NOTHING
            else:
                scope = Scope(kind, id, name)
                budgets = [budget for row in rows if (budget := _budget(row, scope, zone)) is not None]
                level = level_of(scope, self._policies.named(policy_id), budgets, zone)
            self._levels[at] = level
        return level


class _EffectivePolicies:
    """Works each combination of policies out once: thousands of keys share a few."""

    def __init__(self, rows: Rows) -> None:
        self._policies = {row.id: _policy(row.id, row.settings) for row in rows.policies}
        self._known: dict[tuple[bytes | None, ...], EffectivePolicy] = {}

    def named(self, id: bytes | None) -> Policy | None:
        """One level's own policy."""
        return None if id is None else self._policies.get(id)

    def of(self, *levels: bytes | None) -> EffectivePolicy:
        known = self._known.get(levels)
        if known is None:
            known = self._known[levels] = self._work_out(levels)
        return known

    def _work_out(self, levels: tuple[bytes | None, ...]) -> EffectivePolicy:
        found = [self._policies.get(level) for level in levels if level is not None]
        policies = [policy for policy in found if policy is not None]
        # A policy that was removed, or that cannot be read, limited something: without it nothing may pass.
        return effective(policies) if len(policies) == len(found) else _ALLOWS_NOTHING


def _policy(id: bytes, settings: bytes) -> Policy | None:
    try:
        return Policy.from_settings(msgspec.json.decode(settings, type=dict[str, Any]))
    except (PolicyError, msgspec.DecodeError) as error:
        _log.error("policy %s cannot be read, whoever it holds for is refused: %s", id.hex(), error)
        return None


class _Auth(msgspec.Struct, frozen=True):
    """How an upstream is signed in to, as the seed file says it."""

    secret_ref: str | None = None
    managed_identity: bool = False
    client_id: str | None = None
    audience: str = COGNITIVE_SERVICES
    none: bool = False


def _upstream(row: UpstreamRow, callers: _Callers, allowed: AllowedHosts) -> Upstream | None:
    try:
        auth = msgspec.json.decode(row.auth, type=_Auth)
    except msgspec.DecodeError:
        auth = _Auth()
    if (auth.secret_ref is not None) + auth.managed_identity + auth.none != 1:
        _log.error("upstream %s is left out: its auth is none of secret_ref, managed_identity and none", row.name)
        return None
    host = urlsplit(row.endpoint).hostname or ""
    if (refused := allowed.problem(host)) is not None:
        _log.error("upstream %s is left out: %s %s", row.name, host, refused)
        return None
    settings = _settings(row.settings)
    return Upstream(
        id=row.id.hex(),
        name=row.name,
        provider=row.provider,
        endpoint=row.endpoint.rstrip("/"),
        api_version=row.api_version,
        secret_ref=auth.secret_ref,
        stream_usage=row.stream_usage,
        timeouts=settings.get("timeouts", {}),
        max_connections=settings.get("max_connections"),
        home=settings.get("home", False),
        unknown_objects_of=callers.sole_user(row) if settings.get("unknown_objects") == "forward" else None,
        identity=UpstreamIdentity(auth.client_id, auth.audience) if auth.managed_identity else None,
    )


def _routes(rows: Rows, upstreams: Mapping[bytes, Upstream], prices: Prices) -> dict[str, Route]:
    models = {row.id: row.model for row in rows.routes}
    targets: dict[bytes, list[Target]] = defaultdict(list)
    for row in rows.targets:  # by priority
        upstream = upstreams.get(row.upstream_id)
        if upstream is None or row.route_id not in models:
            continue
        # The provider's model where the target names it; else what the deployment, or the route, is called.
        names = (row.model,) if row.model is not None else (row.deployment, models[row.route_id])
        priced = next((found for name in names if (found := prices.get((upstream.provider, name)))), ())
        settings = _settings(row.settings)
        spill_at, most = settings.get("spill_at"), settings.get("max_in_flight")
        by_name = row.model is None and row.deployment == STAR
        target = Target(upstream, row.deployment, row.priority, row.weight, priced, spill_at, most, by_name)
        targets[row.route_id].append(target)
    return {row.model: _route(row, tuple(targets[row.id])) for row in rows.routes}


def _route(row: RouteRow, targets: tuple[Target, ...]) -> Route:
    settings = _settings(row.settings)
    return Route(
        row.model,
        targets,
        row.fallback,
        row.downshift,
        row.created,
        aliases=tuple(settings.get("aliases", ())),
        defaults=settings.get("defaults", {}),
        overrides=settings.get("overrides", {}),
        answers_requested_model=settings.get("answer_model") == "requested",
        prompt_cache_affinity=settings.get("affinity") == "prompt_cache",
        max_attempts=settings.get("max_attempts"),
    )


def _settings(data: bytes) -> dict[str, Any]:
    """The settings that are set; what is no mapping sets none."""
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.DecodeError as error:
        _log.error("settings cannot be read, the defaults hold: %s", error)
        return {}


def _budgets(rows: Rows) -> dict[str, list[BudgetRow]]:
    """By scope. One that is for nobody who is there is left out where its scope is looked up: it holds for nobody."""
    found: dict[str, list[BudgetRow]] = defaultdict(list)
    for row in rows.budgets:
        found[row.scope].append(row)
    return found


def _budget(row: BudgetRow, scope: Scope, time_zone: str) -> Budget | None:
    try:
        limits = msgspec.json.decode(row.throttle, type=dict[str, int] | None) if row.throttle is not None else None
        return Budget(
            id=row.id.hex(),
            scope=scope,
            period=Period(row.period),
            time_zone=time_zone,
            amount=nano_usd(row.amount_usd),
            on_exceeded=OnExceeded(row.on_exceeded),
            throttle=tuple(Rate(name, scope, unit, limits[name]) for name, unit in RATES if limits and name in limits),
            credit=nano_usd(row.credit_usd),
            credit_start=int(row.credit_start),
        )
    except (ValueError, msgspec.DecodeError) as error:
        _log.error("the budget of %s cannot be read and does not bind: %s", row.scope, error)
        return None
