"""What is known of Azure where `aduana init` runs: environment, the Azure CLI's profile, or whom one is signed in as."""

import configparser
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

_LARGEST = 4 * 1024 * 1024  # bytes of a profile; thousands of subscriptions are one
# Terraform's names first: they are whom the installer will be.
_SUBSCRIPTION = ("ARM_SUBSCRIPTION_ID", "AZURE_SUBSCRIPTION_ID")
_TENANT = ("ARM_TENANT_ID", "AZURE_TENANT_ID")
_REGION = ("AZURE_DEFAULTS_LOCATION", "AZURE_LOCATION")
_SIGNED_IN = ("ADUANA_AZURE_CREDENTIAL", "ARM_CLIENT_ID", "ARM_USE_MSI", "ARM_USE_OIDC")


Answers = Mapping[str, Any]
"""By the key of the question."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What was found; None is not known. `source` says where, for people."""

    subscription_id: str | None = None
    subscription_name: str | None = None
    tenant_id: str | None = None
    region: str | None = None
    source: str | None = None


def look_around(environment: Mapping[str, str] = os.environ) -> Surroundings:
    """What environment and profile say; where they name no subscription, the only one of whom the environment signs in as.

    Raises nothing: what cannot be read is not known.
    """
    found = _of_environment(environment)
    profile = _profile_directory(environment)
    subscriptions = _subscriptions(profile / "azureProfile.json")
    chosen = next((each for each in subscriptions if _is_it(each, found.subscription_id)), None)
    if chosen is not None:
        found = replace(
            found,
            subscription_id=chosen["id"],
            subscription_name=_text(chosen, "name"),
            tenant_id=found.tenant_id or _text(chosen, "tenantId"),
            source=found.source or "the Azure CLI's profile",
        )
    elif found.subscription_id is None and any(environment.get(name) for name in _SIGNED_IN):
        found = _of_identity(found, environment)
    return replace(found, region=found.region or _default_region(profile / "config"))


def _of_environment(environment: Mapping[str, str]) -> Surroundings:
    def first(names: tuple[str, ...]) -> str | None:
        return next((value for name in names if (value := environment.get(name, "").strip())), None)

    subscription = first(_SUBSCRIPTION)
    return Surroundings(subscription, None, first(_TENANT), first(_REGION), "the environment" if subscription else None)


def _profile_directory(environment: Mapping[str, str]) -> Path:
    given = environment.get("AZURE_CONFIG_DIR", "").strip()
    try:
        return Path(given) if given else Path.home() / ".azure"
    except RuntimeError:  # a user without a home
        return Path(".azure")


def _subscriptions(profile: Path) -> list[dict[str, Any]]:
    try:
        with profile.open("rb") as file:
            # The CLI writes a byte order mark.
            document = json.loads(file.read(_LARGEST).decode("utf-8-sig"))
        listed = document["subscriptions"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return []
    return [each for each in listed if isinstance(each, dict) and _text(each, "id")] if isinstance(listed, list) else []


def _is_it(subscription: Mapping[str, Any], wanted: str | None) -> bool:
    if wanted is not None:
        return str(subscription["id"]).lower() == wanted.lower()
    # Who signed in to a directory without subscriptions has the directory for one.
    return subscription.get("isDefault") is True and subscription["id"] != subscription.get("tenantId")


def _text(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) and value else None


def _default_region(config: Path) -> str | None:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(config, encoding="utf-8-sig")
        return parser.get("defaults", "location", fallback="").strip() or None
    except (configparser.Error, OSError, ValueError):
        return None


def _of_identity(found: Surroundings, environment: Mapping[str, str]) -> Surroundings:
    import asyncio

    from deployer.azure import AzureError, AzureSettings, AzureSettingsError

    try:
        settings = AzureSettings.from_environment(found.region or "", found.tenant_id, environment)
        subscriptions = asyncio.run(_ask(settings))
    except (AzureError, AzureSettingsError):
        return found
    enabled = [each for each in subscriptions if each.get("state") == "Enabled" and _text(each, "subscriptionId")]
    if len(enabled) != 1:
        return found
    [only] = enabled
    return replace(
        found,
        subscription_id=_text(only, "subscriptionId"),
        subscription_name=_text(only, "displayName"),
        tenant_id=found.tenant_id or _text(only, "tenantId"),
        source="the identity of the environment",
    )


async def _ask(settings: Any) -> list[Mapping[str, Any]]:
    from deployer.azure import open_azure

    async with open_azure(settings) as azure:
        return list(await azure.arm.list("/subscriptions"))
