"""What the provider itself refuses before it asks Azure: names, values out of an enumeration, what excludes each other."""

from typing import Any

from tests.simulators.azurerm.planning import Path
from tests.simulators.azurerm.schema import Type


def of_resource(type_: Type, config: dict[str, Any]) -> list[tuple[Path, str]]:
    """What is wrong with a configuration: where, and the provider's sentence about it."""
    return []
