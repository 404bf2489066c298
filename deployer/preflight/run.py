"""Runs checks side by side: first who is asking and of which subscription, then everything that needs both."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from deployer.azure import AzureError, Refused
from deployer.preflight.checks import Check, Context, Finding, Verdict, error, or_passed, skipped, warning
from deployer.preflight.resolver import DnsUnanswered

GATES = ("azure.sign_in", "azure.subscription")
"""Without these no other question to Azure has an answer."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found, and how long it took, in seconds."""

    check: Check
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """The worst of its findings."""
        return max((each.verdict for each in self.findings), key=lambda each: each.rank)


@dataclass(frozen=True, slots=True)
class Report:
    """All that was run, in the catalogue's order."""

    checked: tuple[Checked, ...]
    seconds: float

    def count(self, verdict: Verdict) -> int:
        """How many checks came to that."""
        return sum(each.verdict is verdict for each in self.checked)

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way."""
        return self.count(Verdict.ERROR) == 0


Progress = Callable[[Check, bool], None]
"""Told of a check that begins (False), and that has ended (True)."""


def _unwatched(check: Check, ended: bool) -> None:
    pass


async def run_checks(context: Context, checks: Sequence[Check], progress: Progress = _unwatched) -> Report:
    """Run them; what one of them cannot find out is a finding of its own, and stops no other."""
    begun = time.monotonic()
    gates = [check for check in checks if check.id in GATES]
    results = {check.id: await _run(check, context, progress) for check in gates} if context.facts is not None else {}
    shut = next((each for each in results.values() if each.verdict is Verdict.ERROR), None)

    async def run(check: Check) -> Checked:
        if not check.offline and context.facts is None:
            return Checked(check, (skipped("asks Azure; this run is offline"),), 0.0)
        if not check.offline and shut is not None:
            return Checked(check, (skipped(f"waits for {shut.check.id}"),), 0.0)
        return await _run(check, context, progress)

    rest = [check for check in checks if check.id not in results]
    results |= {each.check.id: each for each in await asyncio.gather(*map(run, rest))}
    return Report(tuple(results[check.id] for check in checks), time.monotonic() - begun)


async def _run(check: Check, context: Context, progress: Progress) -> Checked:
    progress(check, False)
    begun = time.monotonic()
    try:
        findings: Iterable[Finding] = await check.look(context)
    except AzureError as failed:
        findings = [_not_known(check, failed)]
    except DnsUnanswered as failed:
        findings = [warning(f"DNS did not answer: {failed}", "Try another server: --dns-server ADDRESS.")]
    except Exception as failed:  # an answer that no reference shows: it must not take the other checks with it
        words = f"this check could not judge what it was told ({type(failed).__name__})"
        findings = [warning(words, f"Please report it, and look by hand: {check.what}.")]
    progress(check, True)
    return Checked(check, tuple(or_passed(findings, "nothing to object to")), time.monotonic() - begun)


def _not_known(check: Check, failed: AzureError) -> Finding:
    """Where Azure does not let us look, nobody knows; where nobody gets in, that is the finding."""
    if check.id in GATES:
        return error(failed.message, failed.remedy)
    if isinstance(failed, Refused) and failed.forbidden:
        return warning(
            f"this identity may not look: {failed.azure_code or failed.status} for {failed.request}",
            "Give it Reader on the subscription, or have the check done by someone who has it.",
        )
    return warning(f"could not be checked: {failed.message}", failed.remedy)
