"""What every resource is called in Azure: from prefix, name, region and subscription, always the same.

`<prefix>-<name>-<kind>`; resource groups have the region, and what must be alone in the world a short hash of all four.
A name never changes once something is installed under it, so neither may this.
"""

import re
from base64 import b32encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

SERVICES = ("proxy", "writer", "admin", "job")
"""What runs, each under an identity of its own; `job` is the one that bootstraps and migrates."""

_MICROSOFT = "https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules"
_PROVIDER = "the checks of Terraform's azurerm 5"


@dataclass(frozen=True, slots=True)
class NameRule:
    """What Azure takes as the name of one type of resource. Lengths in characters."""

    type: str
    ending: str  # what our names of it end with, before the hash
    shortest: int
    longest: int
    pattern: str
    in_the_world: bool  # unique over all customers of Azure, and so made with the hash
    source: str

    def allows(self, name: str) -> bool:
        """Whether Azure would take it; reserved words aside."""
        return self.shortest <= len(name) <= self.longest and re.fullmatch(self.pattern, name) is not None


_HYPHENED = r"[a-z0-9]+(-[a-z0-9]+)*"
_FROM_A_LETTER = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"

# Narrower than Azure where it takes capitals, underscores or points: ours never have them.
NAME_RULES: Mapping[str, NameRule] = {
    "resource_group": NameRule("Microsoft.Resources/resourceGroups", "", 1, 90, r"[\w().-]*[\w()-]", False, _MICROSOFT),
    "virtual_network": NameRule("Microsoft.Network/virtualNetworks", "vnet", 2, 64, _HYPHENED, False, _MICROSOFT),
    "network_security_group": NameRule(
        "Microsoft.Network/networkSecurityGroups", "nsg", 1, 80, _HYPHENED, False, _MICROSOFT
    ),
    "route_table": NameRule("Microsoft.Network/routeTables", "rt", 1, 80, _HYPHENED, False, _MICROSOFT),
    "firewall": NameRule("Microsoft.Network/azureFirewalls", "afw", 1, 80, _HYPHENED, False, _MICROSOFT),
    "firewall_policy": NameRule("Microsoft.Network/firewallPolicies", "afwp", 1, 80, _HYPHENED, False, _MICROSOFT),
    "public_ip": NameRule("Microsoft.Network/publicIPAddresses", "pip", 1, 80, _HYPHENED, False, _MICROSOFT),
    "application_gateway": NameRule(
        "Microsoft.Network/applicationGateways", "agw", 1, 80, _HYPHENED, False, _MICROSOFT
    ),
    "gateway_waf_policy": NameRule(
        "Microsoft.Network/applicationGatewayWebApplicationFirewallPolicies", "waf", 1, 80, _HYPHENED, False, _PROVIDER
    ),
    "private_endpoint": NameRule("Microsoft.Network/privateEndpoints", "pe", 2, 64, _HYPHENED, False, _MICROSOFT),
    "front_door": NameRule("Microsoft.Cdn/profiles", "afd", 1, 260, _HYPHENED, False, _MICROSOFT),
    "front_door_endpoint": NameRule("Microsoft.Cdn/profiles/afdEndpoints", "fde", 2, 46, _HYPHENED, True, _PROVIDER),
    "front_door_waf_policy": NameRule(
        "Microsoft.Network/frontdoorWebApplicationFirewallPolicies",
        "fdfp",
        1,
        128,
        r"[a-z][a-z0-9]*",
        False,
        _MICROSOFT,
    ),
    "log_workspace": NameRule("Microsoft.OperationalInsights/workspaces", "log", 4, 63, _HYPHENED, False, _MICROSOFT),
    "identity": NameRule(
        "Microsoft.ManagedIdentity/userAssignedIdentities", "id", 3, 128, _HYPHENED, False, _MICROSOFT
    ),
    "environment": NameRule("Microsoft.App/managedEnvironments", "cae", 1, 59, _FROM_A_LETTER, False, _PROVIDER),
    "app": NameRule("Microsoft.App/containerApps", "", 2, 32, _FROM_A_LETTER, False, _MICROSOFT),
    "job": NameRule("Microsoft.App/jobs", "", 2, 32, _FROM_A_LETTER, False, _PROVIDER),
    "key_vault": NameRule("Microsoft.KeyVault/vaults", "kv", 3, 24, _FROM_A_LETTER, True, _MICROSOFT),
    "postgres": NameRule("Microsoft.DBforPostgreSQL/flexibleServers", "psql", 3, 63, _HYPHENED, True, _MICROSOFT),
    "redis": NameRule("Microsoft.Cache/redisEnterprise", "amr", 3, 63, _HYPHENED, True, _PROVIDER),
    "account": NameRule("Microsoft.CognitiveServices/accounts", "oai", 2, 64, _HYPHENED, True, _MICROSOFT),
    "event_hubs": NameRule("Microsoft.EventHub/namespaces", "evhns", 6, 50, _FROM_A_LETTER, True, _MICROSOFT),
    "storage_account": NameRule("Microsoft.Storage/storageAccounts", "st", 3, 24, r"[a-z0-9]*", True, _MICROSOFT),
}

# https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-reserved-resource-name
# Of the words that a name may not be as a whole, none can be the whole of ours.
_NOWHERE = ("microsoft", "windows")
_NOT_FIRST = "login"


