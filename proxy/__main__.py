"""`python -m proxy`: one proxy process, or with `--workers N` as many, each with its own snapshot, on one port."""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys

from core.secrets import SecretError
from core.settings import Settings, SettingsError
from core.supervisor import Child, ChildFailed, Supervisor
from core.termination import end_when_told

_log = logging.getLogger("aduana.proxy")


def main() -> int:
    """The exit code: 0 after a drain, 1 when it could not start, 2 for wrong usage."""
    end_when_told()
    parser = argparse.ArgumentParser(
        prog="python -m proxy", description="Serve OpenAI's API. Settings come from ADUANA_* (docs/settings.md)."
    )
    parser.add_argument("--host", default="0.0.0.0", help="the address to listen on (default: %(default)s)")  # noqa: S104
    parser.add_argument("--port", type=int, default=8080, help="default: %(default)s")
    parser.add_argument("--workers", type=int, default=1, help="processes, one a core (default: %(default)s)")
    parser.add_argument(
        "--name", default="proxy-0", help="what this process calls itself in its log (default: %(default)s)"
    )
    parser.add_argument("--reuse-port", action="store_true", help="share the port with other processes")
    options = parser.parse_args()
    if options.workers < 1:
        parser.error("--workers takes 1 or more")
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    if options.workers > 1:
        if settings.redis_url is None and not settings.memory_mode_per_replica:
            print(  # noqa: T201
                f"error: --workers {options.workers} needs Redis (ADUANA_REDIS_URL): without it limits are counted in one "
                "process. Set it, run one worker, or declare limits per process (ADUANA_MEMORY_MODE_PER_REPLICA=true).",
                file=sys.stderr,
            )
            return 2
        return asyncio.run(_supervise(options))
    return _run(options, settings)


def _run(options: argparse.Namespace, settings: Settings) -> int:
    from proxy.server import bind, configure_logging  # here: the master of many workers needs none of it

    configure_logging(settings.log_level, options.name)
    try:
        sock = bind(options.host, options.port, reuse_port=options.reuse_port)
    except OSError as error:
        _log.error(
            "cannot listen on %s port %d: %s. Choose another --port.", options.host, options.port, error.strerror
        )
        return 1
    with sock:
        if sys.platform == "win32":
            return asyncio.run(_serve(options, settings, sock))
        import uvloop

        return uvloop.run(_serve(options, settings, sock))


async def _serve(options: argparse.Namespace, settings: Settings, sock: socket.socket) -> int:
    from core.store.sole import AnotherProxyServes
    from proxy.server import serve
    from proxy.service import Service
    from proxy.waiting import opened

    try:
        service = await opened(lambda: Service.open(settings, os.environ), settings, sock)
    except (SecretError, ValueError, AnotherProxyServes) as error:
        _log.error("cannot start: %s", error)
        return 1
    if service is None:
        return 0
    await serve(service.app(), settings, sock)
    return 0


async def _supervise(options: argparse.Namespace) -> int:
    """Run the workers, and start anew the ones that die, until a signal."""
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    supervisor = Supervisor()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    drain = Settings.from_environment(os.environ).drain_timeout
    for worker in range(options.workers):
        command = [sys.executable, "-m", "proxy", "--host", options.host, "--port", str(options.port), "--reuse-port"]
        child = Child(f"proxy-{worker}", [*command, "--name", f"proxy-{worker}"], port=options.port, grace=drain + 10.0)
        try:
            await supervisor.start(child)
        except ChildFailed as error:
            _log.error("%s", error)
            await supervisor.stop_all()
            return 1
    await stop.wait()
    await supervisor.stop_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
