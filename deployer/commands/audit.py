"""`aduana audit`: who changed what, and whether the record of it is whole."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from deployer.access import DatabaseUrlOption, DataDirOption, Tenant, with_tenant
from deployer.errors import CHECK_SAID_NO, USAGE, CommandError
from deployer.output import JsonFlag, moment, print_json, print_table, say

if TYPE_CHECKING:
    from core.audit import AuditEvent, Verdict


def register(app: typer.Typer) -> None:
    """Add `audit`."""
    audit = typer.Typer(no_args_is_help=True, help="Who changed what, and whether the record of it is whole.")
    audit.command("list", help=_LIST)(_list)
    audit.command("verify", help=_VERIFY)(_verify)
    app.add_typer(audit, name="audit")


_LIST = """List changes, newest first, a page at a time.

Examples:

    aduana audit list --limit 20

    aduana audit list --before-seq 120 --entity api_key --json
"""
_VERIFY = """Read the whole audit log and check its chain of hashes. Exit code 3: it was changed, and where.

A chain cannot show that its end was cut off: note the last number and hash that this prints, and give them later.

Examples:

    aduana audit verify

    aduana audit verify --expect 120:9f86d081...
"""


def _list(
    limit: int = typer.Option(50, "--limit", min=1, max=1000, help="So many at most."),
    before_seq: int | None = typer.Option(
        None, "--before-seq", metavar="SEQ", min=1, max=2**63 - 1, help="Only those before this number."
    ),
    entity: str | None = typer.Option(None, "--entity", metavar="KIND", help="Such as api_key, policy or secret."),
    name: str | None = typer.Option(None, "--name", metavar="NAME", help="Of the entity, as the list shows it."),
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    async def work(tenant: Tenant) -> "list[AuditEvent]":
        from core import audit

        async with tenant.store.transaction() as connection:
            return await audit.events(connection, before_seq=before_seq, limit=limit, entity=entity, entity_id=name)

    found = with_tenant(database_url, data_dir, work)
    if as_json:
        more = found[-1].seq if len(found) == limit and found[-1].seq > 1 else None
        print_json({"events": [_document(event) for event in found], "next_before_seq": more})
    elif not found:
        filtered = before_seq is not None or entity is not None or name is not None
        say("No recorded change fits." if filtered else "No change is recorded yet.")
    else:
        print_table(
            (
                ("Seq", "right"),
                ("When", "left"),
                ("Who", "left"),
                ("Did", "left"),
                ("What", "left"),
                ("Changed", "left"),
            ),
            [
                (
                    str(each.seq),
                    moment(each.at),
                    each.actor,
                    each.action,
                    f"{each.entity} {each.entity_id}",
                    _fields(each),
                )
                for each in found
            ],
        )


def _verify(
    expect: str | None = typer.Option(None, "--expect", metavar="SEQ:HASH", help="An event noted from an earlier run."),
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    expected = _noted(expect) if expect is not None else None

    async def work(tenant: Tenant) -> "tuple[Verdict, list[AuditEvent]]":
        from core import audit

        async with tenant.store.transaction() as connection:
            return await audit.verify(connection, expected=expected), await audit.events(connection, limit=1)

    verdict, last = with_tenant(database_url, data_dir, work)
    if not verdict.whole:
        raise CommandError(
            f"the audit log is broken at event {verdict.broken_at}",
            str(verdict.reason),
            "Keep the database as it is, and compare it with a backup from before.",
            "audit_broken",
            exit_code=CHECK_SAID_NO,
            details=[{"broken_at": verdict.broken_at, "events": verdict.events, "message": verdict.reason}]
            if as_json
            else (),
        )
    head = last[0] if last else None
    if as_json:
        print_json(
            {
                "whole": True,
                "events": verdict.events,
                "last": {"seq": head.seq, "hash": head.hash.hex()} if head is not None else None,
            }
        )
    else:
        say(f"The audit log is whole: {verdict.events} event{'' if verdict.events == 1 else 's'}.")
        if head is not None:
            say(f"Note its end to prove later that nothing was cut off: --expect {head.seq}:{head.hash.hex()}")


def _noted(text: str) -> tuple[int, bytes]:
    seq, _, digest = text.partition(":")
    try:
        noted = int(seq), bytes.fromhex(digest)
    except ValueError:
        noted = 0, b""
    if noted[0] < 1 or len(noted[1]) != 32:
        raise CommandError("--expect is not SEQ:HASH as `aduana audit verify` prints it", code="usage", exit_code=USAGE)
    return noted


def _fields(event: "AuditEvent") -> str:
    if event.before is None or event.after is None:
        return ""  # all of them
    names = dict.fromkeys((*event.before, *event.after))
    return ", ".join(name for name in names if event.before.get(name) != event.after.get(name))


def _document(event: "AuditEvent") -> dict[str, Any]:
    return {
        "seq": event.seq,
        "at": event.at,
        "actor": event.actor,
        "action": event.action,
        "entity": event.entity,
        "entity_id": event.entity_id,
        "before": event.before,
        "after": event.after,
        "request_id": event.request_id,
        "hash": event.hash,
    }
