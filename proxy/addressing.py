"""The second step, for calls that name objects: whose they are, and which upstream has them.

An id of another client, team or app is answered like one that there is not: 404.
"""

from collections.abc import Iterable, Mapping

import msgspec

from core.objects import Owner
from core.snapshot import Caller, Upstream
from proxy.endpoints import Endpoint
from proxy.endpoints.table import MADE
from proxy.errors import Refusal
from proxy.objects import Objects, OwnersUnavailable, TooManyObjects
from proxy.references import References
from proxy.routing import RouteTable

_NOTHING = References({})


class Named(msgspec.Struct, frozen=True):
    """The caller's objects that a call names."""

    upstream: str | None  # that has them; None: the call names none
    owners: Mapping[str, Owner] = msgspec.field(default_factory=dict)  # of those that are known

    def model_of(self, kind: str) -> str | None:
        """The model that the first object of a kind was made for."""
        return next((owner.model for owner in self.owners.values() if owner.kind == kind), None)


async def find_named(
    objects: Objects,
    routes: RouteTable,
    caller: Caller,
    endpoint: Endpoint,
    path: Mapping[str, str],
    within: References = _NOTHING,
) -> Named:
    """Look up what a path and a body name. Raises `Refusal`: 404 for what is not the caller's, 400 where they are on
    several upstreams, 503 where owners cannot be looked up."""
    kinds = [kind for kind in endpoint.kinds if kind in path]
    required = dict(within.own)
    looked_up = set(within.passed_back)
    for kind in kinds:
        if kind == kinds[0] and kind in MADE:
            required.setdefault(path[kind], kind)
        else:
            looked_up.add(path[kind])  # a part of the first; the upstream knows whether
    if not required and not looked_up:
        return Named(None)
    try:
        owners = await objects.find(caller.client_id, [*required, *(looked_up - required.keys())])
    except OwnersUnavailable as error:
        raise owners_unavailable(error.retry_after) from None
    except TooManyObjects as error:
        raise Refusal(400, "too_many_objects", f"The call names too many objects: {error}.") from None
    for id in looked_up:
        owner = owners.get(id)
        if owner is not None and owner.app_id != caller.app_id:
            raise no_such_object(id, None)
    stranger = _upstream_of_strangers(routes, caller)
    upstreams: dict[str, None] = {}
    for id, field in required.items():
        owner = owners.get(id)
        if owner is None:
            if stranger is None:
                raise no_such_object(id, field)
            upstreams[stranger.name] = None
        elif owner.app_id != caller.app_id or owner.removed:
            raise no_such_object(id, field)
        else:
            upstreams[owner.upstream] = None
    if len(upstreams) > 1:
        raise Refusal(
            400,
            "objects_on_several_upstreams",
            f"The objects that this call names ({_listed(required)}) are kept by different model providers' resources, and no "
            "one of them can use those of another. Make them anew together, or in one call.",
        )
    return Named(next(iter(upstreams), None), owners)


def _upstream_of_strangers(routes: RouteTable, caller: Caller) -> Upstream | None:
    """The upstream that may be asked for a client's objects which the gateway has not seen made: the first by name."""
    return min(
        (
            upstream
            for upstream in routes.snapshot.upstreams.values()
            if upstream.unknown_objects_of == caller.client_id
        ),
        key=lambda upstream: upstream.name,
        default=None,
    )


def no_such_object(id: str, field: str | None) -> Refusal:
    """For an id that nobody has and one that somebody else has alike."""
    return Refusal(
        404,
        "object_not_found",
        f"No such object: '{id[:64]}'. It does not exist, or you do not have access to it.",
        param=field,
    )


def owners_unavailable(retry_after: float) -> Refusal:
    return Refusal(
        503,
        "owners_unavailable",
        "The gateway cannot look up or write down whose this object is now. Try again shortly.",
        kind="server_error",
        retry_after=retry_after,
    )


def _listed(ids: Iterable[str]) -> str:
    some = list(ids)[:5]
    return ", ".join(f"'{id[:64]}'" for id in some)
