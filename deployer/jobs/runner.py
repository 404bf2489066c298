"""The job's executions: started with arguments of their own, followed line by line, ended with what they printed.

https://learn.microsoft.com/rest/api/resource-manager/containerapps/jobs/start
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployer.azure import AzureError, Session, Unreachable
from deployer.jobs.results import is_part_of_one, read_result

LINGER = 20
"""Seconds that what runs in the job stays after its result: its log is streamed only while it lives."""

_POLL = 4.0  # seconds
_PATIENCE = 1_800.0  # seconds: the job's own limit
_LATE = 300.0  # seconds until a log is in the workspace at the latest
_ENDED = frozenset(("Succeeded", "Failed", "Stopped", "Degraded"))
_REPLICAS = "2023-11-02-preview"  # the version that names the streams
_TAIL = "300"  # lines; the most there are

# The table that diagnostic settings fill; https://learn.microsoft.com/azure/azure-monitor/reference/tables/containerappconsolelogs
_QUERY = """ContainerAppConsoleLogs
| where ContainerGroupName startswith '{execution}' | project Log | take 10000"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How an execution ended. `result`: what it printed for us; None: nothing whole. `lines`: the rest of its log."""

    execution: str
    succeeded: bool
    result: dict[str, Any] | None
    lines: tuple[str, ...]


class Job:
    """One installation's job. `workspace` is the id of the Log Analytics workspace that logs go to."""

    def __init__(
        self,
        session: Session,
        job_id: str,
        workspace: str | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session, self._arm, self.id, self._workspace = session, session.arm, job_id, workspace
        self._sleep, self._clock = sleep, clock

    async def run(
        self,
        arguments: Sequence[str],
        variables: Mapping[str, str] | None = None,
        *,
        image: str | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> Ended:
        """Start it as `arguments` say, with these variables beside its own, and wait for its end; `say` gets each line.

        `image`: another one than the job's own. Raises `AzureError`: also where it did not end in time.
        """
        template = await self._template([*arguments, "--for-job", str(LINGER)], variables or {}, image)
        started = await self._arm.post(f"{self.id}/start", template)
        execution = str(started["name"])
        seen: list[str] = []
        deadline = self._clock() + _PATIENCE
        while True:
            found = await self._arm.get(f"{self.id}/executions/{execution}")
            status = str(found.get("status") or (found.get("properties") or {}).get("status") or "")
            for line in _new(await self._streamed(execution), seen):
                seen.append(line)
                if not is_part_of_one(line):
                    say(line)
            result = read_result(seen)
            if status in _ENDED:
                break
            if self._clock() > deadline:
                raise Unreachable(f"the job's execution {execution} goes on for more than {_PATIENCE / 60:.0f} minutes")
            await self._sleep(_POLL)
        if result is None:
            collected = await self._collected(execution)
            seen = collected if read_result(collected) is not None or not seen else seen
            result = read_result(seen)
        lines = tuple(line for line in seen if not is_part_of_one(line))
        return Ended(execution, status == "Succeeded", result, lines)

    async def _template(self, arguments: list[str], variables: Mapping[str, str], image: str | None) -> dict[str, Any]:
        """The job's own container with other arguments: an execution's template replaces the whole of it."""
        job = await self._arm.get(self.id)
        (own,) = job["properties"]["template"]["containers"]
        given = {each["name"]: each for each in own.get("env") or []}
        given |= {name: {"name": name, "value": value} for name, value in variables.items()}
        container = {
            "name": own["name"],
            "image": image or own["image"],
            "resources": {key: own["resources"][key] for key in ("cpu", "memory") if key in own.get("resources", {})},
            "args": arguments,
            "env": list(given.values()),
        }
        if own.get("command"):
            container["command"] = own["command"]
        return {"containers": [container]}

    async def _streamed(self, execution: str) -> list[str]:
        """The last lines of what runs; none where it has not begun or is gone."""
        try:
            replicas = await self._arm.list(f"{self.id}/executions/{execution}/replicas", api_version=_REPLICAS)
            endpoints = [
                str(container["logStreamEndpoint"])
                for replica in replicas
                for container in (replica.get("properties") or replica).get("containers") or []
                if container.get("logStreamEndpoint")
            ]
            if not endpoints:
                return []
            granted = await self._arm.post(f"{self.id}/getAuthToken", api_version=_REPLICAS)
            token = str(granted["properties"]["token"])
            lines: list[str] = []
            for endpoint in endpoints:
                stream = self._session.service("the job's log", endpoint, None)
                answer = await stream.request(
                    "GET",
                    endpoint,
                    query={"follow": "false", "output": "text", "tailLines": _TAIL},
                    headers={"Authorization": f"Bearer {token}"},
                )
                lines += answer.text.splitlines()
            return lines
        except (AzureError, KeyError, TypeError):  # a log that cannot be followed is read from the workspace at the end
            return []

    async def _collected(self, execution: str) -> list[str]:
        """The log as the workspace has it, which takes minutes."""
        if self._workspace is None:
            return []
        deadline = self._clock() + _LATE
        try:
            workspace = await self._arm.get(self._workspace)
            customer = workspace["properties"]["customerId"]
            cloud = self._session.cloud
            logs = self._session.service("Log Analytics", cloud.logs, cloud.logs_audience)
            lines: list[str] = []
            while True:
                body = {"query": _QUERY.format(execution=execution)}
                answer = (await logs.request("POST", f"/v1/workspaces/{customer}/query", body=body)).body
                lines = [str(row[0]) for row in answer["tables"][0]["rows"]]
                if read_result(lines) is not None or self._clock() > deadline:
                    return lines
                await self._sleep(15.0)
        except (AzureError, KeyError, TypeError, IndexError):
            return []


def _new(tail: Sequence[str], seen: Sequence[str]) -> list[str]:
    """What of a log's tail was not seen before."""
    known = set(seen[-2 * int(_TAIL) :])
    return [line for line in tail if line not in known]
