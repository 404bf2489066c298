"""`aduana tenants`: the tenant files of a directory, and the schema that they have."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from deployer.output import JsonFlag, note, print_json, print_table, say
from deployer.tenant_argument import DirectoryOption

if TYPE_CHECKING:
    from deployer.tenants import Listed


def register(app: typer.Typer) -> None:
    """Add `tenants` and its commands."""
    tenants = typer.Typer(
        name="tenants", help="The installations that the files of a directory describe.", no_args_is_help=True
    )
    tenants.command("list", help=_LIST)(_list)
    tenants.command("schema", help=_SCHEMA)(_schema)
    app.add_typer(tenants)


_LIST = """List the tenant files of a directory, and whether each is right as far as a file alone can be.

Examples:

    aduana tenants list

    aduana tenants list --tenants-dir customers --json
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
