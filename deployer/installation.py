"""An installation as it stands in Azure: where its parts are, from the tenant's names alone, and what Azure says of it."""

from dataclasses import dataclass
from pathlib import Path

from deployer.azure import Arm, Session
from deployer.bootstrap.spec import BootstrapSpec, Service, ServiceRole
from deployer.jobs.runner import Job
from deployer.tenant import Tenant

SERVICES: tuple[Service, ...] = ("proxy", "writer", "admin")


@dataclass(frozen=True, slots=True)
class Installation:
    """Ids of Resource Manager. What is asked of Azure raises `AzureError`."""

    tenant: Tenant

    @property
    def group(self) -> str:
        return f"/subscriptions/{self.tenant.subscription_id}/resourceGroups/{self.tenant.names().resource_group}"

    def app(self, service: Service) -> str:
        return f"{self.group}/providers/Microsoft.App/containerApps/{self.tenant.names().apps[service]}"

    @property
    def job_id(self) -> str:
        return f"{self.group}/providers/Microsoft.App/jobs/{self.tenant.names().job}"

    @property
    def environment(self) -> str:
        return f"{self.group}/providers/Microsoft.App/managedEnvironments/{self.tenant.names().environment}"

    @property
    def vault(self) -> str:
        return f"{self.group}/providers/Microsoft.KeyVault/vaults/{self.tenant.names().key_vault}"

    @property
    def postgres(self) -> str:
        return f"{self.group}/providers/Microsoft.DBforPostgreSQL/flexibleServers/{self.tenant.names().postgres}"

    @property
    def redis(self) -> str | None:
        if self.tenant.redis.mode == "none":
            return None
        return f"{self.group}/providers/Microsoft.Cache/redisEnterprise/{self.tenant.names().redis}"

    @property
    def accounts(self) -> dict[str, str]:
        """By the tenant file's name."""
        made = f"{self.group}/providers/Microsoft.CognitiveServices/accounts"
        return {
            account.name: account.resource_id or f"{made}/{self.tenant.names().accounts[account.name]}"
            for account in self.tenant.openai.accounts
        }

    @property
    def workspace(self) -> str:
        made = f"{self.group}/providers/Microsoft.OperationalInsights/workspaces/{self.tenant.names().log_workspace}"
        return self.tenant.logs.workspace_id or made

    def job(self, session: Session) -> Job:
        return Job(session, self.job_id, self.workspace)

    async def roles(self, arm: Arm) -> tuple[ServiceRole, ...]:
        """Each service's role in Postgres: called like its identity."""
        names = self.tenant.names().identities
        found = []
        for service in SERVICES:
            identity = await arm.get(
                f"{self.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{names[service]}"
            )
            found.append(ServiceRole(service, names[service], str(identity["properties"]["principalId"])))
        return tuple(found)

    async def bootstrap_spec(self, arm: Arm, seed: Path | None) -> BootstrapSpec:
        """What the job is told. Raises `OSError` for a seed that cannot be read."""
        text = seed.read_text(encoding="utf-8") if seed is not None else None  # noqa: ASYNC240
        return BootstrapSpec(await self.roles(arm), text, seed.name if seed is not None else "seed.yaml")
