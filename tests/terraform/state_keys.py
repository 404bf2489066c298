"""What Azure computes and Terraform's state keeps although it opens something: from the schema, with why it opens nothing here.

`python -m tests.terraform.state_keys` writes the table in docs/terraform.md.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.simulators.azurerm import schema
from tests.terraform.readmes import STACK, modules, read_module

DOCUMENT = STACK.parent / "docs" / "terraform.md"
BEGIN, END = "<!-- keys: begin -->\n", "<!-- keys: end -->\n"

# By type: how it is switched off.
SWITCHED_OFF = {
    "azurerm_cognitive_account": "keys are off (`local_auth_enabled = false`): Azure refuses them",
    "azurerm_container_app": "not a key: the number that the TXT record `asuid.<domain>` publishes",
    "azurerm_eventhub_namespace": "shared access keys are off (`local_authentication_enabled = false`)",
    "azurerm_log_analytics_workspace": "the keys are off (`local_authentication_enabled = false`)",
    "azurerm_managed_redis": "keys are off (`access_keys_authentication_enabled = false`): they are empty",
    "azurerm_storage_account": "keys are off (`shared_access_key_enabled = false`): Azure refuses them",
}


def types_in_use() -> list[str]:
    """Every type of azurerm's that the stack makes, in order."""
    return sorted(
        {type_ for path in modules() for type_ in read_module(path).resources if type_.startswith("azurerm_")}
    )


def keys_in_state(type_: str) -> list[str]:
    """Its attributes that Azure computes and the provider marks as sensitive, with the blocks that they are in."""
    return sorted(path for path, attribute in _attributes(schema.load().resources[type_].block) if _kept(attribute))


def secrets_taken(type_: str) -> list[str]:
    """Its arguments that would put a secret of ours into the state."""
    block = schema.load().resources[type_].block
    return sorted(path for path, each in _attributes(block) if each.sensitive and not _kept(each))


def _kept(attribute: schema.Attribute) -> bool:
    return attribute.sensitive and attribute.computed


def _attributes(block: schema.Block, path: str = "") -> Iterator[tuple[str, schema.Attribute]]:
    for name, attribute in block.attributes.items():
        yield path + name, attribute
    for name, nested in block.blocks.items():
        yield from _attributes(nested.block, f"{path}{name}.")


def table() -> str:
    """As it stands in the document. Raises `KeyError` for a type that nothing is known of."""
    lines = ["| type | in the state | why it opens nothing |", "|---|---|---|"]
    for type_ in types_in_use():
        if keys := keys_in_state(type_):
            shown = ", ".join(f"`{key}`" for key in keys)
            lines.append(f"| `{type_}` | {shown} | {SWITCHED_OFF[type_]} |")
    return "\n".join(lines) + "\n"


def with_table(text: str) -> str:
    """The document with the table as it is now."""
    return re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: BEGIN + table() + END, text, flags=re.DOTALL)


def main() -> int:
    """Write it."""
    path = Path(DOCUMENT)
    path.write_text(with_table(path.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
