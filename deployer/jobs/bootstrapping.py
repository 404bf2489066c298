"""The bootstrap, by the job."""

from collections.abc import Callable
from typing import Any

from deployer.bootstrap.spec import BootstrapSpec, SpecError, pack
from deployer.errors import USAGE, CommandError
from deployer.jobs.runner import Ended, Job


async def bootstrap(
    job: Job,
    spec: BootstrapSpec,
    *,
    image: str | None = None,
    plan: bool = False,
    expand_only: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """What the bootstrap printed: `planned` and `steps`. Raises `AzureError`, and `CommandError` where it stopped."""
    flags = [*(["--plan"] if plan else []), *(["--expand-only"] if expand_only else [])]
    try:
        packed = pack(spec)
    except SpecError as error:
        raise CommandError(
            "the seed cannot be handed over", str(error), code="seed_too_large", exit_code=USAGE
        ) from None
    ended = await job.run(
        ["bootstrap", "--spec", "env:BOOTSTRAP_SPEC", *flags], {"BOOTSTRAP_SPEC": packed}, image=image, say=say
    )
    result = require_result(ended, "the bootstrap")
    if "error" in result:
        told = result["error"]
        raise CommandError(str(told["message"]), remedy=str(told.get("remedy", "")), code=str(told["code"]))
    return {"execution": ended.execution, **result}


def require_result(ended: Ended, what: str) -> dict[str, Any]:
    """Raises `CommandError` where a job brought none."""
    if ended.result is not None:
        return ended.result
    last = "; ".join(line[-200:] for line in ended.lines[-3:])
    why = f"its execution {ended.execution} {'ended' if ended.succeeded else 'failed'} without a result"
    raise CommandError(
        f"{what} cannot be told of",
        f"{why}: {last}" if last else why,
        "See its log in the workspace (ContainerAppConsoleLogs), and run it again: what was done stays.",
        "job_failed",
        details=[{"message": line} for line in ended.lines[-20:]],
    )
