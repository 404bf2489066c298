"""`unknown_objects: forward` is for an upstream that one client alone uses: the gateway cannot tell whose such objects are."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from core.seed.document import Finding
from core.seed.file import SeedFile
from core.seed.state import Key, State, Stored
from core.sharing import users_of


def shared_upstreams(seed: SeedFile, state: State, removed: Mapping[Key, Stored]) -> Iterator[Finding]:
    """A finding for each upstream of the file, or one that is stored already, that several clients would share."""
    wanted = {(each.kind, each.name): each for each in seed.entities}
    after: dict[Key, Mapping[str, Any]] = {
        at: stored.values for at, stored in state.entities.items() if at not in removed
    }
    models = _models(after)  # targets that the file does not name stay
    after.update((at, each.values) for at, each in wanted.items())
    for name, more in _models(after).items():
        models[name] |= more
    clients = {at[1][0]: _allowed(values, after) for at, values in after.items() if at[0] == "client"}
    first = min((each.place for each in seed.entities), key=lambda place: place.line, default=None)
    for at, values in after.items():
        if at[0] != "upstream" or (values.get("settings") or {}).get("unknown_objects") != "forward":
            continue
        users = sorted(users_of(models[at[1][0]], clients))
        place = wanted[at].place if at in wanted else first
        if len(users) > 1 and place is not None:
            message = (
                f"the upstream {at[1][0]!r} forwards unknown objects (unknown_objects), and {len(users)} clients may use it "
                f"({', '.join(users[:5])}): each could reach what the others made there. Leave it at refuse, or give the "
                "clients policies whose allowed_models are served elsewhere"
            )
            yield Finding(seed.name, place, message)


def _models(entities: Mapping[Key, Mapping[str, Any]]) -> defaultdict[str, set[str]]:
    """What is served, by upstream."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for (kind, name), values in entities.items():
        if kind == "route":
            names = {name[0], *((values.get("settings") or {}).get("aliases", ()))}
            for target in values["targets"]:
                found[target["upstream"]] |= names
    return found


def _allowed(client: Mapping[str, Any], entities: Mapping[Key, Mapping[str, Any]]) -> list[str] | None:
    policy = client.get("policy")
    allowed: list[str] | None = entities.get(("policy", (policy,)), {}).get("allowed_models") if policy else None
    return allowed
