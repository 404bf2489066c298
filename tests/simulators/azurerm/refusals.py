"""What Azure says no with, in the words in which the real provider prints it.

`Refusal` is one answer of ARM's. `refusals.toml` has those that are known by name, mostly the code that ARM gives them; tests
ask for them by it. The sentence that go-azure-sdk makes of an answer is made here.
"""

import tomllib
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from string import Formatter
from typing import Any

from tests.simulators.azurerm import ids

_VERBS = {
    "create": "creating",
    "update": "updating",
    "delete": "deleting",
    "read": "retrieving",
    "read_data": "retrieving",
}
_METHODS = {"create": "CreateOrUpdate", "update": "CreateOrUpdate", "delete": "Delete"}
_ACTIONS = {"create": "write", "update": "write", "delete": "delete", "read": "read", "read_data": "read"}

# Types that are written by one call, which the provider does not wait for, or waits for by itself: their errors are not
# introduced by what was performed.
_ONE_CALL = {
    "azurerm_cognitive_account",
    "azurerm_eventhub",
    "azurerm_federated_identity_credential",
    "azurerm_management_lock",
    "azurerm_monitor_diagnostic_setting",
    "azurerm_private_dns_a_record",
    "azurerm_private_endpoint",
    "azurerm_resource_group",
    "azurerm_role_assignment",
    "azurerm_role_definition",
    "azurerm_user_assigned_identity",
}


@dataclass(slots=True)
class Refusal(Exception):
    """ARM's answer to one request."""

    status: int
    code: str
    message: str
    polling: bool = False
    """The request was taken, and the operation failed later."""
    sentence: str = ""
    """The provider's whole sentence, where it is not go-azure-sdk's."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What the text names beside the resource."""

    def told(self, operation: str, type_name: str, resource_id: str, **facts: Any) -> str:
        """The provider's sentence about it, for an operation (`create`, `update`, `delete`, `read`, `read_data`)."""
        what = ids.describe(type_name, resource_id)
        facts = {"id": resource_id, "name": resource_id.rsplit("/", 1)[-1], "what": what, **_EXAMPLES, **facts}
        facts["verb"], facts["method"] = _VERBS[operation], _METHODS.get(operation, "Get")
        facts["arm_type"] = _arm_type(resource_id)
        facts["action"] = f"{facts['arm_type']}/{_ACTIONS[operation]}"
        facts["provider"] = facts["arm_type"].split("/")[0]
        facts |= self.facts
        if self.sentence:
            return _filled(self.sentence, facts)
        message = _filled(self.message, facts)
        start = f"{_VERBS[operation]} {what}: "
        method = _METHODS.get(operation)
        direct = type_name in _ONE_CALL
        if self.polling:
            waiting = f"waiting for the creation of {what}: " if direct else f"{start}polling after {method}: "
            return (
                f"{waiting}polling failed: the Azure API returned the following error:\n\n"
                f'Status: "{self.code}"\nCode: "{self.code}"\nMessage: "{message}"\nActivity Id: ""'
            )
        phrase = HTTPStatus(self.status).phrase
        doing = f"performing {method}: " if method and not direct else ""
        return (
            f"{start}{doing}unexpected status {self.status} ({self.status} {phrase}) with error: {self.code}: {message}"
        )


# What a refusal names that a test asked for by its name alone.
_EXAMPLES = {
    "doing": "delete",
    "left": 40,
    "limit": 100,
    "quota": "Tokens Per Minute (thousands) - gpt-4o",
    "used": 60,
    "wanted": 100,
}


def _arm_type(resource_id: str) -> str:
    segments = resource_id.split("|")[0].strip("/").split("/")
    if "providers" not in segments[:-1]:
        return "Microsoft.Resources/subscriptions/resourceGroups"
    start = len(segments) - 1 - segments[::-1].index("providers")
    return "/".join([segments[start + 1], *segments[start + 2 :: 2]])


def _filled(text: str, facts: dict[str, Any]) -> str:
    names = {name for _, name, _, _ in Formatter().parse(text) if name}
    return text.format_map({name: facts.get(name, "") for name in names}) if names else text


def _read() -> dict[str, Refusal]:
    told = tomllib.loads(Path(__file__).with_name("refusals.toml").read_text())
    return {name: Refusal(**{"message": "", **each}) for name, each in told.items()}


NAMED = _read()


def named(name: str, **facts: Any) -> Refusal:
    """The refusal of this name, with facts that its text names."""
    return replace(NAMED[name], facts=facts)
