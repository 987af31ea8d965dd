"""Why emissions changed from one year to the next: activity, mix and factors, an exact additive decomposition.

A cell is what is bought of one kind: a category, a factor's key and region. A pool is the cells whose activities can be
added: those of one category and one dimension (spend in one currency, mass, transport work). Of a cell

    emissions = activity of the pool x its share of the pool's activity x emissions per activity.

The change of the product is divided among the three by the Shapley value (Sun, Changes in energy consumption and energy
intensity: a complete decomposition model, Energy Economics 20, 1998; Ang, Huang and Mu, Properties and linkages of some
index decomposition analysis methods, Energy Policy 37, 2009). It leaves no residual and, unlike LMDI, takes zeros and
credit notes as they are: no logarithm, no small number in the place of a zero.
"""

from dataclasses import dataclass
from math import fsum

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import FloatArray, Positions


@dataclass(frozen=True, slots=True)
class Drivers:
    """The parts of each cell's change, kg CO2e, [C] each; they sum to it."""

    activity: FloatArray  # more or less is bought of the pool as a whole
    mix: FloatArray  # the cell's share of the pool
    factor: FloatArray  # emissions per unit of activity
    unknown: FloatArray  # no activity is known, or a pool's activity is negative or none in both years


@dataclass(frozen=True, slots=True)
class Year:
    """One year's cells: emissions in kg CO2e and activity in the pool's unit, [C] each; both 0 where there is none."""

    kg_co2e: FloatArray
    activity: FloatArray


def drivers(before: Year, after: Year, pool: Positions, known: npt.NDArray[np.bool_]) -> Drivers:
    """Divide the change of each cell; pool[c] is the number of its pool, known[c] whether its activity is known.

    A cell that is new or gone changes the mix, at the emissions per activity of the year in which it is there; a pool
    that is new or gone changes the activity, at the mix of that year.
    """
    n_pools = int(pool.max(initial=-1)) + 1
    pooled = [_sums(np.where(known, year.activity, 0.0), pool, n_pools).take(pool) for year in (before, after)]
    known = known & (pooled[0] >= 0) & (pooled[1] >= 0) & (pooled[0] + pooled[1] > 0)
    quantity = [np.where(known, of, 0.0) for of in pooled]
    share = _either(*(_ratio(year.activity, of) for year, of in zip((before, after), pooled, strict=True)))
    intensity = _either(*(_ratio(year.kg_co2e, year.activity) for year in (before, after)))
    change = after.kg_co2e - before.kg_co2e
    parts = (
        _part(*of) for of in ((quantity, share, intensity), (share, quantity, intensity), (intensity, quantity, share))
    )
    activity, mix, factor = (np.where(known, part, 0.0) for part in parts)
    return Drivers(activity, mix, factor, np.where(known, 0.0, change))


Pair = list[FloatArray]  # of the year before, and the year after


def _part(of: Pair, one: Pair, other: Pair) -> FloatArray:
    """The Shapley value of the first of three factors."""
    paired = 2 * (one[0] * other[0] + one[1] * other[1]) + one[0] * other[1] + one[1] * other[0]
    part: FloatArray = (of[1] - of[0]) * paired / 6
    return part


def _ratio(value: FloatArray, of: FloatArray) -> FloatArray:
    """The ratio; NaN where it is not known."""
    ratio: FloatArray = np.divide(value, of, out=np.full(len(value), np.nan), where=of != 0)
    return ratio


def _either(before: FloatArray, after: FloatArray) -> Pair:
    """Where one year does not tell, the other does; 0 where neither does."""
    filled = np.where(np.isnan(before), after, before), np.where(np.isnan(after), before, after)
    return [np.nan_to_num(values, nan=0.0) for values in filled]


def _sums(values: FloatArray, group: Positions, n_groups: int) -> FloatArray:
    """Exact sums by group (fsum), the same in any order."""
    order = np.argsort(group, kind="stable")
    parts = np.split(values[order], np.searchsorted(group[order], np.arange(1, n_groups)))
    return np.array([fsum(part) for part in parts]) if n_groups else np.empty(0)
