"""Many installations at once: how each stands in Azure, and new images into one after the other.

Each has a session of its own: they may be in other directories and clouds. What happens to one says nothing of the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How one installation stands."""

    RUNS = "runs"
    TROUBLED = "troubled"  # a service has no revision that is well, or traffic is between two
    DIFFERS = "differs"  # it runs other images than its file says
    ABSENT = "absent"  # nothing of it is in Azure
    UNKNOWN = "unknown"  # Azure cannot be asked
    INVALID = "invalid"  # its file is wrong


@dataclass(frozen=True, slots=True)
class ServiceState:
    """One service: the image that serves, and whether its revision is well."""

    image: str
    revision: str
    well: bool
    settled: bool  # the newest revision has all traffic


@dataclass(frozen=True, slots=True)
class Member:
    """One installation of the fleet."""

    name: str
    file: str
    region: str
    state: State
    note: str = ""
    services: Mapping[str, ServiceState] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "file": self.file,
            "region": self.region or None,
            "state": str(self.state),
            "note": self.note,
            "services": {
                name: {"image": each.image, "revision": each.revision, "well": each.well, "settled": each.settled}
                for name, each in self.services.items()
            },
        }
