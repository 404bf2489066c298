"""Errors of signing in, and of identities."""

from deployer.engines.remedies.row import PROPAGATION, Remedy

ENTRA = (
    Remedy(
        "sign_in_expired",
        r"AADSTS(?:700082|50173|70043|70044|700084|50078|50079|50076|50132|50133|500133|700024)\b|"
        r"(?:refresh|access|security) token (?:has )?expired|ExpiredAuthenticationToken|token is expired|"
        r"InvalidAuthenticationToken",
        "the sign-in has expired, or Entra ID asks for more proof",
        "Sign in again (`az login --tenant TENANT`) and apply the same plan again. In a pipeline, give the service "
        "connection "
        "a longer life or split the run.",
    ),
    Remedy(
        "secret_wrong",
        r"AADSTS(?:7000215|7000222|700027|700211|700213|70021)\b",
        "the application's secret, certificate or federated token is wrong, has expired, or is not meant for this subject",
        "Give the pipeline a credential that is valid today; with federation, issuer, subject and audience must "
        "match exactly.",
    ),
    Remedy(
        "tenant_wrong",
        r"AADSTS(?:90002|50020|700016|900023)\b|InvalidAuthenticationTokenTenant|The access token is from the wrong issuer",
        "the sign-in belongs to another Entra tenant than the subscription",
        "Sign in to the subscription's tenant (`az login --tenant TENANT`); the tenant file names both.",
    ),
    Remedy(
        "conditional_access",
        r"AADSTS(?:53000|53001|53002|53003|530003|50105|65001|90094)\b",
        "a policy of the Entra tenant does not let this sign-in pass",
        "Use a device and a network that the policy allows, or an identity that it leaves out; the tenant's "
        "administrators know.",
    ),
    Remedy(
        "entra_unavailable",
        r"AADSTS(?:90033|90013|90025|50196|90036)\b",
        "Entra ID does not answer properly at the moment",
        "Nothing is wrong here; it is tried again.",
        PROPAGATION,
    ),
    Remedy(
        "not_signed_in",
        r"(?:unable to build authorizer|could not configure AzureCli Authorizer|building account|"
        r"could not acquire access token|"
        r"Please run 'az login'|obtain(?:ing)? subscription\(s\) from Azure CLI|No authorization methods? available|"
        r"cannot obtain a client_id|launching Azure CLI)",
        "no sign-in to Azure was found",
        "Sign in with `az login`, or set ARM_CLIENT_ID, ARM_TENANT_ID and a credential in the environment (a "
        "federated token where "
        "it can be had).",
    ),
    Remedy(
        "subscription_missing",
        r"SubscriptionNotFound|subscription '?(?P<id>[0-9a-f-]{36})'? could not be found|`subscription_id` is a required|"
        r"The subscription ID .{0,100}? is not known by Azure CLI",
        "the subscription does not exist in this tenant, or this identity sees nothing of it",
        "Correct the subscription in the tenant file, or have a role granted on it.",
    ),
    Remedy(
        "subscription_disabled",
        r"ReadOnlyDisabledSubscription|SubscriptionNotActive|DisabledSubscription",
        "the subscription is switched off, for a spending limit or an unpaid bill as a rule",
        "Have it enabled by the account's owner, then apply the same plan again.",
    ),
    Remedy(
        "principal_propagation",
        r"PrincipalNotFound|Principal \S+ does not exist in the directory",
        "the identity was made a moment ago and Azure's directory does not know it everywhere yet",
        "It is tried again for some minutes. If it goes on, the identity was deleted, or the tenant file names a "
        "wrong object id.",
        PROPAGATION,
    ),
    Remedy(
        "role_assignment_exists",
        r"RoleAssignmentExists|The role assignment already exists(?:.{0,800}?The ID of the (?:existing|"
        r"conflicting) role assignment is "
        r"(?P<id>[0-9a-f-]{32,36}))?",
        "the same role is granted to the same identity already, under a name that is not in the state",
        "Delete that role assignment (it gives nothing that this apply would not give), or import it, and apply the "
        "same plan again.",
    ),
    Remedy(
        "role_missing",
        r"could not find role '(?P<role>[^']*)'|RoleDefinitionDoesNotExist",
        "there is no role of that name here",
        "See that the cloud and the subscription offer the role that the message names.",
    ),
    Remedy(
        "role_assignments_full",
        r"RoleAssignmentLimitExceeded",
        "the subscription has as many role assignments as Azure allows",
        "Remove those of deleted identities (`az role assignment list --query \"[?principalName=='']\"`) or use groups.",
    ),
    Remedy(
        "role_assignment_forbidden",
        r"(?:Microsoft\.Authorization/roleAssignments/(?:write|delete)).{0,800}?(?:AuthorizationFailed|"
        r"does not have authorization)|"
        r"AuthorizationFailed.{0,800}?Microsoft\.Authorization/roleAssignments/(?:write|delete)",
        "this identity may not grant roles, and the services' identities need theirs",
        "Have `Role Based Access Control Administrator` (or `User Access Administrator`) granted to it on the "
        "resource group.",
    ),
    Remedy(
        "permission_missing",
        r"AuthorizationFailed.{0,800}?does not have authorization to perform action '(?P<action>[^']+)'"
        r"(?:.{0,800}?over scope '(?P<scope>[^']+)')?",
        "this identity may not do {action} on {scope}",
        "Have a role granted that allows it (Contributor on the resource group, as a rule); grants take up to ten minutes.",
    ),
    Remedy(
        "permission_missing",
        r"AuthorizationFailed|LinkedAuthorizationFailed|Authorization_RequestDenied|InsufficientPrivileges",
        "this identity lacks a permission, on this resource or on one that it is linked to",
        "Have a role granted on the resource that the message names; grants take up to ten minutes.",
    ),
)
