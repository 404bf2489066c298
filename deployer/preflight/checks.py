"""What a check is, what it finds, and what it may ask."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from deployer.names import ResourceNames
from deployer.preflight.facts import AzureFacts
from deployer.preflight.resolver import Resolver
from deployer.tenant import Tenant

Figure = int | float | str


class Verdict(StrEnum):
    """Of a finding, and of a check as a whole: its worst finding's. Better ones first."""

    PASSED = "passed"
    SKIPPED = "skipped"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        return list(Verdict).index(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check has to say. `subject` is what it is about: a setting's path, a name, a region."""

    verdict: Verdict
    message: str
    remedy: str = ""
    subject: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Context:
    """What a check may ask. `azure` is there unless the run is offline; a check that needs it is not run without."""

    tenant: Tenant
    file: Path
    names: ResourceNames
    facts: AzureFacts | None
    resolver: Resolver
    now: datetime  # aware

    @property
    def azure(self) -> AzureFacts:
        if self.facts is None:
            raise AssertionError("this check is not one that runs offline")
        return self.facts

    def in_group(self, type_and_name: str) -> str:
        """The id of a resource of this installation: `in_group("Microsoft.KeyVault/vaults/x")`."""
        return f"{self.group_id}/providers/{type_and_name}"

    @property
    def group_id(self) -> str:
        return f"/subscriptions/{self.tenant.subscription_id}/resourceGroups/{self.names.resource_group}"


@dataclass(frozen=True, slots=True)
class Check:
    """`severity` is the worst that it can find, `offline` whether the file alone suffices, `what` its line in the docs."""

    id: str
    title: str
    severity: Verdict
    what: str
    look: Callable[[Context], Awaitable[Iterable[Finding]]]
    offline: bool = False


class _Say(Protocol):
    def __call__(
        self, message: str, remedy: str = "", subject: str = "", *, figures: Mapping[str, Figure] = ...
    ) -> Finding: ...


def _saying(verdict: Verdict) -> _Say:
    def say(message: str, remedy: str = "", subject: str = "", *, figures: Mapping[str, Figure] = _NONE) -> Finding:
        return Finding(verdict, message, remedy, subject, dict(figures))

    return say


_NONE: Mapping[str, Figure] = {}
passed, skipped, info = _saying(Verdict.PASSED), _saying(Verdict.SKIPPED), _saying(Verdict.INFO)
warning, error = _saying(Verdict.WARNING), _saying(Verdict.ERROR)


def or_passed(findings: Iterable[Finding], message: str, figures: Mapping[str, Figure] = _NONE) -> list[Finding]:
    """The findings, or that all is well where there are none."""
    return list(findings) or [passed(message, figures=figures)]


def enough(what: str, requested: float, available: float, remedy: str, subject: str = "") -> Finding:
    """Whether a quota suffices, with its figures."""
    words = f"{what}: Requested {_number(requested)} · Available {_number(available)}"
    make = passed if requested <= available else error
    return make(
        words,
        "" if requested <= available else remedy,
        subject,
        figures={"requested": requested, "available": available},
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
