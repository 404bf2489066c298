"""The machine that installs, and the files beside the tenant file."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from deployer.engines import EngineError
from deployer.engines.terraform.binary import find_terraform
from deployer.preflight.checks import Context, Finding, error, or_passed, passed, warning


async def look_at_terraform(context: Context) -> Iterable[Finding]:
    try:
        binary = await asyncio.to_thread(find_terraform)
    except EngineError as failed:
        return [error(failed.message, failed.remedy)]
    return [passed(f"{binary.version} ({binary.path})")]


async def look_at_seed(context: Context) -> Iterable[Finding]:
    """Read as bootstrap will read it; the hosts that it names are those that egress lets through."""
    from core.egress import AllowedHosts
    from core.seed.file import read_seed

    if context.tenant.seed is None:
        words = "no seed file: the gateway starts without upstreams and keys"
        return [warning(words, "Name one in seed, or apply one later: aduana seed.", "seed")]
    path: Path = context.file.parent / context.tenant.seed
    try:
        seed = await asyncio.to_thread(read_seed, path, AllowedHosts.parse(""))
    except OSError as failed:
        return [
            error(f"{path} cannot be read: {failed.strerror}", "Correct the path, from the tenant file on.", "seed")
        ]
    findings = [
        error(str(each), "docs/seed-file.md names every key and what it may be.", "seed") for each in seed.errors
    ]
    return or_passed(findings, f"{path.name}")
