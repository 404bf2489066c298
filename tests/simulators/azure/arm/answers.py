"""What can be read of a subscription beside its resources."""

import re
from collections.abc import Callable

from tests.simulators.azure.arm.faults import error
from tests.simulators.azure.arm.subscription import Document, Subscription
from tests.simulators.azure.server import Answer, Request

Reader = Callable[[Subscription, Request, re.Match[str]], Answer | list[Document]]


def _subscription(subscription: Subscription, _: Request, __: re.Match[str]) -> Answer:
    return Answer(
        200,
        {
            "id": subscription.path,
            "subscriptionId": subscription.id,
            "tenantId": subscription.tenant_id,
            "displayName": subscription.name,
            "state": subscription.state,
            "subscriptionPolicies": {
                "quotaId": "EnterpriseAgreement_2014-09-01",
                "spendingLimit": subscription.spending_limit,
            },
        },
    )


def _subscriptions(subscription: Subscription, request: Request, found: re.Match[str]) -> list[Document]:
    return [_subscription(subscription, request, found).body]


def _locations(subscription: Subscription, *_: object) -> list[Document]:
    return subscription.locations


def _providers(subscription: Subscription, *_: object) -> list[Document]:
    return list(subscription.providers.values())


def _provider(subscription: Subscription, _: Request, found: re.Match[str]) -> Answer:
    for name, provider in subscription.providers.items():
        if name.lower() == found["namespace"].lower():
            return Answer(200, provider)
    return error(404, "InvalidResourceNamespace", f"The resource namespace '{found['namespace']}' is invalid.")


def _permissions(subscription: Subscription, _: Request, found: re.Match[str]) -> list[Document]:
    return subscription.permissions_at(found["scope"])


def _role_assignments(subscription: Subscription, request: Request, found: re.Match[str]) -> list[Document]:
    scope = found["scope"].lower()
    made = [
        each for each in subscription.resources.values() if each["type"] == "Microsoft.Authorization/roleAssignments"
    ]
    held = [
        each
        for each in [*subscription.role_assignments, *made]
        if each["properties"]["scope"].lower().startswith(scope)
        or scope.startswith(each["properties"]["scope"].lower())
    ]
    if wanted := re.search(r"(?:assignedTo\('|principalId eq ')([^']+)'", request.query.get("$filter", "")):
        held = [each for each in held if each["properties"]["principalId"].lower() == wanted[1].lower()]
    return held


def _role_definition(subscription: Subscription, _: Request, found: re.Match[str]) -> Answer:
    definition = subscription.role_definitions.get(found["id"].lower())
    if definition is None:
        return error(
            404, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{found['id']}' does not exist."
        )
    return Answer(200, definition)


def _locks(subscription: Subscription, _: Request, found: re.Match[str]) -> list[Document]:
    scope = found["scope"].lower()
    return [each for each in subscription.all_locks() if each["id"].lower().startswith(scope + "/")]


def _usages(subscription: Subscription, _: Request, found: re.Match[str]) -> list[Document]:
    return subscription.usages.get((found["namespace"], found["region"].lower()), [])


def _models(subscription: Subscription, _: Request, found: re.Match[str]) -> list[Document]:
    return subscription.models.get(found["region"].lower(), [])


def _model_capacities(subscription: Subscription, request: Request, found: re.Match[str]) -> list[Document]:
    name, version = request.query.get("modelName", ""), request.query.get("modelVersion", "")
    return [
        {
            "id": f"{subscription.path}/providers/Microsoft.CognitiveServices/locations/{region}/models/OpenAI.{model}.{of}"
            f"/skuCapacities/{sku}",
            "name": sku,
            "location": region,
            "properties": {
                "model": {"format": "OpenAI", "name": model, "version": of},
                "skuName": sku,
                "availableCapacity": units,
                "availableFinetuneCapacity": 0,
            },
        }
        for (region, model, of, sku), units in subscription.model_capacities.items()
        if (region, model, of) == (found["region"].lower(), name, version)
    ]


def _postgres(subscription: Subscription, _: Request, found: re.Match[str]) -> list[Document]:
    known = subscription.postgres.get(found["region"].lower())
    return [known] if known is not None else []


def _deleted_vault(subscription: Subscription, _: Request, found: re.Match[str]) -> Answer:
    vault = subscription.deleted_vaults.get(found["name"].lower())
    if vault is None:
        return error(404, "DeletedVaultNotFound", f"The specified deleted vault '{found['name']}' does not exist.")
    return Answer(200, vault)


def _deleted_accounts(subscription: Subscription, *_: object) -> list[Document]:
    return list(subscription.deleted_accounts.values())


def _subnet_usages(subscription: Subscription, _: Request, found: re.Match[str]) -> Answer | list[Document]:
    network = subscription.resources.get(found["id"].lower())
    if network is None:
        return error(404, "ResourceNotFound", "The virtual network was not found.")
    lines: list[Document] = network.get("usages", [])
    return lines


_IN = r"/subscriptions/[^/]+/providers/"
READERS: tuple[tuple[re.Pattern[str], Reader], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), reader)
    for pattern, reader in (
        (r"/subscriptions", _subscriptions),
        (r"/subscriptions/[^/]+", _subscription),
        (r"/subscriptions/[^/]+/locations", _locations),
        (r"/subscriptions/[^/]+/providers", _providers),
        (_IN + r"(?P<namespace>[^/]+)", _provider),
        (r"(?P<scope>/subscriptions/.+)/providers/Microsoft\.Authorization/permissions", _permissions),
        (r"(?P<scope>/subscriptions/.+)/providers/Microsoft\.Authorization/roleAssignments", _role_assignments),
        (r".*/providers/Microsoft\.Authorization/roleDefinitions/(?P<id>[^/]+)", _role_definition),
        (r"(?P<scope>/subscriptions/.+)/providers/Microsoft\.Authorization/locks", _locks),
        (_IN + r"Microsoft\.CognitiveServices/locations/(?P<region>[^/]+)/models", _models),
        (_IN + r"Microsoft\.CognitiveServices/locations/(?P<region>[^/]+)/modelCapacities", _model_capacities),
        (_IN + r"Microsoft\.CognitiveServices/deletedAccounts", _deleted_accounts),
        (_IN + r"Microsoft\.DBforPostgreSQL/locations/(?P<region>[^/]+)/capabilities", _postgres),
        (_IN + r"(?P<namespace>[^/]+)/locations/(?P<region>[^/]+)(/resourceType/flexibleServers)?/usages", _usages),
        (_IN + r"Microsoft\.KeyVault/locations/[^/]+/deletedVaults/(?P<name>[^/]+)", _deleted_vault),
        (r"(?P<id>/.+/virtualNetworks/[^/]+)/usages", _subnet_usages),
    )
)
