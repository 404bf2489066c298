"""`python -m admin`: run the admin service."""

import argparse
import asyncio
import os
import signal
import sys

import uvicorn

from admin.app import build_app, open_admin_store
from core.secrets import SecretError
from core.settings import Settings, SettingsError
from core.termination import end_when_told


def main() -> int:
    """The exit code: 0 after a stop, 1 when it could not start, 2 for wrong usage."""
    end_when_told()
    parser = argparse.ArgumentParser(
        prog="python -m admin", description="The admin service. Settings come from ADUANA_* (docs/settings.md)."
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8081, help="default: %(default)s")
    options = parser.parse_args()
    try:
        settings = Settings.from_environment(os.environ)
        return asyncio.run(_serve(options.host, options.port, settings))
    except (SettingsError, SecretError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, SettingsError) else 1
    except KeyboardInterrupt:
        return 0


async def _serve(host: str, port: int, settings: Settings) -> int:
    app = build_app(await open_admin_store(settings, os.environ))
    server = uvicorn.Server(
        uvicorn.Config(app, host=host, port=port, access_log=False, server_header=False, log_level=settings.log_level)
    )
    # uvicorn raises the signal that it was stopped by once more when it has drained: that end is an orderly one.
    signal.signal(signal.SIGTERM, lambda *_: None)
    await server.serve()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
