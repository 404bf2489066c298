"""Container Apps behind ARM: jobs whose executions are real processes, and apps with revisions, traffic and health.

    apps = ContainerApps(azure_tenant)
    apps.programs["job"] = lambda arguments, environment: (0, ["a line"])
    apps.images["registry/proxy@sha256:2…"] = Behaviour(healthy=False)

https://learn.microsoft.com/azure/container-apps/revisions and
https://learn.microsoft.com/rest/api/resource-manager/containerapps
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.simulators.azure.server import Answer, Request, SimulatedService
from tests.simulators.azure.tenant import AzureTenant, serving

Program = Callable[[Sequence[str], Mapping[str, str]], tuple[int, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What becomes of a revision that runs an image."""

    healthy: bool = True
    calls: Mapping[str, int] = field(default_factory=dict)  # by category of their status: 2xx, 5xx


class _LogStream(SimulatedService):
    """What a replica printed, to who has the token that ARM gave."""

    def __init__(self, tenant: AzureTenant) -> None:
        self.lines: dict[str, list[str]] = {}  # execution → lines
        self.token = uuid4().hex
        super().__init__(serving(tenant.authority))

    def respond(self, request: Request) -> Answer:
        if request.token != self.token:
            return Answer(401, {"error": {"code": "Unauthorized"}})
        lines = self.lines.get(request.path.rsplit("/", 1)[1], [])
        return Answer(200, "\n".join(lines[-300:]).encode(), {"Content-Type": "text/plain"})


