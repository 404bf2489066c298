"""The client's side of TLS: 1.2 or newer, HTTP/1.1 by ALPN, always verified. There is no switch to turn that off."""

import ssl
from pathlib import Path


def client_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """The system's authorities and, if given, a private bundle (PEM) besides. Raises `OSError` or `ssl.SSLError`."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca_bundle is not None:
        context.load_verify_locations(cafile=ca_bundle)
    return context
