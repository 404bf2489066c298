"""`aduana seed`: make the tenant's configuration what a file says, or show what that would change."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployer.access import DatabaseUrlOption, DataDirOption, Tenant, actor, with_tenant
from deployer.errors import USAGE, CommandError
from deployer.output import JsonFlag, note, print_json, say

if TYPE_CHECKING:
    from core.egress import AllowedHosts
    from core.seed.apply import IssuedKey
    from core.seed.document import SeedError
    from core.seed.file import SeedFile
    from core.seed.plan import Change, Plan


def register(app: typer.Typer) -> None:
    """Add `seed`."""
    app.command("seed", help=_HELP)(_seed)


_HELP = """Apply a seed file: upstreams, routes, policies, clients, budgets and prices.

Applying is idempotent and all or nothing: while anything in the file is wrong, nothing changes and every mistake is
named with its line. What the file does not name stays, unless --prune. A key without a secret_ref is made and shown
once; keep it then.

Examples:

    aduana seed tenant.seed.yaml --plan

    aduana seed tenant.seed.yaml

    aduana seed tenant.seed.yaml --prune --database-url env:DATABASE_URL
"""


def _seed(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The seed file (docs/seed-file.md).")],
    plan: bool = typer.Option(False, "--plan", help="Print the difference and change nothing."),
    prune: bool = typer.Option(False, "--prune", help="Remove what the file does not name; its keys stop working."),
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    from core.seed.document import SeedError

    seed = read_file(file)
    try:
        done, issued = with_tenant(database_url, data_dir, lambda tenant: _work(tenant, seed, plan, prune))
    except SeedError as error:
        raise mistakes(error) from None
    except CommandError:
        # What is wrong with the file itself is known without a database, and is the better thing to say.
        if seed.errors:
            raise mistakes(SeedError(list(seed.errors))) from None
        raise
    if as_json:
        print_json(_document(file, done, issued, planned=plan, prune=prune))
    else:
        _print(done, issued, planned=plan)


def read_file(file: Path) -> "SeedFile":
    """Read a seed file; its mistakes are in it. Raises `CommandError` where there is no such file."""
    from core.seed.file import read_seed

    try:
        return read_seed(file, _allowed_hosts())
    except OSError as error:
        raise CommandError(
            f"{file} cannot be read", error.strerror or type(error).__name__, "Name an existing seed file.", "no_file"
        ) from None


def _allowed_hosts() -> "AllowedHosts":
    """Where upstreams may be, as the proxies have it."""
    from core.egress import AllowedHosts

    try:
        return AllowedHosts.parse(os.environ.get("ADUANA_EGRESS_HOSTS", ""))
    except ValueError as error:
        raise CommandError(
            "a setting is wrong", f"ADUANA_EGRESS_HOSTS: {error}", "", "settings", exit_code=USAGE
        ) from None


async def _work(tenant: Tenant, seed: "SeedFile", plan: bool, prune: bool) -> "tuple[Plan, tuple[IssuedKey, ...]]":
    from core.seed.apply import apply_seed, plan_seed

    async with tenant.store.transaction() as connection:
        resolver = await tenant.resolver(connection)
        peppers = await tenant.peppers(resolver)
        if plan:
            return await plan_seed(connection, seed, resolver, peppers, prune=prune), ()
        applied = await apply_seed(connection, seed, resolver, peppers, actor=actor("seed"), prune=prune)
    return applied.plan, applied.issued


def mistakes(error: "SeedError") -> CommandError:
    """A seed file's mistakes as a command tells them."""
    findings = error.findings
    return CommandError(
        f"the seed file has {len(findings)} mistake{'' if len(findings) == 1 else 's'}; nothing was applied",
        remedy="docs/seed-file.md names every key and what it may be.",
        code="seed_invalid",
        details=[
            {
                "file": each.file,
                "line": each.place.line,
                "column": each.place.column,
                "problem": each.message,
                "message": str(each),
            }
            for each in findings
        ],
    )


def _document(
    file: Path, plan: "Plan", issued: "tuple[IssuedKey, ...]", *, planned: bool, prune: bool
) -> dict[str, Any]:
    return {
        "file": str(file),
        "applied": not planned,
        "prune": prune,
        "changes": len(plan.changes),
        "created": sum(change.action == "create" for change in plan.changes),
        "updated": sum(change.action == "update" for change in plan.changes),
        "removed": sum(change.action == "remove" for change in plan.changes),
        "unchanged": plan.unchanged,
        "kept": list(plan.kept),
        "diff": [
            {
                "action": change.action,
                "entity": change.kind,
                "name": change.path,
                "fields": [
                    {"field": name, "before": before, "after": after} for name, before, after in change.fields()
                ],
            }
            for change in plan.changes
        ],
        "keys": [{"path": key.path, "id": key.id, "key": key.text} for key in issued],
        "warnings": [str(warning) for warning in plan.warnings],
    }


def _print(plan: "Plan", issued: "tuple[IssuedKey, ...]", *, planned: bool) -> None:
    for warning in plan.warnings:
        note(f"warning: {warning}")
    for change in plan.changes:
        _print_change(change)
    if planned:
        for kept in plan.kept:
            say(f"    {kept} is not in the file and stays (--prune removes it)")
    counts = {
        "to create" if planned else "created": sum(change.action == "create" for change in plan.changes),
        "to update" if planned else "updated": sum(change.action == "update" for change in plan.changes),
        "to remove" if planned else "removed": sum(change.action == "remove" for change in plan.changes),
        "unchanged": plan.unchanged,
    }
    say(" · ".join(f"{count} {word}" for word, count in counts.items()))
    if issued:
        say("\nNew keys. They are shown this once and cannot be shown again:")
        for key in issued:
            say(f"  {key.path}  {key.text}")


def _print_change(change: "Change") -> None:
    sign = {"create": "+", "update": "~", "remove": "-"}[change.action]
    say(f"{sign} {change.kind.replace('api_', '')} {change.path}")
    if change.action == "update":
        for name, before, after in change.fields():
            if name == "targets":
                _print_targets(before or [], after or [])
            else:
                say(f"    {name}: {_word(before)} → {_word(after)}")


def _print_targets(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    for sign, targets, others in (("-", before, after), ("+", after, before)):
        for target in targets:
            if target not in others:
                model = f" as {target['model']}" if target["model"] else ""
                share = f"priority {target['priority']}, weight {target['weight']}"
                say(f"    {sign} target {target['upstream']}/{target['deployment']}{model} ({share})")


def _word(value: Any) -> str:
    import json

    return "–" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
