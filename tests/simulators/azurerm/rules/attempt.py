"""What a rule judges: who wants what of which resource."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.azurerm.cloud import Cloud, Resource


@dataclass(slots=True)
class Session:
    """One configured provider: a subscription, who asks, and the features that were set."""

    cloud: Cloud
    client: str
    """The object id of who is signed in."""
    application: str = ""
    """The application (client) id of who is signed in, where it is an application."""
    features: dict[str, Any] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)

    def feature(self, block: str, name: str, default: bool) -> bool:
        """A switch of the provider's `features` block."""
        told = self.features.get(block) or []
        value = told[0].get(name) if told else None
        return default if value is None else bool(value)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A creation, or (with `prior`) a change or deletion, of a resource with these values. What Azure computes is null."""

    session: Session
    type: str
    id: str
    values: dict[str, Any]
    prior: dict[str, Any] | None = None

    @property
    def cloud(self) -> Cloud:
        """Where it happens."""
        return self.session.cloud

    def text(self, name: str) -> str:
        """An argument that is text, or "" where nothing is said."""
        value = self.values.get(name)
        return value if isinstance(value, str) else ""

    def block(self, name: str) -> dict[str, Any]:
        """The first block of this name, or an empty one."""
        blocks = self.values.get(name)
        return blocks[0] if isinstance(blocks, list) and blocks else {}

    def blocks(self, name: str) -> list[dict[str, Any]]:
        """All blocks of this name."""
        blocks = self.values.get(name)
        return blocks if isinstance(blocks, list) else []

    def named(self, name: str) -> Resource | None:
        """The resource that an argument names, if it exists here."""
        return self.cloud.at(self.text(name)) if self.text(name) else None

    def others(self) -> Iterator[Resource]:
        """The resources of the same type beside this one."""
        return (other for other in self.cloud.of_type(self.type) if other.id.lower() != self.id.lower())


Rule = Callable[[Attempt], None]
