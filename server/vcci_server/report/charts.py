"""Charts as SVG, the same for HTML and PDF: bars from the left, with 95 % intervals as whiskers."""

from collections.abc import Iterator
from html import escape
from math import ceil, floor, log10

from vcci_server.report.cells import amount, typeset
from vcci_server.report.model import Bar, Chart

WIDTH, ROW, BAR = 720, 26, 14
LABEL, VALUE = 300, 80  # room for labels on the left, and values on the right
TOP, BOTTOM = 8, 30
LETTERS = 44  # of a label
FILL, WHISKER, GRID, TEXT = "#2f6f73", "#17383a", "#d5dcdc", "#222222"
FONT = "Libertinus Serif, Georgia, serif"


def svg(chart: Chart) -> str:
    """Return a chart as an SVG element."""
    ends = [value for bar in chart.bars for value in (bar.value, bar.low, bar.high) if value is not None]
    scale = _Scale(min(0.0, *ends, 0.0), max(0.0, *ends, 0.0))
    bottom = TOP + ROW * len(chart.bars)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + BOTTOM}" role="img" '
        f'aria-label="{escape(chart.title)}" font-family="{FONT}" font-size="12" fill="{TEXT}">',
        *_axis(scale, bottom, chart.unit),
        *(part for number, bar in enumerate(chart.bars) for part in _bar(bar, TOP + ROW * number, scale)),
        "</svg>",
    ]
    return "".join(parts)


class _Scale:
    """From amounts to places, with round marks."""

    def __init__(self, low: float, high: float) -> None:
        span = (high - low) or 1.0
        self.step = _round_step(span / 5)
        self.low, self.high = floor(low / self.step) * self.step, ceil(high / self.step) * self.step or self.step

    def x(self, value: float) -> float:
        width = WIDTH - LABEL - VALUE
        return round(LABEL + width * (value - self.low) / (self.high - self.low), 2)

    @property
    def marks(self) -> Iterator[float]:
        for number in range(round((self.high - self.low) / self.step) + 1):
            yield self.low + number * self.step


def _round_step(least: float) -> float:
    """Return the first of 1, 2, 5 x a power of ten that is not below."""
    power = 10.0 ** floor(log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def _axis(scale: _Scale, bottom: float, unit: str) -> Iterator[str]:
    for mark in scale.marks:
        x = scale.x(mark)
        yield f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{bottom}" stroke="{GRID}"/>'
        yield f'<text x="{x}" y="{bottom + 14}" text-anchor="middle" font-size="10">{amount(mark)}</text>'
    yield f'<text x="{LABEL - 8}" y="{bottom + 14}" font-size="10" text-anchor="end">{escape(typeset(unit))}</text>'


def _bar(bar: Bar, y: float, scale: _Scale) -> Iterator[str]:
    zero, end, middle = scale.x(0.0), scale.x(bar.value), y + ROW / 2
    label = bar.label if len(bar.label) <= LETTERS else f"{bar.label[: LETTERS - 1]}…"
    yield f'<text x="{LABEL - 8}" y="{middle + 4}" text-anchor="end">{escape(label)}</text>'
    left, width = min(zero, end), round(abs(end - zero), 2)
    yield f'<rect x="{left}" y="{middle - BAR / 2}" width="{width}" height="{BAR}" fill="{FILL}"/>'
    if bar.low is not None and bar.high is not None:
        low, high = scale.x(bar.low), scale.x(bar.high)
        yield (
            f'<path d="M{low} {middle}H{high}M{low} {middle - 4}v8M{high} {middle - 4}v8" stroke="{WHISKER}" '
            'stroke-width="1.5" fill="none"/>'
        )
    yield f'<text x="{WIDTH - 4}" y="{middle + 4}" text-anchor="end">{amount(bar.value)}</text>'
