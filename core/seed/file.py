"""What a seed file says, as entities: each with its path of names, its values as plain JSON, and its place in the file.

Everything that can be judged without a database is judged here; what a file only refers to (`references`) is judged
against the file and the database together, in `core.seed.plan`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from core import policies
from core.egress import ANYWHERE, AllowedHosts
from core.model_names import STAR
from core.seed.auth import read_auth
from core.seed.claims import CLAIMS, read_claim
from core.seed.document import Fields, Finding, Items, Node, Place, parse_document, plain, read_document
from core.seed.endpoints import endpoint_problem
from core.seed.prices import (
    CALL_KEYS,
    LONG_CONTEXT_KEYS,
    PRICE_KEYS,
    TIER_KEYS,
    TOOL_KEYS,
    decimal_text,
    price_values,
)
from core.seed.reading import Entry, Findings
from core.seed.serving import (
    ROUTE_SETTINGS,
    TARGET_SETTINGS,
    TIMEOUTS,
    UPSTREAM_SETTINGS,
    route_settings,
    target_settings,
    upstream_settings,
)

PROVIDERS = ("azure_openai", "openai", "openai_compatible")
PERIODS = ("day", "week", "month", "total")
_DEFAULT_ALERTS = ("0.8", "1")  # shares of a budget's amount
ON_EXCEEDED = ("block", "throttle", "downshift")

KEYS: Mapping[str, tuple[str, ...]] = {
    "seed file": ("upstreams", "routes", "policies", "clients", "budgets", "prices"),
    "upstream": ("name", "provider", "endpoint", "api_version", "auth", "stream_usage", *UPSTREAM_SETTINGS),
    "timeouts": TIMEOUTS,
    "auth": ("secret_ref", "managed_identity", "client_id", "audience", "none"),
    "route": ("model", "targets", "fallback", "downshift", *ROUTE_SETTINGS),
    "target": ("upstream", "deployment", "model", "priority", "weight", *TARGET_SETTINGS),
    "policy": ("name", *policies.FIELDS),
    "client": ("name", "policy", "teams"),
    "team": ("name", "policy", "apps"),
    "app": ("name", "policy", "keys", "identities"),
    "key": ("name", "policy", "secret_ref"),
    "identity": ("name", "policy", *CLAIMS),
    "budget": ("scope", "period", "amount_usd", "alerts", "on_exceeded", "throttle"),
    "throttle": ("requests_per_minute", "tokens_per_minute"),
    "price": PRICE_KEYS,
    "tier": TIER_KEYS,
    "long_context": LONG_CONTEXT_KEYS,
    "calls_per_thousand": CALL_KEYS,
    "tool": TOOL_KEYS,
}
"""The keys of every mapping of the file; docs/seed-file.md is held to it by a test."""

_SCOPES = {"client": 1, "team": 2, "app": 3, "key": 4}
_LARGEST = 2**53 - 1

ORDER = ("policy", "upstream", "route", "client", "team", "app", "api_key", "identity", "budget", "price")
"""The kinds of entities, those first that others refer to."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An entity as the file wants it."""

    kind: str  # one of ORDER
    name: tuple[str, ...]  # of a client's descendants: the path; of a budget: scope, period; of a price: its key
    values: Mapping[str, Any]  # plain JSON, no secret
    place: Place

    @property
    def path(self) -> str:
        """The name as people read it."""
        return path_of(self.kind, self.name)


@dataclass(frozen=True, slots=True)
class Reference:
    """A name that the file uses and that has to exist, in the file or in the database."""

    kind: str
    name: tuple[str, ...]
    place: Place
    used_as: str  # for the sentence: "fallback", "policy", "scope"
    required: bool = True  # False: a name that is not there is a warning, as in a policy written before its routes


@dataclass(frozen=True, slots=True)
class SeedFile:
    """All that one file says, right or not."""

    name: str
    entities: tuple[Wanted, ...] = ()
    references: tuple[Reference, ...] = ()
    declared: frozenset[tuple[str, tuple[str, ...]]] = frozenset()  # (kind, name), of wrong entities too
    errors: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()


@dataclass(slots=True)
class _Gathered:
    entities: dict[tuple[str, tuple[str, ...]], Wanted] = field(default_factory=dict)
    places: dict[tuple[str, tuple[str, ...]], Place] = field(default_factory=dict)
    claims: dict[tuple[str, str], Place] = field(default_factory=dict)  # of identities
    references: list[Reference] = field(default_factory=list)
    unenforced: set[str] = field(default_factory=set)
    model_names: dict[str, tuple[Place, str]] = field(default_factory=dict)  # what callers say → where, as what


def path_of(kind: str, name: tuple[str, ...]) -> str:
    """An entity's name as people read it and as the audit log has it."""
    return " ".join(name) if kind in ("budget", "price") else "/".join(name)


