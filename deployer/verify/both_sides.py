"""Both sides of a verification: what the operator's machine sees, and what the job sees inside the network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from deployer.azure import Session
from deployer.installation import Installation
from deployer.jobs.runner import Ended
from deployer.verify import Check, Status, check_of, failed, outside


@dataclass(frozen=True, slots=True)
class Verified:
    """What was seen. `facts`: where things are, for the report."""

    outside: list[Check]
    inside: list[Check]
    facts: dict[str, Any]

    @property
    def ok(self) -> bool:
        every = [*self.outside, *self.inside]
        return bool(every) and not any(check.status is Status.FAILED for check in every)


async def verify(
    installation: Installation,
    session: Session,
    *,
    models: Sequence[str] = (),
    only: Sequence[str] = (),
    outside_only: bool = False,
    tell: Callable[[Check], None] = lambda check: None,
    say: Callable[[str], None] = lambda line: None,
) -> Verified:
    """Make the checks; `tell` hears of each. `only`: these of the inside alone. Raises `AzureError`."""
    seen = [] if only else await outside.run(installation, session, tell)
    if outside_only:
        return Verified(seen, [], {})
    spec = await outside.inside_spec(installation, session, models, only)
    facts = {"proxy": spec.proxy_url, "admin": spec.admin_url or "–", "resource group": installation.group}
    say("starting the job inside the network …")
    ended = await installation.job(session).run(
        ["verify", "--here", "env:VERIFY_SPEC"], {"VERIFY_SPEC": outside.encode(spec)}
    )
    checks = _of_job(ended)
    for check in checks:
        tell(check)
    return Verified(seen, checks, facts)


def _of_job(ended: Ended) -> list[Check]:
    try:
        assert ended.result is not None
        return [check_of(each) for each in ended.result["inside"]]
    except (AssertionError, KeyError, TypeError, ValueError):
        last = ended.lines[-1][-300:] if ended.lines else "it printed nothing that could be read"
        return [
            failed(
                "inside",
                f"the job's execution {ended.execution} brought no result: {last}",
                "See its log: az containerapp job execution list, and the workspace's ContainerAppConsoleLogs.",
            )
        ]
