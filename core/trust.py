"""Whom this process's outgoing TLS trusts: the system's authorities and, if given, a private bundle (PEM) besides.

TLS is 1.2 or newer and always verified; there is no switch to turn that off.
"""

import ssl
from pathlib import Path
from typing import Any


def client_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """For clients that take a context: HTTP/1.1 by ALPN. Raises `OSError` or `ssl.SSLError`."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca_bundle is not None:
        context.load_verify_locations(cafile=ca_bundle)
    return context


def azure_transport(ca_bundle: Path | None) -> dict[str, Any]:
    """The same as an option of Azure's clients, which have a way of their own to say so; none, where nothing is said.

    What they trust by themselves (certifi's authorities, `REQUESTS_CA_BUNDLE`) is trusted besides. A client owns it, and
    closes it. Raises as `client_context`.
    """
    if ca_bundle is None:
        return {}
    import requests
    from azure.core.pipeline.transport import RequestsTransport
    from requests.adapters import HTTPAdapter

    context = client_context(ca_bundle)

    class Trusting(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **options: Any) -> Any:
            return super().init_poolmanager(*args, **options, ssl_context=context)

        def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
            return super().proxy_manager_for(proxy, **options, ssl_context=context)

    session = requests.Session()
    session.mount("https://", Trusting(max_retries=False))  # Azure's pipelines retry by themselves
    return {"transport": RequestsTransport(session=session)}
