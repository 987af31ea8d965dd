"""Where better data would narrow the total's 95 % interval most.

The width W of the interval is a function of the total's mean M and variance V (`uncertainty.of_moments`), which are
sums over the factors f of lines with the mean M_f and the variance V_f without the factor's part:

    M = sum of e^(s/2) M_f      V = sum of e^s (e^s V_f + (e^s - 1) M_f^2)      s = sigma2 of the factor

A line with better scores has another mean and variance; its narrowing is, to first order, what these change W by. So
what lines of one factor share is not taken away by better scores, and a small line of a factor that much hangs on
counts for more than its own variance. Narrowings of lines add up, so that any number of groups is ranked in one pass;
for those that are shown the total is made anew (`Terms` of all lines, less the group's, plus the group's with better
scores).
"""

from dataclasses import dataclass
from math import cosh, exp, fsum, log1p, sinh, sqrt

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import FloatArray, IndexArray, Positions
from vcci_engine.quality import SCORES, WORST
from vcci_engine.totals import Terms, spread_factors, ug_ints, variance_ints, with_factor
from vcci_engine.uncertainty import Estimate, of_moments

QualityArray = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The change of the width (kg) with a line's mean (kg) and variance (kg2), by its factor, [F] each."""

    mean: FloatArray
    variance: FloatArray


def sensitivity(terms: Terms, sigma2: FloatArray) -> Sensitivity:
    """Return the sensitivity of a total, given its terms by factor and the variance of ln(factor) of each."""
    shares = [*zip(ug_ints(terms.mean), variance_ints(terms.variance), sigma2.tolist(), strict=True)]
    moments = [with_factor(*share) for share in shares]
    of_mean, of_variance = _gradient(fsum(mean for mean, _ in moments), fsum(variance for _, variance in moments))
    by_mean = [of_mean * exp(s2 / 2) + of_variance * 2 * exp(s2) * (exp(s2) - 1) * ug / 10**9 for ug, _, s2 in shares]
    return Sensitivity(np.array(by_mean, np.float64), of_variance * np.exp(2 * sigma2))


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
    mean, variance = spread_factors(quality, factor)
    better_mean, better_variance = spread_factors(better, factor)
    by_mean = width.mean.take(place) * (mean - better_mean) * kg_co2e
    by_variance = width.variance.take(place) * (variance - better_variance) * kg_co2e * kg_co2e
    return by_mean + by_variance


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
    ug, mean, variance = ug_ints(total.ug), ug_ints(total.mean), variance_ints(total.variance)
    moments = [with_factor(*share) for share in zip(mean, variance, sigma2.tolist(), strict=True)]
    means, variances = ([moment[n] for moment in moments] for n in range(2))
    changed = [(means.copy(), variances.copy()) for _ in range(n_groups)]
    changes = zip(
        group.tolist(),
        place.tolist(),
        (new - old for new, old in zip(ug_ints(better.mean), ug_ints(now.mean), strict=True)),
        (new - old for new, old in zip(variance_ints(better.variance), variance_ints(now.variance), strict=True)),
        strict=True,
    )
    for number, f, of_mean, of_variance in changes:
        moment = with_factor(mean[f] + of_mean, variance[f] + of_variance, float(sigma2[f]))
        changed[number][0][f], changed[number][1][f] = moment
    kg_co2e = sum(ug) / 10**9
    return [of_moments(kg_co2e, fsum(means), fsum(variances)) for means, variances in changed]


def _gradient(mean: float, variance: float) -> tuple[float, float]:
    """The partial derivatives of the width by mean and variance.

    W = 2 m sinh(2 sigma) with sigma2 = ln(1 + V / M^2), m = M e^(-sigma2 / 2); 4 sqrt(V) when M is not positive.
    """
    if variance <= 0:
        return 0.0, 0.0
    if mean <= 0:
        return 0.0, 2 / sqrt(variance)
    sigma2 = log1p(variance / (mean * mean))
    sigma, median = sqrt(sigma2), mean * exp(-sigma2 / 2)
    width = 2 * median * sinh(2 * sigma)
    by_sigma2 = 2 * median * cosh(2 * sigma) / sigma - width / 2
    square = mean * mean + variance
    return width / mean - by_sigma2 * 2 * variance / (mean * square), by_sigma2 / square
