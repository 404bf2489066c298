"""Whether a measurement counts, and whether something else had the machine while it was taken."""

from bench.figures import DIRECT, busy_share
from bench.loader import Report
from bench.results import LedgerCheck, Measure

BUSY = 0.95
"""Of the subject's core: below it the subject was not what the throughput was limited by."""

_QUIET = 0.03  # share of a core that may go to others, or to the hypervisor, before it is noise


def why_invalid(measure: Measure, subject: str, report: Report, ledger: LedgerCheck | None) -> list[str]:
    """Reasons for which it does not count; none: it does."""
    reasons = []
    failed = report.wrong + report.broken + report.unanswered
    if failed:
        example = f": {report.complaints[0]}" if report.complaints else ""
        reasons.append(
            f"{report.wrong} answers were wrong, {report.broken} broke off, {report.unanswered} never came{example}"
        )
    if measure in ("throughput", "chunks") and subject != DIRECT:
        own = busy_share(report)
        if own < BUSY:
            core = report.subject_core
            others = max(0.0, core.busy - own)
            reasons.append(
                f"the subject's core was only {own:.0%} the subject's "
                f"(others {others:.0%}, hypervisor {core.steal:.0%}, idle {core.idle:.0%})"
            )
    if ledger is not None and not failed and (ledger.rows != ledger.answered or ledger.right_rows != ledger.answered):
        reasons.append(
            f"the ledger holds {ledger.rows:,} of {ledger.answered:,} calls, {ledger.right_rows:,} of them rightly"
        )
    return reasons


def noise(report: Report, *, shared_cores: bool) -> list[str]:
    """What else ran on the cores. `shared_cores`: the upstream and all backing run on the loader's core."""
    found = []
    others = report.subject_core.busy - busy_share(report)
    if others > _QUIET:
        found.append(f"other processes had {others:.0%} of the subject's core")
    if report.subject_core.steal > _QUIET:
        found.append(f"the hypervisor took {report.subject_core.steal:.0%} of the subject's core")
    if report.loader_core.steal > _QUIET:
        found.append(f"the hypervisor took {report.loader_core.steal:.0%} of the loader's core")
    own = report.loader_cpu_seconds
    if shared_cores:
        own += report.upstream_cpu_seconds + report.backing_cpu_seconds
    others = report.loader_core.busy - own / report.window_seconds
    if others > 2 * _QUIET:
        found.append(f"other processes had {others:.0%} of the loader's core")
    return found
