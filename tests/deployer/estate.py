"""An installation in the simulated Azure, as Terraform leaves one: a tenant file, its data services, apps, job, identities."""

from pathlib import Path
from typing import Any

import yaml

from deployer.installation import Installation
from deployer.jobs.results import print_result
from deployer.tenant_file import load_tenant
from tests.deployer.tenant_files import with_settings
from tests.simulators.azure.arm.container_apps import ContainerApps
from tests.simulators.azure.tenant import AzureTenant

OLD, NEW = "1" * 64, "2" * 64
KINDS = ("proxy", "admin", "job")


def image(kind: str, digest: str = OLD) -> str:
    return f"ghcr.io/aduana/{kind}@sha256:{digest}"


class Estate:
    """`apps` is what Container Apps does, `job_results` what the job's executions bring back, by their first argument."""

    def __init__(self, azure: AzureTenant, directory: Path, name: str = "contoso-prod") -> None:
        self.azure, self.apps = azure, ContainerApps(azure)
        self.job_results: dict[str, Any] = {}
        self.apps.program = self._job
        self.file = self.add(directory, name)
        self.installation = Installation(load_tenant(self.file))

    def add(self, directory: Path, name: str) -> Path:
        """A tenant file, and all that it describes."""
        settings = with_settings(
            name=name,
            subscription_id=self.azure.subscription_id,
            entra__tenant_id=self.azure.tenant_id,
            images={kind: image(kind) for kind in KINDS},
            openai__accounts=[{"name": "uks"}],
        )
        directory.mkdir(exist_ok=True)
        file = directory / f"{name}.yaml"
        file.write_text("# Whose it is.\n" + yaml.safe_dump(settings, sort_keys=False))
        self._build(Installation(load_tenant(file)))
        return file

    def _build(self, it: Installation) -> None:
        names = it.tenant.names()
        self.put(it.group, "Microsoft.Resources/resourceGroups", {})
        self.put(it.vault, "Microsoft.KeyVault/vaults", {"vaultUri": "https://kv.vault.invalid/"} | CLOSED)
        server = {"fullyQualifiedDomainName": "psql.postgres.invalid", "network": CLOSED}
        self.put(it.postgres, "Microsoft.DBforPostgreSQL/flexibleServers", server)
        if it.redis is not None:
            self.put(it.redis, "Microsoft.Cache/redisEnterprise", {"hostName": "amr.redis.invalid"} | CLOSED)
        for id in it.accounts.values():
            self.put(id, "Microsoft.CognitiveServices/accounts", {"endpoint": "https://oai.openai.invalid/"} | CLOSED)
        for service, identity in names.identities.items():
            id = f"{it.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{identity}"
            principal = f"00000000-0000-4000-8000-{abs(hash(service)) % 10**12:012d}"
            self.put(id, "Microsoft.ManagedIdentity/userAssignedIdentities", {"principalId": principal})
        for service, kind in (("proxy", "proxy"), ("writer", "proxy"), ("admin", "admin")):
            ingress = (
                {"ingress": {"fqdn": f"{service}.internal.invalid", "targetPort": 8080}} if service != "writer" else {}
            )
            app = {
                "configuration": {"activeRevisionsMode": "Single", **ingress},
                "template": {"containers": [{"name": "service", "image": image(kind), "env": []}]},
            }
            id = it.app(service)  # type: ignore[arg-type]
            self.apps._changed(self.put(id, "Microsoft.App/containerApps", app), None)
        container = {
            "name": "job",
            "image": image("job"),
            "args": ["migrate"],
            "env": [{"name": "ADUANA_DATABASE_AUTH", "value": "entra"}],
            "resources": {"cpu": 0.5, "memory": "1Gi", "ephemeralStorage": "1Gi"},
        }
        self.put(it.job_id, "Microsoft.App/jobs", {"template": {"containers": [container]}})

    def put(self, id: str, kind: str, properties: dict[str, Any]) -> dict[str, Any]:
        resource = {
            "id": id,
            "name": id.rsplit("/", 1)[1],
            "type": kind,
            "location": "uksouth",
            "properties": properties,
        }
        self.azure.arm.subscription.resources[id.lower()] = resource
        return resource

    def properties(self, id: str) -> dict[str, Any]:
        return self.azure.arm.subscription.resources[id.lower()]["properties"]

    def runs(self) -> dict[str, str]:
        """The image that each service's template has, and the job's."""
        ids = {service: self.installation.app(service) for service in ("proxy", "writer", "admin")}  # type: ignore[arg-type]
        found = {**ids, "job": self.installation.job_id}
        return {
            service: self.properties(id)["template"]["containers"][0]["image"][-64:] for service, id in found.items()
        }

    def close(self) -> None:
        self.apps.close()

    def _job(self, arguments: Any, variables: Any) -> tuple[int, list[str]]:
        found = self.job_results[arguments[0]]
        result = found(arguments, variables) if callable(found) else found
        if result is None:
            return 1, ["Traceback: it broke"]
        lines: list[str] = ["a line for people"]

        class Out:
            def write(self, text: str) -> None:
                lines.extend(text.splitlines())

            def flush(self) -> None: ...

        print_result(result, Out())  # type: ignore[arg-type]
        return 0 if result.get("ok", True) else 3, lines


CLOSED = {"publicNetworkAccess": "Disabled"}
