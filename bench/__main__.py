"""`python -m bench [--quick] [--only NAME ...] [--json FILE]` measures; `python -m bench report FILE` shows a result again.

Exit codes: 0 all targets that were measured are reached, 1 the run failed, 2 wrong usage, 3 a target was missed or its
figure does not count.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console

from bench import machine, report, results
from bench.campaign import open_campaign
from bench.figures import targets
from bench.processes import BenchError
from bench.results import FULL, MEASURES, QUICK, SCHEMA, Result
from bench.subjects import Subject
from bench.subjects.aduana import NAME as ADUANA
from bench.subjects.aduana import UNLIMITED, Aduana, UnlimitedAduana
from bench.subjects.direct import NAME as DIRECT
from bench.subjects.direct import Direct
from bench.subjects.fastapi_aiohttp import NAME as FASTAPI
from bench.subjects.fastapi_aiohttp import FastApiAiohttp
from bench.subjects.nginx import NAME as NGINX
from bench.subjects.nginx import Nginx

_SUBJECTS: dict[str, type[Subject]] = {
    DIRECT: Direct,
    NGINX: Nginx,
    FASTAPI: FastApiAiohttp,
    ADUANA: Aduana,
    UNLIMITED: UnlimitedAduana,
}
_ROOT = Path(__file__).parent.parent
_RESULTS = Path(__file__).parent / "results"


def main(arguments: list[str]) -> int:
    """Measure, or show what was measured."""
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
    if arguments[:1] == ["report"]:
        return _report(arguments[1:], console)
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure the gateway beside its baselines; see bench/README.md."
    )
    parser.add_argument("--quick", action="store_true", help="about a minute: shorter and fewer rounds")
    names = (*MEASURES, *_SUBJECTS)
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=names, default=[], help=f"measures or subjects: {', '.join(names)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the result goes (bench/results/<date>.json)")
    chosen = parser.parse_args(arguments)
    measures = [name for name in MEASURES if name in chosen.only] or list(MEASURES)
    subjects = [name for name in _SUBJECTS if name in chosen.only] or list(_SUBJECTS)
    try:
        result = _run(measures, subjects, QUICK if chosen.quick else FULL, console)
    except BenchError as error:
        console.print(f"[red]the bench failed:[/] {error}")
        return 1
    path = chosen.json or _RESULTS / f"{result.at[:16].replace(':', '')}{'-quick' if chosen.quick else ''}.json"
    results.write(result, path)
    report.show(result, console)
    console.print(f"\nkept in {path if not path.is_relative_to(_ROOT) else path.relative_to(_ROOT)}")
    return 3 if any(target.verdict in ("missed", "invalid") for target in result.targets) else 0


def _run(measures: Sequence[str], names: Sequence[str], schedule: results.Schedule, console: Console) -> Result:
    if sys.platform != "linux":
        raise BenchError("the bench reads /proc and pins processes to cores: it needs Linux")
    at = datetime.now(UTC).isoformat(timespec="seconds")

    def say(line: str) -> None:
        console.print(line, style="dim", markup=False)

    with (
        tempfile.TemporaryDirectory(prefix="aduana-bench-") as folder,
        open_campaign(Path(folder), schedule, say) as campaign,
    ):
        Path(folder).chmod(0o711)  # Postgres runs as a user of its own below it
        for name in names:
            campaign.add(_SUBJECTS[name]())
        for measure in MEASURES:
            if measure in measures:
                campaign.measure(measure)
        memory = campaign.memory()
        commit, uncommitted = _commit()
        return Result(
            schema=SCHEMA,
            at=at,
            commit=commit,
            uncommitted=uncommitted,
            machine=machine.describe(),
            versions={subject.name: subject.version for subject in campaign.subjects},
            schedule=schedule,
            subjects=[subject.name for subject in campaign.subjects],
            missing=campaign.missing,
            measurements=campaign.measurements,
            memory=memory,
            targets=targets(campaign.measurements, memory, campaign.missing),
        )


def _report(arguments: list[str], console: Console) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench report", description="Show a result again.")
    parser.add_argument("file", type=Path)
    path = parser.parse_args(arguments).file
    try:
        result = results.read(path)
    except (OSError, ValueError, msgspec.DecodeError) as error:
        console.print(f"[red]{path} is no result of the bench:[/] {error}")
        return 1
    report.show(result, console)
    return 0


def _commit() -> tuple[str, bool]:
    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=_ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    return git("rev-parse", "--short=12", "HEAD") or "unknown", bool(
        git("status", "--porcelain", "--untracked-files=no")
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