def read_seed(path: Path, allowed: AllowedHosts = ANYWHERE) -> SeedFile:
    """Read a file. What is wrong is in `errors`; raises `OSError` alone. `allowed`: where upstreams may be."""
    root, found = read_document(path)
    return _SeedReader(str(path), found, allowed).read(root)


def parse_seed(data: bytes, name: str = "seed.yaml", allowed: AllowedHosts = ANYWHERE) -> SeedFile:
    """As `read_seed`, from bytes."""
    root, found = parse_document(data, name)
    return _SeedReader(name, found, allowed).read(root)


class _SeedReader:
    """Walks one document, section by section."""

    def __init__(self, name: str, found: list[Finding], allowed: AllowedHosts) -> None:
        self._findings = Findings(name, found)
        self._allowed = allowed
        self._gathered = _Gathered()

    def read(self, root: Node | None) -> SeedFile:
        if isinstance(root, Fields):
            top = Entry(self._findings, root, "a seed file", KEYS["seed file"])
            for upstream in top.entries("upstreams", "an upstream", KEYS["upstream"]):
                self._upstream(upstream)
            for route in top.entries("routes", "a route", KEYS["route"]):
                self._route(route)
            for policy in top.items("policies"):
                self._policy(policy)
            for client in top.entries("clients", "a client", KEYS["client"]):
                self._client(client)
            for budget in top.entries("budgets", "a budget", KEYS["budget"]):
                self._budget(budget)
            for price in top.entries("prices", "a price", KEYS["price"]):
                self._price(price)
        elif root is not None:
            self._findings.wrong(root.place, f"a seed file must be a mapping of {', '.join(KEYS['seed file'])}")
        if self._gathered.unenforced:
            self._findings.warn(
                Place(1, 1),
                f"this version stores but does not yet enforce: {', '.join(sorted(self._gathered.unenforced))}",
            )
        return SeedFile(
            self._findings.file,
            tuple(sorted(self._gathered.entities.values(), key=lambda each: ORDER.index(each.kind))),
            tuple(self._gathered.references),
            frozenset(self._gathered.places),
            tuple(self._findings.errors),
            tuple(self._findings.warnings),
        )

    def _add(self, kind: str, name: tuple[str | None, ...], values: Mapping[str, Any], entry: Entry, key: str) -> None:
        """Take an entity down unless its name is unusable or taken; `key` is where its name stands."""
        whole = tuple(part for part in name if part is not None)
        if len(whole) != len(name):
            return
        place = entry.place_of(key)
        first = self._gathered.places.setdefault((kind, whole), place)
        if first is not place:
            what = kind.replace("api_", "")
            self._findings.wrong(
                place, f"the {what} {path_of(kind, whole)!r} is given twice, first on line {first.line}"
            )
            return
        if kind == "identity" and (key_place := self._gathered.places.get(("api_key", whole))) is not None:
            self._findings.wrong(
                place, f"the key on line {key_place.line} has the same name: budgets could not tell them apart"
            )
            return
        self._gathered.entities[kind, whole] = Wanted(kind, whole, values, place)

    def _refer(self, kind: str, entry: Entry, key: str) -> str | None:
        name = entry.text(key)
        if name is not None:
            self._gathered.references.append(Reference(kind, (name,), entry.place_of(key), key))
        return name

    # ── upstreams ──

    def _upstream(self, entry: Entry) -> None:
        provider = entry.choice("provider", PROVIDERS)
        endpoint = entry.check("endpoint", lambda url: endpoint_problem(url, self._allowed))
        api_version = entry.text("api_version")
        if api_version is not None and provider in ("openai", "openai_compatible"):
            self._findings.wrong(entry.place_of("api_version"), f"api_version is for azure_openai, not for {provider}")
        values = {
            "provider": provider,
            "endpoint": endpoint.rstrip("/") if endpoint is not None else None,
            "api_version": api_version,
            "auth": self._auth(entry, provider),
            "stream_usage": entry.flag("stream_usage", default=True),
            "settings": upstream_settings(entry, self._findings),
        }
        self._add("upstream", (entry.name(),), values, entry, "name")

    def _auth(self, upstream: Entry, provider: str | None) -> dict[str, Any] | None:
        if upstream.node("auth") is None:
            upstream.missing("auth")
            return None
        auth = upstream.entry("auth", "auth", KEYS["auth"])
        return read_auth(auth, provider, self._findings) if auth is not None else None

    # ── routes ──

    def _route(self, entry: Entry) -> None:
        model = entry.text("model", required=True)
        if entry.node("targets") is None:
            entry.missing("targets")
        targets: dict[tuple[str, str], dict[str, Any]] = {}
        lines: dict[tuple[str, str], int] = {}
        for target in entry.entries("targets", "a target", KEYS["target"]):
            if target.node("upstream") is None:
                target.missing("upstream")
            upstream = self._refer("upstream", target, "upstream")
            deployment = target.text("deployment", required=True)
            values: dict[str, Any] = {
                "upstream": upstream,
                "deployment": deployment,
                "model": target.text("model"),
                "priority": target.whole("priority", low=0, high=1_000_000, default=0),
                "weight": target.whole("weight", low=1, high=1_000_000, default=1),
                "settings": target_settings(target),
            }
            if deployment is not None and STAR in deployment and deployment != STAR:
                self._findings.wrong(
                    target.place_of("deployment"), "deployment is a name, or * for the model as it is asked for"
                )
            if upstream is None or deployment is None:
                continue
            at = (upstream, deployment)
            if at in targets:
                self._findings.wrong(
                    target.place, f"the target {'/'.join(at)} is given twice, first on line {lines[at]}"
                )
            targets[at] = values
            lines[at] = target.place.line
        node = entry.node("targets")
        if isinstance(node, Items) and not node.values:
            self._findings.wrong(node.place, "targets must name at least one target")
        route = {
            "fallback": self._other_route(entry, "fallback", model),
            "downshift": self._other_route(entry, "downshift", model),
            "targets": [targets[at] for at in sorted(targets)],
            "settings": route_settings(entry, self._findings),
        }
        self._add("route", (model,), route, entry, "model")
        self._name_models(entry, model)

    def _name_models(self, entry: Entry, model: str | None) -> None:
        """What callers may say names one route, and a star stands at a name's end."""
        names = [(model, entry.place_of("model"), "route")] if model is not None else []
        names += [
            (alias, node.place, "alias") for node in entry.items("aliases") if isinstance(alias := plain(node), str)
        ]
        if model is not None and STAR in model[:-1]:
            self._findings.wrong(entry.place_of("model"), "model holds a star at its end alone, such as o3-*")
        for name, place, what in names:
            first_place, first = self._gathered.model_names.setdefault(name, (place, what))
            if first_place is not place and "alias" in (what, first):
                article = "an alias" if first == "alias" else "a route"
                self._findings.wrong(place, f"{name!r} is already the name of {article}, on line {first_place.line}")

    def _other_route(self, entry: Entry, key: str, model: str | None) -> str | None:
        other = self._refer("route", entry, key)
        if other is not None and other == model:
            self._findings.wrong(entry.place_of(key), f"{key} names the route itself")
        return other

    # ── policies ──

    def _policy(self, node: Node) -> None:
        if not isinstance(node, Fields):
            self._findings.wrong(node.place, "a policy must be a mapping with a name")
            return
        # Its keys are judged by core.policies alone, so that a seed file and an API will say the same.
        entry = Entry(self._findings, node, "a policy", tuple(node.values))
        settings = {key: plain(value) for key, value in node.values.items() if key != "name"}
        problems = policies.check(settings)
        for problem in problems:
            name = str(problem.path[-1])
            sentence = problem.message if problem.on_key else f"{name} {problem.message}"
            if isinstance(problem.path[-1], int):
                sentence = f"{problem.path[-2]} {problem.message}"
            self._findings.wrong(_place_at(node, problem), sentence)
        self._gathered.unenforced.update(policies.unenforced(settings))
        kept = {} if problems else policies.Policy.from_settings(settings).settings()
        if not problems:
            self._mention_models(node.values)
        self._add("policy", (entry.name(),), kept, entry, "name")

    def _mention_models(self, values: Mapping[str, Node]) -> None:
        limited, allowed = values.get("models"), values.get("allowed_models")
        if isinstance(limited, Fields):
            for model, place in limited.key_places.items():
                self._gathered.references.append(Reference("route", (model,), place, "models", required=False))
        if isinstance(allowed, Items):
            for each in allowed.values:
                self._gathered.references.append(
                    Reference("route", (str(plain(each)),), each.place, "allowed_models", required=False)
                )

    # ── clients, down to keys and identities ──

    def _client(self, entry: Entry) -> None:
        name = entry.name()
        self._add("client", (name,), {"policy": self._refer("policy", entry, "policy")}, entry, "name")
        for team in entry.entries("teams", "a team", KEYS["team"]):
            self._team(name, team)

    def _team(self, client: str | None, entry: Entry) -> None:
        name = entry.name()
        self._add("team", (client, name), {"policy": self._refer("policy", entry, "policy")}, entry, "name")
        for app in entry.entries("apps", "an app", KEYS["app"]):
            self._app((client, name), app)

    def _app(self, above: tuple[str | None, str | None], entry: Entry) -> None:
        name = entry.name()
        self._add("app", (*above, name), {"policy": self._refer("policy", entry, "policy")}, entry, "name")
        for key in entry.entries("keys", "a key", KEYS["key"]):
            ref = key.secret_ref("secret_ref")
            values = {
                "policy": self._refer("policy", key, "policy"),
                "secret_ref": str(ref) if ref is not None else None,
            }
            self._add("api_key", (*above, name, key.name()), values, key, "name")
        for identity in entry.entries("identities", "an identity", KEYS["identity"]):
            self._identity((*above, name), identity)

    def _identity(self, app: tuple[str | None, ...], entry: Entry) -> None:
        claim = read_claim(entry, self._findings)
        values: dict[str, str | None] = {"policy": self._refer("policy", entry, "policy"), **dict.fromkeys(CLAIMS)}
        if claim is not None:
            place = entry.place_of(claim[0])
            first = self._gathered.claims.setdefault(claim, place)
            if first is not place:
                self._findings.wrong(place, f"the {' '.join(claim)} is given twice, first on line {first.line}")
            values[claim[0]] = claim[1]
        self._add("identity", (*app, entry.name()), values, entry, "name")

    # ── budgets and prices ──

    def _budget(self, entry: Entry) -> None:
        scope = entry.text("scope", required=True)
        if scope is not None:
            scope = self._scope(entry, scope)
        period = entry.choice("period", PERIODS)
        amount = entry.money("amount_usd", required=True)
        on_exceeded = entry.choice("on_exceeded", ON_EXCEEDED)
        throttle = self._throttle(entry)
        if on_exceeded == "throttle" and entry.node("throttle") is None:
            self._findings.wrong(
                entry.place_of("on_exceeded"), "on_exceeded: throttle needs throttle: {requests_per_minute: 10}"
            )
        if on_exceeded in ("block", "downshift") and entry.node("throttle") is not None:
            self._findings.wrong(entry.place_of("throttle"), "throttle belongs to on_exceeded: throttle")
        values = {
            "amount_usd": decimal_text(amount) if amount is not None else None,
            "alerts": self._alerts(entry),
            "on_exceeded": on_exceeded,
            "throttle": throttle,
        }
        self._add("budget", (scope, period), values, entry, "scope")

    def _scope(self, entry: Entry, scope: str) -> str | None:
        kind, _, path = scope.partition(":")
        names = tuple(path.split("/"))
        if _SCOPES.get(kind) != len(names) or not all(names):
            self._findings.wrong(
                entry.place_of("scope"),
                "scope must be client:C, team:C/T, app:C/T/A or key:C/T/A/K (K: a key or an identity)",
            )
            return None
        entity = "api_key" if kind == "key" else kind
        self._gathered.references.append(Reference(entity, names, entry.place_of("scope"), "scope"))
        return scope

    def _throttle(self, entry: Entry) -> dict[str, int | None] | None:
        throttle = entry.entry("throttle", "throttle", KEYS["throttle"])
        if throttle is None:
            return None
        limits = {key: throttle.whole(key, low=1, high=_LARGEST) for key in KEYS["throttle"]}
        if all(throttle.node(key) is None for key in KEYS["throttle"]):
            self._findings.wrong(throttle.place, "throttle needs requests_per_minute or tokens_per_minute")
        return {key: limit for key, limit in limits.items() if limit is not None}

    def _alerts(self, entry: Entry) -> list[str]:
        if entry.node("alerts") is None:
            return list(_DEFAULT_ALERTS)
        alerts: list[str] = []
        for node in entry.items("alerts"):
            value = plain(node)
            share = Decimal(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else None
            if share is None or not 0 < share <= 10:
                self._findings.wrong(node.place, "alerts are shares of the amount, such as 0.8")
            elif decimal_text(share) in alerts:
                self._findings.wrong(node.place, f"the alert at {share} is given twice")
            else:
                alerts.append(decimal_text(share))
        return sorted(alerts, key=Decimal)

    def _price(self, entry: Entry) -> None:
        provider = entry.choice("provider", PROVIDERS)
        model = entry.text("model", required=True)
        effective_from = entry.day("effective_from")
        values = price_values(entry, self._findings)
        day = effective_from.isoformat() if effective_from is not None else None
        self._add("price", (provider, model, day), values, entry, "model")


def _key_place(node: Node, key: str) -> Place:
    return node.key_places.get(key, node.place) if isinstance(node, Fields) else node.place


def _place_at(node: Node, problem: policies.Problem) -> Place:
    """Where a policy's problem stands: its value, or the key itself."""
    for index, step in enumerate(problem.path):
        last = index == len(problem.path) - 1
        if isinstance(node, Fields):
            if (last and problem.on_key) or str(step) not in node.values:
                return _key_place(node, str(step))
            node = node.values[str(step)]
        elif isinstance(node, Items) and isinstance(step, int):
            node = node.values[step]
    return node.place
