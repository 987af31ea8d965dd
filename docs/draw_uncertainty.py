"""Draw docs/pictures/uncertainty.svg: one inventory, once with a factor for each line, once with one for all.

Part of `make docs`; the engine computes all that is shown.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from vcci_engine.activities import FloatArray
from vcci_engine.montecarlo import Draws, Rows, cell_sums, own_sigma
from vcci_engine.simulations import Cells, Simulation, of_draws, place_draws
from vcci_engine.totals import estimate, terms_by
from vcci_engine.uncertainty import Estimate, sigma2_of_gsd2

PICTURE = Path(__file__).parent / "pictures" / "uncertainty.svg"
LINES, KG, GSD2, UNKNOWN = 500, 200_000.0, 1.5, 0  # 500 lines of 200 t, nothing known of their quality
DRAWS = 40_000
LOW, HIGH, BINS = 60.0, 190.0, 130  # kt CO2e
LEFT, WIDTH, PANEL, FOOT = 20, 760, 190, 40  # pixels


@dataclass(frozen=True)
class Inventory:
    """The total of the lines: by the closed form, and drawn."""

    title: str
    estimate: Estimate
    simulation: Simulation
    kt: FloatArray  # draws


def inventory(title: str, factors: int) -> Inventory:
    """Return the total of lines that share so many factors evenly."""
    kg, quality = np.full(LINES, KG), np.full(LINES, UNKNOWN, np.uint16)
    cell = np.arange(LINES) % factors
    factor, sigma2 = np.arange(1, factors + 1), np.full(factors, sigma2_of_gsd2(GSD2))
    of_line = factor[cell].astype(np.uint32)
    row = np.arange(LINES, dtype=np.uint32)
    draws = Draws(0, DRAWS)
    sums = cell_sums(Rows(np.ones(LINES, np.int64), row, kg, own_sigma(quality, of_line), cell), factors, draws)
    drawn = place_draws(sums, Cells(np.zeros(factors, np.intp), factor, sigma2), 1, draws)[-1:]
    total = estimate(terms_by(cell, factors, kg, quality, of_line), sigma2)
    return Inventory(title, total, of_draws(drawn)[0], drawn[0] / 1e6)


def picture() -> str:
    """Return the picture as SVG."""
    panels = (
        inventory("500 lines, a factor of its own for each", LINES),
        inventory("500 lines, one factor for all", 1),
    )
    height = 2 * PANEL + FOOT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT * 2 + WIDTH} {height}" '
            'font-family="sans-serif" font-size="13">',
            f'<rect width="100%" height="{height}" fill="#fff"/>',
            *(line for number, panel in enumerate(panels) for line in _panel(panel, number * PANEL)),
            *_axis(2 * PANEL),
            "</svg>\n",
        ]
    )


def _panel(of: Inventory, top: float) -> Iterator[str]:
    base = top + PANEL - 30
    yield f'<text x="{LEFT}" y="{top + 22}" font-weight="bold">{of.title}</text>'
    yield f'<path d="{_outline(of.kt, base, PANEL - 90)}" fill="#cfe3f5" stroke="#5b8fbf"/>'
    low, high = of.estimate.low / 1e6, of.estimate.high / 1e6
    yield f'<path d="M{_x(low)} {base + 12}H{_x(high)}" stroke="#1f4e79" stroke-width="6"/>'
    yield _text(LEFT + WIDTH, top + 22, f"95 % interval {low:.1f} to {high:.1f}", "#1f4e79", "end")
    marks = (
        (of.estimate.kg_co2e, "kg_co2e, the medians added up", "#b03a2e", "end", 42),
        (of.estimate.median, "median", "#1f4e79", "end", 60),
        (of.estimate.mean, "mean", "#1e8449", "start", 42),
    )
    for kg, _, colour, _, down in marks:
        yield f'<path d="M{_x(kg / 1e6)} {top + down - 12}V{base}" stroke="{colour}" stroke-dasharray="4 3"/>'
    for kg, name, colour, anchor, down in marks:
        aside = 5 if anchor == "start" else -5
        yield _text(_x(kg / 1e6) + aside, top + down, f"{name} {kg / 1e6:.1f}", colour, anchor)


def _text(x: float, y: float, text: str, colour: str, anchor: str) -> str:
    halo = 'stroke="#fff" stroke-width="4" paint-order="stroke"'
    return f'<text x="{x:.1f}" y="{y}" fill="{colour}" text-anchor="{anchor}" {halo}>{text}</text>'


def _outline(kt: FloatArray, base: float, height: float) -> str:
    """Return the histogram as a path of steps, as high as `height`."""
    counts, edges = np.histogram(kt, BINS, (LOW, HIGH))
    heights = counts / counts.max() * height
    steps = [f"V{base - up:.1f}H{_x(edge)}" for up, edge in zip(heights, edges[1:], strict=True)]
    return f"M{_x(edges[0])} {base}{''.join(steps)}V{base}Z"


def _axis(top: float) -> Iterator[str]:
    yield f'<path d="M{LEFT} {top}H{LEFT + WIDTH}" stroke="#555"/>'
    for kt in range(int(LOW), int(HIGH) + 1, 10):
        yield f'<path d="M{_x(kt)} {top}v5" stroke="#555"/>'
        if kt % 20 == 0:
            yield f'<text x="{_x(kt)}" y="{top + 19}" text-anchor="middle">{kt}</text>'
    yield f'<text x="{LEFT + WIDTH}" y="{top + 35}" text-anchor="end">kt CO2e</text>'


def _x(kt: float) -> float:
    return round(float(LEFT + (kt - LOW) / (HIGH - LOW) * WIDTH), 1)


if __name__ == "__main__":
    PICTURE.write_text(picture())
