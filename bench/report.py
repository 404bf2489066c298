"""A result as tables: each figure with its ratio to the baselines, each target with its limit, and what is doubtful."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from bench import figures
from bench.results import Measure, Result, Target
from bench.subjects.fastapi_aiohttp import NAME as FASTAPI

T = TypeVar("T")

_BASELINES = (figures.NGINX, FASTAPI)
_MARKS = {"pass": "[green]pass[/]", "missed": "[red]missed[/]", "invalid": "[yellow]invalid[/]"}


def show(result: Result, console: Console) -> None:
    """Print all of it."""
    about = result.machine
    length = "quick" if result.schedule.quick else "full"
    state = " with uncommitted changes" if result.uncommitted else ""
    console.print(f"\n[bold]Aduana's bench[/], {length} run, {result.at}, commit {result.commit}{state}")
    console.print(
        f"{about['cpu']}, {about['cores']} cores, {about['memory_mib']} MiB, Linux {about['kernel']}, "
        f"Python {about['python']}"
    )
    console.print(", ".join(f"{name} {version}".strip() for name, version in result.versions.items() if version) + "\n")
    schedule = result.schedule
    _show_added(result, "latency", f"Whole answers at {schedule.latency_rate:g} requests/s", console)
    _show_added(result, "first_byte", f"First byte of a stream at {schedule.first_byte_rate:g} streams/s", console)
    connections = schedule.throughput_connections
    _show_rates(result, "throughput", f"Requests/s on one core, {connections} connections always asking", console)
    streams = schedule.chunks_streams
    _show_rates(result, "chunks", f"Chunks/s on one core, {streams} streams at a time", console)
    _show_memory(result, console)
    _show_ledger(result, console)
    _show_targets(result.targets, console)
    for name, why in result.missing.items():
        console.print(f"[yellow]{name} was not measured:[/] {why}")
    for line in _doubts(result):
        console.print(line)


def _show_added(result: Result, measure: Measure, title: str, console: Console) -> None:
    found = {name: figures.added(result.measurements, measure, name) for name in result.subjects}
    if not any(found.values()):
        return
    table = _table(f"{title} (ms; median of the rounds; added over direct in the same round)")
    for heading in ("P50", "P95", "P99", "added P50", "P95", "P99", *(f"P50 × {name}" for name in _BASELINES)):
        table.add_column(heading, justify="right")
    for name, figure in found.items():
        if figure is None:
            continue
        plain = [f"{value:.2f}" for value in (figure.p50, figure.p95, figure.p99)]
        over: list[str] = ["", "", ""]
        if name != figures.DIRECT:
            over = [_number(value, ".2f") for value in (figure.added_p50, figure.added_p95, figure.added_p99)]
        table.add_row(_named(name, figure.invalid), *plain, *over, *_ratios(name, found, lambda f: f.added_p50))
    console.print(table)


def _show_rates(result: Result, measure: Measure, title: str, console: Console) -> None:
    found = {name: figures.rate(result.measurements, measure, name) for name in result.subjects}
    if not any(found.values()):
        return
    table = _table(title)
    each = "µs CPU each"
    ratios = (f"best × {name}" for name in _BASELINES)
    extra = ("broken streams",) if measure == "chunks" else ()
    for heading in ("best", "median", each, "core busy", "rounds that count", *ratios, *extra):
        table.add_column(heading, justify="right")
    for name, figure in found.items():
        if figure is None:
            continue
        cells = [
            f"{figure.best:,.0f}",
            f"{figure.median:,.0f}",
            _number(figure.cpu_us, ".1f"),
            _number(figure.busy, ".0%"),
            f"{figure.valid_rounds} of {figure.rounds}",
            *_ratios(name, found, lambda f: f.best),
        ]
        if measure == "chunks":
            cells.append(str(figures.broken_streams(result.measurements, name)))
        label = f"{name} (the harness itself)" if name == figures.DIRECT else name
        table.add_row(_named(label, () if figure.counts else figure.invalid), *cells)
    console.print(table)


def _show_memory(result: Result, console: Console) -> None:
    if not result.memory:
        return
    table = _table("Resident memory (MiB)")
    for heading in ("idle", "after load", *(f"× {name}" for name in _BASELINES)):
        table.add_column(heading, justify="right")
    for name, held in result.memory.items():
        table.add_row(
            name, f"{held.idle:.1f}", f"{held.loaded:.1f}", *_ratios(name, result.memory, lambda memory: memory.loaded)
        )
    console.print(table)


def _show_ledger(result: Result, console: Console) -> None:
    checks = [m.ledger for m in result.measurements if m.ledger is not None]
    if not checks:
        return
    answered = sum(check.answered for check in checks)
    rows = sum(check.rows for check in checks)
    right = sum(check.right_rows for check in checks)
    backlog = max(check.backlog for check in checks)
    drain = max(check.drain_seconds for check in checks)
    console.print(
        f"Ledger: {answered:,} calls answered, {rows:,} rows, {right:,} right in status, tokens and cost; the writer was "
        f"at most {backlog:,} rows behind at a measurement's end and drained them within {drain:.1f} s\n"
    )


def _show_targets(targets: list[Target], console: Console) -> None:
    table = _table("What must be reached")
    for heading in ("reached", "limit", ""):
        table.add_column(heading, justify="right" if heading else "left")
    for target in targets:
        value = _number(target.value, ",.0f" if target.limit >= 100 else ".2f")
        bound = f"{'≥' if target.at_least else '≤'} {target.limit:,g} {target.unit}"
        table.add_row(target.name, value, bound, _MARKS.get(target.verdict, target.verdict))
    console.print(table)
    for target in targets:
        if target.why:
            console.print(f"{target.name}, {target.verdict}: {target.why}")


def _doubts(result: Result) -> list[str]:
    noisy = [m for m in result.measurements if m.noise]
    if not noisy:
        return ["No other process and no hypervisor was seen on the cores."]
    worst = dict.fromkeys(f"{m.measure} {m.round} {m.subject}: {what}" for m in noisy for what in m.noise)
    shown = list(worst)[:8]
    more = [f"… and {len(worst) - len(shown)} more (in the JSON)"] if len(worst) > len(shown) else []
    head = f"[yellow]The machine was not quiet in {len(noisy)} of {len(result.measurements)} measurements:[/]"
    return [head, *(f"  {line}" for line in (*shown, *more))]


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("")
    return table


def _named(name: str, invalid: tuple[str, ...]) -> str:
    return f"{name} [yellow](invalid)[/]" if invalid else name


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _ratios(name: str, found: Mapping[str, T | None], value: Callable[[T], float | None]) -> list[str]:
    """The figure over each baseline's."""
    made = []
    mine = found[name]
    for baseline in _BASELINES:
        other = found.get(baseline)
        top = value(mine) if mine is not None else None
        bottom = value(other) if other is not None else None
        if top is None or bottom is None or bottom <= 0 or name == figures.DIRECT:
            made.append("")
        else:
            made.append(f"{top / bottom:.2f}")
    return made
