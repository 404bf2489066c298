"""The order of an upgrade: tables, writer, admin, proxy, the job's own image, what was only left for older replicas, and the
tenant file. Whatever fails before the proxy has all traffic is taken back.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from deployer.azure import AzureError, Session
from deployer.bootstrap.spec import BootstrapSpec
from deployer.errors import CommandError
from deployer.installation import Installation
from deployer.jobs.bootstrapping import bootstrap, require_result
from deployer.tenant_edit import EditError, change_values
from deployer.tenant_file import TenantError, TenantFile
from deployer.upgrade import Standing, Step, UpgradeFailed
from deployer.upgrade.apps import App, Revision, job_image, put_job_image
from deployer.verify import Check, Status, check_of, outside

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Images:
    """References by digest. The writer runs the proxy's."""

    proxy: str
    admin: str
    job: str

    def of(self, service: str) -> str:
        return {"proxy": self.proxy, "writer": self.proxy, "admin": self.admin, "job": self.job}[service]


@dataclass(frozen=True, slots=True)
class Pace:
    """How traffic is moved. Seconds and percentages."""

    shares: tuple[int, ...] = (10, 50, 100)
    watch: float = 180.0  # at each share; metrics are a minute or two late
    most_errors: float = 2.0  # percent of the new revision's calls that may be answered with 5xx
    patience: float = 600.0  # for a revision to start


