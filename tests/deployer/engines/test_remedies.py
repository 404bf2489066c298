"""What the errors of Azure and of Terraform mean: a row a text, as the provider prints it, and no row of the tables "
"without one."""

import pytest

from deployer.engines import Severity
from deployer.engines.remedies import REMEDIES, diagnose
from deployer.engines.remedies.row import CONTENTION, RELEASE
from tests.simulators.azurerm.refusals import NAMED

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
LOCK = """Error message: state blob is already locked
Lock Info:
  ID:        e9eb9ed7-a3bc-ae67-640d-ad4cb06fae7a
  Path:      tfstate/contoso.tfstate
  Operation: OperationTypePlan
  Who:       CONTOSO\\ana@laptop
  Version:   1.11.4
  Created:   2026-11-25 22:42:07.991415 +0000 UTC
  Info:

Terraform acquires a state lock to protect the state from being written
by multiple users at the same time."""


def _arm(doing: str, status: int, code: str, message: str) -> str:
    """An answer of ARM's as go-azure-sdk puts it."""
    return (
        f"{doing}: performing CreateOrUpdate: unexpected status {status} ({status} Text) with error: {code}: {message}"
    )


ENDPOINT = 'creating Private Endpoint (Subscription: "s"\nResource Group Name: "rg"\nPrivate Endpoint Name: "pe")'

