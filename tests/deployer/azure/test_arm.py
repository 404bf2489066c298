"""Resource Manager over the network: retries, pages, operations that go on, and errors that say what to do."""

from collections.abc import AsyncIterator

import pytest

from deployer.azure import AzureSettings, AzureSettingsError, Refused, Session, SignInFailed, Unreachable, open_azure
from deployer.azure.api_versions import api_version
from deployer.azure.credentials import choose_login
from tests.simulators.azure.arm import Fault
from tests.simulators.azure.tenant import AzureTenant


class Naps:
    """Sleeping that takes no time, and tells how long it would have."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
async def session(azure_tenant: AzureTenant, naps: Naps) -> AsyncIterator[Session]:
    async with open_azure(_settings(azure_tenant), sleep=naps) as opened:
        yield opened


def _settings(tenant: AzureTenant, **more: str) -> AzureSettings:
    return AzureSettings.from_environment("uksouth", tenant.tenant_id, {**tenant.environment, **more})


async def test_a_list_is_read_to_its_last_page(azure_tenant: AzureTenant, session: Session) -> None:
    azure_tenant.arm.page_size = 3
    names = {each["name"] for each in azure_tenant.arm.subscription.locations}

    found = await session.arm.list(f"/subscriptions/{azure_tenant.subscription_id}/locations")

    assert {each["name"] for each in found} == names and len(found) == len(names)


async def test_a_busy_service_is_asked_again_when_it_says(
    azure_tenant: AzureTenant, session: Session, naps: Naps
) -> None:
    azure_tenant.arm.faults = [Fault("/locations", 429, "TooManyRequests", times=2, retry_after="17")]

    assert await session.arm.list(f"/subscriptions/{azure_tenant.subscription_id}/locations")
    assert naps.taken == [17.0, 17.0]


@pytest.mark.parametrize(("retry_after", "asked"), [("3600", 1), ("1", 5)], ids=["too-long", "too-often"])
async def test_patience_has_an_end(azure_tenant: AzureTenant, session: Session, retry_after: str, asked: int) -> None:
    azure_tenant.arm.faults = [
        Fault("/locations", 429, "TooManyRequests", "slow down", times=None, retry_after=retry_after)
    ]

    with pytest.raises(Refused, match="TooManyRequests: slow down") as refused:
        await session.arm.list(f"/subscriptions/{azure_tenant.subscription_id}/locations")

    assert "few minutes" in refused.value.remedy and len(azure_tenant.arm.journal) == asked


async def test_an_action_that_may_have_happened_is_not_repeated(azure_tenant: AzureTenant, session: Session) -> None:
    azure_tenant.arm.faults = [Fault("/register", 503, times=1)]

    with pytest.raises(Refused):
        await session.arm.post(f"/subscriptions/{azure_tenant.subscription_id}/providers/Microsoft.App/register")

    assert len(azure_tenant.arm.journal) == 1


async def test_a_write_is_waited_for_until_its_operation_has_ended(azure_tenant: AzureTenant, session: Session) -> None:
    group = azure_tenant.arm.subscription.group("rg")
    azure_tenant.arm.polls = 3
    path = f"{group}/providers/Microsoft.Storage/storageAccounts/stadu"

    made = await session.arm.put(path, {"location": "uksouth", "sku": {"name": "Standard_ZRS"}, "properties": {}})

    assert made["properties"]["primaryEndpoints"]["blob"] == "https://stadu.blob.core.windows.net/"
    assert sum("/operations/" in asked for _, asked in azure_tenant.arm.journal) == 4


async def test_an_operation_that_fails_says_why(azure_tenant: AzureTenant, session: Session) -> None:
    group = azure_tenant.arm.subscription.group("rg")
    azure_tenant.arm.operation_failure = {"code": "SkuNotAvailable", "message": "no Standard_ZRS here"}

    with pytest.raises(Refused, match="SkuNotAvailable: no Standard_ZRS here"):
        await session.arm.put(f"{group}/providers/Microsoft.Storage/storageAccounts/stadu", {"location": "uksouth"})


async def test_what_is_not_there_is_none_and_what_is_forbidden_an_error(
    azure_tenant: AzureTenant, session: Session
) -> None:
    subscription = azure_tenant.arm.subscription
    group = subscription.group("rg")
    vault = f"{group}/providers/Microsoft.KeyVault/vaults/kv"
    assert await session.arm.find(vault) is None
    assert await session.arm.delete(vault) is False

    subscription.permissions[subscription.path] = []
    with pytest.raises(Refused, match=r"403.*AuthorizationFailed") as refused:
        await session.arm.put(vault, {"location": "uksouth"})
    assert refused.value.forbidden and refused.value.request_id


async def test_a_link_to_another_host_gets_no_token(azure_tenant: AzureTenant, session: Session) -> None:
    elsewhere = azure_tenant.graph.url
    azure_tenant.arm.actions["/checkNameAvailability"] = lambda _: _elsewhere(elsewhere)

    with pytest.raises(Unreachable, match="another host"):
        await session.arm.post(
            f"/subscriptions/{azure_tenant.subscription_id}/providers/Microsoft.Storage/checkNameAvailability", {}
        )
    assert azure_tenant.graph.journal == []


def _elsewhere(url: str):
    from tests.simulators.azure.server import Answer

    return Answer(202, None, {"Location": f"{url}/operations/1", "Retry-After": "0"})


async def test_the_operator_is_told_how_to_sign_in(azure_tenant: AzureTenant) -> None:
    secret = "not-the-secret-" + azure_tenant.operator
    async with open_azure(_settings(azure_tenant, ARM_CLIENT_SECRET=secret)) as opened:
        with pytest.raises(SignInFailed, match="AADSTS7000215") as failed:
            await opened.arm.list("/subscriptions")

    assert failed.value.remedy.startswith("The client secret is wrong")
    assert secret not in str(failed.value)


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({}, "cli"),
        ({"ARM_USE_MSI": "true"}, "managed_identity"),
        ({"ARM_CLIENT_ID": "app", "ARM_TENANT_ID": "t", "ARM_CLIENT_SECRET": "s"}, "service_principal"),
        ({"ARM_CLIENT_ID": "app", "ARM_TENANT_ID": "t", "ARM_CLIENT_CERTIFICATE_PATH": "c"}, "service_principal"),
        (
            {"ARM_CLIENT_ID": "app", "ARM_TENANT_ID": "t", "ARM_USE_OIDC": "1", "ARM_OIDC_TOKEN": "x"},
            "service_principal",
        ),
        ({"ARM_USE_AKS_WORKLOAD_IDENTITY": "true"}, "workload_identity"),
        (
            {"ADUANA_AZURE_CREDENTIAL": "managed_identity", "ARM_CLIENT_ID": "app", "ARM_CLIENT_SECRET": "s"},
            "managed_identity",
        ),
    ],
)
def test_the_login_is_the_one_that_terraform_would_choose(environment: dict[str, str], kind: str) -> None:
    assert choose_login(AzureSettings.from_environment("uksouth", "t", environment)).kind == kind


def test_a_login_to_another_directory_is_refused_before_anything_is_asked() -> None:
    environment = {"ARM_CLIENT_ID": "app", "ARM_TENANT_ID": "theirs", "ARM_CLIENT_SECRET": "s"}
    with pytest.raises(SignInFailed, match=r"theirs.*ours"):
        choose_login(AzureSettings.from_environment("uksouth", "ours", environment))


@pytest.mark.parametrize(
    "environment",
    [
        {"ADUANA_ARM_URL": "http://management.azure.com"},
        {"ADUANA_KEY_VAULT_URL": "https://vault.azure.net"},
        {"ADUANA_CA_BUNDLE": "/nowhere.pem"},
        {"ADUANA_AZURE_CREDENTIAL": "password"},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(environment: dict[str, str]) -> None:
    with pytest.raises(AzureSettingsError, match=next(iter(environment))):
        AzureSettings.from_environment("uksouth", None, environment)


@pytest.mark.parametrize(
    ("region", "arm"),
    [
        ("uksouth", "https://management.azure.com"),
        ("usgovvirginia", "https://management.usgovcloudapi.net"),
        ("chinanorth3", "https://management.chinacloudapi.cn"),
    ],
)
def test_a_region_is_in_its_cloud(region: str, arm: str) -> None:
    assert AzureSettings.from_environment(region, None, {}).cloud.arm == arm


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/subscriptions/x", "2022-12-01"),
        ("/subscriptions/x/resourceGroups/rg", "2021-04-01"),
        ("/subscriptions/x/resourceGroups/rg/providers/Microsoft.Network/privateDnsZones/z", "2024-06-01"),
        ("/subscriptions/x/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v", "2024-05-01"),
        ("/subscriptions/x/providers/Microsoft.DBforPostgreSQL/locations/uksouth/capabilities", "2024-08-01"),
        (
            "/subscriptions/x/providers/Microsoft.DBforPostgreSQL/locations/uksouth/resourceType/flexibleServers/usages",
            "2025-08-01",
        ),
        ("/subscriptions/x/providers/Microsoft.App", "2021-04-01"),
        ("/subscriptions/x/providers", "2021-04-01"),
    ],
)
def test_each_type_is_asked_in_its_version(path: str, version: str) -> None:
    assert api_version(path) == version


def test_no_version_is_guessed() -> None:
    with pytest.raises(LookupError, match="Quantum"):
        api_version("/subscriptions/x/providers/Microsoft.Quantum/workspaces")
