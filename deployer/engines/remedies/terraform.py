"""Errors of Terraform itself: its state, its plans, its providers."""

from deployer.engines.remedies.row import OUTAGE, Remedy

TERRAFORM = (
    Remedy(
        "state_locked",
        r"Error acquiring the state lock.{0,800}?\bID:[ \t]+(?P<id>\S+)[ \t]*\n[ \t]*Path:[^\n]*\n[ \t]*Operation:[^\n]*\n"
        r"[ \t]*Who:[ \t]+(?P<who>[^\n]*)\n[ \t]*Version:[^\n]*\n[ \t]*Created:[ \t]+(?P<created>[\d-]{1,12} [\d:]{1,8})",
        "{who} has held the state's lock since {created} UTC",
        "Wait until that run has ended. If you are sure that it is gone (the machine was switched off, the process "
        "killed), take "
        "its lock {id} away and run this again.",
    ),
    Remedy(
        "state_locked",
        r"Error acquiring the state lock",
        "something holds the state's lock and did not say who it is",
        "Wait until the other run has ended. Where nobody runs, look at the lease of the state's blob in the Azure "
        "portal and "
        "break it there.",
    ),
    Remedy(
        "state_changed",
        r"Saved plan is stale",
        "the state was written by somebody else after the plan was made",
        "Make a new plan and review it.",
    ),
    Remedy(
        "state_other",
        r"Saved plan does not match the given state",
        "the plan was made from another state: the state was created anew, or the backend is another one",
        "See that the state's backend is the one that the plan was made with, then make a new plan.",
    ),
    Remedy(
        "plan_other_version",
        r"plan file was created by (?:a different version of )?Terraform (?:v|version )?(?P<version>[\d.]+)|"
        r"created by a different version of Terraform",
        "the plan was made by another version of Terraform",
        "Use the version that made the plan, or make a new plan.",
    ),
    Remedy(
        "state_newer",
        r"state snapshot was created by Terraform v(?P<version>[\d.]+), which is newer",
        "the state was written by Terraform {version}, and this Terraform is older",
        "Use Terraform {version} or newer.",
    ),
    Remedy(
        "state_not_saved",
        r"Failed to (?:save|persist) state|errored\.tfstate",
        "Terraform changed resources and could not write the state",
        "Keep the tenant's directory as it is: errored.tfstate in it holds the state. Repair the access to the "
        "backend and apply "
        "the same plan again; the state is written first.",
    ),
    Remedy(
        "state_forbidden",
        r"(?:Failed to (?:get existing workspaces|read blob|open blob)|Error loading (?:the )?state|retrieving container|"
        r"containers\.Client|blobs\.Client|Error (?:refreshing|inspecting) state).{0,800}?"
        r"(?:\b403\b|AuthorizationPermissionMismatch|AuthorizationFailure|This request is not authorized)",
        "the state's storage account refuses this identity or this network",
        "Grant the identity `Storage Blob Data Contributor` on the state's container (it takes up to ten minutes), "
        "and see that "
        "the storage account's firewall lets this machine in.",
    ),
    Remedy(
        "state_missing",
        r"(?:containers\.Client|blobs\.Client|Failed to get existing workspaces).{0,800}?(?:\b404\b|ContainerNotFound|"
        r"ResourceNotFound)",
        "the container that should hold the state does not exist",
        "Create the state's storage first, or correct the state backend in the tenant file.",
    ),
    Remedy(
        "backend_changed",
        r"Backend (?:configuration changed|initialization required)|Error: Migrating state",
        "the tenant file names another state backend than the one this directory was used with",
        "Put the earlier backend back into the tenant file. If the state was moved, remove .terraform from the tenant's "
        "directory: it holds no state.",
    ),
    Remedy(
        "provider_checksum",
        r"(?:does ?n[o']t match any of the checksums|Inconsistent dependency lock file|"
        r"Provider dependency changes detected)",
        "the provider is not the one whose checksums this release of Aduana holds",
        "Use the provider's version that this release was tested with. A changed package of the same version is not to be "
        "trusted.",
    ),
    Remedy(
        "provider_unreachable",
        r"Failed to (?:query available provider packages|install provider)|could not (?:query provider registry|"
        r"connect to registry)",
        "the provider's packages could not be had from Terraform's registry",
        "Let this machine reach registry.terraform.io and releases.hashicorp.com, or name a mirror of providers in "
        "Terraform's "
        "CLI configuration (TF_CLI_CONFIG_FILE).",
        OUTAGE,
    ),
    Remedy(
        "provider_crashed",
        r"(?:Plugin did not respond|plugin crashed|The plugin encountered an error|Request cancelled.{0,200}?plugin\.)",
        "the provider's process ended in the middle of its work",
        "Apply the same plan again. If it happens twice at the same resource, look at the machine's memory, then "
        "report it to the "
        "provider.",
        OUTAGE,
    ),
    Remedy(
        "exists_already",
        r'A resource with the ID "(?P<id>[^"]+)"\s+already\s+exists',
        "{id} exists and is not in the state: somebody else made it, or an apply was killed before its state was written",
        "If it belongs to this tenant, import it; if not, choose another name in the tenant file.",
    ),
    Remedy(
        "destroy_prevented",
        r"Instance cannot be destroyed|lifecycle\.prevent_destroy",
        "the resource holds data and is protected against deletion",
        "If its end is meant, switch its protection off in the tenant file and make a new plan.",
    ),
    Remedy(
        "stopped",
        r"execution halted|context canceled|Operation (?:cancelled|canceled)|Interrupted|interrupt received",
        "it was stopped on request",
        "Apply the same plan again: it goes on from here.",
    ),
    Remedy(
        "inconsistent_result",
        r"Provider produced inconsistent (?:result|final plan)",
        "the provider answered otherwise than it had planned: Azure changed a value on the way, or the provider has "
        "a fault",
        "Apply the same plan again; what is already right stays.",
        OUTAGE,
    ),
    Remedy(
        "terraform_ended",
        r"^Terraform ended with code",
        "Terraform's process ended without a word: it was killed, or the machine ran out of memory",
        "Apply the same plan again: it goes on from here.",
    ),
    Remedy(
        "configuration_invalid",
        r"Invalid value for (?:input )?variable|Unsupported argument|Missing required argument|Invalid function argument|"
        r"Error in function call|"
        r"Extraneous JSON object property|Unsupported attribute|Resource (?:pre|post)condition failed|"
        r"Reference to undeclared",
        "the stack does not accept what the tenant file asks for",
        "The message names the variable and what is allowed: correct it in the tenant file and make a new plan.",
    ),
)
