"""What Terraform leaves behind, for tests of what comes after it."""

import json
import os
from pathlib import Path
from uuid import uuid4

from tests.simulators.azure.entra_postgres import OWNER, OWNER_CLIENT_ID, EntraPostgres
from tests.simulators.azure.key_vault import KeyVault

VAULT = "contoso-kv"
SEED = """
upstreams:
  - {name: sim, provider: openai_compatible, endpoint: %s, auth: {none: true}}
routes:
  - {model: gpt-4o, targets: [{upstream: sim, deployment: gpt-4o}]}
policies: [{name: standard, unpriced_models: allow}]
clients:
  - {name: contoso, policy: standard, teams: [{name: research, apps: [{name: chatbot, keys: [{name: prod}]}]}]}
"""


class Installation:
    """What Terraform leaves behind: a server, a vault, and an identity for each service."""

    def __init__(self, postgres: EntraPostgres, vault: KeyVault, directory: Path) -> None:
        self.postgres, self.vault, self.directory = postgres, vault, directory
        self.client_ids = {service: str(uuid4()) for service in ("proxy", "writer", "admin")}
        vault.identity.client_ids = (*vault.identity.client_ids, *self.client_ids.values())
        self.object_ids = {service: str(uuid4()) for service in self.client_ids}
        for service, client_id in self.client_ids.items():
            postgres.admit(f"aduana-{service}", client_id)
        self.spec = directory / "bootstrap.json"
        self.write_spec()

    def write_spec(self, seed: str | None = SEED % "https://models.example") -> None:
        roles = [
            {"service": service, "role": f"aduana-{service}", "object_id": id}
            for service, id in self.object_ids.items()
        ]
        self.spec.write_text(json.dumps({"version": 1, "roles": roles, "seed": seed, "seed_name": "contoso.seed.yaml"}))

    def environment(self, service: str = "job") -> dict[str, str]:
        """What the platform gives a service's container."""
        role, client_id = (
            (OWNER, OWNER_CLIENT_ID) if service == "job" else (f"aduana-{service}", self.client_ids[service])
        )
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("ADUANA_")},
            **self.vault.environment,
            "ADUANA_DATABASE_URL": self.postgres.url(role),
            "ADUANA_DATABASE_AUTH": "entra",
            "ADUANA_AZURE_CLIENT_ID": client_id,
            "ADUANA_CA_BUNDLE": str(self.postgres.ca_bundle),
            "ADUANA_PEPPERS": f"1=kv://{VAULT}/pepper-1",
            "ADUANA_MASTER_KEYS": f"1=kv://{VAULT}/master-key-1",
        }

    def secret(self, name: str) -> str:
        return self.vault.secrets[VAULT, name][-1][1]

    def key(self) -> str:
        (name,) = [name for _, name in self.vault.secrets if name.startswith("key-")]
        return self.secret(name)
