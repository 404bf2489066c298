"""The simulated cloud: what exists in a subscription, what was soft-deleted, what is to go wrong, and what was asked of it.

Nothing here knows Terraform. `Azure` holds the subscriptions; each is a `Cloud` of its own, and comes into being when it is
first named. Every method is safe to call from several threads.
"""

import copy
import fnmatch
import ipaddress
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.azurerm import ids
from tests.simulators.azurerm.refusals import NAMED, Refusal

# What of Azure is played, and can be switched: see the README of the simulators.
BEHAVIOURS: dict[str, Any] = {
    "existence": True,  # what exists already has to be imported, what is referred to has to exist
    "soft_delete": True,  # deleted key vaults and cognitive accounts keep their names
    "unique_role_assignments": True,  # one of a scope, role and principal
    "resources_in_use": True,  # what somebody uses, or has something in it, cannot be deleted
    "reflections": True,  # a network shows its subnets, a security group its rules
    "vault_access": True,  # secrets are reached with a role, and from where the vault's network lets in
    "inside_network": False,  # Terraform runs inside the network: a private vault lets it in
    "unregistered": [],  # namespaces that the subscription is not registered for
    "taken_names": [],  # names that somebody else in Azure has
    "unknown_principals": [],  # principals that Entra's replicas do not know yet
    "model_quota": {},  # the capacity that is left, by SKU and model: {"Standard.gpt-4o": 100}
    "lingering_delegations": 0,  # so many attempts to delete a subnet that was delegated fail
    "accepted_accounts": 0,  # so many attempts to connect to an account fail after its creation
    "role_propagation": 0,  # so many accesses to a vault's secrets fail after its creation
}


@dataclass(slots=True)
class Resource:
    """One resource. `values` are all its attributes, as a read would tell them."""

    type: str
    id: str
    values: dict[str, Any]
    generation: int
    """How many of this id were there before: a new one has new keys and principals."""
    countdowns: dict[str, int] = field(default_factory=dict)
    """How often something of it still fails, by the behaviour's name."""


@dataclass(slots=True)
class Fault:
    """What is to go wrong with what matches (shell patterns), after `skip` matches, `times` times (None: always)."""

    type: str
    operation: str
    id: str
    refusal: Refusal | None
    delay: float
    """Seconds that it takes, before it goes wrong or right."""
    times: int | None
    skip: int
    after: bool
    """It goes wrong when the thing is done: what was created is there."""
    hold: bool = False
    """It takes until the faults are replaced."""
    text: str = ""
    """The provider's whole message, in place of the refusal's."""
    lifted: threading.Event = field(default_factory=threading.Event)

    def strikes(self, operation: str, type_name: str, resource_id: str) -> bool:
        """Whether this is its time; counts. The caller holds the cloud's lock."""
        for pattern, value in ((self.type, type_name), (self.operation, operation), (self.id, resource_id)):
            if not fnmatch.fnmatch(value.lower(), pattern.lower()):
                return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


