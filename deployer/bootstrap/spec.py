"""What the operator's machine tells the job: which role stands for which identity, and the seed. It holds no secret: a seed
names secrets by reference alone.

It travels in one environment variable of the job's execution, packed (gzip, base64), so that nothing needs a volume.
"""

import base64
import binascii
import gzip
import zlib
from typing import Annotated, Literal

import msgspec

Service = Literal["proxy", "writer", "admin"]

LONGEST = 96 * 1024
"""Characters of a packed one: Linux takes 128 KiB in one variable."""

_LARGEST = 8 * 1024 * 1024  # bytes unpacked


class SpecError(ValueError):
    """It cannot be read; the message says where."""


class ServiceRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The role in Postgres that stands for a service's managed identity."""

    service: Service
    role: Annotated[str, msgspec.Meta(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    object_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]


class BootstrapSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it."""

    roles: tuple[ServiceRole, ...]
    seed: str | None = None  # the seed file's text; None: this installation is configured by hand
    seed_name: str = "seed.yaml"
    skip_seed: bool = False  # an upgrade: nothing of the configuration is touched, nor noted
    version: Literal[1] = 1

    def __post_init__(self) -> None:
        for what, values in (("service", [r.service for r in self.roles]), ("role", [r.role for r in self.roles])):
            if len(set(values)) < len(values):
                raise ValueError(f"two roles name the same {what}")


def pack(spec: BootstrapSpec) -> str:
    """As it travels. Raises `SpecError` for a seed that is too large for it."""
    packed = base64.b64encode(gzip.compress(msgspec.json.encode(spec), mtime=0)).decode()
    if len(packed) > LONGEST:
        raise SpecError(
            f"the seed file is too large to be handed to the job ({len(packed)} of {LONGEST} characters, packed): split it, "
            "and apply the rest with aduana seed"
        )
    return packed


def read_spec(text: str) -> BootstrapSpec:
    """From JSON, or packed. Raises `SpecError`."""
    text = text.strip()
    try:
        return msgspec.json.decode(text if text.startswith("{") else _unpacked(text), type=BootstrapSpec)
    except msgspec.DecodeError as error:  # ValidationError is one
        raise SpecError(f"the bootstrap spec is wrong: {error}") from None


def _unpacked(text: str) -> bytes:
    try:
        packed = base64.b64decode(text, validate=True)
        unpacker = zlib.decompressobj(wbits=31)
        plain = unpacker.decompress(packed, _LARGEST)
    except (binascii.Error, ValueError, zlib.error):
        raise SpecError("the bootstrap spec is neither JSON nor a packed one") from None
    if not unpacker.eof:
        raise SpecError("the bootstrap spec is cut short, or larger than 8 MiB")
    return plain
