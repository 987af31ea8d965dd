"""Exact sums of emissions, the same in any order: integer micrograms, and integer 2^-40 kg2 of variance.

A number too wide for 64 bits is held in limbs, most significant first: micrograms as high x 2^32 + low, variances in
three limbs of 40 bits. All limbs but the first are within [0, 2^bits), so equal sums are equal arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, fsum

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import FloatArray, IndexArray, Positions
from vcci_engine.distinct import distinct
from vcci_engine.factors import FactorTable
from vcci_engine.quality import VARIANCE
from vcci_engine.results import Emissions
from vcci_engine.uncertainty import SIGMA2_BASIC, Estimate, of_moments, of_row

LimbArray = npt.NDArray[np.int64]

UG_BITS = 32
VARIANCE_BITS = 40
UG_PER_KG = 1e9
VARIANCE_UNIT = 2.0**-40  # kg2


@dataclass(frozen=True, slots=True)
class Terms:
    """Sums of G groups of rows, from which totals with their uncertainty are made.

    `mean` and `variance` leave the factor's own uncertainty out, which rows with the same factor share.
    """

    rows: npt.NDArray[np.int64]  # [G]
    ug: LimbArray  # [G, 2], calculated values
    mean: LimbArray  # [G, 2], means in micrograms
    variance: LimbArray  # [G, 3], 2^-40 kg2

    def __len__(self) -> int:
        return len(self.rows)

    def __add__(self, other: "Terms") -> "Terms":
        return Terms(
            self.rows + other.rows,
            carried(self.ug + other.ug, UG_BITS),
            carried(self.mean + other.mean, UG_BITS),
            carried(self.variance + other.variance, VARIANCE_BITS),
        )

    def __sub__(self, other: "Terms") -> "Terms":
        return self + Terms(-other.rows, -other.ug, -other.mean, -other.variance)

    def regroup(self, group: Positions, n_groups: int) -> "Terms":
        """Return the sums of groups of groups: group[g] is the new number of g."""
        return Terms(
            _summed(self.rows, group, n_groups),
            carried(_summed(self.ug, group, n_groups), UG_BITS),
            carried(_summed(self.mean, group, n_groups), UG_BITS),
            carried(_summed(self.variance, group, n_groups), VARIANCE_BITS),
        )


def terms_by(
    group: Positions,
    n_groups: int,
    kg_co2e: FloatArray,
    quality: npt.NDArray[np.uint16],
    factor: IndexArray,
) -> Terms:
    """Return the sums of rows by group, 0 to n_groups - 1; factor 0 is the supplier's own.

    Exact for values up to 5e11 kg (calculate.MAX_KG_CO2E) and 8 million rows in one call.
    """
    code = quality.astype(np.intp)
    code[factor == 0] += len(VARIANCE)
    variance = kg_co2e * kg_co2e
    variance *= _VARIANCE_FACTOR.take(code)
    return Terms(
        np.bincount(group, minlength=n_groups).astype(np.int64),
        ug_by(group, n_groups, kg_co2e),
        ug_by(group, n_groups, kg_co2e * _MEAN_FACTOR.take(code)),
        _summed_limbs(limbs_of(variance / VARIANCE_UNIT, VARIANCE_BITS, 3), group, n_groups, VARIANCE_BITS),
    )


def without_spread(group: Positions, n_groups: int, kg_co2e: FloatArray) -> Terms:
    """Return the sums of rows by group, of which the terms of the spread are zero."""
    none = np.zeros((n_groups, 5), np.int64)
    rows = np.bincount(group, minlength=n_groups).astype(np.int64)
    return Terms(rows, ug_by(group, n_groups, kg_co2e), none[:, :2], none[:, 2:])


def ug_by(group: Positions, n_groups: int, kg: FloatArray) -> LimbArray:
    """Return the sums of kg in micrograms by group, [n_groups, 2]; each row is rounded to micrograms first."""
    return _summed_limbs(limbs_of(kg * UG_PER_KG, UG_BITS, 2), group, n_groups, UG_BITS)


def ug_regrouped(limbs: LimbArray, group: Positions, n_groups: int) -> LimbArray:
    """Return the sums of micrograms, [G, 2] each, of groups of groups: group[g] is the new number of g."""
    return carried(_summed(limbs, group, n_groups), UG_BITS)


def spread_factors(quality: npt.NDArray[np.uint16], factor: IndexArray) -> tuple[FloatArray, FloatArray]:
    """Return mean / median, and variance / median^2, of rows without the factor's part, as `terms_by` takes them."""
    code = quality.astype(np.intp)
    code[factor == 0] += len(VARIANCE)
    return _MEAN_FACTOR.take(code), _VARIANCE_FACTOR.take(code)


def ug_ints(limbs: LimbArray) -> list[int]:
    """Return micrograms as integers."""
    return [(high << UG_BITS) + low for high, low in zip(*limbs.T.tolist(), strict=True)]


def variance_ints(limbs: LimbArray) -> list[int]:
    """Return variances as integers, in 2^-40 kg2."""
    return [(((high << VARIANCE_BITS) + middle) << VARIANCE_BITS) + low for high, middle, low in limbs.tolist()]


def nearest_floats(limbs: LimbArray) -> FloatArray:
    """Return micrograms, [G, 2], as the nearest floats."""
    nearest: FloatArray = limbs[:, 0].astype(np.float64) * 2.0**UG_BITS + limbs[:, 1]
    return nearest


