"""Terraform's machine-readable UI: one JSON object a line (developer.hashicorp.com/terraform/internals/machine-readable-ui).

Its versions 1.x add and never change; anything else is refused. A line that is no message (a crash, a warning about the command
line's own configuration) is kept as text.
"""

from collections import deque
from collections.abc import Mapping

import msgspec

from deployer.engines.changes import Action, Change
from deployer.engines.errors import EngineError
from deployer.engines.events import (
    Diagnosed,
    Event,
    Planned,
    Refreshed,
    ResourceDone,
    ResourceFailed,
    ResourceProgress,
    ResourceStarted,
    Said,
    Watch,
)
from deployer.engines.plans import Completed
from deployer.engines.problems import Problem, Severity
from deployer.engines.remedies import diagnose
from deployer.engines.terraform.command_lines import Scrubber

_KEPT_LINES = 40

_ACTIONS: Mapping[str, Action] = {
    "create": Action.CREATE,
    "update": Action.UPDATE,
    "replace": Action.REPLACE,
    "delete": Action.DELETE,
    "remove": Action.FORGET,
    "forget": Action.FORGET,
    "read": Action.READ,
    "import": Action.IMPORT,
    "move": Action.MOVE,
    "noop": Action.NO_OP,
    "no-op": Action.NO_OP,
}


class _Resource(msgspec.Struct):
    addr: str = ""
    module: str = ""
    resource: str = ""
    resource_type: str = ""
    resource_name: str = ""


class _Hook(msgspec.Struct):
    resource: _Resource = msgspec.field(default_factory=_Resource)
    action: str = ""
    id_value: str | None = None
    elapsed_seconds: float = 0.0


class _Diagnostic(msgspec.Struct):
    severity: str = "error"
    summary: str = ""
    detail: str = ""
    address: str = ""


class _Change(msgspec.Struct):
    resource: _Resource = msgspec.field(default_factory=_Resource)
    action: str = ""


class Message(msgspec.Struct):
    """One line, with what of it is used."""

    type: str
    text: str = msgspec.field(name="@message", default="")
    ui: str | None = None  # the version of this interface
    hook: _Hook | None = None
    change: _Change | None = None
    diagnostic: _Diagnostic | None = None


_decoder = msgspec.json.Decoder(Message)


def decode(line: bytes) -> Message | None:
    """One line; None where it is no message. Raises `EngineError` for a version of the interface that is not known."""
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        message = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if message.ui is not None and message.ui.split(".")[0] != "1":
        raise EngineError(
            f"this Terraform reports by version {message.ui} of its interface",
            "this Aduana reads version 1",
            "Use a Terraform 1.x, or a newer Aduana.",
            code="terraform_version",
        )
    return message


class Listener:
    """Reads one run: tells `watch`, and keeps what the outcome is made of."""

    def __init__(self, scrubber: Scrubber, watch: Watch, *, announce_changes: bool = False) -> None:
        self._scrubber = scrubber
        self._watch = watch
        self._announce_changes = announce_changes
        self.problems: list[Problem] = []
        self.completed: list[Completed] = []
        self.unread: deque[str] = deque(maxlen=_KEPT_LINES)  # the last lines that were no message

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity is Severity.WARNING)

    def hear(self, line: bytes) -> None:
        """One line of what Terraform says."""
        message = decode(line)
        if message is None:
            self.unread.append(self._scrubber.clean(line.decode("utf-8", "replace").rstrip()))
            return
        event = self._event(message)
        if event is not None:
            self._watch(event)

    def end(self, code: int) -> None:
        """The run ended. One that failed without saying why has crashed."""
        if code != 0 and not self.errors:
            self._keep(diagnose(Severity.ERROR, f"Terraform ended with code {code}", "\n".join(self.unread)))

    def _keep(self, problem: Problem) -> None:
        self.problems.append(problem)
        self._watch(Diagnosed(problem))

    def _event(self, message: Message) -> Event | None:
        if message.diagnostic is not None:
            self._diagnosed(message.diagnostic)
            return None
        if message.type == "planned_change" and message.change is not None:
            return self._planned(message.change)
        if message.hook is not None:
            return self._hooked(message.type, message.hook)
        if message.type == "state_lock_acquire":
            return Said("waiting for the state's lock")
        return None

    def _diagnosed(self, diagnostic: _Diagnostic) -> None:
        severity = Severity.WARNING if diagnostic.severity == "warning" else Severity.ERROR
        clean = self._scrubber.clean
        problem = diagnose(severity, clean(diagnostic.summary), clean(diagnostic.detail), diagnostic.address)
        if problem not in self.problems:
            self._keep(problem)

    def _planned(self, change: _Change) -> Event | None:
        action = _ACTIONS.get(change.action)
        if not self._announce_changes or action is None or not action.acts:
            return None
        resource = change.resource
        # `resource` is the address within its module: the type, a dot, and the name with its key.
        name = resource.resource.removeprefix(resource.resource_type + ".") or resource.resource_name
        return Planned(Change(resource.addr, resource.resource_type, name, resource.module, action))

    def _hooked(self, type: str, hook: _Hook) -> Event | None:
        address, kind = hook.resource.addr, hook.resource.resource_type
        action = _ACTIONS.get(hook.action, Action.NO_OP)
        match type:
            case "refresh_complete":
                return Refreshed(address)
            case "apply_start":
                return ResourceStarted(address, kind, action)
            case "apply_progress":
                return ResourceProgress(address, kind, action, hook.elapsed_seconds)
            case "apply_complete":
                id = hook.id_value or ""
                if action.acts:
                    self.completed.append(Completed(address, kind, action, hook.elapsed_seconds, id))
                return ResourceDone(address, kind, action, hook.elapsed_seconds, id)
            case "apply_errored":
                return ResourceFailed(address, kind, action, hook.elapsed_seconds)
        return None
