"""The difference between a seed file and the database, entity by entity and field by field, secrets never in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core import keys
from core.keys import Peppers
from core.model_names import covers
from core.seed.claims import claim_of
from core.seed.document import Finding, SeedError
from core.seed.file import ORDER, SeedFile, Wanted, path_of
from core.seed.state import RETIRED, Key, State, Stored
from core.seed.unknown_objects import shared_upstreams

MASK = "••••"
"""What stands for a secret value, in plans and audit events."""


@dataclass(frozen=True, slots=True)
class ChosenKey:
    """The value of a key that the file names by reference, read and taken apart."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """One entity that would be written. `before` and `after` hold the fields, as JSON; None where there is none."""

    action: str  # create | update | remove
    kind: str
    name: tuple[str, ...]
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @property
    def path(self) -> str:
        return path_of(self.kind, self.name)

    def fields(self) -> Iterator[tuple[str, Any, Any]]:
        """The fields that differ: name, before, after."""
        before, after = self.before or {}, self.after or {}
        for name in dict.fromkeys((*before, *after)):
            if before.get(name) != after.get(name):
                yield name, before.get(name), after.get(name)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that applying the file would do."""

    changes: tuple[Change, ...]  # in the order in which they are written: removals first
    unchanged: int
    kept: tuple[str, ...]  # what the database has, the file does not name, and --prune would remove
    warnings: tuple[Finding, ...]


def make_plan(
    seed: SeedFile,
    state: State,
    chosen: Mapping[tuple[str, ...], ChosenKey],
    peppers: Peppers,
    *,
    prune: bool,
    now: datetime,
    errors: tuple[Finding, ...] = (),
) -> Plan:
    """Compare. Raises `SeedError` with everything that is wrong: the file's own errors, `errors`, dangling names."""
    removed = _removed(seed, state, now) if prune else {}
    dangling, warnings = _dangling(seed, state, prune=prune)
    findings = [*seed.errors, *errors, *dangling, *_taken_ids(seed, state, chosen, removed)]
    if not seed.errors:
        findings += _taken_claims(seed, state, removed)
        findings += _taken_names(seed, state, removed)
        findings += _taken_models(seed, state, removed)
        findings += shared_upstreams(seed, state, removed)
    if findings:
        raise SeedError(findings)
    written: list[Change] = []
    unchanged = 0
    for wanted in seed.entities:
        change = _compare(wanted, state.entities.get((wanted.kind, wanted.name)), chosen, peppers, prune=prune)
        if change is None:
            unchanged += 1
        else:
            written.append(change)
    removals = [
        Change("remove", stored.kind, stored.name, stored.values, None)
        for stored in sorted(removed.values(), key=lambda each: ORDER.index(each.kind), reverse=True)
    ]
    kept = () if prune else tuple(_kept(seed, state, now))
    return Plan((*removals, *written), unchanged, kept, (*seed.warnings, *warnings))


def _compare(
    wanted: Wanted,
    stored: Stored | None,
    chosen: Mapping[tuple[str, ...], ChosenKey],
    peppers: Peppers,
    *,
    prune: bool,
) -> Change | None:
    after = dict(wanted.values)
    if stored is None:
        if wanted.kind == "api_key":
            after["value"] = MASK
        return Change("create", wanted.kind, wanted.name, None, after)
    before = dict(stored.values)
    if wanted.kind == "route" and not prune:
        after["targets"] = _with_kept_targets(after["targets"], before["targets"])
    if wanted.kind == "api_key" and wanted.name in chosen and not _same_value(stored, chosen[wanted.name], peppers):
        before |= {"id": stored.id, "value": MASK}
        after |= {"id": chosen[wanted.name].id, "value": f"{MASK} (another)"}
    return Change("update", wanted.kind, wanted.name, before, after) if before != after else None


def _with_kept_targets(wanted: list[dict[str, Any]], stored: list[dict[str, Any]]) -> list[dict[str, Any]]:
    named = {(each["upstream"], each["deployment"]) for each in wanted}
    kept = [each for each in stored if (each["upstream"], each["deployment"]) not in named]
    return sorted((*wanted, *kept), key=lambda each: (each["upstream"], each["deployment"]))


def _same_value(stored: Stored, chosen: ChosenKey, peppers: Peppers) -> bool:
    assert stored.key is not None
    pepper = peppers.get(stored.key.pepper_version)
    return stored.key.id == chosen.id and pepper is not None and keys.verify(chosen.secret, pepper, stored.key.digest)


def _is_retired(stored: Stored, now: datetime) -> bool:
    """A key that a rotation replaced and that still has its grace: nothing that a file could name."""
    if stored.key is None or RETIRED not in stored.name[-1]:
        return False
    return stored.key.expires_at is not None and stored.key.expires_at > now


def _removed(seed: SeedFile, state: State, now: datetime) -> dict[Key, Stored]:
    removed = {}
    for at, stored in state.entities.items():
        if at in seed.declared:
            continue
        if _is_retired(stored, now) and ("app", stored.name[:-1]) in seed.declared:
            continue
        removed[at] = stored
    return removed


