"""Checks over one simulated tenant of Azure, in one event loop and one session: a row of a table costs milliseconds."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from deployer.azure import AzureSettings, Session, open_azure
from deployer.preflight import CHECKS, Check, Checked, run_checks
from deployer.preflight.checks import Context
from deployer.preflight.facts import AzureFacts
from deployer.preflight.resolver import Resolver
from deployer.state import locate_state
from deployer.tenant import Tenant
from deployer.tenant_file import parse_tenant
from tests.simulators.azure.arm import Subscription
from tests.simulators.azure.tenant import AzureTenant

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
SEED = """
upstreams:
  - {name: main, provider: azure_openai, endpoint: "https://contoso.openai.azure.com", auth: {managed_identity: true}}
routes:
  - {model: gpt-4o, targets: [{upstream: main, deployment: gpt-4o}]}
"""


class World:
    """A tenant file and the Azure that it is checked against, both in order; a test breaks something.

    `document` is the file: an installation with everything made anew. `take_existing` makes it one in which everything
    that can be somebody else's is.
    """

    def __init__(
        self,
        azure: AzureTenant,
        directory: Path,
        patch: pytest.MonkeyPatch,
        runner: asyncio.Runner,
        session: Session,
    ) -> None:
        self.patch = patch
        self.azure, self.arm, self.graph = azure, azure.arm, azure.graph.directory
        self.subscription: Subscription = azure.arm.subscription
        self.file = directory / "contoso.yaml"
        self.seed = directory / "contoso.seed.yaml"
        self.seed.write_text(SEED)
        self._runner, self._session = runner, session
        self.now = NOW
        group = self.graph.group("LLM admins")
        self.document: dict[str, Any] = {
            "name": "contoso",
            "subscription_id": self.subscription.id,
            "region": "uksouth",
            "seed": self.seed.name,
            "ingress": {
                "visibility": "external",
                "domain": "llm.contoso.com",
                "certificate": {
                    "key_vault_secret_id": "https://contoso-certs.vault.azure.net/secrets/llm",
                    "key_vault_id": self.theirs("Microsoft.KeyVault/vaults/contoso-certs"),
                },
            },
            "openai": {
                "accounts": [
                    {
                        "name": "main",
                        "deployments": [
                            {"name": "gpt-4o", "model": "gpt-4o", "version": "2024-11-20", "capacity": 40},
                            {"name": "mini", "model": "gpt-4o-mini", "version": "2024-07-18", "capacity": 60},
                        ],
                    }
                ]
            },
            "images": {name: azure.registry.push(f"aduana/{name}") for name in ("proxy", "admin", "job")},
            "entra": {"tenant_id": azure.tenant_id, "admin_groups": [group]},
        }
        azure.dns.records |= {
            ("contoso.com", "SOA"): ["ns1.contoso.com. admin.contoso.com. 1 7200 900 1209600 86400"],
            ("asuid.llm.contoso.com", "TXT"): [f'"{self.subscription.domain_verification_id}"'],
        }
        azure.vaults.certificates["contoso-certs", "llm"] = certificate("llm.contoso.com")
        self.make_state()

    @property
    def tenant(self) -> Tenant:
        return parse_tenant(self.document)

    @property
    def group(self) -> str:
        return f"{self.subscription.path}/resourceGroups/{self.tenant.names().resource_group}"

    def ours(self, type_and_name: str) -> str:
        """The id of a resource of this installation."""
        return f"{self.group}/providers/{type_and_name}"

    def theirs(self, type_and_name: str, group: str = "hub") -> str:
        """The id of somebody else's."""
        return f"{self.subscription.path}/resourceGroups/{group}/providers/{type_and_name}"

    def make_state(self, **properties: Any) -> None:
        """The state's storage, as `aduana state bootstrap` makes it."""
        location = locate_state(self.tenant)
        assert location is not None
        safe = {"allowSharedKeyAccess": False, "allowBlobPublicAccess": False}
        self.subscription.add(location.account_id, properties=safe | properties)
        self.subscription.add(location.container_id)

    def take_existing(self) -> None:
        """Network, zones, account, workspace, registry and application are there, and others keep them."""
        add = self.subscription.add
        network = self.theirs("Microsoft.Network/virtualNetworks/hub-vnet")
        apps, endpoints = f"{network}/subnets/apps", f"{network}/subnets/endpoints"
        add(network, properties={"addressSpace": {"addressPrefixes": ["10.1.0.0/16"]}})
        add(
            apps, properties={"addressPrefix": "10.1.0.0/24", "delegations": [delegation("Microsoft.App/environments")]}
        )
        add(endpoints, properties={"addressPrefix": "10.1.1.0/24"})
        self.subscription.resources[network.lower()]["usages"] = [
            {"id": apps, "currentValue": 0, "limit": 251, "unit": "Count"},
            {"id": endpoints, "currentValue": 9, "limit": 251, "unit": "Count"},
        ]
        zones = {}
        for name in self.tenant.zones_in_use():
            zone = zones[name] = self.theirs(f"Microsoft.Network/privateDnsZones/privatelink.{name}")
            add(zone, "global")
            add(f"{zone}/virtualNetworkLinks/hub", "global", properties={"virtualNetwork": {"id": network}})
        account = self.theirs("Microsoft.CognitiveServices/accounts/contoso-oai", "ai")
        add(
            account,
            kind="OpenAI",
            properties={
                "customSubDomainName": "contoso-oai",
                "disableLocalAuth": True,
                "publicNetworkAccess": "Disabled",
            },
        )
        registry = self.theirs("Microsoft.ContainerRegistry/registries/contoso", "shared")
        add(registry, properties={"loginServer": "contoso.azurecr.io"})
        self.azure.registry.public = False
        workspace = self.theirs("Microsoft.OperationalInsights/workspaces/logs", "shared")
        add(workspace, properties={"retentionInDays": 90})
        application = self.graph.application("Aduana", "llm.admin", "llm.reader")
        for principal in self.graph.service_principals.values():
            principal["appRoleAssignmentRequired"] = True
        self.document |= {
            "network": {
                "mode": "existing",
                "existing": {
                    "vnet_id": network,
                    "apps_subnet_id": apps,
                    "apps_range": "10.1.0.0/24",
                    "endpoints_subnet_id": endpoints,
                    "endpoints_range": "10.1.1.0/24",
                },
            },
            "private_dns": {"mode": "existing", "zones": zones},
            "logs": {"workspace_id": workspace},
        }
        self.document["openai"]["accounts"] = [{"name": "main", "mode": "existing", "resource_id": account}]
        self.document["images"]["registry_id"] = registry
        self.document["entra"] |= {"mode": "existing", "application_id": application["appId"]}

    def check(self, id: str) -> Checked:
        """Run one check, behind the gates."""
        (checked,) = [each for each in self.check_all(id) if each.check.id == id]
        return checked

    def check_all(self, *ids: str) -> tuple[Checked, ...]:
        """Run these checks, or all."""
        chosen: list[Check] = [each for each in CHECKS if not ids or each.id in ids]
        return self._runner.run(self._run(chosen))

    async def _run(self, checks: list[Check]) -> tuple[Checked, ...]:
        tenant = self.tenant
        facts = AzureFacts(self._session, tenant.subscription_id)
        resolver = Resolver(self.azure.dns.address)
        context = Context(tenant, self.file, tenant.names(), facts, resolver, self.now)
        try:
            return (await run_checks(context, checks)).checked
        finally:
            await facts.close()


async def _no_sleep(_: float) -> None:
    pass


@pytest.fixture(scope="module")
def session(shared_azure_tenant: AzureTenant) -> Iterator[tuple[asyncio.Runner, Session]]:
    settings = AzureSettings.from_environment("uksouth", shared_azure_tenant.tenant_id, shared_azure_tenant.environment)
    with asyncio.Runner() as runner:
        opened = open_azure(settings, sleep=_no_sleep)
        yield runner, runner.run(opened.__aenter__())
        runner.run(opened.__aexit__(None, None, None))


@pytest.fixture
def world(
    azure_tenant: AzureTenant,
    session: tuple[asyncio.Runner, Session],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    return World(azure_tenant, tmp_path, monkeypatch, *session)


def delegation(service: str) -> dict[str, Any]:
    return {"name": "delegation", "properties": {"serviceName": service}}


def certificate(*names: str, days: int = 200) -> bytes:
    """One for these names, that ends so many days after `NOW`; DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(NOW - timedelta(days=400))
    builder = builder.not_valid_after(NOW + timedelta(days=days))
    alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
    return builder.add_extension(alternatives, critical=False).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
