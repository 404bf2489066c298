"""The settings of the tenant file that answers make."""

from collections.abc import Mapping
from typing import Any

from deployer.init.questions import BY_KEY
from deployer.init.surroundings import Answers
from deployer.tenant.network import ZONES

# What the file of an answer that is the default leaves out: whoever reads it sees what was chosen.
_AVAILABILITY: Mapping[str, Mapping[str, Any]] = {
    "zones": {},
    "standby": {"zone_redundant": False, "postgres.high_availability": "same_zone"},
    "single": {
        "zone_redundant": False,
        "postgres.high_availability": "none",
        "postgres.sku": "B_Standard_B2s",
        "redis.high_availability": False,
        "replicas.proxy.min": 1,
    },
}
_OURS = ("availability", "zones_resource_group", "tags")


def settings_of(answers: Answers) -> dict[str, Any]:
    """The settings, nested as in the file."""
    flat = {key: value for key, value in answers.items() if key not in _OURS and not key.startswith("openai")}
    flat |= _AVAILABILITY[answers["availability"]]
    if answers["redis.mode"] == "none":
        flat.pop("redis.high_availability", None)
        flat |= {"replicas.proxy.min": 1, "replicas.proxy.max": 1}
    if tags := answers.get("tags"):
        flat["tags"] = dict(tags)
    if group := answers.get("zones_resource_group"):
        flat["private_dns.zones"] = {
            zone: f"{group}/providers/Microsoft.Network/privateDnsZones/privatelink.{zone}"
            for zone in ZONES
            if zone != "azurecr.io"
        }
    if accounts := _accounts(answers):
        flat["openai.accounts"] = accounts
    return _nested(flat)


def _accounts(answers: Answers) -> list[dict[str, Any]]:
    if answers["openai"] == "new":
        region = answers["openai.region"]
        account: dict[str, Any] = {"name": region}
        account |= {"region": region} if region != answers["region"] else {}
        made = answers.get("openai.deployments", [])
        return [account | ({"deployments": made} if made else {})]
    accounts: list[dict[str, Any]] = []
    for resource in answers.get("openai.ids", []):
        name = "-".join(filter(None, str(resource).rsplit("/", 1)[1].lower().replace("_", "-").split("-")))
        taken = [each["name"] for each in accounts]
        name = name if name not in taken else f"{name}-{len(taken) + 1}"
        accounts.append({"name": name, "mode": "existing", "resource_id": resource})
    return accounts


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        if path in BY_KEY and BY_KEY[path].many and not value:
            continue
        *sections, last = path.split(".")
        section = nested
        for each in sections:
            section = section.setdefault(each, {})
        section[last] = value
    return nested
