"""What Azure and the provider call each type of resource: its noun in error messages, and how its id is made.

`ids.tsv` has a row a type, from the ids in the provider's documentation (the import section of each resource). An id that
begins with a provider (`Microsoft.App/containerApps/{name}`) lies in the resource group `{resource_group_name}`; one that
begins with `{` hangs below another resource's id. Braces name arguments.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_GROUP = "/subscriptions/{subscription}/resourceGroups/{resource_group_name}/providers/"


@dataclass(frozen=True, slots=True)
class Naming:
    """How a type is called."""

    noun: str
    """In the provider's messages: `Container App`."""
    template: str
    arguments: tuple[str, ...]
    """What of a resource its id is made of; none of it can be changed in place."""
    pattern: re.Pattern[str]
    """Takes an id apart, without regard to case."""
    exact: re.Pattern[str]
    """The same with regard to case, as the provider wants ids in a configuration."""

    def id(self, subscription: str, values: dict[str, Any]) -> str:
        """The id of a resource with these arguments in this subscription."""
        return self.template.format_map(
            {"subscription": subscription, **{name: values[name] for name in self.arguments}}
        )

    def parse(self, resource_id: str) -> dict[str, str] | None:
        """The arguments of an id, or None where it is none of this type's."""
        matched = self.pattern.fullmatch(resource_id)
        return matched.groupdict() if matched else None


def _naming(noun: str, template: str) -> Naming:
    if template[0] not in "{/":
        template = _GROUP + template
    pattern = re.escape(template).replace(r"\{", "{").replace(r"\}", "}")
    # What opens a template is an id, or a scope, with slashes in it; everything else is one segment.
    pattern = re.sub(r"^\{(\w+)\}", r"(?P<\1>/.+|)", pattern)
    pattern = re.sub(r"\{(\w+)\}$", r"(?P<\1>.+)" if r"\|" in pattern else r"(?P<\1>[^/]+)", pattern)
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)
    arguments = tuple(name for name in re.findall(r"\{(\w+)\}", template) if name != "subscription")
    return Naming(noun, template, arguments, re.compile(pattern, re.IGNORECASE), re.compile(pattern))


def _read() -> dict[str, Naming]:
    rows = Path(__file__).with_name("ids.tsv").read_text().splitlines()[1:]
    cells = [row.split("\t") for row in rows]
    return {f"azurerm_{name}": _naming(noun, template) for name, noun, template in cells}


NAMINGS = _read()

# An association's id is its subnet's: what the cloud keeps it under says which it is.
KEY_SUFFIXES = {
    "azurerm_subnet_nat_gateway_association": "|natGateway",
    "azurerm_subnet_network_security_group_association": "|networkSecurityGroup",
    "azurerm_subnet_route_table_association": "|routeTable",
}


def key(type_name: str, resource_id: str) -> str:
    """What a resource is found by: ids are compared without regard to case."""
    return (resource_id + KEY_SUFFIXES.get(type_name, "")).lower()


def describe(type_name: str, resource_id: str) -> str:
    """A resource as the provider's messages name it: `Subnet (Subscription: "…"⏎Resource Group Name: "…"⏎…)`."""
    naming = NAMINGS[type_name]
    if type_name == "azurerm_resource_group":
        return f'Resource Group "{resource_id.rsplit("/", 1)[-1]}"'
    segments = resource_id.split("|")[0].strip("/").split("/")
    if len(segments) % 2 or segments[0].lower() != "subscriptions":
        return f"{naming.noun} ({resource_id!r})".replace("'", '"')
    parts = [f'Subscription: "{segments[1]}"']
    pairs = [pair for pair in zip(segments[2::2], segments[3::2], strict=True) if pair[0].lower() != "providers"]
    parts += [f'{_singular(kind)} Name: "{name}"' for kind, name in pairs]
    return f"{naming.noun} (" + "\n".join(parts) + ")"


def _singular(segment: str) -> str:
    words = re.sub(r"([A-Z])", r" \1", segment[0].upper() + segment[1:]).strip()
    if words.endswith("ies"):
        return words[:-3] + "y"
    if words.endswith("sses"):
        return words[:-2]
    return words.removesuffix("s")
