"""What the provider knows of an argument beyond its schema: its default, its values, and whether another value means another
resource.

`arguments.tsv` has a row a fact, for all types of the schema. They were read from the provider's documentation (the docstrings
of PyPI's `pulumi-azure` 6.40, which are made of it) and put right by hand from its source and its upgrade guide to 5.0, where
the documentation is silent, conditional or older than 5.0. A path is dotted, without the indices of nested blocks.
"""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.simulators.azurerm.wire import UNKNOWN


@dataclass(frozen=True, slots=True)
class Arguments:
    """The facts of one type's arguments, by path."""

    forces_new: set[str] = field(default_factory=set)
    """What cannot be changed in place. Of a nested block: how many there are; its arguments stand for themselves."""
    defaults: dict[str, Any] = field(default_factory=dict)
    values: dict[str, list[Any]] = field(default_factory=dict)
    """What a string (or a number) may be."""
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    """The least and the most that a number may be."""
    patterns: dict[str, tuple[str, str]] = field(default_factory=dict)
    """What a string has to match, and the provider's sentence where it does not."""


_FIELDS = {"default": "defaults", "values": "values", "range": "ranges", "pattern": "patterns"}


@cache
def _table() -> dict[str, Arguments]:
    table: dict[str, Arguments] = {}
    for row in Path(__file__).with_name("arguments.tsv").read_text().splitlines()[1:]:
        name, path, fact, *value = row.split("\t")
        arguments = table.setdefault(f"azurerm_{name}", Arguments())
        if fact == "forces_new":
            arguments.forces_new.add(path)
        else:
            getattr(arguments, _FIELDS[fact])[path] = json.loads(value[0])
    return table


def of(type_name: str) -> Arguments:
    """The facts of a type of resource."""
    return _table().get(type_name) or Arguments()


def location(name: str) -> str:
    """A region as Azure compares it: `UK South` is `uksouth`."""
    return name.replace(" ", "").lower()


# What is computed anew when something else of the resource changes (CustomizeDiff in the provider).
_RECOMPUTED = {
    "azurerm_key_vault_secret": (("value", "value_wo_version"), ("id", "version", "resource_id")),
}


def recomputed(type_name: str, prior: dict[str, Any], planned: dict[str, Any]) -> tuple[str, ...]:
    """The attributes that will be others after this change."""
    causes, effects = _RECOMPUTED.get(type_name, ((), ()))
    return effects if any(prior.get(name) != planned.get(name) for name in causes) else ()


def _turned_off(name: str, prior: dict[str, Any], planned: dict[str, Any]) -> bool:
    return bool(prior.get(name)) and planned.get(name) is False


def _first_or_last(name: str, prior: dict[str, Any], planned: dict[str, Any]) -> bool:
    return bool(prior.get(name)) != bool(planned.get(name))


def _less(name: str, prior: dict[str, Any], planned: dict[str, Any]) -> bool:
    older, newer = prior.get(name), planned.get(name)
    return isinstance(older, int | str) and isinstance(newer, int | str) and float(newer) < float(older)


def _other(allowed: set[str]) -> Any:
    def changed(name: str, prior: dict[str, Any], planned: dict[str, Any]) -> bool:
        older, newer = prior.get(name), planned.get(name)
        return older != newer and not {older, newer} <= allowed

    return changed


def _zoned(name: str, prior: dict[str, Any], planned: dict[str, Any]) -> bool:
    older, newer = str(prior.get(name)), str(planned.get(name))
    return older.endswith("ZRS") != newer.endswith("ZRS")


def _once_set(name: str, prior: dict[str, Any], planned: dict[str, Any]) -> bool:
    return bool(prior.get(name)) and prior.get(name) != planned.get(name)


def _identity_lost(name: str, prior: dict[str, Any], planned: dict[str, Any]) -> bool:
    kinds = [(each.get(name) or [{}])[0].get("type") or "" for each in (prior, planned)]
    return "UserAssigned" in kinds[0] and "UserAssigned" not in kinds[1]


# Where it depends on the values whether another resource is meant.
_CONDITIONAL = {
    "azurerm_cognitive_account": {
        "kind": _other({"OpenAI", "AIServices"}),
        "custom_subdomain_name": _once_set,
        "project_management_enabled": _turned_off,
    },
    "azurerm_container_app_environment": {"workload_profile": _first_or_last},
    "azurerm_key_vault": {"purge_protection_enabled": _turned_off},
    "azurerm_log_analytics_workspace": {"sku": _other({"PerGB2018", "CapacityReservation"})},
    "azurerm_monitor_data_collection_rule": {"kind": _once_set},
    "azurerm_postgresql_flexible_server": {
        "administrator_login": _once_set,
        "identity": _identity_lost,
        "storage_mb": _less,
        "version": _less,
    },
    "azurerm_storage_account": {"account_replication_type": _zoned},
}


def replaced_by(type_name: str, prior: dict[str, Any], planned: dict[str, Any]) -> list[str]:
    """The arguments whose change means another resource in this case, though not in any."""
    conditions = _CONDITIONAL.get(type_name, {})
    return [
        name
        for name, condition in conditions.items()
        if planned.get(name) is not UNKNOWN and condition(name, prior, planned)
    ]
