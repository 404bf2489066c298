"""azure-identity's credentials against the platform's identity endpoint."""

import subprocess
import sys
import time

import pytest

from core.identity import TokenUnavailable
from core.identity.entra import EntraIssuer, Identities
from tests.simulators.azure.managed_identity import ManagedIdentity
from tests.simulators.azure.server import Answer

SCOPE = "https://cognitiveservices.azure.com/.default"


@pytest.fixture
def platform(managed_identity: ManagedIdentity, monkeypatch: pytest.MonkeyPatch) -> ManagedIdentity:
    for name, value in managed_identity.environment.items():
        monkeypatch.setenv(name, value)
    managed_identity.client_ids = ("one", "two")
    return managed_identity


def test_the_systems_identity_and_user_assigned_ones_have_tokens_of_their_own(platform: ManagedIdentity):
    for client_id in (None, "one", "two"):
        EntraIssuer("managed_identity", client_id).issue(SCOPE)
    assert [client_id for _, _, client_id, _ in platform.issued] == [None, "one", "two"]
    assert {resource for _, resource, _, _ in platform.issued} == {"https://cognitiveservices.azure.com"}


def test_every_request_is_for_a_new_token(platform: ManagedIdentity):
    issuer = EntraIssuer("managed_identity")
    assert issuer.issue(SCOPE).value != issuer.issue(SCOPE).value


@pytest.mark.parametrize(("life", "ahead"), [(3600.0, 300.0), (120.0, 60.0)])
def test_a_token_is_due_five_minutes_before_its_end_a_short_one_at_half_its_life(
    platform: ManagedIdentity, life: float, ahead: float
):
    platform.lifetime = life
    token = EntraIssuer("managed_identity").issue(SCOPE)
    assert token.expires_at == pytest.approx(time.time() + life, abs=5)
    assert token.expires_at - token.refresh_at == pytest.approx(ahead, abs=5)


def test_a_days_token_is_renewed_when_the_issuer_says_so(platform: ManagedIdentity):
    token = EntraIssuer("managed_identity").issue(SCOPE)
    assert token.refresh_at - time.time() == pytest.approx(43_200, abs=60)


@pytest.mark.parametrize(
    ("kind", "client_id", "said"),
    [
        ("managed_identity", "nobody", "as managed_identity nobody: "),
        ("workload_identity", None, "workload_identity cannot be used: "),
        ("environment", None, "as environment: "),
    ],
)
def test_what_gives_no_token_is_named(platform: ManagedIdentity, kind, client_id, said: str):
    with pytest.raises(TokenUnavailable, match=said) as error:
        EntraIssuer(kind, client_id).issue(SCOPE)
    assert platform.secret not in str(error.value)


def test_an_endpoint_in_trouble_is_a_reason_of_one_line(platform: ManagedIdentity):
    platform.error = Answer(500, {"statusCode": 500, "message": f"{'x' * 1000}\n{platform.secret}"})
    with pytest.raises(TokenUnavailable) as error:
        EntraIssuer("managed_identity").issue(SCOPE)
    assert platform.secret not in str(error.value)
    assert "\n" not in str(error.value)


async def test_an_identity_is_kept_once_and_the_installations_stands_for_none(platform: ManagedIdentity):
    identities = Identities("managed_identity", "one")
    assert identities.of() is identities.of("one") is not identities.of("two")
    await identities.of().obtain(SCOPE)
    assert platform.issued[0][2] == "one"
    identities.close()


def test_a_proxy_that_needs_no_token_does_not_carry_azures_libraries():
    ask = (
        "import proxy.service, proxy.writer.__main__, sys; print({'azure.core', 'msal', 'requests'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "set()"
