"""Where Azure is and who calls it: read once, from the environment and a tenant's region."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from deployer.azure.clouds import Cloud, cloud_of

CREDENTIALS = ("cli", "managed_identity", "workload_identity", "environment", "default")

# The environment's name → the cloud's field; for private clouds, gateways that calls must go through, and tests.
_URLS = {
    "ADUANA_ARM_URL": "arm",
    "ADUANA_GRAPH_URL": "graph",
    "ADUANA_ENTRA_AUTHORITY": "authority",
    "ADUANA_KEY_VAULT_URL": "vault",
    "ADUANA_BLOB_URL": "blob",
    "ADUANA_LOGS_URL": "logs",
    "ADUANA_REGISTRY_URL": "registry",
}
_PLACEHOLDERS = {"vault": "{vault}", "blob": "{account}", "registry": "{host}"}


class AzureSettingsError(ValueError):
    """A variable says what it may not."""


@dataclass(frozen=True, slots=True)
class AzureSettings:
    """`environment` is what credentials are read from; `credential` None: as Terraform's provider would choose."""

    cloud: Cloud
    tenant_id: str | None
    environment: Mapping[str, str]
    credential: str | None = None
    client_id: str | None = None
    ca_bundle: Path | None = None

    @property
    def custom_authority(self) -> bool:
        """Whether it is none of Microsoft's, which the libraries would ask Microsoft about."""
        return re.search(r"\.(microsoftonline\.(com|us)|microsoftonline\.cn)$", self.cloud.authority) is None

    @classmethod
    def from_environment(
        cls, region: str, tenant_id: str | None = None, environment: Mapping[str, str] | None = None
    ) -> "AzureSettings":
        """For a tenant in `region` whose directory is `tenant_id`. Raises `AzureSettingsError`."""
        given = dict(os.environ if environment is None else environment)
        cloud = cloud_of(region)
        for name, field in _URLS.items():
            if text := given.get(name, "").strip():
                cloud = replace(cloud, **{field: _url(name, text, _PLACEHOLDERS.get(field))})
        credential = given.get("ADUANA_AZURE_CREDENTIAL", "").strip() or None
        if credential is not None and credential not in CREDENTIALS:
            raise AzureSettingsError(
                f"ADUANA_AZURE_CREDENTIAL={credential!r} is wrong; allowed: {', '.join(CREDENTIALS)}"
            )
        bundle = given.get("ADUANA_CA_BUNDLE", "").strip()
        if bundle and not Path(bundle).is_file():
            raise AzureSettingsError(f"ADUANA_CA_BUNDLE={bundle!r} is no file")
        return cls(
            cloud=cloud,
            tenant_id=tenant_id,
            environment=given,
            credential=credential,
            client_id=given.get("ADUANA_AZURE_CLIENT_ID", "").strip() or None,
            ca_bundle=Path(bundle) if bundle else None,
        )


def _url(name: str, text: str, placeholder: str | None) -> str:
    parts = urlsplit(text)
    whole = parts.scheme == "https" and parts.hostname and "@" not in parts.netloc and not parts.query
    if not whole or (placeholder is not None and text.count(placeholder) != 1):
        needs = f" with {placeholder} in it" if placeholder else ""
        raise AzureSettingsError(f"{name}={text!r} is wrong; allowed: an https URL{needs}")
    return text.rstrip("/")
