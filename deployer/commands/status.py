"""`aduana status`: the processes of the local tenant, or what is installed in Azure."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from deployer.commands.local import DataDirOption
from deployer.commands.plan import TerraformOption
from deployer.output import JsonFlag, print_json, print_table
from deployer.tenant_argument import DirectoryOption

if TYPE_CHECKING:
    from deployer.review.subject import Subject

_HELP = """Say what runs: a row for each process of the local tenant; of a TENANT in Azure the last apply from this machine, the
release and images, how many resources there are, and where callers come in.

Of a tenant it reads the state and asks Azure nothing.

Examples:

    aduana status

    aduana status contoso-prod
"""

TenantInAzure = typer.Argument(
    None, metavar="[TENANT]", help="A tenant's name or its file. Left out: the local tenant (`aduana up`)."
)


def register(app: typer.Typer) -> None:
    """Add `status`."""
    app.command("status", help=_HELP)(_status)


def _status(
    tenant: str | None = TenantInAzure,
    data_dir: Path = DataDirOption,
    directory: Path = DirectoryOption,
    terraform: str | None = TerraformOption,
    as_json: bool = JsonFlag,
) -> None:
    if tenant is None:
        _local(data_dir, as_json)
    else:
        _installed(tenant, directory, terraform, as_json)


def _local(data_dir: Path, as_json: bool) -> None:
    from dataclasses import asdict

    from deployer.local import control

    rows = control.processes(data_dir)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        [("name", "left"), ("pid", "right"), ("state", "left"), ("port", "right"), ("restarts", "right")],
        [[row.name, str(row.pid or "–"), row.state, str(row.port or "–"), str(row.restarts)] for row in rows],
    )


def _installed(tenant: str, directory: Path, terraform: str | None, as_json: bool) -> None:
    from deployer.review.subject import open_subject

    status = status_of(open_subject(tenant, directory, terraform=terraform))
    if as_json:
        print_json(status)
        return
    applied = status["applied"] or {}
    print_table(
        (("", "left"), ("", "left")),
        [
            ("tenant", status["tenant"]),
            ("installed", f"{status['resources']} resources" if status["installed"] else "no"),
            ("last apply from here", applied.get("at", "–")),
            ("release", applied.get("release", "–")),
            ("tenant file", "as it was applied" if status["file_unchanged"] else "changed since, or never applied"),
            ("callers", status["url"] or "–"),
            *((f"image {name}", image) for name, image in status["images"].items() if image),
        ],
    )


def status_of(subject: "Subject") -> dict[str, Any]:
    """What is known of an installation without asking Azure. Raises `EngineError` where the state cannot be read."""
    inventory = subject.engine.inventory()
    outputs = subject.engine.outputs() if inventory.resources else {}
    ingress = outputs["ingress"].value if "ingress" in outputs else {}
    applied = _applied(subject)
    return {
        "tenant": subject.tenant.name,
        "installed": bool(inventory.resources),
        "resources": len(inventory.resources),
        "applied": applied,
        "file_unchanged": applied is not None and applied["tenant_digest"] == subject.bound("").tenant_digest,
        "url": (ingress or {}).get("url"),
        "images": subject.tenant.images.model_dump(mode="json", exclude={"registry_id"}),
    }


def _applied(subject: "Subject") -> dict[str, Any] | None:
    try:
        document = json.loads((subject.folder / "applied.json").read_text())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and "tenant_digest" in document else None
