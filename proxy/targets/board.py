"""The health of every target of one process. It outlives snapshots: a new configuration is no new target."""

from collections.abc import Callable, Iterable
from time import monotonic

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from core.snapshot import Snapshot
from core.targets import Change, Notice
from proxy.targets.circuit import CircuitRules
from proxy.targets.health import Health

_STATES = ("closed", "open", "half_open", "cooling", "spilled")


class Board:
    """One a process. `clock` gives monotonic seconds; `share` is called with what other replicas should know."""

    def __init__(
        self, replica: str = "", clock: Callable[[], float] = monotonic, rules: CircuitRules | None = None
    ) -> None:
        self.replica = replica
        self.share: Callable[[Notice], None] | None = None
        self._clock = clock
        self._rules = rules or CircuitRules()
        self._healths: dict[tuple[str, str], Health] = {}

    def health(self, upstream: str, deployment: str) -> Health:
        """Of a target, by its upstream's name; the same one however often a snapshot is replaced."""
        health = self._healths.get((upstream, deployment))
        if health is None:
            health = self._healths[upstream, deployment] = Health(upstream, deployment, self._tell, self._rules)
        return health

    def keep(self, snapshot: Snapshot) -> None:
        """Forget the targets that a snapshot no longer has."""
        named = {(name, "") for name in snapshot.upstreams}
        for route in snapshot.routes.values():
            named.update((target.upstream.name, target.deployment) for target in route.targets)
        for gone in self._healths.keys() - named:
            del self._healths[gone]

    def hear(self, notice: Notice) -> None:
        """Take over what another replica says; its own words come back to it, too."""
        if notice.replica != self.replica:
            self.health(notice.upstream, notice.deployment).heard(notice.change, notice.seconds, self._clock())

    def notices(self) -> list[Notice]:
        """All that holds now, for a Redis that may have forgotten it."""
        now = self._clock()
        return [
            Notice(self.replica, health.upstream, health.deployment, change, until - now)
            for health in self._healths.values()
            for change, until in (
                (Change.COOLING, health.cooling_until),
                (Change.SPILLED, health.spilled_until),
                (Change.OPEN, health.circuit.open_until if not health.circuit.closed else 0.0),
            )
            if until > now
        ]

    def collect(self) -> Iterable[Metric]:
        """For /metrics."""
        now = self._clock()
        labels = ["upstream", "deployment"]
        states = GaugeMetricFamily("aduana_target_state", "1 for the state that it is in", labels=[*labels, "state"])
        flights = GaugeMetricFamily("aduana_target_in_flight", "Calls under way", labels=labels)
        openings = CounterMetricFamily("aduana_circuit_openings", "Times that its circuit opened", labels=labels)
        cooldowns = CounterMetricFamily("aduana_target_cooldowns", "Times that it asked to wait", labels=labels)
        for (upstream, deployment), health in self._healths.items():
            current = health.state(now)
            for state in _STATES:
                states.add_metric([upstream, deployment, state], float(state == current))
            flights.add_metric([upstream, deployment], health.in_flight)
            openings.add_metric([upstream, deployment], health.openings)
            cooldowns.add_metric([upstream, deployment], health.cooldowns)
        return (states, flights, openings, cooldowns)

    def _tell(self, health: Health, change: Change, seconds: float) -> None:
        if self.share is not None:
            self.share(Notice(self.replica, health.upstream, health.deployment, change, seconds))
