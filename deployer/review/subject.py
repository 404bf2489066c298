"""One tenant as commands work on it: its file, its engine, and the folder where both keep what they need between two commands.

The folder is `.aduana/NAME` beside the tenant file, for its owner's eyes alone; nothing in it is a secret, and nothing in it is
needed but to go on where something was interrupted.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.errors import CommandError
from deployer.review import Bound
from deployer.tenant import Tenant
from deployer.tenant_argument import DIRECTORY
from deployer.tenant_file import TenantFile
from deployer.tenants import open_tenant

if TYPE_CHECKING:
    from core.seed.file import SeedFile
    from deployer.engines.terraform.configuration import Backend
    from deployer.engines.terraform.engine import TerraformEngine

_FOLDER = ".aduana"


@dataclass(frozen=True, slots=True)
class Subject:
    """A tenant, opened for work on its infrastructure."""

    file: TenantFile
    folder: Path  # absolute
    engine: "TerraformEngine"
    seed: "SeedFile | None"

    @property
    def tenant(self) -> Tenant:
        return self.file.tenant

    def bound(self, engine_digest: str) -> Bound:
        """What a plan that is made now is bound to."""
        seed = self.file.seed_path
        return Bound(
            tenant=self.tenant.name,
            tenant_digest=_digest(self.file.path),
            seed_digest=None if seed is None else _digest(seed),
            release=version("aduana"),
            engine=self.engine.name,
            engine_digest=engine_digest,
        )


def open_subject(
    text: str | None,
    directory: Path = DIRECTORY,
    *,
    terraform: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Subject:
    """The tenant that a command was given, with its engine. Raises `CommandError`; asks nobody and changes nothing."""
    from deployer.egress import upstream_hosts
    from deployer.engines.terraform.binary import find_terraform
    from deployer.engines.terraform.configuration import Configuration
    from deployer.engines.terraform.engine import TerraformEngine
    from deployer.engines.terraform.provider import provider_settings
    from deployer.engines.terraform.sources import shipped_stack
    from deployer.engines.terraform.variables import render
    from deployer.registration import audience_of

    file = open_tenant(text, directory)
    tenant = file.tenant
    seed = _read_seed(file)
    hosts: Sequence[str] = () if seed is None else upstream_hosts(seed)
    folder = file.path.absolute().parent / _FOLDER / tenant.name
    configuration = Configuration(
        backend=backend_of(tenant, folder),
        variables=render(tenant, hosts=hosts, audiences=(audience_of(tenant),)),
        source=shipped_stack(),
        providers={"azurerm": provider_settings(tenant)},
    )
    engine = TerraformEngine(find_terraform(terraform, environment), folder, configuration)
    return Subject(file, folder, engine, seed)


def backend_of(tenant: Tenant, folder: Path) -> "Backend":
    """Where the state lies: in a storage account that Entra ID alone opens, or for trials on this machine."""
    from deployer.engines.terraform.configuration import Backend
    from deployer.state.location import locate_state

    location = locate_state(tenant)
    if location is None:
        return Backend("local", {"path": str(folder / "terraform.tfstate")})
    return Backend("azurerm", location.backend())


def _read_seed(file: TenantFile) -> "SeedFile | None":
    from core.egress import ANYWHERE
    from core.seed.document import SeedError
    from core.seed.file import read_seed

    path = file.seed_path
    if path is None:
        return None
    try:
        seed = read_seed(path, ANYWHERE)
    except OSError as error:
        raise CommandError(
            f"the seed file {path} cannot be read", error.strerror or "", f"`seed` in {file.path} names it.", "no_seed"
        ) from None
    if seed.errors:
        found = SeedError(list(seed.errors)).findings
        details = [{"line": each.place.line, "message": str(each)} for each in found]
        raise CommandError(
            f"{path} has {len(details)} mistake{'' if len(details) == 1 else 's'}",
            remedy="docs/seed-file.md names every setting and what it may be.",
            code="seed_invalid",
            details=details,
        )
    return seed


def _digest(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
