"""Provisioned throughput: a deployment that says how busy it is, and refuses what is beyond its capacity.

Azure tells it in a header of every answer, in percent, and a 429 says when to come back:
https://learn.microsoft.com/azure/ai-services/openai/how-to/provisioned-get-started
"""

from collections import Counter

from tests.simulators.model_provider.configuration import Provisioned
from tests.simulators.model_provider.errors import AzureError

HEADER = "azure-openai-deployment-utilization"


class Capacity:
    """The requests in flight, a deployment."""

    def __init__(self, deployments: dict[str, Provisioned]) -> None:
        self.deployments = deployments
        self._in_flight: Counter[str] = Counter()

    def enter(self, deployment: str) -> dict[str, str]:
        """Count a request in; the headers of its answer. It has to `leave`, where there are any.

        Raises:
            AzureError: 429, there is no capacity left.
        """
        provisioned = self.deployments.get(deployment)
        if provisioned is None:
            return {}
        used = provisioned.utilization
        if used is None:
            used = 100 * (self._in_flight[deployment] + 1) / provisioned.concurrent_requests
        headers = {HEADER: f"{used:.1f}%"}
        if used > 100 or provisioned.utilization == 100:
            raise _exhausted(provisioned, headers)
        self._in_flight[deployment] += 1
        return headers

    def leave(self, deployment: str) -> None:
        """A request is through."""
        self._in_flight[deployment] -= 1


def _exhausted(provisioned: Provisioned, headers: dict[str, str]) -> AzureError:
    wait = provisioned.retry_after
    error = AzureError(
        429,
        "429",
        "The service is temporarily unable to process your request: the provisioned deployment is over its capacity. "
        f"Please retry after {wait:g} seconds.",
    )
    error.headers = {**headers, "retry-after": f"{max(round(wait), 1)}", "retry-after-ms": f"{round(wait * 1000)}"}
    return error
