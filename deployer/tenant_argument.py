"""How a command is told which tenant: `aduana plan contoso-prod`, by name, or `aduana plan tenants/contoso-prod.yaml`.

What a command is given goes to `deployer.tenants.open_tenant`.
"""

from pathlib import Path

import typer

DIRECTORY = Path("tenants")

TenantArgument = typer.Argument(
    None, metavar="[TENANT]", help="A tenant's name or its file. May be left out where there is one alone."
)
"""`tenant: str | None = TenantArgument`, for `open_tenant`."""
DirectoryOption = typer.Option(
    DIRECTORY, "--tenants-dir", envvar="ADUANA_TENANTS_DIR", metavar="DIR", help="Where the tenant files are."
)
"""`directory: Path = DirectoryOption`."""
