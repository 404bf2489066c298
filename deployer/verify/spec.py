"""What the job is told to verify. No secret is in it."""

from typing import Annotated, Literal

import msgspec


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A service that must be reached by a private address."""

    name: Annotated[str, msgspec.Meta(max_length=64)]
    host: Annotated[str, msgspec.Meta(max_length=253)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    tls: bool = True


class VerifySpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it. `models` empty: the first route by name that answers a chat."""

    proxy_url: str
    admin_url: str | None = None
    endpoints: tuple[Endpoint, ...] = ()
    models: tuple[str, ...] = ()
    only: tuple[str, ...] = ()  # ids, or what they begin with; empty: all
    version: Literal[1] = 1


class VerifySpecError(ValueError):
    """It cannot be read."""


def read_verify_spec(text: str) -> VerifySpec:
    """From JSON. Raises `VerifySpecError`."""
    try:
        return msgspec.json.decode(text, type=VerifySpec)
    except msgspec.DecodeError as error:
        raise VerifySpecError(f"the verify spec is wrong: {error}") from None
