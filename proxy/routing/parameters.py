"""What a route sets of a request: defaults where the caller sets none, overrides whatever it sets. Made once a snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from core.snapshot import Route
from proxy.bodies import OUTPUT_CAPS
from proxy.lookalikes import plain

Fields = dict[str, msgspec.Raw]


@dataclass(frozen=True, slots=True, eq=False)
class Parameters:
    """As JSON."""

    defaults: Fields
    overrides: Fields

    @classmethod
    def of(cls, route: Route) -> "Parameters | None":
        """Those of a route; None where it has none."""
        if not (route.defaults or route.overrides):
            return None
        return cls(_raw(route.defaults), _raw(route.overrides))

    def merged(self, given: Mapping[str, msgspec.Raw]) -> Fields:
        """A request's fields with these."""
        fields = {**self.defaults, **self._without_lookalikes(given), **self.overrides}
        if any(cap in self.overrides for cap in OUTPUT_CAPS):
            return _without(fields, [cap for cap in OUTPUT_CAPS if cap not in self.overrides])
        if any(cap in given for cap in OUTPUT_CAPS):
            return _without(fields, [cap for cap in OUTPUT_CAPS if cap not in given])
        return fields

    def _without_lookalikes(self, given: Mapping[str, msgspec.Raw]) -> Mapping[str, msgspec.Raw]:
        """What is given, but for names that some upstreams read as an override (proxy.lookalikes)."""
        if plain(given):
            return given
        return {
            name: value
            for name, value in given.items()
            if name in self.overrides or name.casefold() not in self.overrides
        }


def _without(fields: Fields, names: list[str]) -> Fields:
    for name in names:
        fields.pop(name, None)
    return fields


def _raw(values: Mapping[str, object]) -> Fields:
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in values.items()}
