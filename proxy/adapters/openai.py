"""OpenAI itself: /v1 and a bearer token."""

from urllib.parse import urlsplit

from core.snapshot import Target
from proxy.endpoints import Endpoint


class OpenAI:
    """`Authorization: Bearer`, the model's own name as the deployment."""

    def path(self, target: Target, endpoint: Endpoint) -> str:
        base = urlsplit(target.upstream.endpoint).path.rstrip("/").removesuffix("/v1")
        return f"{base}/v1/{endpoint.path}"

    def credential(self, secret: str) -> tuple[bytes, bytes]:
        return b"authorization", b"Bearer " + secret.encode("ascii")
