"""Every check, passing and failing, over the simulated Azure."""

from collections.abc import Callable

import pytest

from deployer.preflight import CHECKS, Verdict
from tests.deployer.preflight.conftest import World
from tests.deployer.preflight.faults import FAULTS, Row

_PASSED, _SKIPPED = Verdict.PASSED, Verdict.SKIPPED


def test_an_installation_with_everything_new_passes(world: World) -> None:
    found = {each.check.id: each for each in world.check_all()}

    skipped = {"network.subnets", "accounts.existing", "logs.workspace"}
    said = {id: [(f.verdict.value, f.message) for f in each.findings] for id, each in found.items()}
    assert {id for id, each in found.items() if each.verdict is _SKIPPED} == skipped, said
    assert {id for id, each in found.items() if each.verdict is not _PASSED} == skipped, said
    assert {(method) for method, _ in world.arm.journal} == {"GET", "POST"}  # nothing is changed


def test_an_installation_among_what_others_keep_passes(world: World) -> None:
    world.take_existing()
    found = {each.check.id: each for each in world.check_all()}

    said = {id: [(f.verdict.value, f.message) for f in each.findings] for id, each in found.items()}
    skipped = {"network.overlaps", "region.models", "quota.models"}
    assert {id for id, each in found.items() if each.verdict is not _PASSED} == skipped, said


def test_what_is_installed_already_is_in_nobodys_way(world: World) -> None:
    names, add = world.tenant.names(), world.subscription.add
    account = world.ours(f"Microsoft.CognitiveServices/accounts/{names.accounts['main']}")
    for id in (
        f"Microsoft.KeyVault/vaults/{names.key_vault}",
        f"Microsoft.DBforPostgreSQL/flexibleServers/{names.postgres}",
        f"Microsoft.Cache/redisEnterprise/{names.redis}",
        f"Microsoft.App/managedEnvironments/{names.environment}",
    ):
        add(world.ours(id))
    network = world.ours(f"Microsoft.Network/virtualNetworks/{names.virtual_network}")
    add(network, properties={"addressSpace": {"addressPrefixes": ["10.80.0.0/22"]}})
    add(account)
    add(f"{account}/deployments/gpt-4o", sku={"name": "Standard", "capacity": 40})
    add(f"{account}/deployments/mini", sku={"name": "Standard", "capacity": 60})
    for namespace, name in (
        ("Microsoft.CognitiveServices", "OpenAI.Standard.gpt-4o"),
        ("Microsoft.CognitiveServices", "OpenAI.Standard.gpt-4o-mini"),
        ("Microsoft.CognitiveServices", "OpenAI.S0.AccountCount"),
        ("Microsoft.App", "ManagedEnvironmentCount"),
        ("Microsoft.DBforPostgreSQL", "standardDDSv5Family"),
    ):
        world.subscription.quota(namespace, "uksouth", name, 100, 100)
    world.subscription.lock(world.ours(f"Microsoft.KeyVault/vaults/{names.key_vault}"), name="holds-data")

    found = {each.check.id: each for each in world.check_all()}

    said = {id: [(f.verdict.value, f.message) for f in each.findings] for id, each in found.items()}
    skipped = {"network.subnets", "accounts.existing", "logs.workspace"}
    assert {id for id, each in found.items() if each.verdict.rank > _SKIPPED.rank} <= {"quota.container_apps"}, said
    assert {id for id, each in found.items() if each.verdict is _SKIPPED} == skipped, said
    assert found["names.available"].findings[0].figures == {"free": 0, "ours": 4}


@pytest.mark.parametrize("row", FAULTS, ids=[row.name for row in FAULTS])
def test_what_is_wrong_is_found(world: World, row: Row) -> None:
    row.breaks(world)

    checked = world.check(row.check)

    found = [each for each in checked.findings if row.says in each.message]
    shown = [(each.verdict.value, each.message, each.remedy) for each in checked.findings]
    assert found, shown
    assert found[0].verdict is row.verdict and checked.verdict.rank >= row.verdict.rank, shown
    assert row.remedy in found[0].remedy, shown
    if row.verdict is Verdict.ERROR:
        assert found[0].remedy.strip()


def test_every_check_is_seen_failing() -> None:
    worst: dict[str, Verdict] = {}
    for row in FAULTS:
        worst[row.check] = max(row.verdict, worst.get(row.check, _PASSED), key=lambda each: each.rank)

    untested = {check.id: check.severity for check in CHECKS if worst.get(check.id) is not check.severity}
    assert not set(untested) - {"file.names", "file.addresses"}, untested  # the file is refused before those


def test_what_may_not_be_looked_at_is_a_warning_and_stops_nothing(world: World) -> None:
    from tests.simulators.azure.arm import Fault

    world.arm.faults = [Fault("/locks", 403, "AuthorizationFailed", "no", times=None)]

    locks, clock = (each for each in world.check_all("azure.locks", "machine.clock")[::-1])

    assert locks.verdict is Verdict.WARNING and "Reader" in locks.findings[0].remedy
    assert clock.verdict is Verdict.PASSED


def test_an_answer_that_nobody_expects_stops_no_other_check(world: World) -> None:
    world.subscription.lock(world.subscription.path)
    world.subscription.locks[0]["properties"] = "ReadOnly"

    found = {each.check.id: each for each in world.check_all("azure.locks", "azure.providers")}

    assert found["azure.locks"].verdict is Verdict.WARNING and "by hand" in found["azure.locks"].findings[0].remedy
    assert found["azure.providers"].verdict is Verdict.PASSED


@pytest.mark.parametrize("gate", ["azure.sign_in", "azure.subscription"])
def test_nothing_is_asked_of_azure_without_a_way_in(world: World, gate: str) -> None:
    breaks: dict[str, Callable[[], None]] = {
        "azure.sign_in": lambda: world.document["entra"].update(tenant_id="11111111-1111-1111-1111-111111111111"),
        "azure.subscription": lambda: setattr(world.subscription, "state", "Disabled"),
    }
    breaks[gate]()

    found = {each.check.id: each for each in world.check_all()}

    assert found[gate].verdict is Verdict.ERROR
    assert found["azure.locks"].findings[0].message == f"waits for {gate}"
    assert found["file.addresses"].verdict is Verdict.PASSED
    assert not any("/locks" in path for _, path in world.arm.journal)
