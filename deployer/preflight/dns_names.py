"""Names: private zones that others keep, and the domain that callers use."""

from collections.abc import Iterable

from deployer.azure.documents import Document
from deployer.preflight.checks import Context, Finding, error, info, or_passed, passed, skipped, warning


async def look_at_private_zones(context: Context) -> Iterable[Finding]:
    tenant = context.tenant
    match tenant.private_dns.mode:
        case "existing":
            return await _existing(context)
        case "create":
            return await _created(context)
        case _:
            words = "records are made by a policy of yours"
            remedy = "See that it covers this subscription: without it, no name resolves and the services do not start."
            return [info(words, remedy, "private_dns.mode")]


async def _existing(context: Context) -> list[Finding]:
    tenant, findings = context.tenant, []
    network = tenant.network.existing.vnet_id if tenant.network.existing is not None else None
    custom = await _has_own_dns(context, network)
    for name, id in tenant.private_dns.zones.items():
        where = f"private_dns.zones.{name}"
        if await context.azure.resource(id) is None:
            findings.append(error(f"{id} is not there", "Correct the id.", where))
            continue
        if network is None:
            continue
        links = await context.azure.arm.list(f"{id}/virtualNetworkLinks")
        if not any(_linked_to(each, network) for each in links):
            words = f"privatelink.{name} is not linked to {network.rsplit('/', 1)[-1]}"
            if custom:
                findings.append(info(f"{words}; its own DNS servers must answer for it", subject=where))
            else:
                findings.append(error(words, "Have its owner link it: names would resolve to public addresses.", where))
    if network is None:
        words = "the network is made by apply; the zones' owner has to link them to it then"
        findings.append(
            warning(words, "Apply waits for nobody: link them as soon as the network is there.", "private_dns")
        )
    return or_passed(
        findings, f"{len(tenant.private_dns.zones)} zones, linked", figures={"zones": len(tenant.private_dns.zones)}
    )


async def _has_own_dns(context: Context, network: str | None) -> bool:
    found = await context.azure.resource(network) if network is not None else None
    options = ((found or {}).get("properties") or {}).get("dhcpOptions") or {}
    return bool(options.get("dnsServers"))


def _linked_to(link: Document, network: str) -> bool:
    linked = ((link.get("properties") or {}).get("virtualNetwork") or {}).get("id", "")
    return str(linked).lower() == network.lower()


async def _created(context: Context) -> list[Finding]:
    """A network can be linked to one zone of a name alone."""
    tenant = context.tenant
    networks = [*tenant.private_dns.link_networks]
    networks += [tenant.network.existing.vnet_id] if tenant.network.existing is not None else []
    if not networks:
        return [passed(f"{len(tenant.zones_in_use())} made here", figures={"zones": len(tenant.zones_in_use())})]
    wanted = {f"privatelink.{each}" for each in tenant.zones_in_use()}
    listed = await context.azure.arm.list(f"{context.azure.path}/providers/Microsoft.Network/privateDnsZones")
    findings: list[Finding] = []
    for zone in listed:
        id, name = str(zone.get("id", "")), str(zone.get("name", "")).lower()
        if name not in wanted or id.lower().startswith(context.group_id.lower() + "/"):
            continue
        for link in await context.azure.arm.list(f"{id}/virtualNetworkLinks"):
            for network in networks:
                if _linked_to(link, network):
                    words = f"{network.rsplit('/', 1)[-1]} is linked to a zone {name} already ({id.split('/')[4]})"
                    remedy = "Use that one: private_dns.mode: existing."
                    findings.append(error(words, remedy, "private_dns.mode"))
    return or_passed(findings, f"{len(wanted)} made here", figures={"zones": len(wanted)})


async def look_at_domain(context: Context) -> Iterable[Finding]:
    ingress = context.tenant.ingress
    if ingress.domain is None:
        return [skipped("no domain of its own: callers use the name that Azure gives")]
    findings: list[Finding] = []
    names = [each for each in (ingress.domain, ingress.admin_domain) if each is not None]
    for name in names:
        where = "ingress.domain" if name == ingress.domain else "ingress.admin_domain"
        zone = await context.resolver.zone(name)
        if zone is None and ingress.visibility == "external":
            words = f"no zone in public DNS holds {name}"
            findings.append(error(words, "Register the domain, or correct the name.", where))
            continue
        if ingress.front == "none":
            findings += await _proof(context, name, where)
        if ingress.visibility == "external" and (points_to := await context.resolver.aliases(name)):
            findings.append(info(f"{name} is an alias of {points_to[0]} now", subject=where))
    return or_passed(findings, f"{', '.join(names)}")


async def _proof(context: Context, name: str, where: str) -> list[Finding]:
    """Container Apps takes a domain from who can write a TXT record beside it.

    https://learn.microsoft.com/azure/container-apps/custom-domains-certificates
    """
    wanted = await context.azure.arm.post(f"{context.azure.path}/providers/Microsoft.App/getCustomDomainVerificationId")
    if not isinstance(wanted, str):
        return []
    record = f"asuid.{name}"
    there = await context.resolver.texts(record)
    if any(each.lower() == wanted.lower() for each in there):
        return []
    words = f"{record} (TXT) holds {there[0]!r}, not this subscription's id" if there else f"{record} (TXT) is missing"
    return [error(words, f"Write the TXT record {record} = {wanted} in public DNS.", where)]
