"""Resource providers that a subscription has to be registered for."""

from tests.simulators.azurerm import ids
from tests.simulators.azurerm.refusals import named
from tests.simulators.azurerm.rules.attempt import Attempt, Session

# None of azurerm's sets has these (`internal/resourceproviders/required.go`).
_IN_NO_SET = {"microsoft.app"}


def is_registered(attempt: Attempt) -> None:
    """The namespace of what is made is none of `unregistered`."""
    template = ids.NAMINGS[attempt.type].template
    if "/providers/" not in template or attempt.type == "azurerm_resource_provider_registration":
        return
    namespace = template.rsplit("/providers/", 1)[1].split("/")[0]
    if namespace.lower() in _unregistered(attempt.session):
        raise named("MissingSubscriptionRegistration", provider=namespace)


def registers(attempt: Attempt) -> None:
    """A registration that is made counts from then on."""
    if attempt.type == "azurerm_resource_provider_registration":
        register(attempt.session, [attempt.text("name")])


def register_for(session: Session, set_name: str | None, listed: list[str]) -> None:
    """What the provider registers when it is configured."""
    register(session, listed)
    if set_name in ("core", "extended", "all", "legacy"):
        register(session, [each for each in _unregistered(session) if each not in _IN_NO_SET])


def register(session: Session, namespaces: list[str]) -> None:
    """Register the subscription for these."""
    done = {namespace.lower() for namespace in namespaces}
    left = [each for each in session.cloud.behaviours["unregistered"] if each.lower() not in done]
    session.cloud.behaviours["unregistered"] = left


def _unregistered(session: Session) -> list[str]:
    return [each.lower() for each in session.cloud.behaviours["unregistered"]]
