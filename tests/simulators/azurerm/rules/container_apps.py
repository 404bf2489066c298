"""Container Apps: environments, apps and jobs."""

from typing import Any

from tests.simulators.azurerm.cloud import Cloud, Resource
from tests.simulators.azurerm.refusals import named
from tests.simulators.azurerm.rules import role_assignments
from tests.simulators.azurerm.rules.attempt import Attempt
from tests.simulators.azurerm.rules.networks import ranges

_DELEGATION = "Microsoft.App/environments"
_SMALLEST = {True: 27, False: 23}  # with workload profiles, and without
_LONGEST_NAME = 32
_CONSUMPTION = [step / 4 for step in range(1, 17)]  # vCPUs; memory is twice as many GiB
_CONSUMPTION_PROFILE = "Consumption"


def delegations(subnet: Resource) -> list[str]:
    """The services that a subnet is delegated to."""
    return [each["service_delegation"][0]["name"] for each in subnet.values.get("delegation") or []]


def subnet_fits(attempt: Attempt) -> None:
    """The subnet is delegated (with profiles), large enough, and no other environment's."""
    subnet = attempt.named("infrastructure_subnet_id")
    if subnet is None:
        return
    profiles = bool(attempt.blocks("workload_profile"))
    if profiles and _DELEGATION not in delegations(subnet):
        raise named("ManagedEnvironmentSubnetDelegationError")
    if not profiles and delegations(subnet):
        raise named("ManagedEnvironmentV1SubnetDelegationNotAllowed", delegation=delegations(subnet)[0])
    if any(each.prefixlen > _SMALLEST[profiles] for each in ranges(subnet, "address_prefixes")):
        raise named("ManagedEnvironmentInvalidNetworkConfiguration", size=_SMALLEST[profiles])
    for other in attempt.others():
        if str(other.values.get("infrastructure_subnet_id")).lower() == subnet.id.lower():
            raise named("ManagedEnvironmentSubnetInUse", subnet=subnet.id, user=other.id)


def name_is_short(attempt: Attempt) -> None:
    """Azure takes fewer characters than the provider."""
    if len(attempt.text("name")) > _LONGEST_NAME:
        raise named("ContainerAppInvalidName", value=attempt.text("name"))


def environment_has_the_profile(attempt: Attempt) -> None:
    """A workload profile that is asked for is one of the environment's."""
    environment = attempt.named("container_app_environment_id")
    wanted = attempt.text("workload_profile_name")
    if environment is None or not wanted:
        return
    profiles = [each["name"] for each in environment.values.get("workload_profile") or []]
    if wanted not in profiles:
        raise named("WorkloadProfileNotFound", profile=wanted, environment=environment.values["name"])


def resources_add_up(attempt: Attempt) -> None:
    """On the Consumption profile a replica has twice as many GiB as vCPUs."""
    if attempt.text("workload_profile_name") not in ("", _CONSUMPTION_PROFILE):
        return
    containers = attempt.block("template").get("container") or []
    cpu = sum(float(each["cpu"]) for each in containers)
    memory = sum(float(str(each["memory"]).removesuffix("Gi")) for each in containers)
    if cpu not in _CONSUMPTION or memory != cpu * 2:
        allowed = "; ".join(f"[cpu: {each}, memory: {each * 2}Gi]" for each in _CONSUMPTION)
        raise named("ContainerAppInvalidResourceTotal", cpu=cpu, memory=memory, allowed=allowed)


def secrets_are_there(attempt: Attempt) -> None:
    """What containers and scale rules name as secrets are secrets of the app, with one source each."""
    secrets = {each["name"] for each in attempt.blocks("secret")}
    for secret in attempt.blocks("secret"):
        sourced = secret.get("key_vault_secret_id") and secret.get("identity")
        if not sourced and not secret.get("value"):
            raise named("ContainerAppSecretInvalid", secret=secret["name"])
    for container in attempt.block("template").get("container") or []:
        for variable in container.get("env") or []:
            if variable.get("secret_name") and variable["secret_name"] not in secrets:
                raise named(
                    "ContainerAppSecretRefNotFound", secret=variable["secret_name"], container=container["name"]
                )


def identities_are_assigned(attempt: Attempt) -> None:
    """An identity that is used is one of the app's."""
    own = {str(each).lower() for each in attempt.block("identity").get("identity_ids") or []}
    system = "SystemAssigned" in str(attempt.block("identity").get("type"))
    rules = attempt.block("template").get("custom_scale_rule") or []
    users = [*attempt.blocks("secret"), *attempt.blocks("registry")]
    wanted = [each.get("identity") for each in users] + [each.get("identity_id") for each in rules]
    for identity in wanted:
        if not isinstance(identity, str) or not identity:
            continue
        if identity.lower() not in own and not (identity.lower() == "system" and system):
            raise named("ContainerAppIdentityNotAssigned", identity=identity)


def secrets_may_be_read(attempt: Attempt) -> None:
    """An identity that fetches a secret from a vault has been given a role there first."""
    if not attempt.cloud.behaviours["vault_access"]:
        return
    for secret in attempt.blocks("secret"):
        reference, identity = secret.get("key_vault_secret_id"), secret.get("identity")
        if not isinstance(reference, str) or not isinstance(identity, str) or not reference or not identity:
            continue
        vault = _vault_of(attempt.cloud, reference)
        assigned = attempt.cloud.at(identity)
        if vault is None or assigned is None or not vault.values.get("rbac_authorization_enabled"):
            continue
        if not role_assignments.reads_secrets(attempt.cloud, str(assigned.values["principal_id"]), vault.id):
            raise named("ContainerAppSecretKeyVaultUrlInvalid", secret=secret["name"], identity=identity)


def _vault_of(cloud: Cloud, secret: str) -> Resource | None:
    vaults = cloud.of_type("azurerm_key_vault")
    return next((vault for vault in vaults if secret.lower().startswith(vault.values["vault_uri"].lower())), None)


def traffic_adds_up(attempt: Attempt) -> None:
    """Weights are percentages of all requests, and name revisions that are there."""
    weights: list[dict[str, Any]] = attempt.block("ingress").get("traffic_weight") or []
    if weights and sum(each["percentage"] for each in weights) != 100:
        raise named("ContainerAppInvalidTrafficWeight")
    name = attempt.text("name")
    for weight in weights:
        revision = f"{name}--{weight.get('revision_suffix')}"
        if not weight.get("latest_revision") and revision not in attempt.cloud.revisions(attempt.id):
            raise named("RevisionNotFound", revision=revision)


def revision_is_new(attempt: Attempt) -> None:
    """A suffix is given once: another template under it is refused."""
    suffix = attempt.block("template").get("revision_suffix")
    before = ((attempt.prior or {}).get("template") or [{}])[0]
    if not isinstance(suffix, str) or not suffix or attempt.block("template") == before:
        return
    if f"{attempt.text('name')}--{suffix}" in attempt.cloud.revisions(attempt.id):
        raise named("ContainerAppRevisionSuffixInUse", suffix=suffix)


_OF_ANY = (
    name_is_short,
    environment_has_the_profile,
    resources_add_up,
    secrets_are_there,
    identities_are_assigned,
    secrets_may_be_read,
)
BEFORE_CREATION = {
    "azurerm_container_app": (*_OF_ANY, traffic_adds_up),
    "azurerm_container_app_environment": (subnet_fits,),
    "azurerm_container_app_job": _OF_ANY,
}
BEFORE_CHANGE = {
    "azurerm_container_app": (*_OF_ANY, traffic_adds_up, revision_is_new),
    "azurerm_container_app_job": _OF_ANY,
}
