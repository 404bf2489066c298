"""How a command opens Azure for a tenant: settings and failures become what a user can do something about."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from deployer.azure import AzureError, AzureSettings, AzureSettingsError, Session, as_command_error, open_azure
from deployer.errors import USAGE, CommandError
from deployer.tenant import Tenant

Result = TypeVar("Result")


def with_azure(tenant: Tenant, doing: str, work: Callable[[Session], Awaitable[Result]]) -> Result:
    """Do the work in a session of the tenant's cloud and directory. `doing`: what failed, if it does, as a sentence.

    Raises `CommandError`.
    """

    async def opened() -> Result:
        async with open_azure(AzureSettings.from_environment(tenant.region, tenant.entra.tenant_id)) as session:
            return await work(session)

    try:
        return asyncio.run(opened())
    except AzureSettingsError as error:
        raise CommandError("a setting is wrong", str(error), code="settings", exit_code=USAGE) from None
    except AzureError as error:
        raise as_command_error(error, doing) from None
