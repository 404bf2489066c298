"""Which hosts an installation has to reach: its upstreams', and those that its images come from."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from core.seed.file import SeedFile
from deployer.tenant import Tenant

# Where a registry keeps what it does not serve from its own host.
# https://learn.microsoft.com/azure/container-registry/container-registry-firewall-access-rules,
# https://docs.docker.com/desktop/setup/allow-list/, https://docs.github.com/packages (ghcr.io redirects to pkg-containers).
_LAYERS = {
    "docker.io": ("registry-1.docker.io", "auth.docker.io", "production.cloudflare.docker.com"),
    "ghcr.io": ("ghcr.io", "pkg-containers.githubusercontent.com"),
    "mcr.microsoft.com": (),  # the platform's own needs hold it already
    "quay.io": ("quay.io", "*.quay.io"),
}
_AZURE_LAYERS = ("*.blob.core.windows.net", "*.data.azurecr.io")


def upstream_hosts(seed: SeedFile) -> tuple[str, ...]:
    """The hosts of a seed's upstreams, in order, each once."""
    endpoints = (each.values["endpoint"] for each in seed.entities if each.kind == "upstream")
    return tuple(sorted({urlsplit(each).hostname or "" for each in endpoints if each} - {""}))


def registry_hosts(tenant: Tenant) -> tuple[str, ...]:
    """The hosts that the images are pulled from, in order, each once."""
    return tuple(sorted(_hosts_of({image.partition("/")[0] for image in images_of(tenant)})))


def images_of(tenant: Tenant) -> tuple[str, str, str]:
    """What runs."""
    return tenant.images.proxy, tenant.images.admin, tenant.images.job


def _hosts_of(registries: Iterable[str]) -> set[str]:
    hosts: set[str] = set()
    for registry in registries:
        name = registry.partition(":")[0].lower()
        if name.endswith(".azurecr.io"):
            hosts |= {name, *_AZURE_LAYERS}
        else:
            hosts.update(_LAYERS.get(name, (name,)))
    return hosts