ROWS = [
    # id, summary, detail, a word of the cause or remedy, whether it is tried again
    ("state_locked", "Error acquiring the state lock", LOCK, "CONTOSO\\ana@laptop has held", False),
    ("state_locked", "Error acquiring the state lock", LOCK, "e9eb9ed7-a3bc-ae67-640d-ad4cb06fae7a", False),
    (
        "state_locked",
        "Error acquiring the state lock",
        '2 errors occurred:\n* state blob is already locked\n* blob metadata "terraformlockid" was empty',
        "lease",
        False,
    ),
    ("state_changed", "Saved plan is stale", "", "new plan", False),
    ("state_other", "Saved plan does not match the given state", "", "another state", False),
    (
        "plan_other_version",
        "Failed to read plan from plan file",
        "plan file was created by Terraform 1.12.0, but this is 1.11.4; plan files cannot be transferred",
        "another version",
        False,
    ),
    (
        "state_newer",
        "Error loading state",
        "state snapshot was created by Terraform v1.15.2, which is newer than current v1.11.4",
        "1.15.2",
        False,
    ),
    ("state_not_saved", "Failed to save state", "Error saving state: 403", "errored.tfstate", False),
    (
        "state_forbidden",
        "Failed to get existing workspaces",
        "containers.Client#ListBlobs: Failure responding to request: StatusCode=403 -- Original Error: "
        "autorest/azure: Service returned "
        'an error. Status=403 Code="AuthorizationPermissionMismatch" Message="This request is not authorized '
        "to perform this operation "
        'using this permission."',
        "Storage Blob Data Contributor",
        False,
    ),
    (
        "state_missing",
        "Failed to get existing workspaces",
        'containers.Client#ListBlobs: StatusCode=404 Code="ContainerNotFound" Message="The specified '
        'container does not exist."',
        "storage first",
        False,
    ),
    ("backend_changed", "Backend configuration changed", "", "earlier backend", False),
    (
        "provider_unreachable",
        "Failed to query available provider packages",
        "Could not retrieve the list of available versions for provider hashicorp/azurerm: could not connect to "
        "registry.terraform.io",
        "mirror",
        True,
    ),
    (
        "provider_checksum",
        "Failed to install provider",
        "Error while installing hashicorp/azurerm v5.2.0: the current package for "
        "registry.terraform.io/hashicorp/azurerm 5.2.0 "
        "doesn't match any of the checksums previously recorded in the dependency lock file",
        "not to be trusted",
        False,
    ),
    (
        "provider_crashed",
        "Plugin did not respond",
        "The plugin encountered an error, and failed to respond",
        "memory",
        True,
    ),
    (
        "exists_already",
        f'A resource with the ID "{GROUP}" already exists - to be managed via Terraform this resource needs '
        "to be imported into the State.",
        "",
        GROUP,
        False,
    ),
    (
        "destroy_prevented",
        "Instance cannot be destroyed",
        "Resource x has lifecycle.prevent_destroy set",
        "protection",
        False,
    ),
    ("stopped", "execution halted", "", "on request", False),
    ("inconsistent_result", "Provider produced inconsistent result after apply", "", "planned", True),
    ("terraform_ended", "Terraform ended with code -9", "", "killed", False),
    (
        "configuration_invalid",
        "Invalid value for variable",
        "postgres.sku is not one that Azure has",
        "tenant file",
        False,
    ),
    (
        "sign_in_expired",
        "building client: authorizing request: running Azure CLI: exit status 1: ERROR: AADSTS70043: The refresh "
        "token has expired or "
        "is invalid due to sign-in frequency checks by conditional access.",
        "",
        "az login",
        False,
    ),
    (
        "secret_wrong",
        "AADSTS7000222: The provided client secret keys for app 'x' are expired.",
        "",
        "valid today",
        False,
    ),
    ("tenant_wrong", "AADSTS50020: User account 'x' does not exist in tenant 'y'", "", "another Entra tenant", False),
    ("conditional_access", "AADSTS53003: Access has been blocked by Conditional Access policies.", "", "policy", False),
    ("entra_unavailable", "AADSTS90033: A transient error has occurred. Please try again.", "", "again", True),
    (
        "not_signed_in",
        "unable to build authorizer for Resource Manager API: could not configure AzureCli Authorizer",
        "",
        "az login",
        False,
    ),
    (
        "subscription_missing",
        _arm("loading", 404, "SubscriptionNotFound", "The subscription was not found."),
        "",
        "Correct",
        False,
    ),
    (
        "subscription_disabled",
        _arm("creating X", 409, "ReadOnlyDisabledSubscription", "is disabled"),
        "",
        "spending",
        False,
    ),
    (
        "principal_propagation",
        _arm("creating Role", 400, "PrincipalNotFound", "Principal 1 does not exist in the directory 2."),
        "",
        "some minutes",
        True,
    ),
    ("role_assignment_exists", _arm("creating Role", 409, "RoleAssignmentExists", "exists."), "", "Delete that", False),
    (
        "role_missing",
        "loading Role Definition List: could not find role 'Cognitive Services Reader'",
        "",
        "no role",
        False,
    ),
    (
        "role_assignments_full",
        _arm("creating Role", 400, "RoleAssignmentLimitExceeded", "No more"),
        "",
        "groups",
        False,
    ),
    (
        "role_assignment_forbidden",
        _arm(
            "creating Role",
            403,
            "AuthorizationFailed",
            "The client 'c' with object id 'o' does not have authorization to perform action "
            "'Microsoft.Authorization/roleAssignments/write' over scope '/x' or the scope is invalid.",
        ),
        "",
        "Role Based Access Control Administrator",
        False,
    ),
    (
        "permission_missing",
        _arm(
            "creating X",
            403,
            "AuthorizationFailed",
            "The client 'c' with object id 'o' does not have authorization to perform action "
            f"'Microsoft.Network/virtualNetworks/write' over scope '{GROUP}' or the scope is invalid.",
        ),
        "",
        f"may not do Microsoft.Network/virtualNetworks/write on {GROUP}",
        False,
    ),
    ("permission_missing", _arm("creating X", 403, "LinkedAuthorizationFailed", "has permission"), "", "linked", False),
    (
        "vault_private",
        'StatusCode=403 -- Original Error: Code="Forbidden" Message="Client address is not authorized and '
        'caller is not a trusted service." '
        'InnerError={"code":"ForbiddenByFirewall"}',
        "",
        "closed to this machine",
        False,
    ),
    (
        "vault_role_propagation",
        'StatusCode=403 -- Original Error: Code="Forbidden" Message="Caller is not authorized to perform '
        'action on resource." '
        'InnerError={"code":"ForbiddenByRbac"}',
        "",
        "not in force",
        True,
    ),
    (
        "vault_role_propagation",
        _arm("creating App", 400, "ContainerAppSecret", "Unable to get value using Managed identity i for secret s."),
        "",
        "not in force",
        True,
    ),
    (
        "vault_soft_deleted",
        _arm("creating Vault", 409, "ConflictError", "A vault with the same name already exists in deleted state."),
        "",
        "recover",
        False,
    ),
    ("vault_name_taken", _arm("creating Vault", 409, "VaultAlreadyExists", "is already in use."), "", "prefix", False),
    (
        "purge_protected",
        _arm("purging", 409, "MethodNotAllowed", "Operation 'DeletedVaultPurge' is not allowed."),
        "",
        "retention",
        False,
    ),
    (
        "account_soft_deleted",
        _arm(
            "creating Account",
            409,
            "FlagMustBeSetForRestore",
            f"An existing resource with ID '{GROUP}/x' has been soft-deleted.",
        ),
        "",
        "az cognitiveservices account purge",
        False,
    ),
    ("subdomain_taken", _arm("creating Account", 409, "CustomDomainInUse", "is already used"), "", "subdomain", False),
    ("name_taken", _arm("creating", 409, "StorageAccountAlreadyTaken", "is already taken."), "", "prefix", False),
    (
        "account_not_ready",
        _arm(ENDPOINT, 400, "AccountProvisioningStateInvalid", f"Call failed. Account {GROUP}/a in state Accepted"),
        "",
        "minutes",
        True,
    ),
    (
        "subnet_in_use",
        "deleting Subnet: performing Delete: unexpected status 400 (400 Bad Request) with error: "
        "InUseSubnetCannotBeDeleted: Subnet apps is "
        f"in use by {GROUP}/subnets/apps/serviceAssociationLinks/legionservicelink and cannot be deleted.",
        "",
        "half an hour",
        True,
    ),
    (
        "network_in_use",
        _arm("deleting", 400, "InUseNetworkSecurityGroupCannotBeDeleted", "is in use"),
        "",
        "still uses",
        True,
    ),
    (
        "subnet_delegation",
        _arm(ENDPOINT, 400, "PrivateEndpointCreationNotAllowedAsSubnetIsDelegated", "is delegated."),
        "",
        "a subnet of its own",
        False,
    ),
    (
        "subnet_too_small",
        _arm("creating", 400, "X", "Provided subnet must have a size of at least /27"),
        "",
        "/27",
        False,
    ),
    ("ranges_overlap", _arm("creating", 400, "NetcfgSubnetRangesOverlap", "overlaps"), "", "another range", False),
    (
        "zone_group_conflict",
        _arm(ENDPOINT, 400, "MultiplePrivateDnsZoneGroupsNotAllowed", "Only one is allowed"),
        "",
        "policy-managed",
        False,
    ),
    (
        "zone_linked_elsewhere",
        _arm(
            "creating Link",
            400,
            "BadRequest",
            "A virtual network cannot be linked to multiple zones with overlapping namespaces.",
        ),
        "",
        "existing",
        False,
    ),
    ("zone_not_linked", _arm("creating Server", 400, "VnetLinkNotFound", "The private DNS zone"), "", "linked", True),
    ("subnet_taken", _arm("creating", 400, "ManagedEnvironmentSubnetInUse", "is already in use"), "", "its own", False),
    (
        "private_endpoint_policy",
        _arm(ENDPOINT, 400, "PrivateEndpointCannotBeCreatedInSubnetThatHasNetworkPoliciesEnabled", ""),
        "",
        "network policies",
        False,
    ),
    ("connection_failed", 'Get "https://management.azure.com": dial tcp: lookup: i/o timeout', "", "proxy", True),
    ("certificate_untrusted", "tls: failed to verify certificate: x509: unknown authority", "", "SSL_CERT_FILE", False),
    (
        "provider_not_registered",
        _arm(
            "creating", 409, "MissingSubscriptionRegistration", "not registered to use namespace 'Microsoft.App'. See"
        ),
        "",
        "az provider register --namespace Microsoft.App",
        False,
    ),
    (
        "provider_not_registered",
        _arm("creating", 409, "MissingRegistrationForLocation", "in uksouth"),
        "",
        "NAME",
        False,
    ),
    ("feature_not_registered", _arm("creating", 409, "FeatureNotRegistered", "x"), "", "az feature register", False),
    (
        "policy_denied",
        _arm("creating", 403, "RequestDisallowedByPolicy", "Resource 'x' was disallowed by policy."),
        "",
        "exemption",
        False,
    ),
    ("locked", _arm("deleting", 409, "ScopeLocked", "following scope(s) are locked"), "", "az lock list", False),
    (
        "model_quota",
        _arm(
            "creating Deployment",
            400,
            "InsufficientQuota",
            "This operation require 240 new capacity in quota Tokens Per Minute (thousands) - gpt-4o, which is "
            "bigger than the current "
            "available\ncapacity 40. The current quota usage is 60 and the quota limit is 100 for quota Tokens Per "
            "Minute (thousands) - gpt-4o.",
        ),
        "",
        "requested 240 · available 40 of 100 in Tokens Per Minute (thousands) - gpt-4o",
        False,
    ),
    ("model_quota", _arm("creating Deployment", 400, "InsufficientQuota", "no"), "", "Lower", False),
    ("model_unavailable", _arm("creating Deployment", 400, "DeploymentModelNotSupported", "x"), "", "version", False),
    ("model_capacity", _arm("creating Deployment", 409, "InsufficientCapacity", "x"), "", "later", False),
    ("special_access", _arm("creating Account", 403, "SpecialFeatureOrQuotaIdRequired", "x"), "", "Apply for", False),
    ("quota_exceeded", _arm("creating", 409, "MaxNumberOfRegionalEnvironmentsInSubExceeded", "x"), "", "quota", False),
    ("sku_unavailable", _arm("creating", 409, "SkuNotAvailable", "x"), "", "another size", False),
    ("operation_in_progress", _arm("creating", 409, "AnotherOperationInProgress", "x"), "", "again", True),
    ("throttled", _arm("creating", 429, "TooManyRequests", "x"), "", "slowly", True),
    ("not_there_yet", _arm("creating", 400, "InvalidResourceReference", "x"), "", "drift", True),
    ("image_not_pulled", _arm("creating App", 400, "X", "MANIFEST_UNKNOWN: manifest unknown"), "", "AcrPull", False),
    (
        "revision_failed",
        'polling failed: the Azure API returned the following error:\nStatus: "Failed"\nCode: "ContainerAppOperationError"',
        "",
        "log",
        False,
    ),
    ("timed_out", "polling after CreateOrUpdate: context deadline exceeded", "", "longer", True),
    ("azure_unavailable", _arm("creating", 503, "ServiceUnavailable", "x"), "", "status page", True),
    ("being_deleted", _arm("creating", 409, "ResourceGroupBeingDeleted", "x"), "", "deleted just now", True),
    ("group_not_empty", "the following Resources still exist within the Resource Group:\n\n* x", "", "Move it", False),
    (
        "setting_refused",
        _arm("creating", 400, "BadRequest", "Category 'x' is not supported."),
        "",
        "tenant file",
        False,
    ),
    ("conflict", _arm("creating", 409, "Conflict", "Data sink is used already."), "", "collides", False),
]


