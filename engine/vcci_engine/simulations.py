"""From exact sums of rows to draws of totals, and what the draws say: percentiles, mean, standard deviation."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import FloatArray, Positions
from vcci_engine.factors import FactorTable
from vcci_engine.montecarlo import DRAWS_PER_COUNTER, Draws, Rows, cell_sums, factor_draws, kg_of, own_sigma, summed
from vcci_engine.results import Emissions
from vcci_engine.totals import LimbArray

LEAST_DRAWS, MOST_DRAWS = 1_000, 1_000_000
PERCENTILES = (2.5, 5.0, 50.0, 95.0, 97.5)
BLOCK_VALUES = 1 << 22  # of the sums of one block of draws: about 100 MB
MOST_BLOCK_DRAWS = 1 << 12
REST = -1  # the place of what is in the total only


@dataclass(frozen=True, slots=True)
class Simulation:
    """The distribution of an amount by Monte Carlo, kg CO2e; a percentile lies between two draws where it must."""

    draws: int
    mean: float
    sd: float
    p2_5: float
    p5: float
    p50: float
    p95: float
    p97_5: float


@dataclass(frozen=True, slots=True)
class Cells:
    """C cells, which rows of one place and one factor are summed in: no two are the same in both."""

    place: Positions  # the group's; REST
    factor: npt.NDArray[np.int64]  # id
    sigma2: FloatArray  # of ln(factor); 0 of the supplier's own

    def __len__(self) -> int:
        return len(self.place)


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a few emissions come to: each, each group by its name, and all."""

    rows: list[Simulation]
    groups: dict[str, Simulation]
    total: Simulation


def blocks(draws: int, n_cells: int, seed: int) -> Iterator[Draws]:
    """Yield all draws in ranges for which the sums of `n_cells` cells fit the memory."""
    fitting = min(max(BLOCK_VALUES // max(n_cells, 1), 1), MOST_BLOCK_DRAWS)
    size = max(fitting // DRAWS_PER_COUNTER, 1) * DRAWS_PER_COUNTER
    for first in range(0, draws, size):
        yield Draws(first, min(size, draws - first), seed)


def place_draws(sums: LimbArray, cells: Cells, n_places: int, draws: Draws) -> FloatArray:
    """Return the draws of each place and, last, of the total, kg, [n_places + 1, draws]: factors in order of their ids.

    `sums` [C, limbs, draws] are those of `cell_sums`.
    """
    kg = np.zeros((n_places + 1, draws.count))
    order = np.argsort(cells.factor, kind="stable")
    bounds = np.flatnonzero(np.diff(cells.factor[order], prepend=-1, append=-1)).tolist()
    for start, stop in pairwise(bounds):
        mine = order[start:stop]
        factor = factor_draws(int(cells.factor[mine[0]]), float(cells.sigma2[mine[0]]), draws)
        placed = mine[cells.place[mine] != REST]
        kg[cells.place[placed]] += factor * kg_of(sums[placed])
        kg[-1] += factor * kg_of(summed(sums, mine))
    return kg


def of_draws(kg: FloatArray) -> list[Simulation]:
    """Return what draws [G, draws] say; sums over draws, which are in order, are pairwise."""
    count = kg.shape[1]
    percentiles = np.percentile(kg, PERCENTILES, axis=1).T.tolist()
    return [
        Simulation(count, mean := float(draws.sum()) / count, _sd(draws, mean), *points)
        for draws, points in zip(kg, percentiles, strict=True)
    ]


def simulate(factors: FactorTable, emissions: Emissions, draws: int, seed: int = 0) -> Simulated:
    """Return the simulations of some emissions that are not stored, at least one; their upload is 0.

    All draws of every row are in memory at once.
    """
    n = len(emissions)
    rows = Rows(
        upload=np.zeros(n, np.int64),
        row=emissions.row,
        kg_co2e=emissions.kg_co2e,
        sigma=own_sigma(emissions.quality, emissions.factor),
        cell=np.arange(n),
    )
    factor = emissions.factor.astype(np.int64)
    of_rows = Cells(rows.cell, factor, factors.sigma2_of(emissions.factor))
    names, group = np.unique(_groups(emissions), return_inverse=True)
    pairs, cell = np.unique(np.stack((group, factor)), axis=1, return_inverse=True)
    of_groups = Cells(pairs[0].astype(np.intp), pairs[1], factors.sigma2_of(pairs[1]))
    kg_rows, kg_groups = np.empty((n + 1, draws)), np.empty((len(names) + 1, draws))
    for block in blocks(draws, n, seed):
        now = slice(block.first, block.first + block.count)
        sums = cell_sums(rows, n, block)
        kg_rows[:, now] = place_draws(sums, of_rows, n, block)
        regrouped = np.stack([summed(sums, np.flatnonzero(cell == number)) for number in range(len(of_groups))])
        kg_groups[:, now] = place_draws(regrouped, of_groups, len(names), block)
    *of_each, total = of_draws(kg_rows)
    return Simulated(of_each, dict(zip(names.tolist(), of_draws(kg_groups), strict=False)), total)


def _groups(emissions: Emissions) -> npt.NDArray[np.str_]:
    """Return the name of each emission's group, empty where it has none."""
    if emissions.group is None:
        return np.full(len(emissions), "")
    return np.array(emissions.groups).take(emissions.group)


def _sd(draws: FloatArray, mean: float) -> float:
    return sqrt(float(np.square(draws - mean).sum()) / (len(draws) - 1))
