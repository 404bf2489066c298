"""`aduana up`, `down`, `status` and `logs`: the local tenant."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from deployer.local.layout import DEFAULT_DATA_DIR
from deployer.output import JsonFlag, note, print_json, say

if TYPE_CHECKING:
    from deployer.local.run import Started

DataDirOption = typer.Option(
    DEFAULT_DATA_DIR, "--data-dir", metavar="DIR", help="Where the tenant keeps everything it has."
)

_Seed = typer.Option(
    None, "--seed", metavar="FILE", help="Apply this seed file in place of the built-in one.", show_default=False
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("up", help=_UP)(_up)
    app.command("down", help="Stop the local tenant: proxies drain, the ledger is written, then the servers end.")(
        _down
    )
    app.command("logs", help="What the processes of the local tenant wrote.")(_logs)


_UP = """Run the local tenant: Postgres, Redis, proxy, ledger writer, admin service and a simulated upstream.

Everything it has lies in --data-dir, and it listens on 127.0.0.1 alone. The first start prints a key, once. It runs
until Ctrl-C, or with --detach until `aduana down`. With AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY, or
OPENAI_API_KEY, in the environment, it serves those too, as azure/MODEL and openai/MODEL.

Examples:

    aduana up

    aduana up --detach --json

    aduana up --seed tenant.seed.yaml --workers 4
"""


def _up(
    data_dir: Path = DataDirOption,
    proxy_port: int = typer.Option(8080, min=0, max=65535, help="The proxy's port; 0 takes any that is free."),
    admin_port: int = typer.Option(8081, min=0, max=65535, help="The admin service's port; 0 takes any that is free."),
    seed: Path | None = _Seed,
    workers: int = typer.Option(1, min=1, max=256, help="Proxy processes, one a core."),
    no_redis: bool = typer.Option(
        False, "--no-redis", help="Count limits in the one proxy; the ledger spools to files."
    ),
    detach: bool = typer.Option(False, "--detach", help="Return when it is ready, and leave it running."),
    as_json: bool = JsonFlag,
) -> None:
    from deployer.local import detach as detached
    from deployer.local.run import Options, run

    # What the supervisor has to tell (a process that died and was started again) goes to stderr; detached, to up.log.
    logging.basicConfig(level="WARNING", format="%(asctime)s %(message)s")
    options = Options(data_dir, proxy_port, admin_port, seed, workers, redis=not no_redis)
    report = _Report(as_json=as_json, detached=detach)
    if detach:
        report.ready(detached.start(options, report.progress))
    else:
        run(options, report)


class _Report:
    """Progress on stderr, the result on stdout."""

    def __init__(self, *, as_json: bool, detached: bool) -> None:
        self._as_json = as_json
        self._detached = detached

    def progress(self, line: str) -> None:
        if not self._as_json:
            note(line)

    def ready(self, started: "Started") -> None:
        if self._as_json:
            _print_line(_document(started))
        else:
            _print_ready(started, detached=self._detached)


def _document(started: "Started") -> dict[str, Any]:
    tenant = started.tenant
    return {
        "proxy_url": tenant.proxy_url,
        "admin_url": tenant.admin_url,
        "data_dir": str(tenant.data_dir),
        "key": started.keys[0].text if started.keys else None,
        "database_url": tenant.database_url,
        "redis_url": tenant.redis_url,
    }


def _print_line(document: dict[str, Any]) -> None:
    # One line: whoever reads it while we run need not wait for the end.
    import json

    say(json.dumps(document, ensure_ascii=False))
    _flush()


def _print_ready(started: "Started", *, detached: bool) -> None:
    tenant = started.tenant
    key = started.keys[0].text if started.keys else None
    stated = key or "$ADUANA_KEY"
    model = started.models[0] if started.models else "MODEL"
    say("")
    say(f"  Base URL   {tenant.proxy_url}/v1")
    if key is None:
        say("  Key        issued at an earlier start; `aduana keys create` makes another")
    elif len(started.keys) == 1:
        say(f"  Key        {key}   (shown this once)")
    else:
        say("  Keys       (shown this once)")
        for issued in started.keys:
            say(f"    {issued.path}  {issued.text}")
    say(f"  Admin      {tenant.admin_url}")
    if started.models:
        say(f"  Models     {', '.join(started.models)} (simulated)")
    if started.real_models:
        say(f"             {', '.join(started.real_models)} (with the credentials in your environment)")
    say(f"""
  curl {tenant.proxy_url}/v1/chat/completions -H "Authorization: Bearer {stated}" \\
    -H "Content-Type: application/json" \\
    -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}'

  from openai import OpenAI
  client = OpenAI(base_url="{tenant.proxy_url}/v1", api_key="{stated}")
  answer = client.chat.completions.create(model="{model}", messages=[{{"role": "user", "content": "Hello"}}])
  print(answer.choices[0].message.content)
""")
    where = "" if tenant.data_dir == DEFAULT_DATA_DIR.resolve() else f" --data-dir {tenant.data_dir}"
    say(f"  Stop it with `aduana down{where}`." if detached else "  Ctrl-C stops it.")
    _flush()


def _flush() -> None:
    import sys

    sys.stdout.flush()


def _down(data_dir: Path = DataDirOption, as_json: bool = JsonFlag) -> None:
    from deployer.local import control

    stopped = control.stop(data_dir)
    if as_json:
        print_json({"data_dir": str(data_dir.expanduser().resolve()), "stopped": stopped})
    else:
        say("stopped" if stopped else f"no local tenant runs on {data_dir}")


def _logs(
    name: str | None = typer.Argument(None, help="A process, as `aduana status` names it; all when left out."),
    data_dir: Path = DataDirOption,
    follow: bool = typer.Option(False, "--follow", "-f", help="Go on with what is added."),
    last: int = typer.Option(100, "--last", "-n", min=0, help="How many lines of each."),
) -> None:
    from deployer.local import control

    files = control.log_files(data_dir, name)
    for process, line in control.read_logs(files, last=last, follow=follow):
        say(line if name is not None else f"{process:<10} {line}")
        if follow:
            _flush()
