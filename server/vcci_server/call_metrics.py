"""What each call counts, in plain numbers of the event loop: Prometheus' own counters would lock at every step."""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

CALL_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
LIMITS = (*map(str, map(float, CALL_BUCKETS_S)), "+Inf")


class CallMeter:
    """The calls of one RPC that ended; for one event loop."""

    __slots__ = ("_ended", "_in_bucket", "_seconds", "endpoint", "method")

    def __init__(self, method: str, endpoint: str) -> None:
        self.method = method
        self.endpoint = endpoint
        self._ended: dict[str, int] = {}
        self._in_bucket = [0] * len(LIMITS)
        self._seconds = 0.0

    def ended(self, status: str, seconds: float) -> None:
        """Count a call that ended with a gRPC status."""
        self._ended[status] = self._ended.get(status, 0) + 1
        self._in_bucket[bisect_left(CALL_BUCKETS_S, seconds)] += 1
        self._seconds += seconds

    def add_to(self, calls: CounterMetricFamily, durations: HistogramMetricFamily) -> None:
        """Tell what was counted, from any thread."""
        for status, count in self._ended.copy().items():
            calls.add_metric((self.method, self.endpoint, status), count)
        buckets = list(zip(LIMITS, accumulate(self._in_bucket.copy()), strict=True))
        if buckets[-1][1]:
            durations.add_metric((self.endpoint,), buckets, self._seconds)


class CallMetrics(Collector):
    """The meters of all RPCs."""

    def __init__(self) -> None:
        self._meters: list[CallMeter] = []

    def meter(self, method: str, endpoint: str) -> CallMeter:
        """Return the meter of an RPC of a kind (`method`) at a path, to be kept."""
        self._meters.append(CallMeter(method, endpoint))
        return self._meters[-1]

    def collect(self) -> Iterable[Metric]:
        """Return both metrics."""
        calls = CounterMetricFamily("api_requests", "Calls that ended.", labels=("method", "endpoint", "status"))
        durations = HistogramMetricFamily(
            "api_request_duration_seconds", "Duration of calls, of a stream until its end.", labels=("endpoint",)
        )
        for meter in self._meters.copy():
            meter.add_to(calls, durations)
        return calls, durations


class Tally:
    """Counts one thing; for one event loop."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def inc(self) -> None:
        """Count one more."""
        self.count += 1


class Tallies(Collector):
    """The tallies of one metric, told apart by a label."""

    def __init__(self, name: str, documentation: str, label: str) -> None:
        self._name = name
        self._documentation = documentation
        self._label = label
        self._tallies: dict[str, Tally] = {}

    def tally(self, value: str) -> Tally:
        """Return the tally of a value of the label, to be kept."""
        return self._tallies.setdefault(value, Tally())

    def collect(self) -> Iterable[Metric]:
        """Return the metric."""
        family = CounterMetricFamily(self._name, self._documentation, labels=(self._label,))
        for value, tally in self._tallies.copy().items():
            family.add_metric((value,), tally.count)
        return (family,)
