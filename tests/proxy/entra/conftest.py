"""What verifies tokens in these tests: the proxy's own, in the test's process, against the simulated tenant."""

from collections.abc import AsyncIterator, Callable

import pytest

from core.settings import Settings
from proxy.entra.keyring import Rhythm
from proxy.entra.tokens import EntraTokens
from tests.simulators.azure.entra import EntraTenant

SLOW = Rhythm(refresh=3600, retry=(3600, 3600), unknown=3600, patience=10)


def settings_of(tenant: EntraTenant) -> Settings:
    return Settings.from_environment(
        {"ADUANA_DATABASE_URL": "postgresql://x"}
        | {f"ADUANA_{name.upper()}": value for name, value in tenant.settings.items()}
    )


@pytest.fixture
async def make_tokens(entra_tenant: EntraTenant) -> AsyncIterator[Callable[..., EntraTokens]]:
    """Makes a process's `EntraTokens`; nothing runs beside it."""
    made: list[EntraTokens] = []

    def make(rhythm: Rhythm = SLOW, most: int = 100) -> EntraTokens:
        made.append(EntraTokens(settings_of(entra_tenant), rhythm, most))
        return made[-1]

    yield make
    for tokens in made:
        await tokens.close()


@pytest.fixture
def tokens(make_tokens: Callable[..., EntraTokens]) -> EntraTokens:
    return make_tokens()
