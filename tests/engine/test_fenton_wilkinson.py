"""The closed form of totals against Monte Carlo, on random portfolios with and without shared factors.

The more lines, the fewer draws: what is left to chance stays well below 2 %, and a case takes about a second.
"""

from math import exp, log, sqrt

import numpy as np
import pytest
from vcci_engine.activities import FloatArray, Positions
from vcci_engine.montecarlo import Rows, cell_sums, own_sigma
from vcci_engine.quality import pack
from vcci_engine.simulations import Cells, Simulation, blocks, of_draws, place_draws
from vcci_engine.totals import estimate, terms_by
from vcci_engine.uncertainty import Estimate, of_moments, sigma2_of_gsd2

MOST_DRAWS, MOST_LINE_DRAWS = 2_000_000, 200_000_000
GSD2_OF_FACTORS = (1.05, 1.1, 1.2, 1.5)
Z = 1.959964  # of 97.5 %


def portfolio(lines: int, factors: int, seed: int) -> tuple[Estimate, Simulation]:
    """Both totals of random lines, spread over so many factors; 0: suppliers' own, which no two lines share."""
    rng = np.random.default_rng(seed)
    kg = rng.lognormal(5, 1.2, lines)
    scores = rng.integers(1, 6, (lines, 5)) * 16 ** np.arange(5)
    quality = pack(scores.sum(axis=1).astype(np.uint32))
    cell = rng.integers(0, max(factors, 1), lines)
    factor = np.arange(1, factors + 1) if factors else np.zeros(1, np.intp)
    sigma2 = np.array([sigma2_of_gsd2(value) for value in rng.choice(GSD2_OF_FACTORS, factors)] or [0.0])
    of_line = factor[cell].astype(np.uint32)
    rows = Rows(np.ones(lines, np.int64), np.arange(lines, dtype=np.uint32), kg, own_sigma(quality, of_line), cell)
    closed = estimate(terms_by(cell, len(factor), kg, quality, of_line), sigma2)
    return closed, simulated(rows, factor, sigma2, min(MOST_DRAWS, MOST_LINE_DRAWS // lines))


def simulated(rows: Rows, factor: Positions, sigma2: FloatArray, draws: int) -> Simulation:
    cells = Cells(np.zeros(len(factor), np.intp), factor, sigma2)
    parts = [
        place_draws(cell_sums(rows, len(cells), block), cells, 1, block)[-1:] for block in blocks(draws, len(cells), 0)
    ]
    return of_draws(np.concatenate(parts, axis=1))[0]


@pytest.mark.parametrize("lines", [10, 100, 1_000, 10_000])
@pytest.mark.parametrize("factors", [0, 30, 3, 1])
def test_the_closed_form_is_within_two_per_cent_of_monte_carlo(lines: int, factors: int) -> None:
    closed, drawn = portfolio(lines, factors, seed=lines + factors)
    sigma = log(closed.high / closed.median) / 2
    assert closed.mean == pytest.approx(drawn.mean, rel=0.02)
    assert closed.mean * sqrt(exp(sigma**2) - 1) == pytest.approx(drawn.sd, rel=0.02)
    assert closed.median == pytest.approx(drawn.p50, rel=0.02)
    # Of ten lines of such unlike quality one or two decide, and their sum is less skewed than a log-normal of its sd.
    ends = 0.02 if lines >= 100 else 0.07
    assert closed.median * exp(-Z * sigma) == pytest.approx(drawn.p2_5, rel=ends)
    assert closed.median * exp(Z * sigma) == pytest.approx(drawn.p97_5, rel=ends)


def test_ten_lines_of_like_quality_have_their_ends_within_two_per_cent_too() -> None:
    kg, gsd2 = np.linspace(50, 150, 10), 1.5
    sigma = np.full(10, log(gsd2) / 2)
    rows = Rows(np.ones(10, np.int64), np.arange(10, dtype=np.uint32), kg, sigma, np.zeros(10, int))
    drawn = simulated(rows, np.zeros(1, np.intp), np.zeros(1), MOST_DRAWS)
    s2 = (log(gsd2) / 2) ** 2
    closed = of_moments(float(kg.sum()), float(kg.sum()) * exp(s2 / 2), float((kg**2).sum()) * exp(s2) * (exp(s2) - 1))
    width = log(closed.high / closed.median) / 2
    assert closed.median * exp(-Z * width) == pytest.approx(drawn.p2_5, rel=0.02)
    assert closed.median * exp(Z * width) == pytest.approx(drawn.p97_5, rel=0.02)


def test_taken_as_independent_lines_with_one_factor_would_be_falsely_certain() -> None:
    _, drawn = portfolio(1_000, 1, seed=5)
    independent, _ = portfolio(1_000, 0, seed=5)
    assert drawn.sd / drawn.mean > 2 * log(independent.high / independent.median) / 2
