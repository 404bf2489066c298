"""Terraform behind the engine's port."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from deployer.engines.cancellation import Cancellation
from deployer.engines.changes import Change
from deployer.engines.errors import EngineError, Stopped
from deployer.engines.events import Step, StepStarted, Stopping, Watch, unwatched
from deployer.engines.plans import Drift, Ignored, Inventory, Outcome, Output, Plan, Purpose, StateVersion
from deployer.engines.problems import Severity
from deployer.engines.remedies import diagnose
from deployer.engines.terraform import process, saved_plan
from deployer.engines.terraform.applying import Applying
from deployer.engines.terraform.binary import Binary
from deployer.engines.terraform.command_lines import CommandLines, Scrubber, environment_of_terraform
from deployer.engines.terraform.configuration import Configuration
from deployer.engines.terraform.ignorable import without
from deployer.engines.terraform.plan_document import PlanDocument, read_plan, read_state
from deployer.engines.terraform.saved_plan import SavedPlan
from deployer.engines.terraform.ui import Listener
from deployer.engines.terraform.workspace import Workspace

_FRAME = re.compile(r"\x1b\[[0-9;]*m|[\u2500-\u257f]")


class TerraformEngine:
    """One tenant's stack, in one working directory. See `deployer.engines.Engine` for what the methods promise."""

    name = "terraform"

    def __init__(
        self,
        binary: Binary,
        directory: Path,
        configuration: Configuration,
        *,
        lock_timeout: float = 120.0,  # seconds that a lock of the state is waited for
        patience: float = 1.0,  # the waits before retries are multiplied by it
    ) -> None:
        self._binary = binary
        self._configuration = configuration
        self._inputs_digest = configuration.digest()
        self._patience = patience
        self._environment = environment_of_terraform(configuration.environment)
        self._commands = CommandLines(binary.path, lock_timeout=lock_timeout)
        self.scrubber = Scrubber(self._environment)
        self.workspace = Workspace(directory.expanduser().absolute())

    # ── The port ────────────────────────────────────────────────────────────────────────────────────────────────────

    def prepare(self, *, watch: Watch = unwatched, cancellation: Cancellation | None = None) -> None:
        with self._working(cancellation) as wish:
            self._prepare(watch, wish, anew=True)

    def plan(
        self,
        file: Path,
        *,
        purpose: Purpose = Purpose.APPLY,
        watch: Watch = unwatched,
        cancellation: Cancellation | None = None,
    ) -> Plan:
        with self._working(cancellation) as wish:
            self._prepare(watch, wish)
            self.push_errored_state(wish)
            watch(StepStarted(Step.PLAN))
            return self.make_plan(file.absolute(), purpose, watch, wish).plan

    def load(self, file: Path) -> Plan:
        with self._working(None) as wish:
            self._prepare(unwatched, wish)
            return self.load_plan(file.absolute(), wish).plan

    def apply(self, plan: Plan, *, watch: Watch = unwatched, cancellation: Cancellation | None = None) -> Outcome:
        return self._apply(plan, Purpose.APPLY, watch, cancellation)

    def destroy(self, plan: Plan, *, watch: Watch = unwatched, cancellation: Cancellation | None = None) -> Outcome:
        return self._apply(plan, Purpose.DESTROY, watch, cancellation)

    def outputs(self, *, cancellation: Cancellation | None = None) -> Mapping[str, Output]:
        with self._working(cancellation) as wish:
            self._prepare(unwatched, wish)
            answer = json.loads(self.capture("the outputs could not be read", self._commands.output(), wish))
        return {
            name: Output(name, output.get("value"), bool(output.get("sensitive", False)))
            for name, output in sorted(answer.items())
        }

    def drift(
        self,
        *,
        ignored: Sequence[Ignored] = (),
        watch: Watch = unwatched,
        cancellation: Cancellation | None = None,
    ) -> Drift:
        with self._working(cancellation) as wish:
            self._prepare(watch, wish)
            self.push_errored_state(wish)
            watch(StepStarted(Step.DRIFT))
            now = self._scratch_plan(watch, wish, refresh_only=True)
            changed, let_be = without(now.drift(), ignored, now.state_resources())
            undone: tuple[Change, ...] = ()
            if changed:
                watch(StepStarted(Step.PLAN))
                undone = self._scratch_plan(watch, wish).changes()
            return Drift(changed, let_be, tuple(change for change in undone if change.action.acts))

    def inventory(self, *, cancellation: Cancellation | None = None) -> Inventory:
        failed = "the state could not be read"
        with self._working(cancellation) as wish:
            self._prepare(unwatched, wish)
            raw = self.capture(failed, self._commands.state_pull(), wish).strip()
            if not raw:
                return Inventory(None, ())
            state = json.loads(raw)
            resources = read_state(self.capture(failed, self._commands.show(), wish)).resources()
        return Inventory(StateVersion(str(state["lineage"]), int(state["serial"])), resources)

    def unlock(self, lock: str) -> None:
        if not re.fullmatch(r"\w[\w.:/-]*", lock):
            raise EngineError(
                f"{lock!r} is no lock's id", remedy="Take the id from what was said.", code="no_lock", exit_code=2
            )
        with self._working(None) as wish:
            self._prepare(unwatched, wish)
            self.capture("the lock could not be taken away", self._commands.force_unlock(lock), wish)

    # ── What applying is made of ────────────────────────────────────────────────────────────────────────────────────

    def run_apply(self, plan: Path, log: Path, listener: Listener, watch: Watch, wish: Cancellation) -> int:
        """Apply one saved plan; the exit code."""
        return self._follow(self._commands.apply(plan), log, listener, watch, wish)

    def make_plan(self, file: Path, purpose: Purpose, watch: Watch, wish: Cancellation) -> SavedPlan:
        """Plan, and save it. Raises `EngineError` with the problems; `file` is there whole or not at all."""
        listener = Listener(self.scrubber, watch, announce_changes=True)
        fresh = file.with_name(file.name + ".new")
        try:
            command = self._commands.plan(fresh, destroy=purpose is Purpose.DESTROY)
            self._plan(command, listener, watch, wish)
            fresh.chmod(0o600)
            document = self._document_of(fresh, wish)
            record = saved_plan.record_of(
                fresh, version=self._binary.version, purpose=purpose, inputs_digest=self._inputs_digest
            )
            saved_plan.write_record(file, record)
            fresh.replace(file)
        finally:
            fresh.unlink(missing_ok=True)
        return SavedPlan(saved_plan.plan_of(file, record, document, listener.warnings), document)

    def load_plan(self, file: Path, wish: Cancellation) -> SavedPlan:
        """A plan as it was saved. Raises `EngineError` where it is no longer that."""
        record = saved_plan.read_record(file)
        document = self._document_of(file, wish)
        return SavedPlan(saved_plan.plan_of(file, record, document), document)

    def push_errored_state(self, wish: Cancellation) -> bool:
        """Write the state that an earlier apply could not; whether there was one. Raises `EngineError`."""
        errored = self.workspace.errored_state
        if not errored.exists():
            return False
        self.capture(
            "the state that an interrupted apply left could not be written",
            self._commands.state_push(errored),
            wish,
            remedy=f"Keep {errored}: it holds the state. Repair the access to the backend and run this again.",
        )
        errored.replace(errored.with_name(f"pushed-{errored.stat().st_mtime_ns}.tfstate"))
        return True

    def capture(self, failed: str, command: Sequence[str], wish: Cancellation, *, remedy: str = "") -> bytes:
        """What a short command answers. Raises `EngineError` that begins with `failed`."""
        answer = process.capture(
            command, directory=self.workspace.root, environment=self._environment, cancellation=wish
        )
        if wish.requested:
            raise Stopped(failed)
        if answer.code != 0:
            said = _plain(self.scrubber.clean(answer.stderr.decode("utf-8", "replace")))
            problem = diagnose(Severity.ERROR, failed, said)
            why = problem.cause or _first_line(said)
            raise EngineError(failed, why, remedy or problem.remedy, problem.id, problems=[problem])
        return answer.stdout

    # ── Inside ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _apply(self, plan: Plan, purpose: Purpose, watch: Watch, cancellation: Cancellation | None) -> Outcome:
        if plan.purpose is not purpose:
            raise EngineError(
                f"{plan.file} is a plan to {plan.purpose}",
                remedy=f"Give it to `aduana {plan.purpose}`, or make another plan.",
                code="other_plan",
                exit_code=2,
            )
        if plan.inputs_digest != self._inputs_digest:
            raise EngineError(
                f"{plan.file} was made from another tenant file, or by another release",
                "what was reviewed is not what would be built now",
                "Make a new plan and review it.",
                "inputs_changed",
                exit_code=3,
            )
        with self._working(cancellation) as wish:
            self._prepare(watch, wish)
            reviewed = self.load_plan(plan.file, wish)
            if reviewed.plan.digest != plan.digest:
                raise EngineError(
                    f"{plan.file} holds another plan than the reviewed one",
                    remedy="Review the plan that is in it.",
                    code="plan_changed",
                    exit_code=3,
                )
            return Applying(self, reviewed, watch, wish, self._patience).run()

    @contextmanager
    def _working(self, cancellation: Cancellation | None) -> Iterator[Cancellation]:
        wish = cancellation or Cancellation()
        with wish.on_signals(), self.workspace.held():
            yield wish

    def _prepare(self, watch: Watch, wish: Cancellation, *, anew: bool = False) -> None:
        workspace = self.workspace
        workspace.render(self._configuration)
        if not anew and workspace.is_prepared(self._inputs_digest, self._binary.version):
            return
        watch(StepStarted(Step.PREPARE))
        listener = Listener(self.scrubber, watch)
        command = self._commands.init(locked_providers=workspace.provider_lock.exists())
        code = self._follow(command, workspace.root / "init.jsonl", listener, watch, wish)
        self._raise_if(code, listener, wish, "Terraform could not be prepared")
        workspace.note_prepared(self._inputs_digest, self._binary.version)

    def _plan(self, command: Sequence[str], listener: Listener, watch: Watch, wish: Cancellation) -> None:
        code = self._follow(command, self.workspace.root / "plan.jsonl", listener, watch, wish)
        self._raise_if(code, listener, wish, "no plan could be made")

    def _scratch_plan(self, watch: Watch, wish: Cancellation, *, refresh_only: bool = False) -> PlanDocument:
        file = self.workspace.new_plan()
        try:
            command = self._commands.plan(file, refresh_only=refresh_only)
            self._plan(command, Listener(self.scrubber, watch), watch, wish)
            return self._document_of(file, wish)
        finally:
            saved_plan.remove(file)

    def _document_of(self, file: Path, wish: Cancellation) -> PlanDocument:
        return read_plan(self.capture(f"the plan {file} cannot be read", self._commands.show(file), wish))

    def _follow(self, command: Sequence[str], log: Path, listener: Listener, watch: Watch, wish: Cancellation) -> int:
        code = process.follow(
            command,
            directory=self.workspace.root,
            environment=self._environment,
            log=log,
            on_line=listener.hear,
            cancellation=wish,
            on_stop=lambda hard: watch(Stopping(hard)),
        )
        listener.end(code)
        return code

    @staticmethod
    def _raise_if(code: int, listener: Listener, wish: Cancellation, failed: str) -> None:
        if wish.requested:
            raise Stopped(failed)
        if code != 0:
            first = listener.errors[0]
            raise EngineError(
                failed, first.cause or " ".join(first.summary.split()), first.remedy, first.id, problems=listener.errors
            )


def _plain(text: str) -> str:
    """What a command says to people, without the frame that it draws."""
    return "\n".join(line for line in (_FRAME.sub("", line).strip() for line in text.splitlines()) if line)


def _first_line(text: str) -> str:
    return next((line.removeprefix("Error: ") for line in text.splitlines() if line), "")
