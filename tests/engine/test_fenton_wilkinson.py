"""The closed form of totals against Monte Carlo, on random portfolios with and without shared factors.

The more lines, the fewer draws: what is left to chance stays well below 2 %, and a case takes about a second.
`python -m bench.intervals` does two million draws of more portfolios.
"""

from math import log

import numpy as np
import pytest
from vcci_engine.uncertainty import of_moments

from bench.intervals import HARD, Portfolio, deviations

MOST_DRAWS, MOST_LINE_DRAWS = 2_000_000, 100_000_000


@pytest.mark.parametrize("lines", [10, 100, 1_000, 10_000])
@pytest.mark.parametrize("factors", [0, 30, 3, 1])
def test_mean_sd_and_interval_are_within_two_per_cent_of_monte_carlo(lines: int, factors: int) -> None:
    portfolio = Portfolio(lines, factors, seed=lines + factors)
    *ours, fenton_low, _ = deviations(portfolio, min(MOST_DRAWS, MOST_LINE_DRAWS // lines))
    assert max(ours) < 0.02
    assert ours[2] < max(fenton_low, 0.01)  # the low end: what the third cumulant is for


@pytest.mark.parametrize("seed", range(20))
def test_ten_lines_have_their_ends_within_two_per_cent_too(seed: int) -> None:
    *ours, _, _ = deviations(Portfolio(10, (0, 1, 3, 30)[seed % 4], seed), 200_000)
    assert max(ours) < 0.02 + 0.01  # by chance: the ends of 200,000 draws are good to 0.5 %, two sd wide


def test_without_the_third_cumulant_ten_lines_can_be_ten_per_cent_off() -> None:
    low = [deviations(Portfolio(10, 30, seed, HARD), 100_000)[5] for seed in range(8)]
    assert max(low) > 0.05


def test_taken_as_independent_lines_with_one_factor_would_be_falsely_certain() -> None:
    apart = Portfolio(1_000, 0, seed=4)
    shared = next(of for of in (Portfolio(1_000, 1, seed) for seed in range(20)) if of.sigma2[0] > 0.03)
    drawn = shared.drawn(20_000)
    independent = of_moments(0.0, *apart.moments)
    assert drawn.std() / drawn.mean() > 2 * log(independent.high / independent.low) / 4


def test_the_interval_of_nothing_is_nothing() -> None:
    assert of_moments(0.0, *np.zeros(3)).high == 0
