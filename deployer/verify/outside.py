"""What is seen from the operator's machine: what Azure says of each service's openness, and that public addresses refuse."""

import asyncio
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from deployer.azure import AzureError, Session
from deployer.installation import Installation
from deployer.verify import Check, failed, passed, skipped
from deployer.verify.addresses import addresses_of
from deployer.verify.spec import Endpoint, VerifySpec

_POSTGRES = 5432  # its TLS begins with a question of its own, and is verified where we connect
_PATIENCE = 8.0  # seconds for somebody who must not answer


@dataclass(frozen=True, slots=True)
class Service:
    """A data service: its id, the name that it is called by and the port."""

    name: str
    id: str
    host: str
    port: int
    http: bool  # it speaks HTTPS, and may answer a stranger by saying no


async def services(installation: Installation, session: Session) -> list[Service]:
    """Every data service of an installation, by what Azure says of it. Raises `AzureError`."""
    arm, found = session.arm, []
    vault = await arm.get(installation.vault)
    found.append(Service("key_vault", installation.vault, _host(vault["properties"]["vaultUri"]), 443, True))
    server = await arm.get(installation.postgres)
    found.append(
        Service(
            "postgres", installation.postgres, str(server["properties"]["fullyQualifiedDomainName"]), _POSTGRES, False
        )
    )
    if installation.redis is not None:
        cache = await arm.get(installation.redis)
        found.append(Service("redis", installation.redis, str(cache["properties"]["hostName"]), 10000, False))
    for name, id in installation.accounts.items():
        account = await arm.get(id)
        found.append(Service(f"openai.{name}", id, _host(account["properties"]["endpoint"]), 443, True))
    return found


async def run(
    installation: Installation, session: Session, report: Callable[[Check], None] = lambda check: None
) -> list[Check]:
    """Every check; each is reported when it is done."""
    done: list[Check] = []

    def add(check: Check) -> None:
        done.append(check)
        report(check)

    try:
        found = await services(installation, session)
    except AzureError as error:
        add(failed("azure", error.message, error.remedy or "Sign in as who may read the resource group."))
        return done
    for service in found:
        add(await _closed_by_azure(session, service))
        add(await _refuses(service))
    add(await _ingress(installation, session))
    return done


async def _closed_by_azure(session: Session, service: Service) -> Check:
    id = f"private.{service.name}"
    try:
        properties = (await session.arm.get(service.id))["properties"]
    except AzureError as error:
        return failed(id, error.message, error.remedy or "Sign in as who may read it.")
    network: Mapping[str, Any] = properties.get("network") or {}
    said = properties.get("publicNetworkAccess") or network.get("publicNetworkAccess") or "Enabled"
    if str(said).lower() == "disabled":
        return passed(id, f"{service.host}: public access is off", public_network_access=said)
    return failed(
        id,
        f"{service.host}: public access is {said}",
        "Somebody opened it: aduana drift shows what else, aduana apply closes it.",
        public_network_access=said,
    )


async def _refuses(service: Service) -> Check:
    """From outside it must not let anybody in. That it cannot be reached at all is as good."""
    id = f"public.{service.name}"
    try:
        addresses = await asyncio.wait_for(addresses_of(service.host), _PATIENCE)
    except (OSError, TimeoutError):
        return passed(id, f"{service.host} has no address here")
    public = [address for address in addresses if not ipaddress.ip_address(address).is_private]
    if not public:
        return skipped(id, f"{service.host} is {', '.join(addresses)} here: this machine is inside the network")
    status = await (_status(service) if service.http else _connects(service))
    if status is None:
        return passed(id, f"{service.host} does not let this machine in", addresses=addresses)
    if service.http and status == 403:
        return passed(id, f"{service.host} refuses this machine (403)", addresses=addresses, status=status)
    return failed(
        id,
        f"{service.host} answers this machine{f' ({status})' if status else ''}, which is outside",
        "Switch its public access off: aduana apply.",
        addresses=addresses,
        status=status,
    )


async def _status(service: Service) -> int | None:
    path = "/secrets?api-version=7.4" if service.name == "key_vault" else "/openai/models?api-version=2024-10-21"
    try:
        async with httpx.AsyncClient(timeout=_PATIENCE) as http:
            return (await http.get(f"https://{service.host}:{service.port}{path}")).status_code
    except httpx.HTTPError:
        return None


async def _connects(service: Service) -> int | None:
    """0: a connection is taken."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(service.host, service.port), _PATIENCE)
    except (OSError, TimeoutError):
        return None
    writer.close()
    return 0


async def _ingress(installation: Installation, session: Session) -> Check:
    id, tenant = "ingress", installation.tenant
    app = await session.arm.get(installation.app("proxy"))
    fqdn = str(((app["properties"].get("configuration") or {}).get("ingress") or {}).get("fqdn") or "")
    host = tenant.ingress.domain or fqdn
    try:
        async with httpx.AsyncClient(timeout=_PATIENCE) as http:
            status: int | None = (await http.get(f"https://{host}/livez")).status_code
            why = ""
    except httpx.HTTPError as error:
        status, why = None, str(error) or type(error).__name__
    if tenant.ingress.visibility == "external":
        if status == 200:
            return passed(id, f"https://{host} answers", status=status)
        return failed(
            id,
            f"https://{host} does not answer as it should ({status or why})",
            "Does the domain lead where `aduana outputs` says, and is its certificate trusted?",
            status=status,
        )
    if status is None:
        return passed(id, f"https://{host} cannot be reached from here: the ingress is internal")
    if status == 200 and ipaddress.ip_address((await addresses_of(host))[0]).is_private:
        return passed(id, f"https://{host} answers by a private address", status=status)
    return failed(
        id, f"https://{host} answers ({status}), and the ingress should be internal", "aduana drift", status=status
    )


def _host(url: str) -> str:
    return httpx.URL(url).host


async def inside_spec(
    installation: Installation,
    session: Session,
    models: Sequence[str],
    only: Sequence[str],
    proxy_url: str | None = None,
) -> VerifySpec:
    """What the job is to verify. `proxy_url`: of one revision, in place of the service's. Raises `AzureError`."""
    endpoints = [
        Endpoint(each.name, each.host, each.port, tls=each.port != _POSTGRES)
        for each in await services(installation, session)
    ]
    return VerifySpec(
        proxy_url=proxy_url or await _url(session, installation.app("proxy")) or "",
        admin_url=await _url(session, installation.app("admin")),
        endpoints=tuple(endpoints),
        models=tuple(models),
        only=tuple(only),
    )


def encode(spec: VerifySpec) -> str:
    return msgspec.json.encode(spec).decode()


async def _url(session: Session, app_id: str) -> str | None:
    """By the environment's own name: it holds inside, whatever is in front outside."""
    app = await session.arm.get(app_id)
    fqdn = ((app["properties"].get("configuration") or {}).get("ingress") or {}).get("fqdn")
    return f"https://{fqdn}" if fqdn else None