@pytest.mark.parametrize(
    ("id", "summary", "detail", "word", "retried"), ROWS, ids=[f"{row[0]}-{n}" for n, row in enumerate(ROWS)]
)
def test_an_error_is_told_with_its_cause_and_what_to_do(
    id: str, summary: str, detail: str, word: str, retried: bool
) -> None:
    problem = diagnose(Severity.ERROR, summary, detail, "module.aduana.azurerm_x.y")
    assert problem.id == id
    assert word in f"{problem.cause}\n{problem.remedy}"
    assert problem.cause and problem.remedy and "{" not in problem.cause + problem.remedy
    assert (problem.retry is not None) is retried
    assert problem.message.startswith("module.aduana.azurerm_x.y: ") and "\n" not in problem.message


def test_no_row_is_in_another_ones_shadow() -> None:
    texts = [f"{summary}\n{detail}" for _, summary, detail, _, _ in ROWS]
    reached = {next(row for row in REMEDIES if row.search(text)) for text in texts}
    assert [row.id for row in REMEDIES if row not in reached] == []


@pytest.mark.parametrize("name", sorted(NAMED))
def test_everything_that_the_simulated_azure_refuses_is_known(name: str) -> None:
    told = NAMED[name].told("create", "azurerm_resource_group", GROUP, size=27)
    assert diagnose(Severity.ERROR, told, "").id != "unknown", told


def test_what_no_row_knows_keeps_its_words_and_is_never_tried_again() -> None:
    problem = diagnose(Severity.ERROR, "the moon is full", "come back\nlater")
    assert (problem.id, problem.retry, problem.message) == ("unknown", None, "the moon is full: come back")
    assert diagnose(Severity.WARNING, "TooManyRequests", "").remedy == ""


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "'",
        "A resource with the ID ",
        "AuthorizationFailed ",
        "InsufficientQuota require 1 new capacity in quota ",
        "Error acquiring the state lock ID: x\n Path:\n Operation:\n Who: \n",
        "polling failed Key Vault subnet region ",
    ],
)
def test_no_text_of_a_provider_is_too_long_to_be_looked_at(text: str) -> None:
    diagnose(Severity.ERROR, text * 10**5, "")  # a pattern without limits would take hours


def test_waits_grow_to_a_limit() -> None:
    assert [round(RELEASE.delay(n)) for n in (1, 2, 8)] == [60, 90, 300]
    assert 4 * 60 < sum(CONTENTION.delay(n) for n in range(1, CONTENTION.attempts + 1)) < 8 * 60
