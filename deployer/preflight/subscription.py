"""The subscription's own rules: resource providers, policies and locks."""

from collections.abc import Iterable, Iterator
from typing import Any

from deployer.azure.documents import Document
from deployer.engines.terraform.provider import RESOURCE_PROVIDERS
from deployer.preflight.checks import Context, Finding, error, info, or_passed, passed, warning
from deployer.preflight.needs import needed_types
from deployer.preflight.permissions import allows
from deployer.tenant import Tenant

OUR_LOCK = "holds-data"  # what the engines call the locks of `deletion_protection`


async def look_at_providers(context: Context) -> Iterable[Finding]:
    known = await context.azure.providers()
    wanted = RESOURCE_PROVIDERS  # all: the engine registers each that is not, used or not
    missing = [each for each in wanted if _state(known, each) not in ("Registered", "Registering")]
    if not missing:
        return [passed(f"{len(wanted)} registered", figures={"registered": len(wanted)})]
    granted = await context.azure.permissions(context.azure.path)
    refused = [each for each in missing if not allows(granted, f"{each}/register/action")]
    findings: list[Finding] = []
    if refused:
        commands = " && ".join(f"az provider register --wait --namespace {each}" for each in refused)
        words = f"not registered, and this identity may not register: {', '.join(refused)}"
        findings.append(error(words, f"Have an owner run: {commands}", figures={"missing": len(refused)}))
    by_us = [each for each in missing if each not in refused]
    if by_us:
        words = f"not registered yet: {', '.join(by_us)}"
        findings.append(
            info(words, "Apply registers them; the first time takes some minutes.", figures={"missing": len(by_us)})
        )
    return findings


def _state(known: dict[str, Document], namespace: str) -> str:
    return str(known.get(namespace.lower(), {}).get("registrationState", "NotRegistered"))


async def look_at_locks(context: Context) -> Iterable[Finding]:
    ours = _scopes(context)
    findings: list[Finding] = []
    for lock in await context.azure.locks():
        scope = str(lock.get("id", "")).lower().split("/providers/microsoft.authorization/locks/")[0]
        level, name = (lock.get("properties") or {}).get("level"), lock.get("name", "")
        over = next((each for each in ours if each == scope or each.startswith(scope + "/")), None)
        inside = scope.startswith(context.group_id.lower() + "/")
        if over is None and not inside:
            continue
        where = "the subscription" if scope == context.azure.path.lower() else scope.rsplit("/", 1)[-1]
        if level == "ReadOnly":
            words = f"the lock {name} makes {where} read-only: nothing can be made there"
            findings.append(error(words, "Have it removed for as long as installing takes.", scope))
        elif name != OUR_LOCK and (scope == context.group_id.lower() or inside or scope == context.azure.path.lower()):
            words = f"the lock {name} on {where} lets nothing be deleted"
            remedy = "Apply works; what has to be replaced, and destroy, will fail until it is removed."
            findings.append(warning(words, remedy, scope))
    return or_passed(findings, "none in the way")


def _scopes(context: Context) -> list[str]:
    """Where something is written, in small letters."""
    tenant, existing = context.tenant, context.tenant.network.existing
    scopes = [context.group_id, *tenant.private_dns.zones.values(), *tenant.private_dns.link_networks]
    scopes += [existing.vnet_id] if existing is not None else []
    scopes += [each.resource_id for each in tenant.openai.accounts if each.resource_id is not None]
    scopes += [each for each in (tenant.images.registry_id, tenant.logs.workspace_id) if each is not None]
    return [each.lower() for each in scopes]


async def look_at_policies(context: Context) -> Iterable[Finding]:
    """https://learn.microsoft.com/rest/api/policyinsights/policy-restrictions"""
    azure = context.azure
    scope = context.group_id if await azure.resource(context.group_id) is not None else azure.path
    findings: dict[tuple[str, str], Finding] = {}
    contents = list(_contents(context.tenant))
    for content in contents:
        asked = {"resourceDetails": {"resourceContent": content, "apiVersion": "2024-01-01"}}
        answer = await azure.arm.post(f"{scope}/providers/Microsoft.PolicyInsights/checkPolicyRestrictions", asked)
        for policy, words in _denials(answer if isinstance(answer, dict) else {}):
            kind = content["type"]
            findings.setdefault(
                (policy, kind),
                error(
                    f"{kind}: the policy {policy} {words}",
                    "Ask for an exemption for the resource group, or change what it objects to in the tenant file.",
                    kind,
                ),
            )
    return or_passed(findings.values(), f"none objects to {len(contents)} types", figures={"types": len(contents)})


def _denials(answer: Document) -> Iterator[tuple[str, str]]:
    evaluations = (answer.get("contentEvaluationResult") or {}).get("policyEvaluations") or []
    for each in evaluations:
        effect = (each.get("effectDetails") or {}).get("policyEffect") or "Deny"
        if each.get("evaluationResult") == "NonCompliant" and effect.lower() == "deny":
            yield _policy(each.get("policyInfo") or {}), "would deny it"
    for field in answer.get("fieldRestrictions") or []:
        for each in field.get("restrictions") or []:
            if each.get("result") in ("Required", "Deny") and str(field.get("field", "")).startswith("tags"):
                needs = "asks for" if each["result"] == "Required" else "forbids a value of"
                yield _policy(each.get("policy") or {}), f"{needs} {field['field']}"


def _policy(info: Document) -> str:
    assigned = str(info.get("policyAssignmentId") or info.get("policyDefinitionId") or "?")
    return assigned.rsplit("/", 1)[-1]


def _contents(tenant: Tenant) -> Iterator[dict[str, Any]]:
    """Each type as it will be made, as far as policies usually look."""
    shown: dict[str, dict[str, Any]] = {
        "Microsoft.KeyVault/vaults": {"publicNetworkAccess": "Disabled", "enableRbacAuthorization": True},
        "Microsoft.DBforPostgreSQL/flexibleServers": {"network": {"publicNetworkAccess": "Disabled"}},
        "Microsoft.CognitiveServices/accounts": {"publicNetworkAccess": "Disabled", "disableLocalAuth": True},
        "Microsoft.Storage/storageAccounts": {"allowSharedKeyAccess": False, "publicNetworkAccess": "Disabled"},
        "Microsoft.EventHub/namespaces": {"publicNetworkAccess": "Disabled", "disableLocalAuth": True},
        "Microsoft.App/managedEnvironments": {
            "vnetConfiguration": {"internal": tenant.ingress.visibility == "internal"},
            "zoneRedundant": tenant.zone_redundant,
        },
    }
    group = {"type": "Microsoft.Resources/subscriptions/resourceGroups", "location": tenant.region}
    for need in needed_types(tenant):
        if need.type != "diagnosticSettings":
            location = need.region if need.regional else "global"
            yield {
                "type": need.full,
                "location": location,
                "tags": dict(tenant.tags),
                "properties": shown.get(need.full, {}),
            }
    yield {**group, "tags": dict(tenant.tags), "properties": {}}