class Upgrade:
    """One upgrade. `report` hears of each step as it ends."""

    def __init__(
        self,
        found: TenantFile,
        session: Session,
        images: Images,
        pace: Pace,
        report: Callable[[Step], None],
        say: Callable[[str], None] = lambda line: None,
        *,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._found, self._session, self._images, self._pace = found, session, images, pace
        self._installation = Installation(found.tenant)
        self._report, self._say, self._sleep, self._clock = report, say, sleep, clock
        self._apps = {
            service: App(session.arm, self._installation.app(service), sleep=sleep, clock=clock)
            for service in ("writer", "admin", "proxy")
        }
        self._begun: list[tuple[str, str, str]] = []  # service, the image it had, its revision mode

    # ── What would be done ──────────────────────────────────────────────────────────────────────────────────────────

    async def plan(self) -> list[Step]:
        """Every step, and whether it is in place already. Raises `AzureError`."""
        arm = self._session.arm
        steps = []
        pending = False
        for service, title in (("writer", "Ledger writer"), ("admin", "Admin service"), ("proxy", "Proxy")):
            app, wanted = self._apps[service], self._images.of(service)
            now = await app.image()
            settled = now == wanted and await app.is_settled()
            pending = pending or not settled
            note = "" if settled else f"{_short(now)} → {_short(wanted)}"
            if service == "proxy" and not settled:
                note += f", by {', '.join(f'{share} %' for share in self._pace.shares)}"
            steps.append(Step(service, title, Standing.IN_PLACE if settled else Standing.TO_DO, note))
        same_job = await job_image(arm, self._installation.job_id) == self._images.job
        given = self._found.tenant.images
        written = (given.proxy, given.admin, given.job) == (self._images.proxy, self._images.admin, self._images.job)
        pending = pending or not same_job or not written
        tables = Step("tables", "Tables", Standing.TO_DO if pending else Standing.IN_PLACE, "by the new image, first")
        job = Step("job", "The job's image", Standing.IN_PLACE if same_job else Standing.TO_DO)
        contract = Step(
            "privileges", "Privileges that older replicas needed", Standing.TO_DO if pending else Standing.IN_PLACE
        )
        file = Step("file", f"images in {self._found.path}", Standing.IN_PLACE if written else Standing.TO_DO)
        return [tables, *steps, job, contract, file]

    # ── Doing it ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Raises `UpgradeFailed` (everything was taken back), `CommandError`, `AzureError`."""
        planned = {step.id: step for step in await self.plan()}
        if planned["tables"].standing is Standing.IN_PLACE:
            self._report(planned["tables"])
        else:
            await self._tables(expand_only=True)
            self._done(planned["tables"], "brought forward; older replicas go on")
        try:
            for service in ("writer", "admin", "proxy"):
                if planned[service].standing is Standing.IN_PLACE:
                    self._report(planned[service])
                    continue
                await self._replace(service)
                self._done(planned[service], _short(self._images.of(service)))
        except (UpgradeFailed, AzureError, asyncio.CancelledError, KeyboardInterrupt) as error:
            self._report(Step(service, planned[service].title, Standing.FAILED, str(error) or "interrupted"))
            await self._take_back()
            raise
        if planned["job"].standing is not Standing.IN_PLACE:
            await put_job_image(self._session.arm, self._installation.job_id, self._images.job)
        self._done(planned["job"])
        if planned["privileges"].standing is not Standing.IN_PLACE:
            await self._tables(expand_only=False)
        self._done(planned["privileges"])
        if planned["file"].standing is not Standing.IN_PLACE:
            self._write_file()
        self._done(planned["file"])

    def _write_file(self) -> None:
        wanted = {f"images.{kind}": self._images.of(kind) for kind in ("proxy", "admin", "job")}
        try:
            change_values(self._found, wanted)
        except (EditError, TenantError, OSError) as error:
            lines = "; ".join(f"{path}: {reference}" for path, reference in wanted.items())
            raise UpgradeFailed(
                f"the installation runs the new images, and {self._found.path} could not be changed: {error}",
                f"Write them there yourself, or the next apply brings the old ones back: {lines}",
                code="file_not_written",
            ) from None

    async def _tables(self, *, expand_only: bool) -> None:
        spec = BootstrapSpec(await self._installation.roles(self._session.arm), skip_seed=True)
        job = self._installation.job(self._session)
        await bootstrap(job, spec, image=self._images.job, expand_only=expand_only, say=self._say)

    async def _replace(self, service: str) -> None:
        """One service, from the image that it has to the new one."""
        app, wanted = self._apps[service], self._images.of(service)
        mode, before = await app.mode(), await app.serving(but=wanted)
        if before is None:
            latest = await app.serving()
            if latest is not None and latest.image == wanted:  # an interrupted upgrade came to its end
                await app.settle(await self._mode_of_tenant(mode))
                await app.retire(latest.name)
                return
            raise UpgradeFailed(f"no revision of the {service} is well now", "Bring it to work first: aduana status.")
        by_shares = service == "proxy"
        self._begun.append((service, before.image, await self._mode_of_tenant(mode)))
        if by_shares:
            await app.hold(before)
        name = await self._revision(app, wanted)
        revision = await app.well(name, self._pace.patience)
        if by_shares:
            await self._smoke(revision)
            await self._shift(app, before, revision)
        await app.settle(self._begun[-1][2])
        await app.retire(revision.name)

    async def _mode_of_tenant(self, now: str) -> str:
        """An upgrade that was interrupted left the proxy in mode Multiple, held at one revision."""
        admin = await self._apps["admin"].mode()
        return admin if now == "Multiple" else now

    async def _revision(self, app: App, image: str) -> str:
        """The revision with this image: one that an interrupted upgrade made, or a new one."""
        if await app.image() == image:
            for revision in await app.revisions():
                if revision.image == image and revision.active and not revision.failed:
                    return revision.name
        return await app.put_image(image)

    async def _smoke(self, revision: Revision) -> None:
        """A call by the new revision's own name, from inside, before any caller's."""
        url = revision.host if revision.host.startswith("http") else f"https://{revision.host}"
        only = ("proxy", "call")
        spec = await outside.inside_spec(self._installation, self._session, (), only, proxy_url=url)
        self._say(f"a call through {revision.name}, which has no traffic yet …")
        job = self._installation.job(self._session)
        variables = {"VERIFY_SPEC": outside.encode(spec)}
        ended = await job.run(["verify", "--here", "env:VERIFY_SPEC"], variables, image=self._images.job)
        try:
            checks = [check_of(each) for each in require_result(ended, "the new revision")["inside"]]
        except (CommandError, KeyError, TypeError, ValueError) as error:
            raise UpgradeFailed(f"{revision.name} could not be tried: {error}", code="smoke_failed") from None
        bad: list[Check] = [check for check in checks if check.status is Status.FAILED]
        if bad or not checks:
            why = "; ".join(f"{check.id}: {check.message}" for check in bad) or "no check was made"
            remedy = bad[0].remedy if bad else ""
            raise UpgradeFailed(f"{revision.name} does not work: {why}", remedy, code="smoke_failed")

    async def _shift(self, app: App, before: Revision, after: Revision) -> None:
        for share in self._pace.shares:
            await app.share({before.name: 100 - share, after.name: share})
            self._say(f"{share} % of the calls go to {after.name}")
            await self._watch(app, after)

    async def _watch(self, app: App, revision: Revision) -> None:
        """Raises `UpgradeFailed` as soon as it goes badly."""
        began = self._clock()
        while True:
            found = next((each for each in await app.revisions() if each.name == revision.name), None)
            if found is None or found.failed:
                state = f"{found.state}, {found.health}" if found is not None else "gone"
                raise UpgradeFailed(f"{revision.name} went down: {state}", code="went_down")
            calls, errors = await app.errors(revision.name, max(self._pace.watch, 60.0))
            if calls and errors * 100 > self._pace.most_errors * calls:
                percent = 100 * errors / calls
                raise UpgradeFailed(
                    f"{revision.name} answered {errors} of {calls} calls with 5xx ({percent:.1f} %; "
                    f"{self._pace.most_errors:g} % may be)",
                    "See its log; a model that is down answers so too: compare the old revision's.",
                    code="errors",
                )
            if self._clock() - began >= self._pace.watch:
                return
            await self._sleep(min(15.0, max(self._pace.watch, 0.01)))

    async def _take_back(self) -> None:
        """Every service that was begun, back to the image that it had; the traffic first."""
        for service, image, mode in reversed(self._begun):
            app = self._apps[service]
            try:
                before = next(
                    (each for each in await app.revisions() if each.image == image and each.active and each.healthy),
                    None,
                )
                if service == "proxy" and before is not None:
                    await app.hold(before)
                if await app.image() != image:
                    await app.well(await app.put_image(image), self._pace.patience)
                newest = (await app.revisions())[0]
                await app.settle(mode)
                await app.retire(newest.name)
                self._report(Step(service, f"{service}, taken back", Standing.ROLLED_BACK, _short(image)))
            except (UpgradeFailed, AzureError) as error:
                note = f"it could not be taken back: {error}; its traffic stays with the revision that worked"
                self._report(Step(service, f"{service}, taken back", Standing.FAILED, note))

    def _done(self, step: Step, note: str = "") -> None:
        standing = Standing.IN_PLACE if step.standing is Standing.IN_PLACE else Standing.DONE
        self._report(Step(step.id, step.title, standing, note or step.note))


def _short(image: str) -> str:
    """A reference as people compare it: without its registry, the digest cut."""
    name, _, digest = image.partition("@")
    return f"{name.rsplit('/', 1)[-1]}@{digest[:19]}" if digest else name.rsplit("/", 1)[-1]
