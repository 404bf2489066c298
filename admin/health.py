"""/livez, /readyz and the health page at /."""

import asyncio
import html

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, JSONResponse

from core.store import Store, StoreUnavailable, schema_state

_PATIENCE = 3.0  # seconds for the database to answer

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Aduana admin: {title}</title>
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem }}</style>
<h1>Aduana admin</h1>
<p>The service is <strong>{title}</strong>.</p>
{missing}
<p>Configuration and usage are read and written with the command <code>aduana</code>.</p>
</html>
"""


def health(store: Store) -> APIRouter:
    """The routes that orchestrators ask, and the page for people."""
    router = APIRouter()

    @router.get("/livez")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @router.get("/readyz")
    async def ready() -> JSONResponse:
        missing = await what_is_missing(store)
        return JSONResponse({"ready": not missing, "missing": missing}, 503 if missing else 200)

    @router.get("/", response_class=HTMLResponse)
    async def page() -> Response:
        missing = await what_is_missing(store)
        items = "".join(f"<li>{html.escape(what)}</li>" for what in missing.values())
        title = "not ready" if missing else "ready"
        return HTMLResponse(_PAGE.format(title=title, missing=f"<ul>{items}</ul>" if items else ""))

    return router


async def what_is_missing(store: Store) -> dict[str, str]:
    """What stands between this service and its work, by condition; empty when it is ready."""
    try:
        async with asyncio.timeout(_PATIENCE + 1), store.transaction(wait=_PATIENCE) as connection:
            schema = await schema_state(connection)
    except (StoreUnavailable, TimeoutError):
        # Not the reason itself: it names hosts and users, and anybody may ask.
        return {"database": "Postgres cannot be reached"}
    return {} if schema.ready else {"schema": str(schema)}
