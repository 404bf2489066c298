"""Errors of networks: subnets, private endpoints, DNS, and the way from here to Azure."""

from deployer.engines.remedies.row import CONTENTION, OUTAGE, PROPAGATION, RELEASE, Remedy

NETWORK = (
    Remedy(
        "account_not_ready",
        r"AccountProvisioningStateInvalid|Account \S+ in state (?:Accepted|Creating|Moving|Updating)",
        "the Azure OpenAI account is ready for its own service and not yet for the network's",
        "It is tried again; Azure needs some minutes.",
        PROPAGATION,
    ),
    Remedy(
        "subnet_in_use",
        r"InUseSubnetCannotBeDeleted|Subnet(?: \S+)? is in use by (?P<by>\S+) and cannot be deleted|"
        r"serviceAssociationLinks|"
        r"SubnetWithServiceAssociationLink",
        "Azure has not let go of the subnet yet: what was delegated to Container Apps or PostgreSQL keeps a link for "
        "a while after "
        "it is deleted",
        "It is tried again for half an hour. If it goes on, delete what still uses the subnet, or wait some hours "
        "and destroy again.",
        RELEASE,
    ),
    Remedy(
        "network_in_use",
        r"(?:PublicIP|FirewallPolic)\w*CannotBeDeleted\w*|InUseNatGateway\w*|ManagedEnvironmentHasContainerApps|"
        r"CannotDeleteResource|"
        r"InUse(?:VirtualNetwork|NetworkSecurityGroup|RouteTable|PublicIpAddress|PrefixC)\w*CannotBe(?:Deleted|"
        r"Updated)|InUsePrefixCannotBeDeleted",
        "something still uses this part of the network, perhaps something that is being deleted just now",
        "It is tried again. If it goes on, see what the message names; it may be somebody else's.",
        CONTENTION,
    ),
    Remedy(
        "subnet_delegation",
        r"SubnetWithDelegation\w*|PrivateEndpointCreationNotAllowedAsSubnetIsDelegated|SubnetMissingRequiredDelegation|"
        r"ManagedEnvironment\w*SubnetDelegation\w*|(?:must be|has to be|is not|should be|isn't) delegated to|"
        r"SubnetIsDelegated\w*|"
        r"DelegationCannotBe\w*|AlreadyHasDelegation",
        "the subnet is delegated to another service than the one that is to be put into it, or to none",
        "Give each of Container Apps (Microsoft.App/environments), an injected PostgreSQL "
        "(Microsoft.DBforPostgreSQL/flexibleServers) "
        "and the private endpoints (no delegation) a subnet of its own in the tenant file.",
    ),
    Remedy(
        "subnet_too_small",
        r"SubnetIsFull|SubnetSizeTooSmall|InvalidSubnetSize|(?:subnet|address (?:range|"
        r"prefix)) .{0,120}?(?:too small|at least /\d+|of size at least)",
        "the subnet has no room for it: Container Apps need a /27 or larger",
        "Give the subnet a larger range in the tenant file; an existing one can only be enlarged while it is empty.",
    ),
    Remedy(
        "ranges_overlap",
        r"NetcfgSubnetRangesOverlap|NetcfgInvalidSubnet|VnetAddressSpacesOverlap|AddressSpace\w*Overlap\w*|"
        r"(?:overlaps with|overlapping) .{0,80}?(?:subnet|address space|prefix)",
        "the address range overlaps with one that is there already",
        "Choose another range in the tenant file; `aduana preflight` checks it against the networks that are there.",
    ),
    Remedy(
        "zone_group_conflict",
        r"PrivateDnsZoneGroup.{0,200}?(?:already exists|conflict|more than one|exceed|cannot be)|"
        r"MultiplePrivateDnsZoneGroups\w*|"
        r"PrivateDnsZoneGroupsNotAllowed\w*|Only (?:1|one) (?:private )?DNS zone group",
        "a policy of the Azure tenant attaches private endpoints to DNS zones by itself, and the stack does so too",
        "Set private DNS to policy-managed in the tenant file and make a new plan.",
    ),
    Remedy(
        "zone_linked_elsewhere",
        r"(?:A )?virtual network (?:cannot|can not|can't) be linked to multiple zones with overlapping namespaces|"
        r"VirtualNetworkLink.{0,200}?(?:Conflict|overlapping)",
        "the network is linked to another private DNS zone of the same name",
        "Name that zone as an existing one in the tenant file, or remove the other link.",
    ),
    Remedy(
        "zone_not_linked",
        r"VnetLinkNotFound|private DNS zone .{0,300}?is not linked to the virtual network",
        "Azure does not see yet that the private DNS zone is linked to the network",
        "It is tried again for some minutes. If it goes on, and the zone is an existing one, link it to the network.",
        PROPAGATION,
    ),
    Remedy(
        "subnet_taken",
        r"ManagedEnvironmentSubnetInUse",
        "another Container Apps environment uses the subnet",
        "Give this one a subnet of its own in the tenant file.",
    ),
    Remedy(
        "private_endpoint_policy",
        r"PrivateEndpointCannotBeCreatedInSubnetThatHasNetworkPoliciesEnabled",
        "network policies of the subnet do not let private endpoints in",
        "Switch private endpoint network policies off on that subnet, or name another one in the tenant file.",
    ),
    Remedy(
        "connection_failed",
        r"dial tcp|connection (?:reset|refused)|i/o timeout|TLS handshake timeout|no such host|unexpected EOF|: EOF\b|"
        r"net/http: (?:request canceled|timeout)|client connection lost|http2: server sent GOAWAY",
        "the connection from this machine to Azure failed",
        "It is tried again. If it goes on, look at the proxy (HTTPS_PROXY), the firewall and the name resolution of "
        "this machine.",
        OUTAGE,
    ),
    Remedy(
        "certificate_untrusted",
        r"x509: |certificate (?:signed by unknown authority|is not trusted)",
        "something between this machine and Azure answers with a certificate that this machine does not trust",
        "Put the certificate of the company's proxy into the machine's trust, or name it in SSL_CERT_FILE.",
    ),
)
