"""`aduana verify`: does the installation do what it is for; the report that it is handed over with."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployer.access import actor, open_database, read_settings
from deployer.errors import CHECK_SAID_NO, USAGE, CommandError
from deployer.output import JsonFlag, note, print_json, say
from deployer.specs import read_given
from deployer.tenant_argument import DirectoryOption, TenantArgument

if TYPE_CHECKING:
    from deployer.azure import Session
    from deployer.tenant_file import TenantFile
    from deployer.verify import Check

_HELP = """Verify an installation from outside and from inside its network, and write the hand-over report.

From outside: public access is off and public addresses refuse. From inside, by the installation's job: private names, TLS, the
database, the services, and a call's whole way: a key that is made for it lets its bearer in, a model answers, the call is in
the ledger, and the key, switched off, is refused. Exit code 3: a check said no; each has an id, figures and a remedy
(docs/verify.md). One small call is made, and billed to the app `aduana/operations/verify`.

Examples:

    aduana verify contoso --report handover.md

    aduana verify contoso --model gpt-4o --json
"""


def register(app: typer.Typer) -> None:
    """Add `verify`."""
    app.command("verify", help=_HELP)(_verify)


def _verify(
    tenant: str | None = TenantArgument,
    directory: Path = DirectoryOption,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write the report: Markdown, or JSON by its ending.")
    ] = None,
    model: Annotated[list[str] | None, typer.Option("--model", metavar="NAME", help="Ask this model.")] = None,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="ID", help="This check or group alone.")] = None,
    outside_only: bool = typer.Option(False, "--outside-only", help="Start no job."),
    here: Annotated[
        str | None,
        typer.Option(
            "--here", metavar="SPEC", help="Make the checks of the inside here (FILE, - or env:NAME): the job's way."
        ),
    ] = None,
    as_json: bool = JsonFlag,
    for_job: Annotated[float | None, typer.Option("--for-job", hidden=True)] = None,
) -> None:
    from deployer.verify.report import document

    if here is not None:
        if tenant is not None:
            raise CommandError("--here takes no tenant", "the spec says what it needs", code="usage", exit_code=USAGE)
        found = None
        inside = _inside(here, quiet=as_json)
        outside: list[Check] = []
        facts: dict[str, Any] = {}
    else:
        from deployer.tenants import open_tenant

        found = open_tenant(tenant, directory)
        inside, outside, facts = _from_outside(found, model or [], only or [], outside_only, quiet=as_json)
    told = document(found.tenant if found is not None else None, inside, outside, facts)
    if report is not None:
        _write(report, told)
    if for_job is not None:
        from deployer.jobs.results import print_result

        print_result(told, linger=for_job)
    elif as_json:
        print_json(told)
    else:
        counts = told["counts"]
        say(f"{counts['passed']} passed · {counts['failed']} failed · {counts['skipped']} skipped")
    if not told["ok"]:
        raise typer.Exit(CHECK_SAID_NO)


def _inside(given: str, *, quiet: bool) -> "list[Check]":
    from core.secrets.resolver import resolver_of
    from deployer.verify.inside import Inside
    from deployer.verify.report import line
    from deployer.verify.spec import read_verify_spec

    spec = read_given(given, read_verify_spec, "docs/verify.md")
    settings = read_settings(os.environ)
    database = open_database(settings, os.environ)

    async def work() -> "list[Check]":
        checks = Inside(spec, settings, database, resolver_of(settings, os.environ), actor("verify"))
        return await checks.run((lambda check: None) if quiet else (lambda check: say(line(check))))

    return asyncio.run(work())


def _from_outside(
    found: "TenantFile", models: list[str], only: list[str], outside_only: bool, *, quiet: bool
) -> "tuple[list[Check], list[Check], dict[str, Any]]":
    from deployer.azure_session import with_azure
    from deployer.installation import Installation
    from deployer.verify import Check
    from deployer.verify.both_sides import verify
    from deployer.verify.report import line

    installation = Installation(found.tenant)

    def starting(text: str) -> None:
        if not quiet:
            note(text)

    def tell(check: Check) -> None:
        if not quiet:
            say(line(check))

    async def work(session: "Session") -> "tuple[list[Check], list[Check], dict[str, Any]]":
        done = await verify(
            installation, session, models=models, only=only, outside_only=outside_only, tell=tell, say=starting
        )
        return done.inside, done.outside, done.facts

    return with_azure(found.tenant, "the installation cannot be verified", work)


def _write(path: Path, told: dict[str, Any]) -> None:
    import json

    from deployer.verify.report import markdown
    from deployer.whole_files import write_whole

    try:
        text = json.dumps(told, indent=2, ensure_ascii=False) + "\n" if path.suffix == ".json" else markdown(told)
        write_whole(path, text)
    except OSError as error:
        raise CommandError(f"{path} cannot be written", error.strerror or "", code="no_report") from None
