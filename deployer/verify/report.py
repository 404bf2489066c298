"""The hand-over report: both sides' checks as one document, and as Markdown for whoever takes the installation over."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from deployer.verify import Check, Status

if TYPE_CHECKING:
    from deployer.tenant import Tenant

_MARKS = {Status.PASSED: "✓", Status.FAILED: "✗", Status.SKIPPED: "–"}


def document(
    tenant: "Tenant | None", inside: Sequence[Check], outside: Sequence[Check], facts: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The whole, in plain JSON values."""
    every = [*outside, *inside]
    return {
        "tenant": tenant.name if tenant is not None else None,
        "at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "product": version("aduana"),
        "ok": bool(every) and not any(check.status is Status.FAILED for check in every),
        "counts": {str(status): sum(check.status is status for check in every) for status in Status},
        "facts": dict(facts or {}),
        "outside": [check.as_json() for check in outside],
        "inside": [check.as_json() for check in inside],
    }


def markdown(report: Mapping[str, Any]) -> str:
    """For people. Nothing in it is a secret."""
    counts = report["counts"]
    verdict = "All checks passed." if report["ok"] else f"**{counts['failed']} checks failed.**"
    lines = [
        f"# Hand-over: {report['tenant'] or 'an installation'}",
        "",
        f"{verdict} {counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped. "
        f"{report['at']}, Aduana {report['product']}.",
    ]
    if report["facts"]:
        lines += ["", "| | |", "|---|---|"]
        lines += [f"| {_cell(name)} | `{_cell(value)}` |" for name, value in report["facts"].items()]
    for side, title in (("outside", "Seen from outside"), ("inside", "Seen from inside the network")):
        if report[side]:
            lines += ["", f"## {title}", "", "| | check | what it found |", "|---|---|---|"]
            for check in report[side]:
                remedy = f"<br>→ {_cell(check['remedy'])}" if check["status"] == "failed" and check["remedy"] else ""
                lines.append(
                    f"| {_MARKS[Status(check['status'])]} | `{_cell(check['id'])}` | {_cell(check['message'])}{remedy} |"
                )
    return "\n".join(lines) + "\n"


def line(check: Check) -> str:
    """For a terminal."""
    remedy = f"\n    → {check.remedy}" if check.status is Status.FAILED and check.remedy else ""
    return f"{_MARKS[check.status]} {check.id}: {check.message}{remedy}"


def _cell(text: Any) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ").replace("`", "'")