class Cloud:
    """One subscription."""

    def __init__(self, subscription: str, tenant: str) -> None:
        self.subscription, self.tenant = subscription, tenant
        self.lock = threading.RLock()
        self.resources: dict[str, Resource] = {}
        self.deleted: dict[str, Resource] = {}  # soft-deleted
        self.faults: list[Fault] = []
        self.journal: list[dict[str, Any]] = []
        self.behaviours = copy.deepcopy(BEHAVIOURS)
        self._generations: dict[str, int] = {}
        self._addresses: dict[str, list[str]] = {}
        self._revisions: dict[str, list[str]] = {}

    def find(self, type_name: str, resource_id: str) -> Resource | None:
        """The resource of this type and id."""
        with self.lock:
            found = self.resources.get(ids.key(type_name, resource_id))
            return found if found is not None and found.type == type_name else None

    def at(self, resource_id: str) -> Resource | None:
        """The resource of this id, whatever it is."""
        with self.lock:
            return self.resources.get(resource_id.lower())

    def of_type(self, type_name: str) -> list[Resource]:
        """All of a type, in the order they were made."""
        with self.lock:
            return [resource for resource in self.resources.values() if resource.type == type_name]

    def below(self, resource_id: str) -> list[Resource]:
        """What lives in it: its children, and theirs."""
        start = resource_id.lower()
        with self.lock:
            return [
                resource
                for resource in self.resources.values()
                if resource.id.lower().startswith((start + "/", start + "|")) and resource.id.lower() != start
            ]

    def add(self, type_name: str, resource_id: str, values: dict[str, Any]) -> Resource:
        """Put a resource there, or its new values."""
        with self.lock:
            key = ids.key(type_name, resource_id)
            known = self.resources.get(key)
            if known is None or known.type != type_name:
                known = Resource(type_name, resource_id, values, self.generation(resource_id))
                for behaviour, types in _COUNTED.items():
                    if type_name in types and self.behaviours[behaviour]:
                        known.countdowns[behaviour] = int(self.behaviours[behaviour])
                self._generations[resource_id.lower()] = known.generation + 1
                self.resources[key] = known
                self.deleted.pop(key, None)
            else:
                known.values = values
            return known

    def remove(self, type_name: str, resource_id: str) -> bool:
        """Take a resource away with all that lives in it. False: it was not there."""
        with self.lock:
            gone = self.resources.pop(ids.key(type_name, resource_id), None)
            if gone is None:
                return False
            self._revisions.pop(resource_id.lower(), None)
            if type_name not in ids.KEY_SUFFIXES:
                for child in self.below(resource_id):
                    self.resources.pop(ids.key(child.type, child.id), None)
            return True

    def generation(self, resource_id: str) -> int:
        """How many of this id there were already."""
        return self._generations.get(resource_id.lower(), 0)

    def counts_down(self, resource: Resource, behaviour: str) -> bool:
        """Whether this still fails; counts."""
        with self.lock:
            left = resource.countdowns.get(behaviour, 0)
            if left:
                resource.countdowns[behaviour] = left - 1
            return left > 0

    def address_in(self, subnet_id: str, holder: str) -> str:
        """The private address that a resource has in a subnet: the next free one, if it has none yet.

        Azure keeps the first four of a subnet. Of a subnet that is not there, one of 10.255.0.0/16.
        """
        with self.lock:
            subnet = self.at(subnet_id)
            prefixes = (subnet.values.get("address_prefixes") or []) if subnet else []
            network = ipaddress.ip_network(prefixes[0] if prefixes else "10.255.0.0/16", strict=False)
            holders = self._addresses.setdefault(subnet_id.lower(), [])
            if holder.lower() not in holders:
                holders.append(holder.lower())
            return str(network[(4 + holders.index(holder.lower())) % network.num_addresses])

    def revisions(self, app_id: str) -> list[str]:
        """The names of a container app's revisions, oldest first."""
        return self._revisions.get(app_id.lower(), [])

    def add_revision(self, app_id: str, name: str) -> None:
        """A container app has a further revision."""
        with self.lock:
            names = self._revisions.setdefault(app_id.lower(), [])
            if name not in names:
                names.append(name)

    def digest(self, *parts: object) -> str:
        """A GUID that is the same for the same parts in this subscription."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, "|".join([self.subscription, *map(str, parts)]).lower()))

    def strike(self, operation: str, type_name: str, resource_id: str) -> Fault | None:
        """The fault for this request, if there is one."""
        with self.lock:
            return next((fault for fault in self.faults if fault.strikes(operation, type_name, resource_id)), None)

    def replace_faults(self, faults: list[Fault]) -> None:
        """From now on these, and no others; what an earlier one holds goes on."""
        with self.lock:
            for fault in self.faults:
                fault.lifted.set()
            self.faults = faults

    def begin(self, operation: str, type_name: str, resource_id: str) -> dict[str, Any]:
        """Write down that something is asked; `end` says how it went."""
        entry = {
            "operation": operation,
            "type": type_name,
            "id": resource_id,
            "began_at": round(time.time(), 3),
            "ended_at": None,
            "refused": "",
        }
        with self.lock:
            self.journal.append(entry)
        return entry

    def end(self, entry: dict[str, Any], refused: str = "") -> None:
        """It is done, or refused with this code."""
        with self.lock:
            entry.update(ended_at=round(time.time(), 3), refused=refused)


_COUNTED = {
    "lingering_delegations": {"azurerm_subnet"},
    "accepted_accounts": {"azurerm_cognitive_account"},
    "role_propagation": {"azurerm_key_vault"},
}


class Azure:
    """All subscriptions, and the environment that the provider's process would have (`ARM_…`)."""

    def __init__(self) -> None:
        self._clouds: dict[str, Cloud] = {}
        self._lock = threading.Lock()
        self.environment: dict[str, str] = {}

    def subscription(self, subscription: str) -> Cloud:
        """The subscription's cloud."""
        with self._lock:
            tenant = self.environment.get("ARM_TENANT_ID") or str(
                uuid.uuid5(uuid.NAMESPACE_URL, f"tenant {subscription}")
            )
            return self._clouds.setdefault(subscription.lower(), Cloud(subscription.lower(), tenant))


def fault_from(told: dict[str, Any]) -> Fault:
    """A fault as tests tell it.

    Raises:
        ValueError: it names an error that there is none of, or something that a fault does not have.
    """
    told = dict(told)
    error = told.pop("error", None)
    refusal: Refusal | None = None
    if isinstance(error, str):
        if error not in NAMED:
            raise ValueError(f"there is no refusal {error!r}; there are {', '.join(sorted(NAMED))}")
        refusal = NAMED[error]
    elif error is not None:
        refusal = Refusal(**error)
    fault = Fault(
        type=told.pop("type", "*"),
        operation=told.pop("operation", "*"),
        id=told.pop("id", "*"),
        refusal=refusal,
        delay=float(told.pop("delay", 0.0)),
        times=told.pop("times", 1),
        skip=int(told.pop("skip", 0)),
        after=bool(told.pop("after", False)),
        hold=bool(told.pop("hold", False)),
        text=told.pop("text", ""),
    )
    if told:
        raise ValueError(f"a fault has no {', '.join(sorted(told))}")
    return fault
