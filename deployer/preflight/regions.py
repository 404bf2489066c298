"""Whether the regions have what is to be made there, and zones for it."""

from collections.abc import Iterable

from deployer.azure.documents import Document
from deployer.preflight.checks import Context, Finding, error, info, or_passed, passed, warning
from deployer.preflight.needs import TypeNeed, needed_types
from deployer.regions import AS_OF, REGIONS


async def look_at_known_regions(context: Context) -> Iterable[Finding]:
    """By the table alone."""
    wanted = {need.region for need in needed_types(context.tenant)}
    unknown = sorted(wanted - REGIONS.keys())
    words = f"is not in the table of regions of {AS_OF}"
    findings = [info(f"{each} {words}", "Azure is asked when online.", each) for each in unknown]
    if context.tenant.postgres.geo_redundant_backup and context.tenant.paired_region:
        findings.append(info(f"geo-redundant backups are kept in {context.tenant.paired_region}"))
    return or_passed(findings, f"{', '.join(sorted(wanted))}, as of {AS_OF}")


async def look_at_services(context: Context) -> Iterable[Finding]:
    """https://learn.microsoft.com/rest/api/resources/providers/list: `locations` and `zoneMappings` of every type."""
    known, regions = await context.azure.providers(), await context.azure.locations()
    findings: list[Finding] = []
    needs = needed_types(context.tenant)
    for region in sorted({need.region for need in needs} - regions.keys()):
        words = f"{region} is no region that this subscription may use"
        findings.append(error(words, "Choose another, or have it enabled for the subscription.", region))
    for need in needs:
        if not need.regional or need.region not in regions:
            continue
        shown = str(regions[need.region].get("displayName", need.region))
        type_ = _type(known, need)
        if type_ is None:
            continue  # an unregistered provider may tell nothing; `azure.providers` says so
        if not _has(type_.get("locations") or [], shown):
            words = f"{need.full} is not offered in {shown}"
            findings.append(error(words, "Choose another region.", need.region))
        elif need.zoned and not _zones(type_, shown, regions[need.region]):
            words = f"{need.full} has no availability zones in {shown}"
            remedy = (
                "Say zone_redundant: false (and postgres.high_availability: same_zone), or choose a region with zones."
            )
            findings.append(error(words, remedy, "zone_redundant"))
    zoned = sum(need.zoned for need in needs)
    return or_passed(
        findings,
        f"{len(needs)} types offered, {zoned} of them over zones",
        figures={"types": len(needs), "zoned": zoned},
    )


def _type(known: dict[str, Document], need: TypeNeed) -> Document | None:
    for each in known.get(need.namespace.lower(), {}).get("resourceTypes") or []:
        if str(each.get("resourceType", "")).lower() == need.type.lower():
            found: Document = each
            return found
    return None


def _has(locations: Iterable[str], shown: str) -> bool:
    plain = shown.replace(" ", "").lower()
    return any(each.replace(" ", "").lower() == plain for each in locations)


def _zones(type_: Document, shown: str, region: Document) -> bool:
    """By the type's own mapping; a type that tells none is zoned wherever the region is."""
    mappings = type_.get("zoneMappings")
    if not mappings:
        return bool(region.get("availabilityZoneMappings"))
    return any(_has([str(each.get("location", ""))], shown) and each.get("zones") for each in mappings)


_EDITIONS = {"B": "Burstable", "GP": "GeneralPurpose", "MO": "MemoryOptimized"}


async def look_at_postgres(context: Context) -> Iterable[Finding]:
    """https://learn.microsoft.com/rest/api/postgresql/capabilities-by-location/list"""
    wanted, region = context.tenant.postgres, context.tenant.region
    path = f"{context.azure.path}/providers/Microsoft.DBforPostgreSQL/locations/{region}/capabilities"
    listed = await context.azure.arm.list(path)
    if not listed:
        return [error(f"flexible servers are not offered in {region}", "Choose another region.", "region")]
    able = listed[0]
    findings: list[Finding] = []
    if able.get("restricted") == "Enabled":
        words = f"this subscription may make no flexible servers in {region}"
        findings.append(error(words, "Ask for access: https://aka.ms/postgres-request-quota-increase.", "region"))
    prefix, _, size = wanted.sku.partition("_")
    sizes = {
        str(sku.get("name", "")).lower(): sku
        for edition in able.get("supportedServerEditions") or []
        if edition.get("name") == _EDITIONS[prefix]
        for sku in edition.get("supportedServerSkus") or []
    }
    sku = sizes.get(size.lower())
    if sku is None:
        near = ", ".join(sorted(f"{prefix}_{each['name']}" for each in sizes.values())[:6]) or "none of this kind"
        words = f"{wanted.sku} is not offered in {region}"
        findings.append(error(words, f"Choose one that is: {near}.", "postgres.sku"))
    versions = [str(each.get("name", "")) for each in able.get("supportedServerVersions") or []]
    if versions and wanted.version not in versions:
        words = f"PostgreSQL {wanted.version} is not offered in {region}"
        findings.append(error(words, f"Choose one that is: {', '.join(versions)}.", "postgres.version"))
    if wanted.high_availability == "zone_redundant" and (
        able.get("zoneRedundantHaSupported") == "Disabled"
        or (sku is not None and "ZoneRedundant" not in (sku.get("supportedHaMode") or ["ZoneRedundant"]))
    ):
        words = f"a standby in another zone is not offered for {wanted.sku} in {region} now"
        remedy = "Say postgres.high_availability: same_zone, or choose another size or region."
        findings.append(error(words, remedy, "postgres.high_availability"))
    if wanted.geo_redundant_backup and able.get("geoBackupSupported") == "Disabled":
        words = f"{region} keeps no backups in another region"
        findings.append(error(words, "Say postgres.geo_redundant_backup: false.", "postgres.geo_redundant_backup"))
    return or_passed(findings, f"{wanted.sku}, PostgreSQL {wanted.version}, {wanted.high_availability}")


async def look_at_zones_of_region(context: Context) -> Iterable[Finding]:
    """The pair that backups go to, as Azure names it."""
    tenant = context.tenant
    found = (await context.azure.locations()).get(tenant.region)
    if found is None:
        return []  # `region.services` says so
    pairs = [str(each.get("name", "")) for each in (found.get("metadata") or {}).get("pairedRegion") or []]
    if tenant.postgres.geo_redundant_backup and not pairs:
        words = f"{tenant.region} has no pair: backups cannot be kept in another region"
        return [error(words, "Say postgres.geo_redundant_backup: false.", "postgres.geo_redundant_backup")]
    if tenant.zone_redundant and not found.get("availabilityZoneMappings"):
        words = f"{tenant.region} has no availability zones"
        return [error(words, "Say zone_redundant: false, or choose a region with zones.", "zone_redundant")]
    if not tenant.zone_redundant and found.get("availabilityZoneMappings"):
        words = f"{tenant.region} has zones, and zone_redundant is false: one zone's outage stops the gateway"
        remedy = "Say zone_redundant: true before the first apply: it cannot be changed later."
        return [warning(words, remedy, "zone_redundant")]
    zones = len(found.get("availabilityZoneMappings") or [])
    return [passed(f"{zones or 'no'} zones, paired with {', '.join(pairs) or 'no region'}", figures={"zones": zones})]
