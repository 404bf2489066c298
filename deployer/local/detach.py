"""`aduana up --detach`: the same run in a session of its own, which reports over a pipe until it is ready.

Messages are lines of JSON: {"progress": text}, {"ready": ...} or {"error": ...}; what it prints otherwise goes to logs/up.log.
"""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from deployer.errors import CommandError
from deployer.local.layout import Layout
from deployer.local.run import Options, Started, run
from deployer.local.tenant import describe


class _PipeReport:
    """The child's end: tells the parent until it is ready, and then nobody."""

    def progress(self, line: str) -> None:
        self._send({"progress": line})

    def ready(self, started: Started) -> None:
        self._send(
            {
                "ready": {
                    "keys": [[key.path, key.id, key.text] for key in started.keys],
                    "simulator": started.simulator,
                    "models": list(started.models),
                    "real_models": list(started.real_models),
                }
            }
        )
        # The parent goes away now; what would write to its pipe must not fail.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)

    def failed(self, error: CommandError) -> None:
        self._send({"error": error.as_json()["error"]})

    def _send(self, message: dict[str, Any]) -> None:
        with suppress(OSError, ValueError):
            sys.stdout.write(json.dumps(message) + "\n")
            sys.stdout.flush()


def start(options: Options, progress: Callable[[str], None]) -> Started:
    """Start a tenant that outlives this process, and wait until it is ready. Raises `CommandError`."""
    layout = Layout.at(options.data_dir)
    layout.create()
    layout.logs.mkdir(mode=0o700, exist_ok=True)
    given = {
        "data_dir": str(layout.root),
        "proxy_port": options.proxy_port,
        "admin_port": options.admin_port,
        "seed": str(options.seed.absolute()) if options.seed is not None else None,
        "workers": options.workers,
        "redis": options.redis,
    }
    with os.fdopen(os.open(layout.logs / "up.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "deployer.local.detach", json.dumps(given)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            text=True,
        )
    try:
        return _follow(process, layout, progress)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise


def _follow(process: "subprocess.Popen[str]", layout: Layout, progress: Callable[[str], None]) -> Started:
    from core.seed.apply import IssuedKey

    assert process.stdout is not None
    for line in process.stdout:
        message = json.loads(line)
        if "progress" in message:
            progress(message["progress"])
        elif "error" in message:
            process.wait()
            error = message["error"]
            raise CommandError(
                error["message"],
                remedy=error["remedy"],
                code=error["code"],
                exit_code=message.get("exit_code", 1),
                details=error.get("details", ()),
            )
        else:
            ready = message["ready"]
            return Started(
                tenant=describe(layout, layout.read_state()["ports"]),
                keys=tuple(IssuedKey(*key) for key in ready["keys"]),
                simulator=ready["simulator"],
                models=tuple(ready["models"]),
                real_models=tuple(ready["real_models"]),
            )
    raise CommandError(
        "the tenant did not start",
        f"its supervisor ended with exit code {process.wait()}",
        f"Read {layout.logs / 'up.log'}",
        "start_failed",
    )


def main() -> int:
    """The child."""
    given = json.loads(sys.argv[1])
    options = Options(**{**given, "data_dir": Path(given["data_dir"])})
    if options.seed is not None:
        options = replace(options, seed=Path(options.seed))
    report = _PipeReport()
    logging.basicConfig(level="WARNING", format="%(asctime)s %(message)s")
    try:
        run(options, report)
    except CommandError as error:
        report.failed(error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