@dataclass(frozen=True, slots=True)
class ResourceNames:
    """The names of one installation; those of what it does not use are there, too."""

    resource_group: str
    environment_resource_group: str  # that Container Apps makes and keeps for itself
    virtual_network: str
    subnets: Mapping[str, str]  # by the words of `deployer.addresses.RULES`
    network_security_groups: Mapping[str, str]  # by subnet
    route_table: str
    firewall: str
    firewall_policy: str
    firewall_public_ip: str
    firewall_management_public_ip: str
    application_gateway: str
    application_gateway_public_ip: str
    application_gateway_identity: str
    application_gateway_waf_policy: str
    front_door: str
    front_door_endpoint: str
    front_door_identity: str
    front_door_waf_policy: str
    log_workspace: str
    key_vault: str
    postgres: str
    redis: str
    event_hubs: str
    storage_account: str
    environment: str
    apps: Mapping[str, str]  # proxy, writer, admin
    job: str
    identities: Mapping[str, str]  # by service
    accounts: Mapping[str, str]  # by the tenant file's name; the custom subdomain is the same
    private_endpoints: Mapping[str, str]  # by key_vault, postgres, redis, event_hubs, storage_account, environment
    account_private_endpoints: Mapping[str, str]  # by the tenant file's name of the account
    state_resource_group: str
    state_storage_account: str


# Azure looks for these by name. https://learn.microsoft.com/azure/firewall/firewall-faq
_FIXED_SUBNETS = {"firewall": "AzureFirewallSubnet", "firewall_management": "AzureFirewallManagementSubnet"}
_SUBNETS = ("apps", "endpoints", "postgres", "gateway", "firewall", "firewall_management")
_GUARDED_SUBNETS = ("apps", "endpoints", "postgres", "gateway")
_LINKED = ("key_vault", "postgres", "redis", "event_hubs", "storage_account", "environment")


def name_resources(
    *,
    subscription_id: str,
    prefix: str,
    name: str,
    region: str,
    resource_group: str | None = None,
    accounts: Iterable[str] = (),
    state_subscription_id: str | None = None,
    state_resource_group: str | None = None,
    state_storage_account: str | None = None,
) -> ResourceNames:
    """Name everything. `accounts` are the tenant file's names of its accounts; what else may be None is what the file
    gives in place of a derived name."""
    stem = f"{prefix}-{name}"
    who = (subscription_id.lower(), prefix, name, region)

    def call(kind: str, part: str = "", *, of: str = stem) -> str:
        return _compose(kind, of, part, who)

    names = list(accounts)
    return ResourceNames(
        resource_group=resource_group or call("resource_group", of=f"{stem}-{region}"),
        environment_resource_group=call("resource_group", "environment", of=f"{stem}-{region}"),
        virtual_network=call("virtual_network"),
        subnets={each: _FIXED_SUBNETS.get(each, each) for each in _SUBNETS},
        network_security_groups={each: call("network_security_group", each) for each in _GUARDED_SUBNETS},
        route_table=call("route_table"),
        firewall=call("firewall"),
        firewall_policy=call("firewall_policy"),
        firewall_public_ip=call("public_ip", "firewall"),
        firewall_management_public_ip=call("public_ip", "firewall-management"),
        application_gateway=call("application_gateway"),
        application_gateway_public_ip=call("public_ip", "gateway"),
        application_gateway_identity=call("identity", "gateway"),
        application_gateway_waf_policy=call("gateway_waf_policy"),
        front_door=call("front_door"),
        front_door_endpoint=call("front_door_endpoint"),
        front_door_identity=call("identity", "front-door"),
        front_door_waf_policy=call("front_door_waf_policy"),
        log_workspace=call("log_workspace"),
        key_vault=call("key_vault"),
        postgres=call("postgres"),
        redis=call("redis"),
        event_hubs=call("event_hubs"),
        storage_account=call("storage_account"),
        environment=call("environment"),
        apps={each: call("app", each) for each in SERVICES if each != "job"},
        job=call("job", "job"),
        identities={each: call("identity", each) for each in SERVICES},
        accounts={each: call("account", of=f"{stem}-{each}") for each in names},
        private_endpoints={each: call("private_endpoint", each.replace("_", "-")) for each in _LINKED},
        account_private_endpoints={each: call("private_endpoint", "oai", of=f"{stem}-{each}") for each in names},
        state_resource_group=state_resource_group or f"{prefix}-state-{region}",
        state_storage_account=state_storage_account
        or _compose(
            "storage_account",
            f"{prefix}-state",
            "",
            ((state_subscription_id or subscription_id).lower(), prefix, "state", region),
        ),
    )


def reserved_word(prefix: str, name: str) -> str | None:
    """The word in them that Azure keeps for itself, with what it says of it; None where there is none."""
    joined = f"{prefix}{name}".replace("-", "")
    for word in _NOWHERE:
        if word in joined:
            return f"Azure allows {word} nowhere in a name"
    return f"Azure allows {_NOT_FIRST} not at the beginning of a name" if joined.startswith(_NOT_FIRST) else None


def _compose(kind: str, stem: str, part: str, who: tuple[str, ...]) -> str:
    """`<stem>-<part>-<ending>-<hash>`. What is too long for the type loses of its stem, and the hash tells it apart."""
    rule = NAME_RULES[kind]
    hyphen = "-" if rule.allows("a-b" + "0" * rule.shortest) else ""
    words = [each.replace("-", hyphen) for each in (stem, part, rule.ending) if each]
    if not rule.in_the_world and len(hyphen.join(words)) <= rule.longest:
        return hyphen.join(words)
    tail = hyphen.join([*words[1:], _hash(*who, stem, part)])
    return words[0][: rule.longest - len(tail) - len(hyphen)].rstrip("-") + hyphen + tail


def _hash(*parts: str) -> str:
    """Six characters, 30 bits, of what they are; letters and digits that every type takes."""
    return b32encode(sha256("\n".join(parts).encode()).digest()).decode().lower()[:6]
