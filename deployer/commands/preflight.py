"""`aduana preflight`: what would stop an installation, before anything is made."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployer.errors import CHECK_SAID_NO, USAGE, CommandError
from deployer.output import JsonFlag, print_json
from deployer.tenant_argument import DirectoryOption, TenantArgument

if TYPE_CHECKING:
    from deployer.azure import Session
    from deployer.preflight import Check, Report
    from deployer.preflight.run import Progress
    from deployer.tenant_file import TenantFile

_Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="ID", help="Only this check, or those whose ids begin so (quota). May be repeated."),
]
_Skip = Annotated[
    list[str] | None, typer.Option("--skip", metavar="ID", help="Not this check, or those. May be repeated.")
]

_HELP = """Check what would stop an installation, before anything is made. It only reads.

It asks Azure as whoever Terraform would be: ARM_* variables where they are set, else who is signed in to the Azure CLI.
Each check has an id (docs/preflight.md lists them); an error ends the command with exit code 3, a warning does not.

Examples:

    aduana preflight contoso-prod

    aduana preflight tenants/contoso-prod.yaml --offline

    aduana preflight contoso-prod --only quota.models --only region --json

    aduana preflight contoso-prod --skip images.reachable
"""


def register(app: typer.Typer) -> None:
    """Add `preflight`."""
    app.command("preflight", help=_HELP)(_preflight)


def _preflight(
    tenant: str | None = TenantArgument,
    directory: Path = DirectoryOption,
    offline: bool = typer.Option(False, "--offline", help="Only what the file and this machine can tell."),
    only: _Only = None,
    skip: _Skip = None,
    dns_server: str | None = typer.Option(
        None, "--dns-server", metavar="ADDRESS[:PORT]", help="Ask this DNS server. Left out: this machine's."
    ),
    as_json: bool = JsonFlag,
) -> None:
    from deployer.preflight import CHECKS
    from deployer.preflight.report import document, print_report
    from deployer.tenants import open_tenant

    found = open_tenant(tenant, directory)
    checks = _chosen(CHECKS, only or [], skip or [])
    report = _run(found, checks, offline, dns_server, as_json)
    if as_json:
        print_json(document(found, report, offline))
    else:
        print_report(found, report, offline)
    if not report.ok:
        raise typer.Exit(CHECK_SAID_NO)


def _chosen(checks: "Sequence[Check]", only: list[str], skip: list[str]) -> "list[Check]":
    """Those that are asked for; the gates come along, as nothing is known of Azure without them."""
    from deployer.preflight.run import GATES

    def meant(patterns: list[str], id: str) -> bool:
        return any(id == each or id.startswith(each + ".") for each in patterns)

    unknown = [each for each in [*only, *skip] if not any(meant([each], check.id) for check in checks)]
    if unknown:
        there = ", ".join(check.id for check in checks)
        raise CommandError(f"there is no check {unknown[0]!r}", f"there are {there}", code="usage", exit_code=USAGE)
    chosen = [each for each in checks if (not only or meant(only, each.id)) and not meant(skip, each.id)]
    asks_azure = any(not each.offline for each in chosen)
    return [each for each in checks if each in chosen or (asks_azure and each.id in GATES)]


def _run(found: "TenantFile", checks: "list[Check]", offline: bool, dns_server: str | None, as_json: bool) -> "Report":
    from deployer.azure_session import with_azure
    from deployer.preflight import run_checks
    from deployer.preflight.checks import Context
    from deployer.preflight.facts import AzureFacts
    from deployer.preflight.resolver import Resolver

    try:
        resolver = Resolver(dns_server)
    except ValueError:
        words = f"--dns-server {dns_server!r} is no address"
        raise CommandError(words, "write it as 10.0.0.4 or 10.0.0.4:53", code="usage", exit_code=USAGE) from None
    tenant = found.tenant

    def context(facts: AzureFacts | None) -> Context:
        return Context(tenant, found.path, tenant.names(), facts, resolver, datetime.now(UTC))

    async def ask(session: "Session") -> "Report":
        facts = AzureFacts(session, tenant.subscription_id)
        try:
            return await run_checks(context(facts), checks, progress)
        finally:
            await facts.close()

    with _progress(len(checks), quiet=as_json) as progress:
        if offline:
            return asyncio.run(run_checks(context(None), checks, progress))
        return with_azure(tenant, "Azure cannot be asked", ask)


@contextmanager
def _progress(total: int, *, quiet: bool) -> "Iterator[Progress]":
    """A line on a terminal that says how far it is and what is being looked at; nothing elsewhere."""
    from rich.console import Console

    console = Console(file=sys.stderr, highlight=False)
    if quiet or not console.is_terminal:
        yield lambda check, ended: None
        return
    running: list[str] = []
    done = 0

    with console.status("Checking") as status:

        def told(check: "Check", ended: bool) -> None:
            nonlocal done
            if ended:
                running.remove(check.title)
                done += 1
            else:
                running.append(check.title)
            shown = ", ".join(running[:3]) + (" …" if len(running) > 3 else "")
            status.update(f"Checking, {done} of {total}: {shown}")

        yield told