def _kept(seed: SeedFile, state: State, now: datetime) -> Iterator[str]:
    for stored in _removed(seed, state, now).values():
        yield f"{stored.kind.replace('api_', '')} {path_of(stored.kind, stored.name)}"
    for wanted in seed.entities:
        stored_route = state.entities.get((wanted.kind, wanted.name))
        if wanted.kind == "route" and stored_route is not None:
            named = {(each["upstream"], each["deployment"]) for each in wanted.values["targets"]}
            for each in stored_route.values["targets"]:
                if (each["upstream"], each["deployment"]) not in named:
                    yield f"target {wanted.path} → {each['upstream']}/{each['deployment']}"


def _dangling(seed: SeedFile, state: State, *, prune: bool) -> tuple[list[Finding], list[Finding]]:
    errors: list[Finding] = []
    warnings: list[Finding] = []
    for reference in seed.references:
        at = (reference.kind, reference.name)
        # What a budget calls a key may be an identity.
        known = (at, ("identity", reference.name)) if reference.kind == "api_key" else (at,)
        if any(each in seed.declared or (each in state.entities and not prune) for each in known):
            continue
        if reference.kind == "route" and not reference.required and _is_spoken(reference.name[0], seed, state):
            continue
        what = f"{reference.used_as} names the {reference.kind.replace('api_', '')} {path_of(*at)!r}"
        where = "which --prune would remove" if at in state.entities else "which is neither in the file nor stored"
        finding = Finding(seed.name, reference.place, f"{what}, {where}")
        (errors if reference.required else warnings).append(finding)
    for wanted in seed.entities:
        ref = (wanted.values.get("auth") or {}).get("secret_ref") if wanted.kind == "upstream" else None
        if ref is not None and ref.startswith("db://") and ref[5:] not in state.secrets:
            message = f"{ref} is not stored yet: aduana secrets set {ref[5:]}"
            warnings.append(Finding(seed.name, wanted.place, message))
    return errors, warnings


def _taken_ids(
    seed: SeedFile, state: State, chosen: Mapping[tuple[str, ...], ChosenKey], removed: Mapping[Key, Stored]
) -> Iterator[Finding]:
    places = {wanted.name: wanted.place for wanted in seed.entities if wanted.kind == "api_key"}
    first: dict[str, tuple[str, ...]] = {}
    for name, key in chosen.items():
        holder = state.key_ids.get(key.id)
        if key.id in first:
            other = path_of("api_key", first[key.id])
            yield Finding(seed.name, places[name], f"this key has the same id as the key {other!r}")
        elif holder is not None and holder != name and ("api_key", holder) not in removed:
            other = path_of("api_key", holder)
            yield Finding(seed.name, places[name], f"the id of this key already belongs to the key {other!r}")
        first.setdefault(key.id, name)


def _taken_claims(seed: SeedFile, state: State, removed: Mapping[Key, Stored]) -> Iterator[Finding]:
    """A claim's value belongs to one identity: what another has that neither goes nor is given another value."""
    wanted = {each.name: each for each in seed.entities if each.kind == "identity"}
    holders = {
        claim_of(stored.values): stored.name
        for at, stored in state.entities.items()
        if at[0] == "identity" and at not in removed and stored.name not in wanted
    }
    for each in wanted.values():
        claim = claim_of(each.values)
        if claim in holders:
            other = path_of("identity", holders[claim])
            yield Finding(seed.name, each.place, f"the {' '.join(claim)} already belongs to the identity {other!r}")


def _taken_names(seed: SeedFile, state: State, removed: Mapping[Key, Stored]) -> Iterator[Finding]:
    """A key and an identity of one app have different names: budgets know both by `key:`."""
    for other, what in (("api_key", "a key"), ("identity", "an identity")):
        kind = "identity" if other == "api_key" else "api_key"
        for wanted in seed.entities:
            at = (other, wanted.name)
            if wanted.kind == kind and at in state.entities and at not in removed:
                yield Finding(seed.name, wanted.place, f"there is {what} of this name already: {wanted.path}")


def _taken_models(seed: SeedFile, state: State, removed: Mapping[Key, Stored]) -> Iterator[Finding]:
    """What callers say names one route: no alias of the file is a stored route's name or alias, nor the other way."""
    wanted = {each.name[0]: each for each in seed.entities if each.kind == "route"}
    stays = [
        stored
        for at, stored in state.entities.items()
        if at[0] == "route" and at not in removed and stored.name[0] not in wanted
    ]
    holders = {alias: stored.name[0] for stored in stays for alias in _aliases(stored.values)}
    holders.update((stored.name[0], stored.name[0]) for stored in stays)
    for each in wanted.values():
        for name in (each.name[0], *_aliases(each.values)):
            if name in holders:
                yield Finding(seed.name, each.place, f"{name!r} is already a name of the route {holders[name]!r}")


def _is_spoken(name: str, seed: SeedFile, state: State) -> bool:
    """Whether callers may say a name, or names that a wildcard covers: of a route, an alias, or a wildcard route."""
    routes = [each.values for each in seed.entities if each.kind == "route"]
    routes += [stored.values for at, stored in state.entities.items() if at[0] == "route"]
    names = {at[1][0] for at in (*seed.declared, *state.entities) if at[0] == "route"}
    names.update(alias for values in routes for alias in _aliases(values))
    return any(covers(known, name) or covers(name, known) for known in names)


def _aliases(route: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple((route.get("settings") or {}).get("aliases", ()))
