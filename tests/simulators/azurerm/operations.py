"""What the provider does to the cloud for Terraform: create, read, change, delete, import, look up.

Each asks the cloud first whether this is to fail or to take long, then the rules of Azure, and writes a line of the journal.
"""

import time
import uuid
from collections.abc import Callable
from typing import Any

from tests.simulators.azurerm import arguments, computed, ids, lookups, roles, rules
from tests.simulators.azurerm.cloud import Cloud, Fault, Resource
from tests.simulators.azurerm.refusals import Refusal, named
from tests.simulators.azurerm.rules.attempt import Attempt, Session
from tests.simulators.azurerm.schema import Type, conform
from tests.simulators.azurerm.wire import UNKNOWN, settled


class Failed(Exception):
    """The operation's message, as the provider prints it; `state` is what is left of the resource, if something is."""

    def __init__(self, message: str, state: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.state = state


def create(session: Session, type_: Type, planned: dict[str, Any]) -> dict[str, Any]:
    """Make a resource; its whole state."""
    cloud = session.cloud
    planned = _named(cloud, type_, planned)
    resource_id = ids.NAMINGS[type_.name].id(cloud.subscription, planned)

    def make() -> dict[str, Any]:
        with cloud.lock:
            attempt = Attempt(session, type_.name, resource_id, settled(planned))
            rules.before_creation(attempt)
            values = computed.complete(cloud, type_, resource_id, planned, cloud.generation(resource_id))
            cloud.add(type_.name, resource_id, values)
            rules.after_creation(attempt)
            return values

    return _carried_out(session, "create", type_, resource_id, make)


def update(session: Session, type_: Type, prior: dict[str, Any], planned: dict[str, Any]) -> dict[str, Any]:
    """Change a resource; its whole state."""
    cloud = session.cloud
    resource_id = _resource_id(cloud, type_, prior)

    def change() -> dict[str, Any]:
        with cloud.lock:
            known = cloud.find(type_.name, resource_id)
            if known is None:
                raise named("ResourceNotFound")
            rules.before_change(Attempt(session, type_.name, resource_id, settled(planned), known.values))
            fresh = dict.fromkeys(computed.changed_with(type_.name, known.values, planned), UNKNOWN)
            values = computed.complete(cloud, type_, resource_id, {**planned, **fresh}, known.generation)
            cloud.add(type_.name, resource_id, values)
            return values

    return _carried_out(session, "update", type_, resource_id, change, prior)


def delete(session: Session, type_: Type, prior: dict[str, Any]) -> None:
    """Delete a resource. One that is not there is deleted already."""
    cloud = session.cloud
    resource_id = _resource_id(cloud, type_, prior)

    def remove() -> dict[str, Any]:
        with cloud.lock:
            resource = cloud.find(type_.name, resource_id)
            if resource is not None:
                rules.before_deletion(session, resource)
                cloud.remove(type_.name, resource_id)
                rules.after_deletion(session, resource)
        return {}

    _carried_out(session, "delete", type_, resource_id, remove, prior)


def read(session: Session, type_: Type, current: dict[str, Any]) -> dict[str, Any] | None:
    """The resource as it is now, or None where it is gone."""
    cloud = session.cloud
    resource_id = _resource_id(cloud, type_, current)

    def look() -> dict[str, Any]:
        with cloud.lock:
            resource = cloud.find(type_.name, resource_id)
            if resource is None:
                return {}
            rules.before_reading(session, resource)
            return lookups.reflected(cloud, resource)

    found = _carried_out(session, "read", type_, resource_id, look, current)
    if not found:
        return None
    state = conform(type_.block, found)
    for name, attribute in type_.block.attributes.items():
        if attribute.write_only:
            state[name] = None
    return {**state, "timeouts": current.get("timeouts")}


def imported(session: Session, type_: Type, resource_id: str) -> dict[str, Any]:
    """The state to start from, of a resource that exists or does not: the read that follows tells."""
    addressed = type_.name in lookups.ADDRESSED and resource_id.startswith("https://")
    if not addressed and ids.NAMINGS[type_.name].parse(resource_id) is None:
        raise Failed(_unparsable(type_, resource_id))
    return conform(type_.block, {"id": resource_id})


def read_data(session: Session, type_: Type, config: dict[str, Any]) -> dict[str, Any]:
    """What a data source says.

    Raises:
        Failed: there is no such thing.
    """
    cloud = session.cloud
    special = lookups.SPECIAL.get(type_.name)

    def look() -> dict[str, Any]:
        if special is not None:
            return special(session, config)
        with cloud.lock:
            found = lookups.find(cloud, type_, config)
            if found is None:
                raise Refusal(
                    404, "NotFound", "", sentence="{missing}", facts={"missing": lookups.missing(type_, config)}
                )
            return lookups.told_by_data(cloud, found)

    values = _carried_out(session, "read_data", type_, lookups.wanted(cloud, type_, config), look)
    return lookups.shaped(type_, values, config)


def put(cloud: Cloud, type_: Type, values: dict[str, Any]) -> Resource:
    """Make a resource that Terraform did not make, as somebody in the portal would: what is left out Azure decides."""
    from tests.simulators.azurerm import planning

    planned = planning.plan(type_, None, conform(type_.block, values)).planned
    with cloud.lock:
        planned = _named(cloud, type_, planned)
        resource_id = ids.NAMINGS[type_.name].id(cloud.subscription, planned)
        complete = computed.complete(cloud, type_, resource_id, planned, cloud.generation(resource_id))
        return cloud.add(type_.name, resource_id, complete)


def _named(cloud: Cloud, type_: Type, planned: dict[str, Any]) -> dict[str, Any]:
    """The planned object with what its id is made of: Azure gives a name where that may be left out."""
    planned = dict(planned)
    for name in ids.NAMINGS[type_.name].arguments:
        if not isinstance(planned.get(name), str):
            planned[name] = str(uuid.uuid4())
    if type_.name == "azurerm_role_assignment" and isinstance(planned.get("role_definition_name"), str):
        planned["role_definition_id"] = roles.definition_id(cloud.subscription, planned["role_definition_name"])
    if "location" in planned and isinstance(planned["location"], str):
        planned["location"] = arguments.location(planned["location"])
    return planned


def _resource_id(cloud: Cloud, type_: Type, state: dict[str, Any]) -> str:
    return lookups.managed_id(cloud, type_, str(state["id"]))


def _unparsable(type_: Type, resource_id: str) -> str:
    naming = ids.NAMINGS[type_.name]
    return f'parsing {resource_id!r} as the id of a {naming.noun}: it is not of the form "{naming.template}"'.replace(
        "'", '"'
    )


def _carried_out(
    session: Session,
    operation: str,
    type_: Type,
    resource_id: str,
    act: Callable[[], dict[str, Any]],
    prior: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Do it, unless it is to fail; the journal tells either.

    Raises:
        Failed: Azure said no, Terraform was told to stop, or a fault struck.
    """
    cloud = session.cloud
    entry = cloud.begin(operation, type_.name, resource_id)
    fault = cloud.strike(operation, type_.name, resource_id)
    done: dict[str, Any] = {}
    try:
        if fault is not None and not _waits_out(session, fault):
            # Terraform goes; Azure goes on, and Terraform will not know.
            done = act()
            raise named("ContextCanceled")
        if fault is not None and not fault.after:
            _goes_wrong(fault)
        done = act()
        if fault is not None and fault.after:
            _goes_wrong(fault)
    except Refusal as refusal:
        cloud.end(entry, refusal.code or "refused")
        facts = rules.facts(session, type_.name, resource_id, done or prior or {})
        text = fault.text if fault is not None else ""
        left = done if refusal.code != _CANCELED or session.features.get(_PERSISTING) else None
        raise Failed(text or refusal.told(operation, type_.name, resource_id, **facts), left or None) from None
    cloud.end(entry)
    return done


_CANCELED = "Canceled"
_PERSISTING = "persist_id_on_create_before_polling_for_completion"
_PATIENCE = 600.0


def _waits_out(session: Session, fault: Fault) -> bool:
    """Take as long as the fault says. False: Terraform was told to stop meanwhile."""
    deadline = time.monotonic() + (_PATIENCE if fault.hold else fault.delay)
    while not session.stopped.is_set() and not (fault.hold and fault.lifted.is_set()):
        left = deadline - time.monotonic()
        if left <= 0:
            return True
        session.stopped.wait(min(left, 0.02))
    return not session.stopped.is_set()


def _goes_wrong(fault: Fault) -> None:
    if fault.refusal is not None:
        raise fault.refusal
    if fault.text:
        raise Refusal(400, "Fault", "")
