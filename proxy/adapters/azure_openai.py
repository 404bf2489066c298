"""Azure OpenAI: the dated surface where the upstream names an `api_version`, the /openai/v1 surface where it does not.

https://learn.microsoft.com/azure/ai-foundry/openai/reference and .../api-version-lifecycle
"""

from urllib.parse import quote, urlsplit

from core.snapshot import Target
from proxy.endpoints import Azure, Endpoint


class AzureOpenAI:
    """`api-key` and deployments."""

    def path(self, target: Target, endpoint: Endpoint) -> str:
        base = urlsplit(target.upstream.endpoint).path.rstrip("/")
        version = target.upstream.api_version
        if version is None:
            return f"{base}/openai/v1/{endpoint.path}"
        if endpoint.azure is Azure.DEPLOYMENT and target.deployment:
            path = f"{base}/openai/deployments/{quote(target.deployment, safe='')}/{endpoint.path}"
        else:
            path = f"{base}/openai/{endpoint.path}"
        return f"{path}?api-version={quote(version, safe='')}"

    def credential(self, secret: str) -> tuple[bytes, bytes]:
        return b"api-key", secret.encode("ascii")
