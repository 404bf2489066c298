"""Which addresses an upstream may have: https anywhere that the installation allows, http only within the machine or a
private network."""

import ipaddress
import re
from urllib.parse import urlsplit

from core.egress import ANYWHERE, AllowedHosts

_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")
# Names that no public resolver answers: RFC 6761, RFC 6762, ICANN's .internal, and a cluster's own.
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".svc", ".cluster.local")


def endpoint_problem(url: str, allowed: AllowedHosts = ANYWHERE) -> str | None:
    """What is wrong with it, to be read after the word `endpoint`; None: nothing."""
    if re.search(r"\s|[\x00-\x20\x7f\\]", url) or not url.isascii():
        return "must be a plain URL without blanks"
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return "is no URL that can be read"
    if parts.scheme not in ("https", "http") or not host:
        return "must be a URL, such as https://contoso.openai.azure.com"
    if "@" in parts.netloc:
        return "must not hold a user or password; credentials belong under auth"
    if "?" in url or "#" in url:
        return "must not have a query or a fragment; an api_version has its own key"
    address = _address(host)
    if address is None and not _HOST.fullmatch(host):
        return "has a host name that is not one"
    if (refused := allowed.problem(host)) is not None:
        return f"is not to be called: {host} {refused}"
    if parts.scheme == "http" and not _is_private(host, address):
        return "must be https: http is only for this machine and private networks"
    return None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_private(host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
    if address is not None:
        return address.is_loopback or address.is_private
    return "." not in host or host.endswith(_PRIVATE_SUFFIXES)
