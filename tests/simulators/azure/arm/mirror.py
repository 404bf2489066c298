"""One cloud for both: what Terraform makes by the simulated azurerm ARM shows, what ARM changes of an app Terraform sees.

cloud = AzureCloud(azurerm_provider, azure_tenant.subscription_id)
with Mirror(azure_tenant.arm, cloud) as mirror:
    mirror.watch = container_apps.changed          # told of apps that Terraform made or changed
"""

import copy
import json
from collections.abc import Callable
from typing import Any

from tests.simulators.azure.arm.service import ArmService
from tests.simulators.azure.arm.shapes import as_arm, as_terraform
from tests.simulators.azure.arm.subscription import Document
from tests.simulators.azurerm.fixtures import AzureCloud


class Mirror:
    """In force between `with` and its end. What was made by ARM alone stays ARM's alone."""

    def __init__(self, arm: ArmService, cloud: AzureCloud) -> None:
        if cloud.subscription.lower() != arm.subscription.id:
            raise ValueError(
                "both must be the same subscription: AzureCloud(azurerm_provider, azure_tenant.subscription_id)"
            )
        self._arm, self._cloud = arm, cloud
        self._seen: dict[str, tuple[str, str]] = {}  # id in small letters → azurerm's type, its values as JSON
        self.watch: Callable[[Document, Any], None] = lambda document, template_before: None

    def __enter__(self) -> "Mirror":
        self._arm.mirror = self
        return self

    def __exit__(self, *_: object) -> None:
        self._arm.mirror = None

    def pull(self) -> None:
        """Bring ARM's resources to what Terraform's provider has."""
        resources, there = self._arm.subscription.resources, set()
        for each in self._cloud.resources():
            key, values = each["id"].lower(), json.dumps(each["values"], sort_keys=True)
            document = as_arm(each["type"], each["id"], each["values"])
            if document is None:
                continue
            there.add(key)
            if self._seen.get(key) == (each["type"], values):
                continue
            self._seen[key] = each["type"], values
            before = copy.deepcopy(resources.get(key, {}).get("properties", {}).get("template"))
            known = resources.setdefault(key, document)
            known |= {**document, "properties": {**known["properties"], **document["properties"]}}
            if each["type"] == "azurerm_container_app":
                self.watch(known, before)
        for key in self._seen.keys() - there:
            del self._seen[key]
            for gone in [id for id in resources if id == key or id.startswith(key + "/")]:
                del resources[gone]

    def push(self, path: str) -> None:
        """Bring what ARM changed of a resource to Terraform's provider."""
        key = path.lower()
        if key not in self._seen:
            return
        type_name, values = self._seen[key]
        document = self._arm.subscription.resources.get(key)
        name = json.loads(values)["name"]
        if document is None:
            self._cloud.delete(type_name, name)
        elif (changed := as_terraform(type_name, document, json.loads(values))) is not None:
            self._cloud.change(type_name, name, **changed)
            now = self._cloud.resource(type_name, name)["values"]
            self._seen[key] = type_name, json.dumps(now, sort_keys=True)
