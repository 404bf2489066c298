"""Which version of Resource Manager's API is asked for which type.

Versions that every cloud has; https://learn.microsoft.com/azure/templates/ lists them (read in November 2026).
A type whose version is not here is an error, so that none is guessed.
"""

import re
from collections.abc import Mapping

API_VERSIONS: Mapping[str, str] = {
    "subscriptions": "2022-12-01",
    "resourcegroups": "2021-04-01",
    "locations": "2022-12-01",
    "providers": "2021-04-01",
    "resources": "2021-04-01",
    "microsoft.app": "2024-03-01",
    "microsoft.app/managedenvironments": "2025-07-01",  # the first with private endpoint connections
    "microsoft.authorization/permissions": "2022-04-01",
    "microsoft.authorization/roleassignments": "2022-04-01",
    "microsoft.authorization/roledefinitions": "2022-04-01",
    "microsoft.authorization/denyassignments": "2022-04-01",
    "microsoft.authorization/locks": "2020-05-01",
    "microsoft.cache": "2024-10-01",
    "microsoft.cdn": "2024-02-01",
    "microsoft.cognitiveservices": "2024-10-01",
    "microsoft.containerregistry": "2023-07-01",
    "microsoft.dbforpostgresql": "2024-08-01",
    "microsoft.dbforpostgresql/usages": "2025-08-01",  # the first that is no preview and has them
    "microsoft.eventhub": "2024-01-01",
    "microsoft.insights": "2021-05-01-preview",
    "microsoft.keyvault": "2023-07-01",
    "microsoft.managedidentity": "2023-01-31",
    "microsoft.network": "2024-05-01",
    "microsoft.network/dnszones": "2018-05-01",
    "microsoft.network/privatednszones": "2024-06-01",
    "microsoft.operationalinsights": "2023-09-01",
    "microsoft.policyinsights": "2023-03-01",
    "microsoft.storage": "2023-05-01",
}


def api_version(path: str) -> str:
    """The version for a path such as `/subscriptions/…/providers/Microsoft.App/jobs/x`. Raises `LookupError`."""
    for key in _keys(path):
        if version := API_VERSIONS.get(key):
            return version
    raise LookupError(f"no API version is known for {path}")


def _keys(path: str) -> list[str]:
    """What names the type, the most exact first."""
    bare = path.split("?", 1)[0].rstrip("/").lower()
    if "/providers/" in bare:
        namespace, *segments = bare.rsplit("/providers/", 1)[1].split("/")
        keys = [f"{namespace}/{segments[0]}"] if segments else []
        if len(segments) % 2:  # a collection's path, or an action's, ends with what it is
            keys.insert(0, f"{namespace}/{segments[-1]}")
        return [*keys, namespace] if segments else ["providers"]
    found = re.fullmatch(r"/subscriptions(?:/[^/]+(?:/([a-z]+)(/[^/]+)?(/resources)?)?)?", bare)
    if found is None:
        return []
    return ["resources" if found[3] else found[1] or "subscriptions"]
