"""`aduana bootstrap`: what an installation needs between its infrastructure and its first call."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployer.access import actor, open_database, read_settings
from deployer.errors import USAGE, CommandError
from deployer.output import JsonFlag, print_json, say

if TYPE_CHECKING:
    from deployer.bootstrap import BootstrapError, Step
    from deployer.bootstrap.spec import BootstrapSpec

_HELP = """Make an installation ready for its services: roles and privileges in Postgres, tables, pepper and master key, and
once the seed.

It runs inside the installation's network, as the job's identity: `aduana apply` and `aduana upgrade` start it there. Each step
looks first and does what is missing; it may be run again at any time, and goes on where it was interrupted. Secrets are made
in Key Vault and never shown; of keys that the seed makes the reference is printed. A tenant is seeded once in its life.

The settings are those of the services (ADUANA_DATABASE_URL, ADUANA_DATABASE_AUTH, ADUANA_PEPPERS, ADUANA_MASTER_KEYS; see
docs/settings.md); the spec says which role stands for which identity (docs/bootstrap.md).

Examples:

    aduana bootstrap --spec bootstrap.json --plan

    aduana bootstrap --spec env:BOOTSTRAP_SPEC --json
"""

_SIGNS = {"to_do": "+", "done": "✓", "in_place": "·", "unknown": "?"}


def register(app: typer.Typer) -> None:
    """Add `bootstrap`."""
    app.command("bootstrap", help=_HELP)(_bootstrap)


def _bootstrap(
    spec: Annotated[str, typer.Option("--spec", metavar="FILE|env:NAME", help="Roles, identities and the seed.")],
    plan: bool = typer.Option(False, "--plan", help="Show what would be done, and change nothing."),
    expand_only: bool = typer.Option(
        False, "--expand-only", help="Take no privilege away: replicas of an older version still run."
    ),
    as_json: bool = JsonFlag,
    for_job: bool = typer.Option(False, "--for-job", hidden=True),
) -> None:
    from deployer.bootstrap import BootstrapError
    from deployer.jobs.results import print_result

    work = _prepare(_spec(spec), expand_only)
    done: list[Step] = []

    def report(step: "Step") -> None:
        done.append(step)
        if not as_json:
            _tell(step)

    try:
        (work.plan if plan else work.run)(report)
    except BootstrapError as error:
        document = {**_document(done, plan), **_failure(error).as_json()}
        if for_job:
            print_result(document)
        raise _failure(error, done) from error
    if for_job:
        print_result(_document(done, plan))
    elif as_json:
        print_json(_document(done, plan))


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
        vault=KeyVault(issuer, settings.key_vault_url),
        environment=os.environ,
        actor=actor("bootstrap"),
        expand_only=expand_only,
    )


def _spec(given: str) -> "BootstrapSpec":
    from deployer.bootstrap.spec import SpecError, read_spec

    try:
        if given.startswith("env:"):
            text = os.environ[given[4:]]
        else:
            text = sys.stdin.read() if given == "-" else Path(given).read_text(encoding="utf-8")
        return read_spec(text)
    except KeyError:
        why = f"the variable {given[4:]} is not set"
    except (OSError, UnicodeDecodeError) as error:
        why = f"{given}: {getattr(error, 'strerror', None) or type(error).__name__}"
    except SpecError as error:
        why = str(error)
    raise CommandError(
        "the spec cannot be read", why, "docs/bootstrap.md shows one.", "spec", exit_code=USAGE
    ) from None


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
