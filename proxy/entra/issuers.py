"""Who issues a tenant's tokens. An API's registration decides which version it gets; both are taken.

https://learn.microsoft.com/entra/identity-platform/access-tokens (validate tokens),
https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud
"""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

# Version 1 has an issuer a cloud that is not named like its authority; the US government's is the public one.
_CHINA = frozenset({"login.partner.microsoftonline.cn", "login.chinacloudapi.cn"})


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer of one tenant."""

    name: str  # `iss`, to the letter
    version: Literal["1.0", "2.0"]  # `ver`
    metadata_url: str  # OpenID Connect Discovery 1.0, section 4


def issuers_of(authority: str, tenant_id: str) -> tuple[Issuer, ...]:
    """Version 2's and version 1's."""
    sts = "sts.chinacloudapi.cn" if urlsplit(authority).hostname in _CHINA else "sts.windows.net"
    tenant = f"{authority}/{tenant_id}"
    return (
        Issuer(f"{tenant}/v2.0", "2.0", f"{tenant}/v2.0/.well-known/openid-configuration"),
        Issuer(f"https://{sts}/{tenant_id}/", "1.0", f"{tenant}/.well-known/openid-configuration"),
    )
