"""A report, for people and for programs."""

import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from deployer.preflight.checks import Finding, Verdict
from deployer.preflight.run import Checked, Report
from deployer.tenant_file import TenantFile

_MARKS = {
    Verdict.PASSED: ("✓", "green"),
    Verdict.SKIPPED: ("–", "dim"),
    Verdict.INFO: ("i", "cyan"),
    Verdict.WARNING: ("!", "yellow"),
    Verdict.ERROR: ("✗", "bold red"),
}


def document(found: TenantFile, report: Report, offline: bool) -> dict[str, Any]:
    """What `--json` prints."""
    tenant = found.tenant
    return {
        "tenant": tenant.name,
        "file": str(found.path),
        "subscription_id": tenant.subscription_id,
        "region": tenant.region,
        "offline": offline,
        "ok": report.ok,
        "seconds": round(report.seconds, 3),
        "counts": {verdict.value: report.count(verdict) for verdict in Verdict},
        "checks": [_checked(each) for each in report.checked],
    }


def _checked(checked: Checked) -> dict[str, Any]:
    return {
        "id": checked.check.id,
        "title": checked.check.title,
        "severity": checked.check.severity.value,
        "verdict": checked.verdict.value,
        "seconds": round(checked.seconds, 3),
        "findings": [
            {
                "verdict": each.verdict.value,
                "subject": each.subject,
                "message": each.message,
                "remedy": each.remedy,
                "figures": dict(each.figures),
            }
            for each in checked.findings
        ],
    }


def print_report(found: TenantFile, report: Report, offline: bool) -> None:
    """A line a check, aligned; below it what is to be done about it."""
    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    tenant = found.tenant
    console.print(
        Text(f"{tenant.name} · {tenant.region} · subscription {tenant.subscription_id}{' · offline' * offline}")
    )
    console.print()
    width = max(len(each.check.id) for each in report.checked)
    for checked in report.checked:
        for line in _lines(checked, width):
            console.print(line)
    console.print()
    console.print(Text(_sum(report)))


def _lines(checked: Checked, width: int) -> Iterator[Text]:
    worth = [each for each in checked.findings if each.verdict is not Verdict.PASSED] or list(checked.findings)
    for number, finding in enumerate(worth):
        mark, style = _MARKS[finding.verdict]
        id = checked.check.id if number == 0 else ""
        yield Text.assemble("  ", (mark, style), f" {id:<{width}}  ", (finding.message, _tone(finding)))
        if finding.remedy:
            yield Text.assemble(" " * (width + 6), ("→ ", "bold"), finding.remedy)


def _tone(finding: Finding) -> str:
    return "dim" if finding.verdict is Verdict.SKIPPED else ""


def _sum(report: Report) -> str:
    words = {
        Verdict.ERROR: ("error", "errors"),
        Verdict.WARNING: ("warning", "warnings"),
        Verdict.INFO: ("note", "notes"),
        Verdict.PASSED: ("passed", "passed"),
        Verdict.SKIPPED: ("skipped", "skipped"),
    }
    counts = [(report.count(verdict), pair) for verdict, pair in words.items()]
    shown = " · ".join(f"{count} {one if count == 1 else many}" for count, (one, many) in counts if count)
    return f"{shown} · {report.seconds:.1f} s"
