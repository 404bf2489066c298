"""A resource whose values Azure is about to give."""

import hashlib
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.simulators.azurerm.cloud import Cloud


@dataclass(frozen=True, slots=True)
class Subject:
    """The resource whose values are asked for, as far as it is known: what is not is null."""

    cloud: Cloud
    type: str
    id: str
    values: dict[str, Any]
    generation: int

    @property
    def name(self) -> str:
        """The resource's."""
        return str(self.values.get("name") or self.id.rsplit("/", 1)[-1])

    def guid(self, *parts: object) -> str:
        """A GUID of this very resource: one that was made anew has another."""
        return self.cloud.digest(self.id, self.generation, *parts)

    def token(self, *parts: object) -> str:
        """32 hexadecimal digits of it."""
        return self.guid(*parts).replace("-", "")

    def address(self, *parts: object) -> str:
        """A public IPv4 address of it (of the block for documentation and benchmarks, 198.18.0.0/15)."""
        number = int.from_bytes(hashlib.sha256(self.guid(*parts).encode()).digest()[:4], "big") % 2**17
        return str(ipaddress.ip_address("198.18.0.0") + number)


Giver = Callable[[Subject, dict[str, Any], str], Any]
"""Subject, the object that the attribute stands in, the attribute's name."""
