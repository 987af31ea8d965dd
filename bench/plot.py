"""The picture of a run: rows per second of the service, its limits and its peers, and latencies by percentile."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from math import ceil, floor, log10
from typing import Any

from bench.svg import bar, line, picture, text

Report = Mapping[str, Any]
Curve = Sequence[tuple[float, float]]  # per cent, milliseconds

WIDTH, MARGIN = 860, 24
ROW, BAR, LABEL, VALUE = 26, 14, 230, 130  # of bars: pitch, thickness, room on the left and on the right
PANEL_HEIGHT, PANEL_GAP, PANEL_COLUMNS = 190, 70, 2
NINES = (0.0, 90.0, 99.0, 99.9, 99.99)
MOST_NINES = 4.0

INGEST = "ingest[by supplier]"  # the benchmark with all contenders
BARS = {  # words, kind
    "service": ("VCCI: durable ingest", "ours"),
    "COPY of segments": ("bare COPY of its segments", "limit"),
    "COPY of rows": ("bare COPY of rows, no index", "limit"),
    "COPY into the guide's table": ("bare COPY of rows, indexed", "limit"),
    "Arrow Flight DoPut + COPY": ("Arrow Flight + COPY", "peer"),
    "psycopg COPY by a script": ("psycopg COPY by a script", "peer"),
    "FastAPI + SQLAlchemy": ("FastAPI + SQLAlchemy", "peer"),
}
KINDS = {"service": ("ours", "VCCI"), "echo": ("limit", "echo")}  # of lines; others take turns
LETTER = 7.5  # pixels of a bold letter


@dataclass(frozen=True, slots=True)
class Bar:
    """Rows per second, and how many times that the service has."""

    words: str
    kind: str
    median: float
    low: float
    high: float
    ratio: float | None


def draw(report: Report) -> str:
    """Return the picture."""
    bars, panels = _bars(report), _panels(report)
    marks: list[str] = []
    height = float(MARGIN)
    if bars:
        marks += _draw_bars(bars, height)
        height += 60 + ROW * len(bars) + 34
    for number, (name, curves) in enumerate(panels.items()):
        column, row = number % PANEL_COLUMNS, number // PANEL_COLUMNS
        width = (WIDTH - 2 * MARGIN - PANEL_GAP) / PANEL_COLUMNS
        left = MARGIN + 40 + column * (width + PANEL_GAP / 2 + 10)
        marks += _draw_panel(name, curves, left, height + row * (PANEL_HEIGHT + PANEL_GAP), width - 30)
    height += ceil(len(panels) / PANEL_COLUMNS) * (PANEL_HEIGHT + PANEL_GAP)
    return picture(WIDTH, height, "Rows per second and latencies of VCCI, its limits and its peers", marks)


def _bars(report: Report) -> list[Bar]:
    of = next((each for each in report["benchmarks"] if each["name"] == INGEST), None)
    if of is None:
        return []
    ratios = {result["name"]: result["median"] for result in of["results"]}
    return [
        Bar(words, kind, rows["median"], rows["min"], rows["max"], ratios.get(f"rows/s: service / {contender}"))
        for contender, (words, kind) in BARS.items()
        if contender in of["contenders"]
        for rows in [of["contenders"][contender]["rows/s"]]
    ]


def _panels(report: Report) -> dict[str, Mapping[str, Curve]]:
    """Return the curves of each benchmark that has some, by contender."""
    return {
        each["name"].replace("_", " "): curves
        for each in report["benchmarks"]
        if (curves := {name: of["percent_ms"] for name, of in each.get("latencies", {}).items() if of["percent_ms"]})
    }


def _draw_bars(bars: Sequence[Bar], top: float) -> Iterator[str]:
    step = _round_step(max(each.high for each in bars) / 6)
    marks = [number * step for number in range(floor(max(each.high for each in bars) / step) + 1)]
    width = WIDTH - 2 * MARGIN - LABEL - VALUE
    scale = width / max(each.high for each in bars)
    first, bottom = top + 50, top + 50 + ROW * len(bars)
    yield text(
        MARGIN,
        top + 14,
        "Durable rows per second, on two cores that client, server and PostgreSQL share",
        size=15,
        bold=True,
    )
    yield text(
        MARGIN,
        top + 34,
        "Medians of the rounds, with the lowest and the highest. Bare COPY has everything made beforehand.",
        "quiet",
    )
    for mark in marks:
        x = MARGIN + LABEL + mark * scale
        yield line([(x, first), (x, bottom)], "grid")
        yield text(x, bottom + 16, _short(mark), "quiet", "middle", size=11)
    for number, each in enumerate(bars):
        yield from _draw_bar(each, first + ROW * number, scale)


def _draw_bar(of: Bar, top: float, scale: float) -> Iterator[str]:
    left, middle = MARGIN + LABEL, top + ROW / 2
    low, high = left + of.low * scale, left + of.high * scale
    yield text(left - 8, middle + 4, of.words, anchor="end", bold=of.kind == "ours")
    yield bar(left, middle - BAR / 2, max(of.median * scale, 1.0), BAR, of.kind)
    yield line([(low, middle), (high, middle)], "whisker")
    told = _short(of.median) if of.ratio is None else f"{_short(of.median)} · VCCI {_times(of.ratio)}"
    yield text(high + 8, middle + 4, told, "" if of.kind == "ours" else "quiet", bold=of.kind == "ours")


def _draw_panel(title: str, curves: Mapping[str, Curve], left: float, top: float, width: float) -> Iterator[str]:
    """Draw latencies (logarithmic) by percentile: each nine has as much room."""
    shown = {
        name: [(percent, ms) for percent, ms in curve if _nines(percent) <= MOST_NINES]
        for name, curve in curves.items()
    }
    every = [ms for curve in shown.values() for _, ms in curve]
    low, high = floor(log10(min(every))), ceil(log10(max(every)))
    bottom, first = top + PANEL_HEIGHT, top + 36

    def x(percent: float) -> float:
        return left + width * _nines(percent) / MOST_NINES

    def y(ms: float) -> float:
        return bottom - (bottom - first) * (log10(ms) - low) / (high - low)

    yield text(left - 40, top + 14, f"Latency: {title}", size=14, bold=True)
    for power in range(low, high + 1):
        yield line([(left, y(10.0**power)), (left + width, y(10.0**power))], "grid")
        yield text(left - 6, y(10.0**power) + 4, f"{10.0**power:g} ms", "quiet", "end", size=11)
    for percent in NINES:
        yield line([(x(percent), first), (x(percent), bottom)], "grid")
        yield text(x(percent), bottom + 16, f"{percent:g} %", "quiet", "middle", size=11)
    end = left + width
    for (name, curve), other in zip(shown.items(), cycle(("ours", "peer", "limit")), strict=False):
        kind, words = KINDS.get(name, (other, name))
        yield line([(x(percent), y(ms)) for percent, ms in curve], f"line-{kind}", 2.0)
        yield text(end, top + 14, words, kind, "end", bold=True)
        end -= LETTER * len(words) + 14


def _nines(percent: float) -> float:
    """Return how many nines a percentile has: 1 of 90, 2 of 99."""
    return -log10(1 - percent / 100) if percent < 100 else float("inf")


def _round_step(least: float) -> float:
    power = 10.0 ** floor(log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)


def _short(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:.3g} M"
    return f"{value / 1e3:.3g} k" if value >= 1e3 else f"{value:.3g}"


def _times(ratio: float) -> str:
    return f"{ratio:.2g} ×" if ratio < 10 else f"{ratio:,.0f} ×"
