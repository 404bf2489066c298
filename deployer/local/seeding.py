"""Seeding a local tenant at its start: the user's file, or the built-in one."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.access import Tenant, actor
from deployer.commands.seed import mistakes, read_file
from deployer.errors import CommandError
from deployer.local.tenant import LocalTenant

if TYPE_CHECKING:
    from core.seed.apply import IssuedKey
    from core.seed.file import SeedFile


def read(file: Path) -> "SeedFile":
    """Read a seed file before anything is started. Raises `CommandError` with all that is wrong with it."""
    from core.seed.document import SeedError

    seed = read_file(file)
    if seed.errors:
        raise mistakes(SeedError(list(seed.errors)))
    return seed


async def apply(tenant: LocalTenant, seed: "SeedFile") -> "tuple[IssuedKey, ...]":
    """Make the tenant what the file says; the keys that were made by it. Raises `CommandError`."""
    from core.secrets import SecretError
    from core.seed.apply import apply_seed
    from core.seed.document import SeedError
    from core.settings import Settings
    from core.store import Database, open_store

    environment = {**os.environ, **tenant.environment}
    settings = Settings.from_environment(tenant.environment)
    database = Database(tenant.database_url)
    store = await open_store(database, application_name="aduana-up", max_connections=1)
    try:
        opened = Tenant(settings, database, store, environment)
        async with store.transaction() as connection:
            resolver = await opened.resolver(connection)
            peppers = await opened.peppers(resolver)
            applied = await apply_seed(connection, seed, resolver, peppers, actor=actor("up"))
        return applied.issued
    except SeedError as error:
        raise mistakes(error) from None
    except SecretError as error:
        raise CommandError("a secret cannot be read", str(error), "", "secret_unavailable") from error
    finally:
        await store.close()
