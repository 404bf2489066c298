"""Where Terraform keeps the state: whether it is there, as safe as it should be, and not in somebody's hands."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from deployer.preflight.checks import Context, Finding, error, or_passed, warning
from deployer.state import StateLock, Unreadable, locate_state, read_lock

_MAKE = "Run: aduana state bootstrap"


async def look_at_backend(context: Context) -> Iterable[Finding]:
    location = locate_state(context.tenant)
    if location is None:
        words = "the state is kept on this machine: nobody else can go on with it, and it is lost with the disk"
        return [warning(words, "For more than a trial say state.backend: azurerm.", "state.backend")]
    make = f"{_MAKE} {context.file}"
    account = await context.azure.resource(location.account_id)
    if account is None:
        return [
            error(f"the storage account {location.account} ({location.resource_group}) is not there", make, "state")
        ]
    properties = account.get("properties") or {}
    findings: list[Finding] = []
    if properties.get("allowSharedKeyAccess", True):
        words = f"{location.account} can be read by its keys, past Entra ID"
        findings.append(warning(words, f"{make} switches them off.", "state"))
    if properties.get("allowBlobPublicAccess", False):
        findings.append(warning(f"{location.account} may have public containers", f"{make} forbids them.", "state"))
    try:
        lock = await read_lock(context.azure.session, location)
    except Unreadable as unreadable:
        remedy = {
            "no_container": make,
            "forbidden": f"{make} gives it Storage Blob Data Contributor, or have that given.",
            "network": "Run from a network that the account lets in, or have this machine's address added.",
        }[unreadable.reason]
        return [*findings, error(str(unreadable), remedy, "state")]
    if lock is not None:
        findings.append(error(_held(lock, context.now), _release(lock, context.file), "state"))
    return or_passed(findings, f"{location.account}/{location.container}/{location.key}, free")


def _held(lock: StateLock, now: datetime) -> str:
    since = f" since {lock.created:%Y-%m-%d %H:%M}Z ({_age(lock.created, now)})" if lock.created else ""
    doing = f" for {lock.operation}" if lock.operation else ""
    return f"the state is locked by {lock.who or 'somebody who does not say who'}{doing}{since}"


def _age(since: datetime, now: datetime) -> str:
    minutes = max(0, int((now - since).total_seconds() // 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} days"


def _release(lock: StateLock, file: Path) -> str:
    wait = "Wait until that has ended"
    return (
        f"{wait}; if its process is gone for certain: aduana state unlock {file} {lock.id}." if lock.id else f"{wait}."
    )
