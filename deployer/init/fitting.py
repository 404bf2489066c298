"""Whether an answer fits those before it: told at once, so that nobody loses an interview to its last question."""

from typing import Any

from deployer.addresses import AddressError, check_existing, plan_addresses
from deployer.init.surroundings import Answers
from deployer.names import reserved_word
from deployer.regions import REGIONS


def name_and_prefix(prefix: str, answers: Answers) -> str | None:
    """Why the two make no names; None: they do."""
    return reserved_word(prefix, answers.get("name", ""))


def availability(value: str, answers: Answers) -> str | None:
    """Why the region does not have it."""
    facts = REGIONS.get(answers.get("region", ""))
    if value != "zones" or facts is None or facts.zones:
        return None
    return f"{answers['region']} has no availability zones; allowed: standby, single"


def front(value: str, answers: Answers) -> str | None:
    """Why it cannot stand before what callers reach."""
    if value == "front_door" and answers["ingress.visibility"] != "external":
        return "front_door serves the internet, and callers are internal; allowed: none, application_gateway"
    return None


def admin_domain(value: str, answers: Answers) -> str | None:
    """Why the dashboard cannot have it."""
    return "is the proxy's domain; give the dashboard another" if value == answers["ingress.domain"] else None


def address_space(value: str, answers: Answers) -> str | None:
    """Why a new network cannot have it."""
    needs = {"apps", "endpoints"} | ({"gateway"} if answers["ingress.front"] == "application_gateway" else set())
    return _plan_of(value, needs, answers)


def egress(value: str, answers: Answers) -> str | None:
    """Why it cannot be limited so."""
    if value != "firewall":
        return None
    if answers["network.mode"] == "existing":
        return "firewall is made in a new network; allowed: open, nsg"
    return _plan_of(answers.get("network.address_space"), {"apps", "endpoints", "firewall"}, answers)


def existing_range(subnet: str) -> Any:
    """A check of the range of `subnet` beside those that are given already."""

    def check(value: str, answers: Answers) -> str | None:
        ranges = {
            name: answers[f"network.existing.{name}_range"]
            for name in ("apps", "endpoints", "gateway")
            if f"network.existing.{name}_range" in answers
        }
        try:
            check_existing({**ranges, subnet: value}, answers.get("network.known_ranges", ()))
        except AddressError as error:
            return str(error)
        return None

    return check


def _plan_of(space: str | None, needs: set[str], answers: Answers) -> str | None:
    try:
        plan_addresses(space, {}, needs, answers.get("network.known_ranges", ()))
    except AddressError as error:
        return str(error)
    return None
