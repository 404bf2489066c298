"""The ASGI application of the admin service."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI

from admin.health import health
from core.secrets.resolver import resolve_setting, resolver_of
from core.settings import Settings
from core.store import Database, Store, open_store


async def open_admin_store(settings: Settings, environment: Mapping[str, str]) -> Store:
    """The store by the settings. Raises `SecretError` where the database's URL cannot be read; waits for no Postgres."""
    resolver = resolver_of(settings, environment)
    database = Database.of(settings, await resolve_setting(settings.database_url, resolver))
    return await open_store(database, application_name="aduana-admin", statement_timeout=10.0)


def build_app(store: Store) -> FastAPI:
    """The whole surface. The store is closed with it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await store.close()

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.include_router(health(store))
    return app
