"""One container app's image, revisions and traffic, through Resource Manager.

https://learn.microsoft.com/azure/container-apps/revisions
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from deployer.azure import Arm
from deployer.upgrade import UpgradeFailed

_POLL = 5.0  # seconds
_METRICS = "2023-10-01"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision as Azure shows it."""

    name: str
    image: str
    active: bool
    weight: int  # percent of the traffic
    created: str  # ISO 8601
    health: str
    state: str
    host: str  # that leads to it alone; empty without ingress
    problem: str

    @property
    def healthy(self) -> bool:
        return self.health == "Healthy" and self.state.startswith(("Running", "ScaledToZero"))

    @property
    def failed(self) -> bool:
        return self.state == "Failed" or self.health == "Unhealthy"


class App:
    """One of them. What it asks of Azure raises `AzureError`."""

    def __init__(
        self,
        arm: Arm,
        id: str,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id, self.name = id, id.rsplit("/", 1)[1]
        self._arm, self._sleep, self._clock = arm, sleep, clock

    async def image(self) -> str:
        """What its template says."""
        return str((await self._arm.get(self.id))["properties"]["template"]["containers"][0]["image"])

    async def revisions(self) -> list[Revision]:
        """The newest first."""
        found = [_revision(each) for each in await self._arm.list(f"{self.id}/revisions")]
        return sorted(found, key=lambda each: (each.created, each.name), reverse=True)

    async def serving(self, but: str = "") -> Revision | None:
        """The revision that has most of the traffic; without ingress the newest that is active and well. `but`: not with this
        image.
        """
        found = [each for each in await self.revisions() if each.image != but]
        shared = [each for each in found if each.weight]
        if shared:
            return max(shared, key=lambda each: each.weight)
        return next((each for each in found if each.active and each.healthy), None)

    async def hold(self, revision: Revision) -> None:
        """From here on the traffic stays where it is, whatever revision is made."""
        ingress = await self._ingress()
        traffic = [{"revisionName": revision.name, "weight": 100}]
        await self._configure({"activeRevisionsMode": "Multiple", "ingress": {**ingress, "traffic": traffic}})

    async def put_image(self, image: str) -> str:
        """A new revision with another image; its name."""
        app = await self._arm.get(self.id)
        template: Document = app["properties"]["template"]
        containers = [{**template["containers"][0], "image": image}, *template["containers"][1:]]
        changed = {key: value for key, value in template.items() if key != "revisionSuffix"}
        done = await self._arm.patch(self.id, {"properties": {"template": {**changed, "containers": containers}}})
        return str(done["properties"]["latestRevisionName"])

    async def well(self, name: str, patience: float) -> Revision:
        """A revision as soon as it is well. Raises `UpgradeFailed` where it fails, or is not after `patience` seconds."""
        deadline = self._clock() + patience
        while True:
            revision = _revision(await self._arm.get(f"{self.id}/revisions/{name}"))
            if revision.healthy:
                return revision
            late = self._clock() > deadline
            if revision.failed or late:
                why = revision.problem or f"{revision.state}, {revision.health}"
                raise UpgradeFailed(
                    f"{name} does not start{f' within {patience:.0f} s' if late else ''}: {why}",
                    "See the revision's log (ContainerAppConsoleLogs, ContainerAppSystemLogs): a wrong image, one that "
                    "cannot be pulled, or a setting that it does not know.",
                    code="does_not_start",
                )
            await self._sleep(_POLL)

    async def share(self, weights: Mapping[str, int]) -> None:
        """Give each revision its percentage of the traffic."""
        traffic = [{"revisionName": name, "weight": weight} for name, weight in weights.items() if weight]
        await self._configure({"ingress": {**await self._ingress(), "traffic": traffic}})

    async def settle(self, mode: str) -> None:
        """All traffic to the newest revision, by no name, and the revision mode as it was: what the engine's plan says."""
        configuration: Document = {"activeRevisionsMode": mode}
        if ingress := await self._ingress():
            configuration["ingress"] = {**ingress, "traffic": [{"latestRevision": True, "weight": 100}]}
        await self._configure(configuration)

    async def mode(self) -> str:
        """Single or Multiple."""
        app = await self._arm.get(self.id)
        return str((app["properties"].get("configuration") or {}).get("activeRevisionsMode") or "Single")

    async def is_settled(self) -> bool:
        """Whether the newest revision has all traffic, by no name."""
        traffic: Sequence[Document] = (await self._ingress()).get("traffic") or []
        return all(each.get("latestRevision") for each in traffic)

    async def retire(self, keep: str) -> None:
        """Switch off every revision but one."""
        for revision in await self.revisions():
            if revision.active and revision.name != keep:
                await self._arm.post(f"{self.id}/revisions/{revision.name}/deactivate")

    async def errors(self, revision: str, seconds: float) -> tuple[int, int]:
        """A revision's calls and those of them that it answered with 5xx, in the last so many seconds."""
        now = datetime.now(UTC)
        span = f"{now - timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}/{now:%Y-%m-%dT%H:%M:%SZ}"
        answer = await self._arm.get(
            f"{self.id}/providers/Microsoft.Insights/metrics",
            api_version=_METRICS,
            metricnames="Requests",
            aggregation="Total",
            interval="PT1M",
            timespan=span,
            filter=f"revisionName eq '{revision}' and statusCodeCategory eq '*'",
        )
        calls, errors = 0, 0
        for series in (each for metric in answer.get("value") or [] for each in metric.get("timeseries") or []):
            total = int(sum(point.get("total") or 0 for point in series.get("data") or []))
            category = {str(each.get("value")) for each in series.get("metadatavalues") or []}
            calls += total
            errors += total if "5xx" in category else 0
        return calls, errors

    async def _ingress(self) -> Document:
        app = await self._arm.get(self.id)
        return dict((app["properties"].get("configuration") or {}).get("ingress") or {})

    async def _configure(self, configuration: Document) -> None:
        cleaned = {key: value for key, value in configuration.items() if value != {"traffic": []}}
        if isinstance(ingress := cleaned.get("ingress"), dict):
            cleaned["ingress"] = {key: value for key, value in ingress.items() if key != "fqdn"}
        await self._arm.patch(self.id, {"properties": {"configuration": cleaned}})


async def job_image(arm: Arm, job_id: str) -> str:
    """The image that a job has."""
    return str((await arm.get(job_id))["properties"]["template"]["containers"][0]["image"])


async def put_job_image(arm: Arm, job_id: str, image: str) -> None:
    """Give a job another image."""
    job = await arm.get(job_id)
    template = job["properties"]["template"]
    containers = [{**template["containers"][0], "image": image}, *template["containers"][1:]]
    await arm.patch(job_id, {"properties": {"template": {**template, "containers": containers}}})


def _revision(found: Mapping[str, Any]) -> Revision:
    properties = found.get("properties") or {}
    containers = (properties.get("template") or {}).get("containers") or [{}]
    return Revision(
        name=str(found.get("name", "")),
        image=str(containers[0].get("image", "")),
        active=bool(properties.get("active")),
        weight=int(properties.get("trafficWeight") or 0),
        created=str(properties.get("createdTime") or ""),
        health=str(properties.get("healthState") or "None"),
        state=str(properties.get("runningState") or "Unknown"),
        host=str(properties.get("fqdn") or ""),
        problem=str(properties.get("provisioningError") or properties.get("runningStateDetails") or ""),
    )
