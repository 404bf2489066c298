"""Whatever speaks OpenAI's API: vLLM, Ollama, another gateway. Its endpoint may end in any base path, /v1 included."""

from urllib.parse import urlsplit

from core.snapshot import Target
from proxy.adapters.openai import OpenAI
from proxy.endpoints import Endpoint


class OpenAICompatible(OpenAI):
    """As OpenAI, but a base path other than /v1 is taken as it stands."""

    def path(self, target: Target, endpoint: Endpoint) -> str:
        base = urlsplit(target.upstream.endpoint).path.rstrip("/")
        return f"{base or '/v1'}/{endpoint.path}"
