"""A customer's Azure tenant as the installer meets it: Entra ID, Resource Manager, Graph, storage, a registry, vaults and DNS,
behind one certificate authority.

    def test_…(azure_tenant):
        azure_tenant.arm.subscription.taken.add("aduana-contoso-kv-x1y2z3")
        run(["preflight", "contoso.yaml"])            # with azure_tenant.environment in its environment

`azure_tenant` (`tests/simulators/fixtures.py`) is the test process's one tenant, made ordinary again for each test.
"""

import ssl
from pathlib import Path

import trustme

from tests.simulators.azure.arm import ArmService
from tests.simulators.azure.blob_storage import BlobStorage
from tests.simulators.azure.container_registry import ContainerRegistry
from tests.simulators.azure.dns import DnsServer
from tests.simulators.azure.entra import EntraTenant
from tests.simulators.azure.graph import GraphService
from tests.simulators.azure.key_vault import KeyVault


class AzureTenant:
    """`operator` is the application id of the service principal that `environment` signs in as."""

    def __init__(self, directory: Path) -> None:
        authority = self.authority = trustme.CA()
        self.entra = EntraTenant(directory, authority)
        self.arm = ArmService(self.entra, serving(authority))
        self.graph = GraphService(self.entra, serving(authority))
        self.blobs = BlobStorage(self.arm, serving(authority))
        self.registry = ContainerRegistry(self.entra, serving(authority))
        self.vaults = KeyVault(self.entra, directory, authority)
        self.dns = DnsServer()
        self.operator = self.entra.register()

    @property
    def tenant_id(self) -> str:
        return self.entra.tenant_id

    @property
    def subscription_id(self) -> str:
        return self.arm.subscription.id

    @property
    def operator_object_id(self) -> str:
        return self.entra.object_ids[self.operator]

    @property
    def environment(self) -> dict[str, str]:
        """What the installer's process needs: where Azure is, and who it is there."""
        return {
            "ADUANA_ARM_URL": self.arm.url,
            "ADUANA_GRAPH_URL": self.graph.url,
            "ADUANA_REGISTRY_URL": self.registry.template,
            "ADUANA_BLOB_URL": self.blobs.template,
            "ADUANA_KEY_VAULT_URL": self.vaults.template,
            "ADUANA_ENTRA_AUTHORITY": self.entra.url,
            "ADUANA_CA_BUNDLE": str(self.entra.ca_file),
            "ARM_CLIENT_ID": self.operator,
            "ARM_CLIENT_SECRET": self.entra.clients[self.operator],
            "ARM_TENANT_ID": self.tenant_id,
            "ARM_SUBSCRIPTION_ID": self.subscription_id,
        }

    def reset(self) -> None:
        """An ordinary tenant again, with nothing installed."""
        self.arm.reset()
        self.graph.reset()
        self.blobs.reset()
        self.registry.reset()
        self.vaults.reset()
        self.dns.records.clear()
        self.entra.extra_claims.clear()

    def close(self) -> None:
        for each in (self.entra, self.arm, self.graph, self.blobs, self.registry, self.vaults, self.dns):
            each.close()


def serving(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context
