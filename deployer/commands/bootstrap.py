"""`aduana bootstrap`: what an installation needs between its infrastructure and its first call."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployer.access import actor, open_database, read_settings
from deployer.errors import USAGE, CommandError
from deployer.output import JsonFlag, print_json, say
from deployer.specs import read_given
from deployer.tenant_argument import DirectoryOption, TenantArgument

if TYPE_CHECKING:
    from deployer.azure import Session
    from deployer.bootstrap import BootstrapError, Step
    from deployer.bootstrap.spec import BootstrapSpec

_HELP = """Make an installation ready for its services: roles and privileges in Postgres, tables, pepper and master key, and
once the seed.

It runs inside the installation's network, as the job's identity: with a tenant it is started there. Each step
looks first and does what is missing; it may be run again at any time, and goes on where it was interrupted. Secrets are made
in Key Vault and never shown; of keys that the seed makes the reference is printed. A tenant is seeded once in its life.

The settings are those of the services (ADUANA_DATABASE_URL, ADUANA_DATABASE_AUTH, ADUANA_PEPPERS, ADUANA_MASTER_KEYS; see
docs/settings.md); the spec says which role stands for which identity (docs/bootstrap.md).

Examples:

    aduana bootstrap contoso --plan

    aduana bootstrap contoso

    aduana bootstrap --spec env:BOOTSTRAP_SPEC --json
"""

_SIGNS = {"to_do": "+", "done": "✓", "in_place": "·", "unknown": "?"}


def register(app: typer.Typer) -> None:
    """Add `bootstrap`."""
    app.command("bootstrap", help=_HELP)(_bootstrap)


def _bootstrap(
    tenant: str | None = TenantArgument,
    directory: Path = DirectoryOption,
    spec: Annotated[
        str | None,
        typer.Option(
            "--spec", metavar="FILE|env:NAME", help="Work here, as the job does: roles, identities and the seed."
        ),
    ] = None,
    plan: bool = typer.Option(False, "--plan", help="Show what would be done, and change nothing."),
    expand_only: bool = typer.Option(
        False, "--expand-only", help="Take no privilege away: replicas of an older version still run."
    ),
    as_json: bool = JsonFlag,
    for_job: Annotated[float | None, typer.Option("--for-job", hidden=True)] = None,
) -> None:
    from deployer.bootstrap import BootstrapError
    from deployer.bootstrap.spec import read_spec
    from deployer.jobs.results import print_result

    if spec is None:
        _through_job(tenant, directory, plan, expand_only, as_json)
        return
    if tenant is not None:
        raise CommandError("--spec takes no tenant", "it says all that is needed", code="usage", exit_code=USAGE)
    work = _prepare(read_given(spec, read_spec, "docs/bootstrap.md"), expand_only)
    done: list[Step] = []

    def report(step: "Step") -> None:
        done.append(step)
        if not as_json:
            _tell(step)

    try:
        (work.plan if plan else work.run)(report)
    except BootstrapError as error:
        document = {**_document(done, plan), **_failure(error).as_json()}
        if for_job is not None:
            print_result(document, linger=for_job)
        raise _failure(error, done) from error
    if for_job is not None:
        print_result(_document(done, plan), linger=for_job)
    elif as_json:
        print_json(_document(done, plan))


def _through_job(tenant: str | None, directory: Path, plan: bool, expand_only: bool, as_json: bool) -> None:
    """Have it done by the installation's job, and tell what came of it."""
    from deployer.azure_session import with_azure
    from deployer.installation import Installation
    from deployer.jobs.bootstrapping import bootstrap
    from deployer.tenants import open_tenant

    found = open_tenant(tenant, directory)
    if found.seed_path is not None and not found.seed_path.is_file():
        raise CommandError(
            f"there is no seed file {found.seed_path}", "", f"Correct `seed` in {found.path}.", "no_file"
        )
    installation = Installation(found.tenant)

    async def work(session: "Session") -> dict[str, Any]:
        told = await installation.bootstrap_spec(session.arm, found.seed_path)
        return await bootstrap(
            installation.job(session),
            told,
            plan=plan,
            expand_only=expand_only,
            say=(lambda line: None) if as_json else say,
        )

    document = with_azure(found.tenant, "the bootstrap cannot be started", work)
    if as_json:
        print_json(document)


def _prepare(spec: "BootstrapSpec", expand_only: bool) -> Any:
    from core.identity.entra import EntraIssuer
    from deployer.bootstrap.steps import Bootstrap
    from deployer.bootstrap.vault import KeyVault

    settings = read_settings(os.environ)
    if not settings.peppers:
        raise CommandError(
            "ADUANA_PEPPERS is not set",
            "it says where the pepper is to be kept",
            "Set it as the proxies have it, such as 1=kv://contoso-kv/pepper-1.",
            "settings",
            exit_code=USAGE,
        )
    database = open_database(settings, os.environ)
    issuer = EntraIssuer(settings.azure_credential, settings.azure_client_id, settings.ca_bundle)
    return Bootstrap(
        settings=settings,
        spec=spec,
        database=database,
        administration=database.sibling("postgres"),
        vault=KeyVault(issuer, settings.key_vault_url, settings.ca_bundle),
        environment=os.environ,
        actor=actor("bootstrap"),
        expand_only=expand_only,
    )


def _document(steps: "list[Step]", plan: bool) -> dict[str, Any]:
    return {"planned": plan, "steps": [step.as_json() for step in steps]}


def _tell(step: "Step") -> None:
    words = {"in_place": "in place", "to_do": "to do", "unknown": "when what is before it is done"}
    standing = words.get(step.standing, str(step.standing))
    say(f"{_SIGNS[step.standing]} {step.title}: {standing}")
    for change in step.changes:
        say(f"    {change}")
    for path, ref in step.facts.get("keys", {}).items():
        say(f"    the key of {path} is in {ref}")


def _failure(error: "BootstrapError", done: "list[Step] | None" = None) -> CommandError:
    before = f"; done before it: {', '.join(step.id for step in done)}" if done else ""
    return CommandError(f"the bootstrap stopped at {error.step}", f"{error}{before}", error.remedy, error.code)