class ContainerApps:
    """Attached to a tenant's ARM until `close`."""

    def __init__(self, tenant: AzureTenant) -> None:
        self.tenant, self.arm = tenant, tenant.arm
        self.logs = _LogStream(tenant)
        self.program: Program = lambda arguments, environment: (0, [])  # what the job's executions run
        self.images: dict[str, Behaviour] = {}
        self.executions: list[tuple[list[str], dict[str, str], str]] = []  # arguments, variables, image
        self.arm.actions[r"/jobs/[^/]+/start$"] = self._start
        self.arm.actions[r"/getAuthToken$"] = Answer(200, {"properties": {"token": self.logs.token}})
        self.arm.actions[r"/revisions/[^/]+/(deactivate|activate|restart)$"] = self._switch
        self._respond = self.arm.respond
        self.arm.respond = self._watching  # type: ignore[method-assign]
        self._numbers: dict[str, int] = {}

    def close(self) -> None:
        del self.arm.respond
        self.logs.close()

    def revisions(self, app_id: str) -> list[dict[str, Any]]:
        prefix = app_id.lower() + "/revisions/"
        return [each for id, each in self.arm.subscription.resources.items() if id.startswith(prefix)]

    def traffic(self, app_id: str) -> dict[str, int]:
        """By revision, what is not 0."""
        return {
            each["name"]: each["properties"]["trafficWeight"]
            for each in self.revisions(app_id)
            if each["properties"]["trafficWeight"]
        }

    # ── Jobs ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _start(self, request: Request) -> Answer:
        job_id = request.path.removesuffix("/start")
        job = self.arm.subscription.resources[job_id.lower()]
        (container,) = (request.body or job["properties"]["template"])["containers"]
        variables = {each["name"]: each["value"] for each in container.get("env", [])}
        self.executions.append((container.get("args", []), variables, container["image"]))
        name = f"{job['name']}-{uuid4().hex[:7]}"
        id = f"{job_id}/executions/{name}"
        execution = {
            "id": id,
            "name": name,
            "type": "Microsoft.App/jobs/executions",
            "status": "Running",
            "properties": {},
        }
        self.arm.subscription.resources[id.lower()] = execution
        endpoint = {"containers": [{"name": "job", "logStreamEndpoint": f"{self.logs.url}/logstream/{name}"}]}
        self.arm.subscription.resources[f"{id}/replicas/r1".lower()] = {
            "id": f"{id}/replicas/r1", "name": "r1", "type": "Microsoft.App/jobs/executions/replicas", "properties": endpoint,
        }  # fmt: skip
        threading.Thread(
            target=self._execute, args=(execution, container.get("args", []), variables), daemon=True
        ).start()
        return Answer(200, {"id": id, "name": name})

    def _execute(self, execution: dict[str, Any], arguments: list[str], variables: dict[str, str]) -> None:
        code, lines = self.program(arguments, variables)
        self.logs.lines[execution["name"]] = list(lines)
        execution["status"] = "Succeeded" if code == 0 else "Failed"

    # ── Apps ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _watching(self, request: Request) -> Answer:
        with self.arm.lock:
            if request.method == "GET" and request.path.endswith("/Microsoft.Insights/metrics"):
                return self._metrics(request)
            before = self.arm.subscription.resources.get(request.path.lower(), {}).get("properties", {}).get("template")
            answer = self._respond(request)
            is_app = "/containerapps/" in request.path.lower() and "/revisions/" not in request.path.lower()
            if request.method in ("PUT", "PATCH") and is_app and answer.status < 300:
                self._changed(self.arm.subscription.resources[request.path.lower()], before)
            return answer

    def _metrics(self, request: Request) -> Answer:
        revision = request.query["$filter"].split("'")[1]
        image = self._image(revision)
        series = [
            {
                "metadatavalues": [{"name": {"value": "statusCodeCategory"}, "value": category}],
                "data": [{"total": total}],
            }
            for category, total in self.images.get(image, Behaviour()).calls.items()
        ]
        return Answer(200, {"value": [{"name": {"value": "Requests"}, "timeseries": series}]})

    def _image(self, revision: str) -> str:
        (found,) = [each for each in self.arm.subscription.resources.values() if each["name"] == revision]
        return str(found["properties"]["template"]["containers"][0]["image"])

    def _changed(self, app: dict[str, Any], before: Any) -> None:
        properties = app["properties"]
        if properties["template"] != before:
            self._revise(app)
        self._share(app)

    def _revise(self, app: dict[str, Any]) -> None:
        number = self._numbers[app["id"]] = self._numbers.get(app["id"], 0) + 1
        name = f"{app['name']}--{number:07d}"
        image = app["properties"]["template"]["containers"][0]["image"]
        behaviour = self.images.get(image, Behaviour())
        self.arm.subscription.resources[f"{app['id']}/revisions/{name}".lower()] = {
            "id": f"{app['id']}/revisions/{name}",
            "name": name,
            "type": "Microsoft.App/containerApps/revisions",
            "properties": {
                "active": True,
                "createdTime": f"2026-11-25T00:00:{number:02d}Z",
                "trafficWeight": 0,
                "replicas": 1,
                "healthState": "Healthy" if behaviour.healthy else "Unhealthy",
                "runningState": "Running" if behaviour.healthy else "Failed",
                "provisioningState": "Provisioned" if behaviour.healthy else "Failed",
                "fqdn": f"{name}.internal.example",
                "template": app["properties"]["template"],
            },
        }
        app["properties"]["latestRevisionName"] = name
        if behaviour.healthy:
            app["properties"]["latestReadyRevisionName"] = name

    def _share(self, app: dict[str, Any]) -> None:
        properties = app["properties"]
        revisions = {each["name"]: each["properties"] for each in self.revisions(app["id"])}
        single = properties["configuration"].get("activeRevisionsMode", "Single") == "Single"
        latest = properties["latestReadyRevisionName" if single else "latestRevisionName"]
        traffic = (properties["configuration"].get("ingress") or {}).get("traffic") or [
            {"latestRevision": True, "weight": 100}
        ]
        for each in revisions.values():
            each["trafficWeight"] = 0
        for part in traffic:
            name = latest if part.get("latestRevision") else part["revisionName"]
            revisions[name]["trafficWeight"] += part["weight"]
        if single:
            for name, each in revisions.items():
                each["active"] = name in (latest, properties["latestRevisionName"])

    def _switch(self, request: Request) -> Answer:
        path, _, verb = request.path.rpartition("/")
        revision = self.arm.subscription.resources.get(path.lower())
        if revision is None:
            return Answer(404, {"error": {"code": "RevisionNotFound", "message": "there is no such revision"}})
        if verb == "deactivate" and revision["properties"]["trafficWeight"]:
            return Answer(400, {"error": {"code": "RevisionHasTraffic", "message": "it still has traffic"}})
        revision["properties"]["active"] = verb != "deactivate"
        return Answer(200, None)
