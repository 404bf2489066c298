"""Container registries: whether an image is there, asked as a container runtime would.

https://distribution.github.io/distribution/spec/api/ and, for Azure's own with Entra ID,
https://learn.microsoft.com/azure/container-registry/container-registry-authentication
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

from deployer.azure import AzureError, Refused, Session
from deployer.azure.requests import Service

_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_HUB = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}


class Presence(StrEnum):
    """What is known of an image."""

    THERE = "there"
    ABSENT = "absent"
    REFUSED = "refused"  # it may be there: we are not let in
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Image:
    """A reference by digest, taken apart."""

    host: str
    repository: str
    digest: str

    @classmethod
    def parse(cls, reference: str) -> "Image":
        """Of a reference that the tenant file took: `host/repository[:tag]@sha256:…`."""
        name, _, digest = reference.partition("@")
        host, _, repository = name.partition("/")
        return cls(host, repository.partition(":")[0], digest)


async def find_image(session: Session, image: Image) -> tuple[Presence, str]:
    """Whether a registry has it, with the reason where that is not clear. Raises `SignInFailed`."""
    url = session.cloud.registry.format(host=_HUB.get(image.host, image.host))
    registry = session.service(image.host, url, None)
    path = f"/v2/{image.repository}/manifests/{image.digest}"
    headers = {"Accept": _MANIFESTS}
    try:
        try:
            await registry.request("HEAD", path, headers=headers)
        except Refused as refused:
            if refused.status != 401:
                raise
            token = await _token(session, registry, image, refused.headers.get("www-authenticate", ""))
            await registry.request("HEAD", path, headers={**headers, "Authorization": f"Bearer {token}"})
    except Refused as refused:
        if refused.not_found:
            return Presence.ABSENT, ""
        return Presence.REFUSED, refused.message
    except AzureError as error:
        return Presence.UNREACHABLE, error.message
    return Presence.THERE, ""


async def _token(session: Session, registry: Service, image: Image, challenge: str) -> str:
    """A token to pull, for nobody in particular, or for the operator where it is one of Azure's registries."""
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    scope = f"repository:{image.repository}:pull"
    realm = urlsplit(fields.get("realm", ""))
    try:
        return await _open_token(session, image, realm, fields.get("service", ""), scope)
    except Refused:
        if not realm.path.endswith("/oauth2/token"):
            raise
        return await _azure_token(session, registry, image.host, scope)


async def _open_token(session: Session, image: Image, realm: SplitResult, service: str, scope: str) -> str:
    if realm.scheme != "https":
        raise Refused(
            service=image.host,
            request="GET token",
            status=401,
            azure_code="UNAUTHORIZED",
            told="it asks for a password",
        )
    at = session.service(image.host, f"https://{realm.netloc}", None)
    answer = await at.request("GET", realm.path, query={"service": service, "scope": scope})
    return _said(answer.body, "token", "access_token")


async def _azure_token(session: Session, registry: Service, host: str, scope: str) -> str:
    entra = await session.tokens.get(f"{session.cloud.registry_audience}/.default")
    exchanged = await registry.request(
        "POST", "/oauth2/exchange", form={"grant_type": "access_token", "service": host, "access_token": entra}
    )
    refresh = _said(exchanged.body, "refresh_token")
    given = await registry.request(
        "POST",
        "/oauth2/token",
        form={"grant_type": "refresh_token", "service": host, "scope": scope, "refresh_token": refresh},
    )
    return _said(given.body, "access_token")


def _said(body: object, *names: str) -> str:
    told: Mapping[str, object] = body if isinstance(body, dict) else {}
    return next((str(told[name]) for name in names if told.get(name)), "")
