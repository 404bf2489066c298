"""What /metrics shows. Counting on the hot path is adding to plain numbers; Prometheus' form is made when it is asked for."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from proxy.metering import Tokens

# Seconds; a model's answer takes from tens of milliseconds to minutes.
_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Metrics(Collector):
    """The counters of one proxy process."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, int | None], int] = defaultdict(int)  # (endpoint, status answered)
        self.refused: dict[str, int] = defaultdict(int)  # by code
        self.upstream_errors: dict[tuple[str, str], int] = defaultdict(int)  # (upstream, code)
        self.tokens: dict[str, int] = defaultdict(int)  # input, cached, output, reasoning
        self.in_flight = 0
        self._durations: dict[str, list[int]] = {}  # endpoint → calls a bucket
        self._duration_sums: dict[str, float] = defaultdict(float)
        self._collectors: list[Callable[[], Iterable[Metric]]] = []
        self._gauges: list[tuple[str, str, Callable[[], float]]] = []

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A figure that is read when it is asked for."""
        self._gauges.append((name, text, read))

    def add(self, collect: Callable[[], Iterable[Metric]]) -> None:
        """Metrics of another's, made when they are asked for."""
        self._collectors.append(collect)

    def settled(self, endpoint: str, status: int | None, tokens: Tokens, seconds: float) -> None:
        """Count one settled call."""
        self.calls[(endpoint, status)] += 1
        if tokens.input:
            self.tokens["input"] += tokens.input
            self.tokens["cached"] += tokens.cached
            self.tokens["output"] += tokens.output
            self.tokens["reasoning"] += tokens.reasoning
        buckets = self._durations.get(endpoint)
        if buckets is None:
            buckets = self._durations[endpoint] = [0] * (len(_BOUNDS) + 1)
        buckets[bisect_left(_BOUNDS, seconds)] += 1
        self._duration_sums[endpoint] += seconds

    def collect(self) -> Iterable[Metric]:
        calls = CounterMetricFamily("aduana_calls", "Calls settled", labels=["endpoint", "status"])
        for (endpoint, status), count in self.calls.items():
            calls.add_metric([endpoint, str(status) if status is not None else "none"], count)
        yield calls
        refused = CounterMetricFamily("aduana_refused", "Calls refused by the gateway itself", labels=["code"])
        for code, count in self.refused.items():
            refused.add_metric([code], count)
        yield refused
        errors = CounterMetricFamily("aduana_upstream_errors", "Attempts that failed", labels=["upstream", "code"])
        for (upstream, code), count in self.upstream_errors.items():
            errors.add_metric([upstream, code], count)
        yield errors
        tokens = CounterMetricFamily("aduana_tokens", "Tokens settled", labels=["kind"])
        for kind, count in self.tokens.items():
            tokens.add_metric([kind], count)
        yield tokens
        durations = HistogramMetricFamily("aduana_call_duration_seconds", "From head to last byte", labels=["endpoint"])
        for endpoint, buckets in self._durations.items():
            total, cumulative = 0, []
            for bound, count in zip((*map(str, _BOUNDS), "+Inf"), buckets, strict=True):
                total += count
                cumulative.append((bound, float(total)))
            durations.add_metric([endpoint], cumulative, self._duration_sums[endpoint])
        yield durations
        yield GaugeMetricFamily("aduana_calls_in_flight", "Calls under way", value=self.in_flight)
        for name, text, read in self._gauges:
            yield GaugeMetricFamily(name, text, value=read())
        for collect in self._collectors:
            yield from collect()

    def exposition(self) -> bytes:
        """Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)
