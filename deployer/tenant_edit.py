"""Changing values in a tenant file, with every comment and blank left as it is."""

from collections.abc import Mapping
from typing import Any

import yaml

from deployer.init.document import scalar
from deployer.tenant import Tenant
from deployer.tenant_file import TenantFile, parse_tenant_text
from deployer.whole_files import write_whole


class EditError(ValueError):
    """The file cannot be changed in place; it is as it was."""


def change_values(file: TenantFile, values: Mapping[str, str]) -> Tenant:
    """Put `values`, by path (`images.proxy`), in place of those that the file has; what it is then.

    It is written whole or not at all, and only where it says just that afterwards. Raises `EditError` where a value is
    not there or stands for others, too; `TenantError` where one is not allowed; `OSError`.
    """
    with file.path.open(encoding="utf-8-sig", newline="") as opened:  # ends of lines stay what they are
        text = opened.read()
    changed = _replaced(text, values)
    tenant = parse_tenant_text(changed, file.path)
    if any(_value(tenant, path) != value for path, value in values.items()) or (
        _without(tenant, values) != _without(file.tenant, values)
    ):
        raise EditError("a value stands for another one, too (an alias of YAML); change it by hand")
    if changed != text:
        write_whole(file.path, changed)
    return tenant


def _replaced(text: str, values: Mapping[str, str]) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    places = []
    for path, value in values.items():
        node = _find(root, path)
        # Marks count characters, in the file's own order.
        places.append((node.start_mark.index, node.end_mark.index, value))
    for start, end, value in sorted(places, reverse=True):
        text = text[:start] + scalar(value) + text[end:]
    return text


def _find(root: Any, path: str) -> yaml.ScalarNode:
    node = root
    for name in path.split("."):
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        node = next((value for key, value in pairs if key.value == name), None)
    if not isinstance(node, yaml.ScalarNode) or node.style in ("|", ">"):
        raise EditError(f"{path} is not in the file as one value on one line; change it by hand")
    return node


def _value(tenant: Tenant, path: str) -> Any:
    value: Any = tenant
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _without(tenant: Tenant, values: Mapping[str, str]) -> dict[str, Any]:
    whole = tenant.model_dump()
    for path in values:
        *sections, last = path.split(".")
        section = whole
        for each in sections:
            section = section[each]
        section.pop(last, None)
    return whole
