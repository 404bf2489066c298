"""A plain forwarder, as one is written in an afternoon: FastAPI on uvicorn, aiohttp's client, no keys and no ledger.

`python -m bench.subjects.fastapi_aiohttp --port P --upstream U` is the forwarder; `FastApiAiohttp` starts it.
"""

import argparse
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from bench.processes import answers, spawn, stop, wait_until
from bench.subjects import Ledger, Site
from deployer.local.ports import free_port

NAME = "fastapi-aiohttp"


class FastApiAiohttp:
    """One uvicorn process with uvloop and httptools."""

    name = NAME
    key = "adu_bench"
    ledger: Ledger | None = None

    def __init__(self) -> None:
        self.port = self.stream_port = 0
        self.backing_pids: list[int] = []
        self.version = f"fastapi {version('fastapi')}, aiohttp {version('aiohttp')}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pids(self) -> list[int]:
        return [self._process.pid] if self._process is not None else []

    def start(self, site: Site) -> None:
        self.port = self.stream_port = free_port()
        log = site.directory / "fastapi-aiohttp.log"
        command = [sys.executable, "-m", "bench.subjects.fastapi_aiohttp"]
        command += ["--port", str(self.port), "--upstream", str(site.upstream_port)]
        self._process = spawn(command, core=site.cores.subject, log=log)
        wait_until(lambda: answers(f"http://127.0.0.1:{self.port}/livez"), self._process, log, NAME)

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process)


def build(upstream: str) -> Any:
    """The application."""
    import aiohttp
    from fastapi import FastAPI, Request
    from fastapi.responses import Response, StreamingResponse

    session: aiohttp.ClientSession

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        nonlocal session
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/livez")
    async def livez() -> dict[str, bool]:
        return {"live": True}

    @app.post("/v1/chat/completions")
    async def forward(request: Request) -> Response:
        body = await request.body()
        answer = await session.post(f"{upstream}/v1/chat/completions", data=body, headers=_JSON)
        media_type = answer.headers.get("content-type")
        if media_type != "text/event-stream":
            async with answer:
                return Response(await answer.read(), answer.status, media_type=media_type)

        async def pieces() -> AsyncIterator[bytes]:
            async with answer:
                async for piece in answer.content.iter_any():
                    yield piece

        return StreamingResponse(pieces(), answer.status, media_type=media_type)

    return app


_JSON = {"content-type": "application/json"}


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM."""
    import uvicorn

    parser = argparse.ArgumentParser(prog="python -m bench.subjects.fastapi_aiohttp")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", type=int, required=True)
    chosen = parser.parse_args(arguments)
    app = build(f"http://127.0.0.1:{chosen.upstream}")
    uvicorn.run(
        app, host="127.0.0.1", port=chosen.port, loop="uvloop", http="httptools", access_log=False, backlog=2048
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
