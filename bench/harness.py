"""Contenders take turns on pytest-benchmark: a warm-up round, then measured ones, each beginning with another.

What is measured goes into pytest-benchmark's JSON as `extra_info`; `report.py` reads it back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
from pytest_benchmark.fixture import BenchmarkFixture

from bench.latency import Latencies
from bench.processes import MemoryCurve
from bench.sizes import Sizes

Figures = Mapping[str, float]  # by name with unit ("rows/s")
Servers = Mapping[str, psutil.Process]  # by contender
NO_SERVERS: Servers = {}


@dataclass(frozen=True, slots=True)
class Timed:
    """The figures of a turn, and all its latencies."""

    figures: Figures
    latencies: Latencies


Turn = Callable[[], Figures | Timed]


def per_second(rows: int, seconds: float, cpu_s: float) -> Figures:
    """Return rows per second, and per CPU second: what one core does, also on a busy machine."""
    return {"rows/s": rows / seconds, "rows/CPU-s": rows / cpu_s, "CPU-s/M": cpu_s / rows * 1e6}


class Harness:
    """One benchmark: its question, the turns of its contenders, and the ratios that answer it."""

    def __init__(self, benchmark: BenchmarkFixture, question: str, sizes: Sizes) -> None:
        self._benchmark = benchmark
        self._sizes = sizes
        self._info: dict[str, Any] = benchmark.extra_info
        empty: dict[str, Any] = {"contenders": {}, "results": [], "curves": {}, "left_out": {}, "latencies": {}}
        self._info.update(question=" ".join(question.split()), **empty)

    def take_turns(self, contenders: Mapping[str, Turn], servers: Servers = NO_SERVERS) -> None:
        """Let every contender have its turn in each round; of those with a server note its memory, too."""
        self._measure(_watched(contenders, servers), self._sizes.rounds, self._sizes.warmup_rounds)

    def once(self, contenders: Mapping[str, Turn], servers: Servers = NO_SERVERS) -> None:
        """Let every contender have one turn; the benchmark has warmed up by itself."""
        self._measure(_watched(contenders, servers), 1, 0)

    def _measure(self, contenders: Mapping[str, Turn], rounds: int, warmup_rounds: int) -> None:
        names = list(contenders)
        turns: dict[str, list[Figures | Timed]] = {name: [] for name in names}

        def round_() -> None:
            number = len(turns[names[0]])
            first = number % len(names)
            for name in names[first:] + names[:first]:
                turns[name].append(contenders[name]())

        self._benchmark.pedantic(round_, rounds=rounds, warmup_rounds=warmup_rounds)  # type: ignore[no-untyped-call]
        for name in names:
            measured = turns[name][warmup_rounds:]
            figures = [turn.figures if isinstance(turn, Timed) else turn for turn in measured]
            self._info["contenders"][name] = {key: [each[key] for each in figures] for key in figures[0]}
            self._keep(name, [turn.latencies for turn in measured if isinstance(turn, Timed)])

    def _keep(self, name: str, latencies: Sequence[Latencies]) -> None:
        """Note the latencies of all rounds: as a curve to draw, and as HdrHistogram's own tools read them."""
        if latencies:
            every = Latencies()
            for each in latencies:
                every += each
            self._info["latencies"][name] = {"percent_ms": every.curve(), "hdr_us": every.encoded()}

    def ratio(
        self, figure: str, contender: str, peer: str, *, at_least: float | None = None, at_most: float | None = None
    ) -> None:
        """Compare two contenders round by round, so that a slow moment of the machine counts for both."""
        ours, theirs = (self._info["contenders"][name][figure] for name in (contender, peer))
        values = [one / other for one, other in zip(ours, theirs, strict=True)]
        self.result(f"{figure}: {contender} / {peer}", values, at_least=at_least, at_most=at_most)

    def bound(
        self, figure: str, contender: str, *, at_least: float | None = None, at_most: float | None = None
    ) -> None:
        """Note what a contender's figure has to be."""
        values = self._info["contenders"][contender][figure]
        self.result(f"{figure}: {contender}", values, at_least=at_least, at_most=at_most)

    def result(
        self, name: str, values: Sequence[float], *, at_least: float | None = None, at_most: float | None = None
    ) -> None:
        """Note an answer, one value a round, and the bound that its median has to keep."""
        self._info["results"].append({"name": name, "values": list(values), "at_least": at_least, "at_most": at_most})

    def leave_out(self, contender: str, why: str) -> None:
        """Note who could not be measured."""
        self._info["left_out"][contender] = why

    def curve(self, name: str, values: Sequence[float]) -> None:
        """Note a course over time."""
        self._info["curves"][name] = list(values)


def _watched(contenders: Mapping[str, Turn], servers: Servers) -> dict[str, Turn]:
    """Return the turns with the most that the contender's server had resident meanwhile as a further figure."""

    def watched(turn: Turn, process: psutil.Process) -> Turn:
        def measure() -> Figures | Timed:
            with MemoryCurve(process) as curve:
                measured = turn()
            memory = {"server MB": curve.peak_bytes / 1e6}
            if isinstance(measured, Timed):
                return Timed({**measured.figures, **memory}, measured.latencies)
            return {**measured, **memory}

        return measure

    return {name: watched(turn, servers[name]) if name in servers else turn for name, turn in contenders.items()}
