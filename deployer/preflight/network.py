"""The address plan beside the networks that are there, and subnets that somebody else made."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, ip_network
from typing import Any

from deployer.azure.documents import Document
from deployer.preflight.checks import Context, Finding, enough, error, or_passed, passed, skipped, warning

_AZURE_KEEPS = 5  # addresses of each subnet


async def look_at_plan(context: Context) -> Iterable[Finding]:
    """By the file alone; what does not fit is an error of the file's already."""
    plan = context.tenant.addresses()
    ranges = {name: IPv4Network(text) for name, text in plan.subnets.items()}
    shown = " · ".join(f"{name} {text}" for name, text in ranges.items())
    sizes = {name: network.num_addresses - _AZURE_KEEPS for name, network in ranges.items()}
    return [passed(f"{plan.space or 'existing'}: {shown}", figures=sizes)]


async def look_at_overlaps(context: Context) -> Iterable[Finding]:
    tenant = context.tenant
    space = tenant.addresses().space
    if space is None:
        return [skipped("the network is there already")]
    own = IPv4Network(space)
    ours = context.in_group(f"Microsoft.Network/virtualNetworks/{context.names.virtual_network}").lower()
    linked = {each.lower() for each in tenant.private_dns.link_networks}
    findings: list[Finding] = []
    networks = [each for each in await context.azure.networks() if str(each.get("id", "")).lower() != ours]
    known = {str(each.get("id", "")).lower(): each for each in networks}
    for id in linked - known.keys():  # in another subscription
        found = await context.azure.resource(id)
        if found is None:
            words = f"{id} is not there"
            findings.append(error(words, "Correct private_dns.link_networks.", "private_dns.link_networks"))
        else:
            networks.append(found)
    for network in networks:
        id, name = str(network.get("id", "")).lower(), str(network.get("name", ""))
        for text in (met := [each for each in _ranges(network) if each.overlaps(own)]):
            words = f"{own} overlaps {text} of {name}"
            if id in linked:
                remedy = "Callers there would never reach the gateway: choose another network.address_space."
                findings.append(error(words, remedy, "network.address_space"))
            else:
                remedy = "The two can never be peered; choose another network.address_space if they should be."
                findings.append(warning(words, remedy, "network.address_space"))
        if not met:
            findings += _behind(network, own, id in linked)
    return or_passed(findings, f"{own} meets none of {len(networks)} networks", figures={"networks": len(networks)})


def _behind(network: Document, own: IPv4Network, linked: bool) -> Iterator[Finding]:
    """Ranges that a network reaches by peering."""
    for peering in (network.get("properties") or {}).get("virtualNetworkPeerings") or []:
        properties = peering.get("properties") or {}
        for text in _parsed((properties.get("remoteAddressSpace") or {}).get("addressPrefixes")):
            if text.overlaps(own):
                words = f"{own} overlaps {text}, to which {network.get('name')} is peered ({peering.get('name')})"
                make = error if linked else warning
                yield make(words, "Choose another network.address_space.", "network.address_space")


def _ranges(network: Document) -> list[IPv4Network]:
    return _parsed(((network.get("properties") or {}).get("addressSpace") or {}).get("addressPrefixes"))


def _parsed(texts: Any) -> list[IPv4Network]:
    found = []
    for text in texts or []:
        try:
            network = ip_network(str(text), strict=False)
        except ValueError:
            continue
        if isinstance(network, IPv4Network):
            found.append(network)
    return found


_DELEGATIONS = {"apps": "Microsoft.App/environments", "postgres": "Microsoft.DBforPostgreSQL/flexibleServers"}


async def look_at_subnets(context: Context) -> Iterable[Finding]:
    existing = context.tenant.network.existing
    if existing is None:
        return [skipped("a network is made")]
    network = await context.azure.resource(existing.vnet_id)
    if network is None:
        return [
            error(f"{existing.vnet_id} is not there", "Correct network.existing.vnet_id.", "network.existing.vnet_id")
        ]
    findings: list[Finding] = []
    location = str(network.get("location", "")).replace(" ", "").lower()
    if location != context.tenant.region:
        words = f"{network['name']} is in {location}, the installation in {context.tenant.region}"
        findings.append(error(words, "Both must be in one region.", "network.existing.vnet_id"))
    usages = await _usages(context, existing.vnet_id)
    plan, needs = context.tenant.addresses(), context.tenant.addresses_in_use()
    for name in plan.subnets:
        id = getattr(existing, f"{name}_subnet_id")
        where = f"network.existing.{name}_subnet_id"
        subnet = await context.azure.resource(id)
        if subnet is None:
            findings.append(error(f"{id} is not there", f"Correct {where}.", where))
            continue
        findings += _range(name, plan.subnets[name], subnet)
        findings += _delegation(name, subnet, where)
        if name == "apps":
            findings += await _alone(context, subnet, where)
        if (line := usages.get(id.lower())) is not None:
            what, free = f"addresses of {subnet['name']}", line[1] - line[0]
            findings.append(enough(what, needs.get(name, 1), free, "Take a larger or emptier subnet.", where))
    return findings


async def _usages(context: Context, network: str) -> dict[str, tuple[float, float]]:
    """Addresses in use and in all, by subnet."""
    listed = await context.azure.arm.list(f"{network}/usages")
    return {
        str(each.get("id", "")).lower(): (float(each.get("currentValue") or 0), float(each.get("limit") or 0))
        for each in listed
    }


def _range(name: str, wanted: str, subnet: Document) -> Iterator[Finding]:
    properties = subnet.get("properties") or {}
    has = _parsed(properties.get("addressPrefixes") or [properties.get("addressPrefix")])
    if IPv4Network(wanted) not in has:
        shown = ", ".join(map(str, has)) or "none"
        words = f"{subnet['name']} has the range {shown}; network.existing.{name}_range says {wanted}"
        yield error(words, "Write the range that it has.", f"network.existing.{name}_range")


def _delegation(name: str, subnet: Document, where: str) -> Iterator[Finding]:
    properties = subnet.get("properties") or {}
    given = [str((each.get("properties") or {}).get("serviceName", "")) for each in properties.get("delegations") or []]
    wanted = _DELEGATIONS.get(name)
    if wanted is not None and wanted.lower() not in [each.lower() for each in given]:
        words = f"{subnet['name']} is delegated to {', '.join(given) or 'nobody'}, and must be to {wanted}"
        yield error(words, f"Delegate it: az network vnet subnet update --delegations {wanted}.", where)
    if wanted is None and given:
        words = f"{subnet['name']} is delegated to {', '.join(given)}: nothing else may be in it"
        yield error(words, "Take a subnet that is delegated to nobody.", where)


async def _alone(context: Context, subnet: Document, where: str) -> list[Finding]:
    """An environment has its subnet for itself."""
    if not (subnet.get("properties") or {}).get("serviceAssociationLinks"):
        return []
    environment = context.in_group(f"Microsoft.App/managedEnvironments/{context.names.environment}")
    if await context.azure.resource(environment) is not None:
        return []
    words = f"{subnet['name']} holds another Container Apps environment"
    return [error(words, "Take another subnet: an environment has its own for itself.", where)]
