"""Errors of Key Vault, and of what stays behind when something is deleted."""

from deployer.engines.remedies.row import PROPAGATION, Remedy

VAULT = (
    Remedy(
        "vault_private",
        r"ForbiddenByFirewall|ForbiddenByConnection|Client address is not authorized and caller is not a trusted service|"
        r"Public network access is disabled and request is not from a trusted service",
        "the vault is closed to this machine's network, as it is meant to be",
        "Nothing of the stack writes to the vault from outside. If you switched that on, run it from within the network.",
    ),
    Remedy(
        "vault_role_propagation",
        r"ForbiddenByRbac|Caller is not authorized to perform action on resource",
        "the role on the vault was granted a moment ago and is not in force everywhere yet",
        "It is tried again for some minutes. If it goes on, the identity lacks its role on the vault.",
        PROPAGATION,
    ),
    Remedy(
        "vault_role_propagation",
        r"Unable to get value using Managed identity|unable to fetch secret '[^']*' using Managed identity",
        "the service's identity may not read the vault yet: its role is not in force everywhere",
        "It is tried again for some minutes. If it goes on, the identity lacks its role on the vault.",
        PROPAGATION,
    ),
    Remedy(
        "vault_soft_deleted",
        r"(?:A vault with the same name already exists in deleted state|Key Vault .{0,200}?(?:soft[ -]deleted|"
        r"deleted but recoverable)|"
        r"exists in (?:a )?soft[ -]deleted state)",
        "a deleted vault still holds the name, until its retention ends",
        "Recover it (`az keyvault recover --name NAME`), or purge it if its content may be lost for good and no "
        "purge protection "
        "forbids it (`az keyvault purge --name NAME`), or choose another prefix in the tenant file.",
    ),
    Remedy(
        "vault_name_taken",
        r"VaultAlreadyExists",
        "a vault of this name exists somewhere in Azure, or was deleted and is kept until its retention ends",
        "See `az keyvault list-deleted`: recover it, or purge it if its content may be lost for good. Otherwise "
        "choose another "
        "prefix or name in the tenant file.",
    ),
    Remedy(
        "purge_protected",
        r"DeletedVaultPurge|PurgeProtection|purge protection (?:is )?enabled|MethodNotAllowed.{0,800}?purge",
        "purge protection keeps the deleted vault, or the deleted account, until its retention ends",
        "Wait for the retention to end, recover it, or choose another prefix in the tenant file.",
    ),
    Remedy(
        "account_soft_deleted",
        r"FlagMustBeSetForRestore|existing resource with ID '(?P<id>[^']+)' has been soft-deleted",
        "a deleted Azure OpenAI account still holds the name, for 48 hours",
        "Purge it (`az cognitiveservices account purge --name NAME --resource-group GROUP --location REGION`), or "
        "recover it, and "
        "apply the same plan again.",
    ),
    Remedy(
        "subdomain_taken",
        r"CustomDomainInUse|The subdomain name '(?P<name>[^']+)' is already used",
        "the account's subdomain is in use by another resource, perhaps a deleted one",
        "Purge the deleted account of that name, or choose another prefix in the tenant file.",
    ),
    Remedy(
        "name_taken",
        r"StorageAccountAlreadyTaken|NameAlreadyExists|ServerNameAlreadyExists|NameNotAvailable|"
        r"(?:storage account|server|DNS record) .{0,120}?is already taken|NamespaceUnavailable|"
        r"name '?\S+'? is already in use",
        "the name is in use somewhere in Azure, and it has to be unique there",
        "Choose another prefix in the tenant file, and make a new plan.",
    ),
)
