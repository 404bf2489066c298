"""What ARM is asked to judge, by POST: names, policies, registrations; and actions on resources."""

import re
from collections.abc import Callable

from tests.simulators.azure.arm.faults import error
from tests.simulators.azure.arm.subscription import Document, Subscription
from tests.simulators.azure.server import Answer, Request

Judge = Callable[[Subscription, Request, re.Match[str]], Answer]


def _name(subscription: Subscription, request: Request, _: re.Match[str]) -> Answer:
    name = str(request.body["name"])
    if not _in_use(subscription, name, str(request.body["type"])):
        return Answer(200, {"nameAvailable": True})
    return Answer(
        200,
        {"nameAvailable": False, "reason": "AlreadyExists", "message": f"The name '{name}' is already in use."},
    )


def _domain(subscription: Subscription, request: Request, _: re.Match[str]) -> Answer:
    name = str(request.body["subdomainName"])
    used = _in_use(subscription, name, str(request.body["type"]))
    reason = f"Sub domain name '{name}' is already used. Please pick a different name." if used else None
    return Answer(200, {"isSubdomainAvailable": not used, "reason": reason, "subdomainName": name, "type": None})


def _in_use(subscription: Subscription, name: str, type: str) -> bool:
    deleted = {"microsoft.keyvault/vaults": subscription.deleted_vaults} | {
        "microsoft.cognitiveservices/accounts": subscription.deleted_accounts
    }
    return (
        name.lower() in subscription.taken
        or name.lower() in deleted.get(type.lower(), {})
        or any(
            each["name"].lower() == name.lower() and each["type"].lower() == type.lower()
            for each in subscription.resources.values()
        )
    )


def _policies(subscription: Subscription, request: Request, _: re.Match[str]) -> Answer:
    content: Document = request.body["resourceDetails"]["resourceContent"]
    found = [evaluation for policy in subscription.policies if (evaluation := policy(content))]
    return Answer(200, {"fieldRestrictions": [], "contentEvaluationResult": {"policyEvaluations": found}})


def _register(subscription: Subscription, _: Request, found: re.Match[str]) -> Answer:
    for name, provider in subscription.providers.items():
        if name.lower() == found["namespace"].lower():
            if not subscription.allowed(subscription.path, f"{name}/register/action"):
                return error(403, "AuthorizationFailed", f"The client may not perform '{name}/register/action'.")
            provider["registrationState"] = "Registered"
            return Answer(200, provider)
    return error(404, "InvalidResourceNamespace", f"The resource namespace '{found['namespace']}' is invalid.")


def _purge_vault(subscription: Subscription, _: Request, found: re.Match[str]) -> Answer:
    vault = subscription.deleted_vaults.get(found["name"].lower())
    if vault is None:
        return error(404, "DeletedVaultNotFound", f"The vault '{found['name']}' is not deleted.")
    if vault["properties"]["purgeProtectionEnabled"]:
        return error(403, "DeletedVaultPurge", f"Operation 'DeletedVaultPurge' is not allowed on '{found['name']}'.")
    del subscription.deleted_vaults[found["name"].lower()]
    return Answer(200, None)


def _domain_verification(subscription: Subscription, *_: object) -> Answer:
    return Answer(200, subscription.domain_verification_id)


_IN = r"/subscriptions/[^/]+/providers/"
JUDGES: tuple[tuple[re.Pattern[str], Judge], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), judge)
    for pattern, judge in (
        (_IN + r"[^/]+/(locations/[^/]+/)?checkNameAvailability", _name),
        (_IN + r"Microsoft\.CognitiveServices/checkDomainAvailability", _domain),
        (r"/subscriptions/.*/providers/Microsoft\.PolicyInsights/checkPolicyRestrictions", _policies),
        (_IN + r"(?P<namespace>[^/]+)/register", _register),
        (_IN + r"Microsoft\.KeyVault/locations/[^/]+/deletedVaults/(?P<name>[^/]+)/purge", _purge_vault),
        (_IN + r"Microsoft\.App/getCustomDomainVerificationId", _domain_verification),
    )
)


def denial(policy: str, assignment: str, result: str = "NonCompliant", effect: str = "Deny") -> Document:
    """What the evaluation of a policy that denies looks like.

    https://learn.microsoft.com/rest/api/policyinsights/policy-restrictions/check-at-resource-group-scope
    """
    return {
        "policyInfo": {
            "policyDefinitionId": f"/providers/Microsoft.Authorization/policyDefinitions/{policy}",
            "policyAssignmentId": f"/providers/Microsoft.Management/managementGroups/corp/providers/"
            f"Microsoft.Authorization/policyAssignments/{assignment}",
        },
        "evaluationResult": result,
        "evaluationDetails": {"evaluatedExpressions": []},
        "effectDetails": {"policyEffect": effect},
    }
