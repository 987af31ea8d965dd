"""Where better data would narrow the total's 95 % interval most.

The width W of the interval is a function of the total's variance and third cumulant (`uncertainty.of_moments`), which
are sums over factors of what `moments.with_factor` makes of the mean, the variance and the third cumulant of lines
without the factor's part.

A line with better scores has others of these; its narrowing is, to first order, what these change W by. So
what lines of one factor share is not taken away by better scores, and a small line of a factor that much hangs on
counts for more than its own variance. Narrowings of lines add up, so that any number of groups is ranked in one pass;
for those that are shown the total is made anew (`Terms` of all lines, less the group's, plus the group's with better
scores).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import FloatArray, IndexArray, Positions
from vcci_engine.moments import VARIANCE_UNIT, of_units, summed, with_factor
from vcci_engine.quality import SCORES, WORST
from vcci_engine.totals import Terms, moments_of, spread_factors, ug_ints, variance_ints
from vcci_engine.uncertainty import Estimate, of_moments

QualityArray = npt.NDArray[np.uint16]


STEP = 1e-5  # of slopes: what it leaves out and what rounding loses are both about 1e-10


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The change of the width (kg) with a line's mean (kg), variance (kg2) and third cumulant (kg3), by factor, [F]."""

    mean: FloatArray
    variance: FloatArray
    third: FloatArray


def sensitivity(terms: Terms, sigma2: FloatArray) -> Sensitivity:
    """Return the sensitivity of a total, given its terms by factor and the variance of ln(factor) of each."""
    total = summed(moments_of(terms, sigma2, np.arange(len(terms))))
    if total.variance <= 0:
        return Sensitivity(*np.zeros((3, len(terms))))
    by_variance = _slope(lambda variance: _width(variance, total.third), total.variance, total.variance)
    by_third = _slope(lambda third: _width(total.variance, third), total.third, total.variance**1.5)
    mean = np.array(ug_ints(terms.mean), np.float64) / 10**9
    variance, g = np.array(variance_ints(terms.variance), np.float64) * VARIANCE_UNIT, np.exp(sigma2)
    skewing = 3 * g**1.5 * (variance * g * (g * g - 1) + mean * mean * (g - 1) ** 2 * (g + 2))
    return Sensitivity(
        mean=by_variance * 2 * mean * g * (g - 1) + by_third * skewing,
        variance=by_variance * g * g + by_third * 3 * mean * g**2.5 * (g * g - 1),
        third=by_third * g**4.5,
    )


def narrowing(
    kg_co2e: FloatArray,
    quality: QualityArray,
    better: QualityArray,
    factor: IndexArray,
    place: Positions,
    width: Sensitivity,
) -> FloatArray:
    """Return by how many kg the interval would be narrower, to first order, if each line alone had better scores.

    `place` is where in the sensitivity the line's factor stands.
    """
    power, gain = np.ones_like(kg_co2e), np.zeros_like(kg_co2e)
    slopes = (width.mean, width.variance, width.third)
    for slope, now, then in zip(slopes, spread_factors(quality, factor), spread_factors(better, factor), strict=True):
        power *= kg_co2e
        gain += slope.take(place) * (now - then) * power
    return gain


def better_scores(target: int) -> QualityArray:
    """Return a table of the packed scores that lines have with better data: the better of theirs and the target's.

    `target` is five scores of 1 to 5, one hexadecimal digit each. An unknown score counts as 5.
    """
    table = np.zeros(1, np.uint16)
    for place in reversed(range(len(SCORES))):
        aim = target >> (4 * place) & 0xF
        digits = np.array([min(score or WORST, aim) for score in (*range(WORST + 1), WORST, WORST)], np.uint16)
        table = (table[:, None] << np.uint16(3) | digits).ravel()
    return table


def improved(
    total: Terms, sigma2: FloatArray, group: Positions, n_groups: int, place: Positions, now: Terms, better: Terms
) -> list[Estimate]:
    """Return what the total, by factor, would be if each group alone had better scores.

    `now` and `better` are the terms of groups by factor as they are and as they would be: term k is of group[k] and of
    the factor at place[k] of the total.
    """
    units, moments = _units(total), moments_of(total, sigma2, np.arange(len(total)))
    changed = [moments.copy() for _ in range(n_groups)]
    for number, f, change in zip(group.tolist(), place.tolist(), _units(better - now), strict=True):
        mean, variance, third = (old + by for old, by in zip(units[f], change, strict=True))
        changed[number][f] = with_factor(of_units(mean, variance, third), float(sigma2[f]))
    kg_co2e = sum(ug_ints(total.ug)) / 10**9
    return [of_moments(kg_co2e, *summed(of)) for of in changed]


def _units(terms: Terms) -> list[tuple[int, int, int]]:
    """Return the mean, the variance and the third cumulant of each term as integers."""
    return [*zip(ug_ints(terms.mean), variance_ints(terms.variance), variance_ints(terms.third), strict=True)]


def _slope(of: Callable[[float], float], at: float, scale: float) -> float:
    """Return the slope of a function between two points about `at` that are a part of the scale apart."""
    step = scale * STEP
    return (of(at + step) - of(at - step)) / (2 * step)


def _width(variance: float, third: float) -> float:
    of = of_moments(0.0, 0.0, variance, third)
    return of.high - of.low
