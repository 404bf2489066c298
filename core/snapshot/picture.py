"""From rows to the `Snapshot`: joins them, works out each key's effective policy and each target's prices.

One broken row must not keep the rest from being replaced, or a revocation would wait for it: what cannot be understood
is left out, or allows nothing, and is logged.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec

from core.money import NANO_PER_USD
from core.policies import Policy, PolicyError, effective
from core.prices import Price
from core.snapshot import Caller, EffectivePolicy, KeyEntry, Route, SealedSecret, Snapshot, Target, Upstream
from core.snapshot.rows import PriceRow, Rows, UpstreamRow

_log = logging.getLogger("aduana.snapshot")

_ALLOWS_NOTHING = EffectivePolicy(allowed_models=frozenset(), allowed_endpoints=frozenset())
_MILLION = 1_000_000

Prices = Mapping[tuple[str, str], tuple[Price, ...]]  # by provider and model, newest first


def build(rows: Rows, read_at: float) -> Snapshot:
    """The snapshot of some rows. Pure but for its log; some tenths of a second for 10,000 keys, so for a thread."""
    upstreams = {row.id: upstream for row in rows.upstreams if (upstream := _upstream(row)) is not None}
    return Snapshot(
        version=rows.version,
        read_at=read_at,
        keys=_keys(rows),
        routes=_routes(rows, upstreams),
        upstreams={upstream.name: upstream for upstream in upstreams.values()},
        clients=frozenset(row.id for row in rows.clients),
        sealed_secrets={
            row.name: SealedSecret(row.name, row.master_key_version, row.nonce, row.ciphertext) for row in rows.secrets
        },
    )


def _keys(rows: Rows) -> dict[str, KeyEntry]:
    clients = {row.id: row for row in rows.clients}
    teams = {row.id: row for row in rows.teams}
    apps = {row.id: row for row in rows.apps}
    policies = _EffectivePolicies(rows)
    keys: dict[str, KeyEntry] = {}
    for row in rows.keys:
        app = apps.get(row.app_id)
        team = teams.get(app.team_id) if app is not None else None
        client = clients.get(team.client_id) if team is not None else None
        if app is None or team is None or client is None:
            continue  # under something that was removed
        caller = Caller(
            key_id=row.id,
            app_id=app.id,
            team_id=team.id,
            client_id=client.id,
            name=f"{client.name}/{team.name}/{app.name}/{row.name}",
            policy=policies.of(client.policy_id, team.policy_id, app.policy_id, row.policy_id),
        )
        keys[row.id] = KeyEntry(row.id, row.digest, row.pepper_version, caller, row.disabled, row.expires_at)
    return keys


class _EffectivePolicies:
    """Works each combination of policies out once: thousands of keys share a few."""

    def __init__(self, rows: Rows) -> None:
        self._policies = {row.id: _policy(row.id, row.settings) for row in rows.policies}
        self._known: dict[tuple[bytes | None, ...], EffectivePolicy] = {}

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


def _upstream(row: UpstreamRow) -> Upstream | None:
    auth = msgspec.json.decode(row.auth)
    secret_ref = auth.get("secret_ref") if isinstance(auth, dict) else None
    if not (isinstance(secret_ref, str) or (isinstance(auth, dict) and auth.get("none") is True)):
        _log.error("upstream %s is left out: this version signs in with a secret_ref, or with none: true", row.name)
        return None
    return Upstream(
        id=row.id.hex(),
        name=row.name,
        provider=row.provider,
        endpoint=row.endpoint.rstrip("/"),
        api_version=row.api_version,
        secret_ref=secret_ref,
        stream_usage=row.stream_usage,
    )


def _routes(rows: Rows, upstreams: Mapping[bytes, Upstream]) -> dict[str, Route]:
    prices = _prices(rows.prices)
    models = {row.id: row.model for row in rows.routes}
    targets: dict[bytes, list[Target]] = defaultdict(list)
    for row in rows.targets:  # by priority
        upstream = upstreams.get(row.upstream_id)
        if upstream is None or row.route_id not in models:
            continue
        # The provider's model where the target names it; else what the deployment, or the route, is called.
        names = (row.model,) if row.model is not None else (row.deployment, models[row.route_id])
        priced = next((found for name in names if (found := prices.get((upstream.provider, name)))), ())
        targets[row.route_id].append(Target(upstream, row.deployment, row.priority, row.weight, priced))
    return {
        row.model: Route(row.model, tuple(targets[row.id]), row.fallback, row.downshift, row.created)
        for row in rows.routes
    }


def _prices(rows: list[PriceRow]) -> Prices:
    """A row a unit becomes a price a date; one without an input or an output price is none."""
    dated: dict[tuple[str, str], dict[float, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:  # newest first
        dated[(row.provider, row.model)][row.effective_from][row.unit] = _nano_per_million(row.usd, row.per)
    prices: dict[tuple[str, str], tuple[Price, ...]] = {}
    for (provider, model), dates in dated.items():
        whole = []
        for effective_from, units in dates.items():
            if "input_token" not in units or "output_token" not in units:
                _log.error("a price of %s %s lacks its input or output: it is left out", provider, model)
                continue
            entry = units["input_token"]
            cached = units.get("cached_input_token", entry)
            whole.append(Price(effective_from, entry, cached, units["output_token"]))
        prices[(provider, model)] = tuple(whole)
    return prices


def _nano_per_million(usd: Decimal, per: int) -> int:
    exact = usd * NANO_PER_USD * _MILLION / per
    return int(exact.to_integral_value(ROUND_HALF_UP))
