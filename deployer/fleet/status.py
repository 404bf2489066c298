"""How every installation of a directory stands, asked side by side."""

import asyncio
from collections.abc import Sequence

from deployer.azure import AzureError, AzureSettings, AzureSettingsError, Refused, Session, open_azure
from deployer.fleet import Member, ServiceState, State
from deployer.installation import SERVICES, Installation
from deployer.tenant import Tenant
from deployer.tenants import Listed
from deployer.upgrade.apps import App

_AT_ONCE = 6


async def status_of(listed: Sequence[Listed]) -> list[Member]:
    """In the order that they came in."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(each: Listed) -> Member:
        async with free:
            return await _member(each)

    return list(await asyncio.gather(*(one(each) for each in listed)))


async def _member(listed: Listed) -> Member:
    name, file = listed.name or listed.path.stem, str(listed.path)
    tenant = listed.tenant
    if tenant is None:
        first = str(listed.mistakes[0]["message"]) if listed.mistakes else ""
        return Member(name, file, listed.region or "", State.INVALID, first)
    try:
        async with open_azure(AzureSettings.from_environment(tenant.region, tenant.entra.tenant_id)) as session:
            services = await _services(tenant, session)
    except AzureSettingsError as error:
        return Member(name, file, tenant.region, State.UNKNOWN, str(error))
    except Refused as error:
        state = State.ABSENT if error.not_found else State.UNKNOWN
        return Member(name, file, tenant.region, state, "" if error.not_found else error.message)
    except AzureError as error:
        return Member(name, file, tenant.region, State.UNKNOWN, error.message)
    state, note = _judge(tenant, services)
    return Member(name, file, tenant.region, state, note, services)


async def _services(tenant: Tenant, session: Session) -> dict[str, ServiceState]:
    installation = Installation(tenant)
    found: dict[str, ServiceState] = {}
    for service in SERVICES:
        app = App(session.arm, installation.app(service))
        image, serving = await app.image(), await app.serving()
        settled = await app.is_settled() and (serving is None or serving.image == image)
        found[service] = ServiceState(
            image=serving.image if serving is not None else image,
            revision=serving.name if serving is not None else "",
            well=serving is not None and serving.healthy,
            settled=settled,
        )
    return found


def _judge(tenant: Tenant, services: dict[str, ServiceState]) -> tuple[State, str]:
    ill = [name for name, each in services.items() if not each.well]
    if ill:
        return State.TROUBLED, f"{', '.join(ill)}: no revision is well"
    moving = [name for name, each in services.items() if not each.settled]
    if moving:
        return State.TROUBLED, f"{', '.join(moving)}: an upgrade is under way, or was interrupted (run it again)"
    wanted = {"proxy": tenant.images.proxy, "writer": tenant.images.proxy, "admin": tenant.images.admin}
    other = [name for name, each in services.items() if each.image != wanted[name]]
    if other:
        return State.DIFFERS, f"{', '.join(other)}: another image than the file's (aduana apply, or aduana upgrade)"
    return State.RUNS, ""
