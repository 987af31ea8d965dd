"""How near the closed form's interval is to Monte Carlo, on random portfolios: `python -m bench.intervals`.

For each number of lines and of factors that these share, some portfolios of all scores: amounts that differ tenfold and
factors of GSD2 1.05 to 1.5; then hard ones, a hundredfold and up to 2. Prints the largest deviations of mean, standard
deviation and interval from those of two million draws (`draws=100000`: of fewer), and fails where one is over two per
cent, save of hard portfolios. Percentiles are those of two standard deviations, as the interval has them.
"""

import sys
from collections.abc import Iterator
from math import log, sqrt

import numpy as np
from vcci_engine.activities import FloatArray
from vcci_engine.moments import Moments, summed
from vcci_engine.montecarlo import Rows, cell_sums, own_sigma
from vcci_engine.quality import pack
from vcci_engine.simulations import Cells, blocks, place_draws
from vcci_engine.totals import Terms, estimate, moments_of, terms_by
from vcci_engine.uncertainty import Estimate, sigma2_of_gsd2

DRAWS = 2_000_000
LINES = (10, 20, 50, 100, 1_000, 10_000)
FACTORS = (0, 1, 3, 30)  # 0: suppliers' own, which no two lines share
PORTFOLIOS = {10: 12, 20: 8, 50: 4, 100: 3}  # of so many lines; of more, one
HARD_LINES = (10, 20, 50, 100)
USUAL, HARD = 1.2, 2.3  # of ln(amount): tenfold, a hundredfold
GSD2 = {USUAL: (1.05, 1.1, 1.2, 1.5), HARD: (1.05, 1.1, 1.2, 1.5, 2.0)}
PERCENTILES = (2.275013, 50.0, 97.724987)  # two standard deviations
ALLOWED = 0.02


class Portfolio:
    """Random lines, the factors that they have, and both totals of them."""

    def __init__(self, lines: int, factors: int, seed: int, spread: float = USUAL) -> None:
        rng = np.random.default_rng(seed)
        kg = rng.lognormal(5, spread, lines)
        scores = rng.integers(1, 6, (lines, 5)) * 16 ** np.arange(5)
        quality = pack(scores.sum(axis=1).astype(np.uint32))
        cell = rng.integers(0, max(factors, 1), lines)
        factor = np.arange(1, factors + 1) if factors else np.zeros(1, np.intp)
        self.sigma2 = np.array([sigma2_of_gsd2(value) for value in rng.choice(GSD2[spread], factors)] or [0.0])
        of_line = factor[cell].astype(np.uint32)
        row = np.arange(lines, dtype=np.uint32)
        self.rows = Rows(np.ones(lines, np.int64), row, kg, own_sigma(quality, of_line), cell)
        self.cells = Cells(np.zeros(len(factor), np.intp), factor, self.sigma2)
        self.terms: Terms = terms_by(cell, len(factor), kg, quality, of_line)

    @property
    def closed(self) -> Estimate:
        return estimate(self.terms, self.sigma2)

    @property
    def moments(self) -> Moments:
        return summed(moments_of(self.terms, self.sigma2, np.arange(len(self.terms))))

    def drawn(self, draws: int) -> FloatArray:
        """Return so many draws of the total."""
        parts = [
            place_draws(cell_sums(self.rows, len(self.cells), block), self.cells, 1, block)[-1]
            for block in blocks(draws, len(self.cells), 0)
        ]
        return np.concatenate(parts)


def deviations(portfolio: Portfolio, draws: int) -> FloatArray:
    """Return by what share mean, standard deviation, low, median and high are off, and Fenton and Wilkinson's ends."""
    drawn, of = portfolio.drawn(draws), portfolio.closed
    mean, variance, _ = portfolio.moments
    low, median, high = np.percentile(drawn, PERCENTILES)
    sigma2 = log(1 + variance / mean**2)
    fenton = mean * np.exp(-sigma2 / 2 + np.array([-2, 2]) * sqrt(sigma2))
    found = np.array([of.mean, sqrt(variance), of.low, of.median, of.high, *fenton])
    told: FloatArray = np.abs(found / np.array([drawn.mean(), drawn.std(), low, median, high, low, high]) - 1)
    return told


def table(lines: int, spread: float, draws: int) -> Iterator[tuple[str, float]]:
    """Yield a row for each number of factors, and the largest deviation of the closed form in it."""
    for factors in FACTORS:
        seeds = range(PORTFOLIOS.get(lines, 1))
        most = np.array([deviations(Portfolio(lines, factors, seed, spread), draws) for seed in seeds]).max(axis=0)
        cells = [f"{100 * value:.1f}" for value in most]
        yield f"| {lines:,} | {factors or 'own'} | {len(seeds)} | {' | '.join(cells)} |", float(most[:5].max())


def main() -> int:
    draws = int(sys.argv[1].removeprefix("draws=")) if len(sys.argv) > 1 else DRAWS
    worst = {}
    for spread, sizes in ((USUAL, LINES), (HARD, HARD_LINES)):
        print("| lines | factors | portfolios | mean | sd | low | median | high | low, F-W | high, F-W |")
        print(f"|{'---|' * 10}")
        worst[spread] = 0.0
        for row, deviation in (row for lines in sizes for row in table(lines, spread, draws)):
            print(row, flush=True)
            worst[spread] = max(worst[spread], deviation)
        print(f"\nAt most {100 * worst[spread]:.2f} % off.\n", flush=True)
    return int(worst[USUAL] > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
