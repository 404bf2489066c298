"""Errors of Azure Resource Manager and of the services behind it."""

from deployer.engines.remedies.row import CONTENTION, OUTAGE, PROPAGATION, Remedy

ARM = (
    Remedy(
        "provider_not_registered",
        r"(?:MissingSubscriptionRegistration.{0,800}?|not registered to use )namespace '(?P<namespace>[^']+)'",
        "the subscription is not registered for {namespace}, which the stack needs",
        "Register it (`az provider register --namespace {namespace} --wait`) and apply the same plan again; "
        "`aduana preflight` lists all that are needed.",
    ),
    Remedy(
        "provider_not_registered",
        r"MissingSubscriptionRegistration|MissingRegistrationForLocation|NoRegisteredProviderFound",
        "the subscription is not registered for a resource provider that the stack needs",
        "Register the one that the message names (`az provider register --namespace NAME --wait`) and apply the same "
        "plan again.",
    ),
    Remedy(
        "feature_not_registered",
        r"FeatureNotRegistered|SubscriptionNotRegisteredForFeature|feature \S+ is not registered",
        "the subscription is not enrolled for a feature that this setting needs",
        "Register the feature that the message names (`az feature register`), or leave the setting out of the tenant file.",
    ),
    Remedy(
        "policy_denied",
        r"RequestDisallowedByPolicy.{0,800}?(?:policyAssignment.{0,20}?\"name\"\s*:\s*\"(?P<policy>[^\"]+)\"|"
        r"was disallowed by policy)|"
        r"RequestDisallowedByPolicy|PolicyViolation",
        "a policy of the Azure tenant forbids this resource as it is",
        "The message names the policy: have an exemption granted for the resource group, or set what it asks for in "
        "the tenant "
        "file (tags, regions, networks).",
    ),
    Remedy(
        "locked",
        r"ScopeLocked|\bCanNotDelete\b|ReadOnlyLock|scope\(s\) are locked",
        "somebody put a lock on the resource or its group, so that Azure refuses the change",
        "Have the lock removed (`az lock list`), if the change is meant.",
    ),
    Remedy(
        "model_quota",
        r"InsufficientQuota.{0,800}?require (?P<asked>\d+(?:\.\d+)?) new capacity in quota "
        r"(?P<quota>.{1,200}?),\s+which is "
        r"bigger than the current available\s+capacity (?P<available>\d+(?:\.\d+)?).{0,800}?"
        r"quota limit is (?P<limit>\d+(?:\.\d+)?)",
        "requested {asked} · available {available} of {limit} in {quota}",
        "Lower the deployment's capacity, choose another region or SKU in the tenant file, free quota of other "
        "deployments, or ask "
        "for more in the Azure AI Foundry portal under quotas.",
    ),
    Remedy(
        "model_quota",
        r"InsufficientQuota|specified capacity '(?P<asked>[^']+)' of account deployment is bigger than available capacity "
        r"'(?P<available>[^']+)'",
        "the subscription has not enough quota for this model in this region",
        "Lower the deployment's capacity, choose another region or SKU in the tenant file, or ask for more quota.",
    ),
    Remedy(
        "model_unavailable",
        r"DeploymentModelNotSupported|ServiceModelDeprecat\w*|ModelNotSupported|InvalidResourceProperties.{0,800}?(?:model|sku)|"
        r"The (?:specified )?(?:SKU|sku|scale type) .{0,80}?(?:is not supported|not available) .{0,40}?model|"
        r"ServiceModelNot\w+",
        "the model, its version or its SKU is not to be had in this region",
        "Choose a version, SKU or region that offers it (`az cognitiveservices model list --location REGION`) in the "
        "tenant file.",
    ),
    Remedy(
        "model_capacity",
        r"InsufficientCapacity|NoCapacity|(?:no|not enough|insufficient) (?:\w+ )?capacity .{0,60}?(?:region|location)|"
        r"ServiceCapacityUnavailable",
        "Azure itself has no room left for it in this region at the moment",
        "Choose another region or SKU in the tenant file, or apply the same plan again later.",
    ),
    Remedy(
        "special_access",
        r"SpecialFeatureOrQuotaIdRequired|not (?:yet )?(?:been )?approved .{0,60}?(?:Azure )?OpenAI",
        "the subscription has no access to this service",
        "Apply for it for this subscription, or name one that has it.",
    ),
    Remedy(
        "quota_exceeded",
        r"QuotaExceeded|ResourceQuotaExceeded|OperationNotAllowed.{0,800}?(?:quota|Cores)|MaxNumberOf\w+(?:Exceeded|Reached)|"
        r"LimitExceeded|SubscriptionQuota\w*|exceed(?:s|ing) (?:the )?(?:approved )?\w* ?quota",
        "the subscription's quota in this region is used up",
        "Ask for more quota in the Azure portal, choose another region or size in the tenant file, or delete what is "
        "not needed.",
    ),
    Remedy(
        "sku_unavailable",
        r"SkuNotAvailable|SkuNotSupported|InvalidSku\w*|LocationNotAvailableForResourceType|"
        r"(?:SKU|size|tier) .{0,80}?(?:not|un)\s?(?:available|supported) .{0,40}?(?:location|region|zone)|"
        r"Subscriptions are restricted from provisioning|LocationIsOfferRestricted|ZonesNotSupported\w*|"
        r"AvailabilityZoneNotSupported|ZoneRedundan\w+ .{0,60}?not supported",
        "this size, or its zone redundancy, is not to be had in this region for this subscription",
        "Choose another size or region, or switch zone redundancy off, in the tenant file; `aduana preflight` shows "
        "what there is.",
    ),
    Remedy(
        "operation_in_progress",
        r"AnotherOperationInProgress|OperationInProgress|AnotherOperationIsInProgress|RetryableError|"
        r"ConflictingConcurrent\w*|"
        r"(?:another|other) (?:operation|update|request) .{0,60}?(?:in progress|is running|pending)|ServerBusy|"
        r"ResourceBusy|"
        r"RequestConflict|ContainerAppOperationInProgress|ServerIsBusy|IfMatchPreconditionFailed|PreconditionFailed|"
        r"CannotDeleteResource.{0,120}?nested|ParentResourceInProvisioning|ReferencedResourceNotProvisioned|"
        r"Cannot modify (?:this )?(?:resource|account).{0,80}?provisioning",
        "Azure is at work on the same resource, or on one that it hangs on",
        "It is tried again when that has ended.",
        CONTENTION,
    ),
    Remedy(
        "throttled",
        r"TooManyRequests|status 429\b|StatusCode=429\b|SubscriptionRequestsThrottled|OperationThrottled|request (?:rate|"
        r"limit) .{0,40}?(?:exceed|throttl)",
        "Azure limits how many requests it takes in a while",
        "It is tried again, more slowly.",
        CONTENTION,
    ),
    Remedy(
        "not_there_yet",
        r"ParentResourceNotFound|ResourceGroupNotFound|InvalidResourceReference|ResourceNotFound|"
        r"referenced by resource .{0,400}? was not found|FailedIdentityOperation|"
        r"identity .{0,200}?(?:was )?not found|InvalidPrincipalId",
        "Azure does not find, in one of its parts, what it made a moment ago in another",
        "It is tried again. If it goes on, something that the stack builds on was deleted: look for drift.",
        PROPAGATION,
    ),
    Remedy(
        "image_not_pulled",
        r"(?:InvalidParameterValueInContainerTemplate|WebhookInvalidParameterValue|ContainerAppImage\w*).{0,800}?"
        r"(?:image|MANIFEST_UNKNOWN|UNAUTHORIZED|DENIED)|MANIFEST_UNKNOWN|unable to pull image",
        "Container Apps could not get the image: its digest, the registry's permission, or the way to the registry "
        "is wrong",
        "See that the image's digest exists in the registry, that the identity has AcrPull there, and that the "
        "network reaches it.",
    ),
    Remedy(
        "revision_failed",
        r"ContainerAppOperationError|Failed to provision revision|Operation expired|revision .{0,80}?(?:failed|unhealthy)",
        "the new revision of a container app did not become healthy",
        "Read the app's log in the workspace for why it did not start, then apply the same plan again.",
    ),
    Remedy(
        "timed_out",
        r"context deadline exceeded|polling (?:failed|after).{0,80}?timeout|timeout while waiting for state|GatewayTimeout",
        "Azure took longer than the provider waits",
        "It is tried again; what was made meanwhile is taken over.",
        OUTAGE,
    ),
    Remedy(
        "azure_unavailable",
        r"InternalServerError|ServiceUnavailable|BadGateway|ServerTimeout|"
        r"unexpected status (?:500|502|503|504)\b|StatusCode=50[0234]\b|InternalOperationError|Internal ?Error\b",
        "a service of Azure failed on its side",
        "It is tried again. If it goes on, look at Azure's status page for the region.",
        OUTAGE,
    ),
    Remedy(
        "being_deleted",
        r"ResourceGroupBeingDeleted|is in deprovisioning state|BeingDeleted\b",
        "what it is put into is being deleted just now",
        "It is tried again when that has ended. If the deletion is not yours, find out whose it is.",
        CONTENTION,
    ),
    Remedy(
        "group_not_empty",
        r"Resources still exist within the Resource Group|ResourceGroupNotEmpty",
        "the resource group holds something that this stack did not make, and it would be deleted with the group",
        "Move it away or delete it, if it may go, and destroy again; the message lists it.",
    ),
    Remedy(
        "setting_refused",
        r"unexpected status 400\b|StatusCode=400\b|\bInvalidParameter\w*|InvalidRequestFormat|"
        r"PrivateDnsZoneNameNotValid|is required when creating",
        "Azure refuses a value, or two values together",
        "The message names what is refused: correct it in the tenant file and make a new plan. Where the tenant file "
        "has nothing of "
        "the kind, the stack is at fault: report it.",
    ),
    Remedy(
        "conflict",
        r"unexpected status 409\b|StatusCode=409\b",
        "it collides with something that is there already, or that is changed by others",
        "The message names it. If it may go, delete it, and apply the same plan again.",
    ),
)
