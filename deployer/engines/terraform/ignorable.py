"""Drift that is nobody's doing, or somebody's right, set apart from the rest.

Declared by the caller, or standing: what Azure counts and derives by itself, and what one resource shows of others that
are in the state on their own. A rule that a stranger put into a network security group is neither.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from deployer.engines.changes import Action, AttributeChange, Change, Resource
from deployer.engines.plans import Ignored

STANDING: tuple[Ignored, ...] = (
    Ignored("azurerm_private_dns_zone", "*number_of_*"),
    Ignored("azurerm_private_dns_zone", "soa_record*"),
    # Associations are resources of their own: one that goes is told as gone.
    Ignored("azurerm_subnet", "network_security_group_id"),
    Ignored("azurerm_subnet", "route_table_id"),
    Ignored("azurerm_container_app", "latest_revision_*"),
    Ignored("azurerm_container_app", "outbound_ip_addresses*"),
    Ignored("azurerm_container_app", "ingress[0].traffic_weight*"),  # `aduana upgrade` moves traffic
    Ignored("azurerm_container_app_environment", "static_ip_address"),
    Ignored("azurerm_container_app_job", "outbound_ip_addresses*"),
    Ignored("azurerm_private_endpoint", "custom_dns_configs*"),
    Ignored("azurerm_private_endpoint", "private_dns_zone_configs*"),
    Ignored("azurerm_firewall_policy", "rule_collection_groups*"),
    Ignored("azurerm_firewall_policy", "firewalls*"),
)

_REFLECTIONS: Mapping[tuple[str, str], str] = {
    ("azurerm_virtual_network", "subnet"): "azurerm_subnet",
    ("azurerm_network_security_group", "security_rule"): "azurerm_network_security_rule",
    ("azurerm_route_table", "route"): "azurerm_route",
}
"""Which blocks of which resource show resources of which type, by their `name`."""

_ELEMENT = re.compile(r"(?P<block>\w+)\[(?P<place>\d+)\]")


def without(
    found: Iterable[Change], ignored: Sequence[Ignored], resources: Iterable[Resource] = ()
) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """What of the drift counts, and what of it is ignorable. One resource may have some of each.

    `resources` are those of the state, whose reflections in others are no drift.
    """
    names: dict[str, set[str]] = {}
    for resource in resources:
        names.setdefault(resource.kind, set()).add(str(resource.values.get("name")))
    counts: list[Change] = []
    let_be: list[Change] = []
    for change in found:
        patterns = [_pattern(rule.path) for rule in (*STANDING, *ignored) if fnmatchcase(change.kind, rule.kind)]
        if change.action is not Action.UPDATE:
            (let_be if "*" in patterns else counts).append(change)
            continue
        reflected = _reflected(change, names)
        theirs = tuple(
            one
            for one in change.attributes
            if _element_of(one) in reflected or any(fnmatchcase(one.path, pattern) for pattern in patterns)
        )
        ours = tuple(one for one in change.attributes if one not in theirs)
        if theirs:
            let_be.append(replace(change, attributes=theirs))
        if ours:
            counts.append(replace(change, attributes=ours))
    return tuple(counts), tuple(let_be)


def _reflected(change: Change, names: Mapping[str, set[str]]) -> set[str]:
    """The elements of blocks, as `subnet[0]`, that have come and show what the state has on its own."""
    elements: set[str] = set()
    for one in change.attributes:
        element = _element_of(one)
        kind = _REFLECTIONS.get((change.kind, element.partition("[")[0]))
        if kind and one.path == f"{element}.name" and one.before is None and one.after in names.get(kind, ()):
            elements.add(element)
    return elements


def _element_of(attribute: AttributeChange) -> str:
    found = _ELEMENT.match(attribute.path)
    return found[0] if found else ""


def _pattern(path: str) -> str:
    """The path as a shell pattern, in which brackets are the places in lists and nothing else."""
    return path.replace("[", "[[]")