def ug_limbs(ug: Sequence[int]) -> LimbArray:
    """Return micrograms as limbs."""
    return np.array([divmod(value, 1 << UG_BITS) for value in ug], np.int64).reshape(len(ug), 2)


def variance_limbs(variance: Sequence[int]) -> LimbArray:
    """Return variances as limbs."""
    mask = (1 << VARIANCE_BITS) - 1
    rows = [(v >> 2 * VARIANCE_BITS, v >> VARIANCE_BITS & mask, v & mask) for v in variance]
    return np.array(rows, np.int64).reshape(len(rows), 3)


def estimate(terms: Terms, sigma2: FloatArray) -> Estimate:
    """Return the total of terms by factor; sigma2 is the variance of ln(factor) of each, 0 for suppliers' own."""
    return estimates(terms, sigma2, np.zeros(len(terms), np.intp), 1)[0]


def total(emissions: Emissions, factors: FactorTable) -> Estimate:
    """Return the total of emissions that were calculated with a factor table; of one, its own estimate."""
    if len(emissions) == 1:
        return of_row(float(emissions.kg_co2e[0]), float(emissions.sigma[0]))
    ids, group = distinct(emissions.factor.astype(np.intp), int(emissions.factor.max(initial=0)) + 1)
    terms = terms_by(group, len(ids), emissions.kg_co2e, emissions.quality, emissions.factor)
    return estimate(terms, factors.sigma2_of(ids))


def estimates(
    terms: Terms, sigma2: FloatArray, group: Positions, n_groups: int, ratio: FloatArray | None = None
) -> list[Estimate]:
    """Return the total of each group of terms by factor: group[k] is the group of term k.

    Rows with the same factor share its error; different factors are independent. Sums of floats are exact (fsum), so
    the order of the terms does not matter. `ratio`: what each term is multiplied with, as for another GWP set.
    """
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(n_groups + 1)).tolist()
    ug = ug_ints(terms.ug[order])
    mean, variance = _with_factor(terms, sigma2, order)
    if ratio is None:
        return [of_moments(sum(ug[a:b]) / 10**9, fsum(mean[a:b]), fsum(variance[a:b])) for a, b in pairwise(bounds)]
    by = ratio[order].tolist()
    scaled = [(u / 10**9 * r, m * r, v * r * r) for u, m, v, r in zip(ug, mean, variance, by, strict=True)]
    return [of_moments(*(fsum(term[n] for term in scaled[a:b]) for n in range(3))) for a, b in pairwise(bounds)]


def _with_factor(terms: Terms, sigma2: FloatArray, order: Positions) -> tuple[list[float], list[float]]:
    """Mean (kg) and variance (kg2) of each term, the factor's own uncertainty included."""
    means, variances = [], []
    shares = zip(ug_ints(terms.mean[order]), variance_ints(terms.variance[order]), sigma2[order].tolist(), strict=True)
    for ug, units, s2 in shares:
        mean, variance = with_factor(ug, units, s2)
        means.append(mean)
        variances.append(variance)
    return means, variances


def with_factor(ug_mean: int, variance_units: int, sigma2: float) -> tuple[float, float]:
    """Return mean (kg) and variance (kg2) of a term x its factor, whose ln has the variance sigma2.

    E[(F X)^2] - E[F X]^2 for F log-normal with median 1 and X with mean M and variance V.
    """
    mean, variance = ug_mean / 10**9, variance_units * VARIANCE_UNIT
    return mean * exp(sigma2 / 2), exp(sigma2) * (variance * exp(sigma2) + mean * mean * (exp(sigma2) - 1))


def limbs_of(values: FloatArray, bits: int, count: int) -> list[LimbArray]:
    """Return rounded values as limbs; every step is exact."""
    rest = np.rint(values)
    limbs = []
    for place in range(count - 1, 0, -1):
        limb = np.floor(rest * 2.0 ** (-bits * place))
        rest = rest - limb * 2.0 ** (bits * place)
        limbs.append(limb.astype(np.int64))
    return [*limbs, rest.astype(np.int64)]


def _summed_limbs(limbs: Sequence[LimbArray], group: Positions, n_groups: int, bits: int) -> LimbArray:
    return carried(np.stack([_summed(limb, group, n_groups) for limb in limbs], axis=1), bits)


def _summed(values: LimbArray, group: Positions, n_groups: int) -> LimbArray:
    if values.ndim > 1:  # of columns together NumPy adds each number by itself, twenty times slower
        return np.stack([_summed(column, group, n_groups) for column in values.T], axis=1)
    sums = np.zeros(n_groups, np.int64)
    np.add.at(sums, group, values)
    return sums


def carried(limbs: LimbArray, bits: int) -> LimbArray:
    """Return the same numbers with every limb but the first within [0, 2^bits)."""
    limbs = limbs.copy()
    for place in range(limbs.shape[1] - 1, 0, -1):
        limbs[:, place - 1] += limbs[:, place] >> bits
        limbs[:, place] &= (1 << bits) - 1
    return limbs


def _tables() -> tuple[FloatArray, FloatArray]:
    """Mean / median, and variance / median^2, of a row by its packed scores; then of a supplier's own factor."""
    sigma2 = [*VARIANCE.tolist(), *(VARIANCE + SIGMA2_BASIC).tolist()]
    return np.array([exp(s2 / 2) for s2 in sigma2]), np.array([exp(s2) * (exp(s2) - 1) for s2 in sigma2])


_MEAN_FACTOR, _VARIANCE_FACTOR = _tables()
