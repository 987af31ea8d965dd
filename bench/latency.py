"""Latencies in an HdrHistogram: microseconds from 1 to an hour, to three significant digits, in 100 KB however many."""

from collections.abc import Iterable

from hdrh.histogram import HdrHistogram

LONGEST_US = 3_600_000_000
DIGITS = 3
TICKS = 5  # of the curve, each time that what lies beyond halves


class Latencies:
    """A histogram that others can be added to."""

    def __init__(self, seconds: Iterable[float] = ()) -> None:
        self._histogram = HdrHistogram(1, LONGEST_US, DIGITS)
        for one in seconds:
            self._histogram.record_value(min(max(round(one * 1e6), 1), LONGEST_US))

    def __len__(self) -> int:
        count: int = self._histogram.get_total_count()
        return count

    def __iadd__(self, other: "Latencies") -> "Latencies":
        self._histogram.add(other._histogram)
        return self

    def percentile_ms(self, percent: float) -> float:
        """Return the latency that so many per cent do not exceed; 0 of none."""
        return float(self._histogram.get_value_at_percentile(percent)) / 1e3

    def curve(self) -> list[tuple[float, float]]:
        """Return per cent and milliseconds, ever denser towards 100: what HdrHistogram's own plots draw."""
        points = self._histogram.get_percentile_iterator(TICKS)
        return [(float(point.percentile_level_iterated_to), point.value_iterated_to / 1e3) for point in points]

    def encoded(self) -> str:
        """Return the histogram as HdrHistogram's other implementations read it (V2, compressed, base64)."""
        text: bytes = self._histogram.encode()
        return text.decode()

    @classmethod
    def decoded(cls, text: str) -> "Latencies":
        """Return what was encoded."""
        latencies = cls()
        latencies._histogram.decode_and_add(text)
        return latencies
