"""`aduana drift` and `outputs`: what stands in a tenant, and what others changed of it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from deployer.commands.plan import TerraformOption
from deployer.errors import CHECK_SAID_NO, CommandError
from deployer.output import JsonFlag, print_json, say
from deployer.tenant_argument import DirectoryOption, TenantArgument

if TYPE_CHECKING:
    from deployer.review.subject import Subject

_DRIFT = """Look for what others changed since the last apply. It reads Azure and changes nothing.

Ends with exit code 3 where something is no longer as it was applied, and shows what the next apply would make of it. What the
platform changes by itself (revisions and replicas of the services) is no drift, nor are images that an upgrade brought in.

Example:

    aduana drift contoso-prod
"""
_OUTPUTS = """Print what the installation consists of, for other tools: ids, names and addresses. No output is a secret.

Examples:

    aduana outputs contoso-prod

    aduana outputs contoso-prod --json
"""


def register(app: typer.Typer) -> None:
    """Add `drift` and `outputs`."""
    app.command("drift", help=_DRIFT)(_drift)
    app.command("outputs", help=_OUTPUTS)(_outputs)


def _drift(
    tenant: str | None = TenantArgument,
    directory: Path = DirectoryOption,
    terraform: str | None = TerraformOption,
    as_json: bool = JsonFlag,
) -> None:
    from deployer.review.tree import drift_lines
    from deployer.review.upgraded import as_upgraded
    from deployer.watching import watching

    subject = _open(tenant, directory, terraform)
    with watching(quiet=as_json) as watch:
        found = as_upgraded(subject.engine.drift(watch=watch), subject.tenant)
    if as_json:
        print_json(found.as_json())
    elif not found.changed:
        say(f"{subject.tenant.name} is as it was applied.")
    else:
        for line in drift_lines(found):
            say(line.text)
    if found.changed:
        raise typer.Exit(CHECK_SAID_NO)


def _outputs(
    tenant: str | None = TenantArgument,
    directory: Path = DirectoryOption,
    terraform: str | None = TerraformOption,
    as_json: bool = JsonFlag,
) -> None:
    subject = _open(tenant, directory, terraform)
    found = {name: output.value for name, output in subject.engine.outputs().items() if not output.sensitive}
    if not found:
        raise CommandError(f"{subject.tenant.name} is not installed", remedy=_INSTALL, code="not_installed")
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        say(name)
        for line in json.dumps(value, indent=2, ensure_ascii=False).splitlines():
            say(f"  {line}")


_INSTALL = "Plan it with `aduana plan`, then `aduana apply`."


def _open(tenant: str | None, directory: Path, terraform: str | None) -> "Subject":
    from deployer.review.subject import open_subject

    return open_subject(tenant, directory, terraform=terraform)
