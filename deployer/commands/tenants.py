"""`aduana tenants`: the tenant files of a directory, and the schema that they have."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from deployer.errors import CommandError
from deployer.output import JsonFlag, note, print_json, print_table, say
from deployer.tenant_argument import DirectoryOption, TenantArgument

if TYPE_CHECKING:
    from deployer.tenants import Listed


def register(app: typer.Typer) -> None:
    """Add `tenants` and its commands."""
    tenants = typer.Typer(
        name="tenants", help="The installations that the files of a directory describe.", no_args_is_help=True
    )
    tenants.command("list", help=_LIST)(_list)
    tenants.command("images", help=_IMAGES)(_images)
    tenants.command("schema", help=_SCHEMA)(_schema)
    app.add_typer(tenants)


_LIST = """List the tenant files of a directory, and whether each is right as far as a file alone can be.

Examples:

    aduana tenants list

    aduana tenants list --tenants-dir customers --json
"""

_IMAGES = """Put a release's images into a tenant file; nothing else of it changes, and nothing in Azure.

Examples:

    aduana tenants images contoso-prod --images images.yaml
"""

_SCHEMA = """Print the JSON Schema of tenant files, for editors.

`aduana init` writes it beside the tenant file and names it in the first line, which is what editors with a YAML language
server look for.

Example:

    aduana tenants schema > tenants/tenant.schema.json
"""


def _list(directory: Path = DirectoryOption, as_json: bool = JsonFlag) -> None:
    from deployer.tenants import list_tenants

    listed = list_tenants(directory)
    if as_json:
        print_json({"directory": str(directory), "tenants": [_document(each) for each in listed]})
        return
    if not listed:
        say(f"{directory} holds no tenant file; `aduana init` writes one")
        return
    print_table(
        [("Name", "left"), ("Region", "left"), ("Engine", "left"), ("File", "left"), ("Valid", "left")],
        [
            (
                each.name or "–",
                each.region or "–",
                each.tenant.engine if each.tenant else "–",
                str(each.path),
                "yes" if each.tenant else f"no ({len(each.mistakes)})",
            )
            for each in listed
        ],
    )
    for each in listed:
        for mistake in each.mistakes:
            note(str(mistake["message"]))


def _images(
    tenant: str | None = TenantArgument,
    images: Path = typer.Option(..., "--images", metavar="FILE", help="The release's images.yaml."),  # noqa: B008
    directory: Path = DirectoryOption,
    as_json: bool = JsonFlag,
) -> None:
    from deployer.release_images import read_release
    from deployer.tenant_edit import EditError, change_values
    from deployer.tenant_file import TenantError
    from deployer.tenants import mistakes, open_tenant

    file = open_tenant(tenant, directory)
    wanted = read_release(images)
    try:
        change_values(file, wanted)
    except TenantError as error:
        raise mistakes(file.path, error) from None
    except (EditError, OSError) as error:
        why = str(error) if isinstance(error, EditError) else error.strerror or type(error).__name__
        raise CommandError(f"{file.path} cannot be changed", why, "It is as it was.", "no_file") from None
    before = {f"images.{name}": getattr(file.tenant.images, name) for name in ("proxy", "admin", "job")}
    changed = {path: value for path, value in wanted.items() if value != before[path]}
    if as_json:
        print_json(
            {
                "file": str(file.path),
                "name": file.tenant.name,
                "images": _named(wanted),
                "changed": sorted(_named(changed)),
            }
        )
        return
    for path, value in changed.items():
        say(f"~ {path}: {before[path]} → {value}")
    say(f"{file.path}: {len(changed)} of {len(wanted)} images changed")


def _named(images: Mapping[str, str]) -> dict[str, str]:
    return {path.removeprefix("images."): image for path, image in images.items()}


def _schema(as_json: bool = JsonFlag) -> None:
    from deployer.tenant_file import schema_text

    if as_json:
        print_json(json.loads(schema_text()))
    else:
        say(schema_text().rstrip("\n"))


def _document(listed: "Listed") -> dict[str, object]:
    tenant = listed.tenant
    return {
        "name": listed.name,
        "region": listed.region,
        "engine": tenant.engine if tenant else None,
        "subscription_id": tenant.subscription_id if tenant else None,
        "file": str(listed.path),
        "valid": tenant is not None,
        "mistakes": [dict(each) for each in listed.mistakes],
    }
