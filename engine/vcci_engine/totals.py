"""Exact sums of emissions, the same in any order: integer micrograms, 2^-40 kg2 of variance, 2^-60 kg3 of skewness.

A number too wide for 64 bits is held in limbs, most significant first: micrograms as high x 2^32 + low, variances in
three limbs of 40 bits, third cumulants in five. All limbs but the first are within [0, 2^bits), so equal sums are equal
arrays.
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
from vcci_engine.moments import THIRD_UNIT, VARIANCE_UNIT, Moments, of_units, summed, with_factor
from vcci_engine.quality import VARIANCE
from vcci_engine.results import Emissions
from vcci_engine.uncertainty import SIGMA2_BASIC, Estimate, of_moments, of_row

LimbArray = npt.NDArray[np.int64]

UG_BITS = 32
VARIANCE_BITS = 40
UG_PER_KG = 1e9


@dataclass(frozen=True, slots=True)
class Terms:
    """Sums of G groups of rows, from which totals with their uncertainty are made.

    `mean`, `variance` and `third` leave the factor's own uncertainty out, which rows with the same factor share.
    """

    rows: npt.NDArray[np.int64]  # [G]
    ug: LimbArray  # [G, 2], calculated values
    mean: LimbArray  # [G, 2], means in micrograms
    variance: LimbArray  # [G, 3], 2^-40 kg2
    third: LimbArray  # [G, 5], 2^-60 kg3: the third cumulants

    def __len__(self) -> int:
        return len(self.rows)

    def __add__(self, other: "Terms") -> "Terms":
        return Terms(
            self.rows + other.rows,
            carried(self.ug + other.ug, UG_BITS),
            carried(self.mean + other.mean, UG_BITS),
            carried(self.variance + other.variance, VARIANCE_BITS),
            carried(self.third + other.third, VARIANCE_BITS),
        )

    def __sub__(self, other: "Terms") -> "Terms":
        return self + -other

    def __neg__(self) -> "Terms":
        return Terms(-self.rows, -self.ug, -self.mean, -self.variance, -self.third)

    def __getitem__(self, chosen: Positions | npt.NDArray[np.bool_]) -> "Terms":
        return Terms(*(column[chosen] for column in self.columns))

    @property
    def columns(self) -> tuple[LimbArray, ...]:
        """The arrays, in the order of the fields."""
        return self.rows, self.ug, self.mean, self.variance, self.third

    def regroup(self, group: Positions, n_groups: int) -> "Terms":
        """Return the sums of groups of groups: group[g] is the new number of g."""
        return Terms(
            _summed(self.rows, group, n_groups),
            carried(_summed(self.ug, group, n_groups), UG_BITS),
            carried(_summed(self.mean, group, n_groups), UG_BITS),
            carried(_summed(self.variance, group, n_groups), VARIANCE_BITS),
            carried(_summed(self.third, group, n_groups), VARIANCE_BITS),
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
    square = kg_co2e * kg_co2e
    variance = square * _VARIANCE_FACTOR.take(code)
    third = square * np.abs(kg_co2e)
    third *= _THIRD_FACTOR.take(code)
    thirds = limbs_of(third / THIRD_UNIT, VARIANCE_BITS, 5)
    return Terms(
        np.bincount(group, minlength=n_groups).astype(np.int64),
        ug_by(group, n_groups, kg_co2e),
        ug_by(group, n_groups, kg_co2e * _MEAN_FACTOR.take(code)),
        _summed_limbs(limbs_of(variance / VARIANCE_UNIT, VARIANCE_BITS, 3), group, n_groups, VARIANCE_BITS),
        _summed_limbs(_signed(thirds, kg_co2e < 0), group, n_groups, VARIANCE_BITS),
    )


def without_spread(group: Positions, n_groups: int, kg_co2e: FloatArray) -> Terms:
    """Return the sums of rows by group, of which the terms of the spread are zero."""
    return of_ug(np.bincount(group, minlength=n_groups).astype(np.int64), ug_by(group, n_groups, kg_co2e))


def of_ug(rows: npt.NDArray[np.int64], ug: LimbArray) -> Terms:
    """Return terms of which only rows and calculated values count."""
    none = np.zeros((len(rows), 5), np.int64)
    return Terms(rows, ug, none[:, :2], none[:, :3], none)


def ug_by(group: Positions, n_groups: int, kg: FloatArray) -> LimbArray:
    """Return the sums of kg in micrograms by group, [n_groups, 2]; each row is rounded to micrograms first."""
    return _summed_limbs(limbs_of(kg * UG_PER_KG, UG_BITS, 2), group, n_groups, UG_BITS)


def ug_regrouped(limbs: LimbArray, group: Positions, n_groups: int) -> LimbArray:
    """Return the sums of micrograms, [G, 2] each, of groups of groups: group[g] is the new number of g."""
    return carried(_summed(limbs, group, n_groups), UG_BITS)


def spread_factors(quality: npt.NDArray[np.uint16], factor: IndexArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean / median, variance / median^2 and third / median^3 of rows, without the factor's part."""
    code = quality.astype(np.intp)
    code[factor == 0] += len(VARIANCE)
    return _MEAN_FACTOR.take(code), _VARIANCE_FACTOR.take(code), _THIRD_FACTOR.take(code)


def ug_ints(limbs: LimbArray) -> list[int]:
    """Return micrograms as integers."""
    return [(high << UG_BITS) + low for high, low in zip(*limbs.T.tolist(), strict=True)]


def variance_ints(limbs: LimbArray) -> list[int]:
    """Return variances, or third cumulants, as integers in their units."""
    found = [0] * len(limbs)
    for limb in limbs.T.tolist():
        found = [(value << VARIANCE_BITS) + part for value, part in zip(found, limb, strict=True)]
    return found


def nearest_floats(limbs: LimbArray) -> FloatArray:
    """Return micrograms, [G, 2], as the nearest floats."""
    nearest: FloatArray = limbs[:, 0].astype(np.float64) * 2.0**UG_BITS + limbs[:, 1]
    return nearest


def ug_limbs(ug: Sequence[int]) -> LimbArray:
    """Return micrograms as limbs."""
    return np.array([divmod(value, 1 << UG_BITS) for value in ug], np.int64).reshape(len(ug), 2)


def variance_limbs(values: Sequence[int], count: int = 3) -> LimbArray:
    """Return variances, or third cumulants in five, as limbs."""
    mask = (1 << VARIANCE_BITS) - 1
    lower = [VARIANCE_BITS * place for place in range(count - 2, -1, -1)]
    rows = [(v >> VARIANCE_BITS * (count - 1), *(v >> bits & mask for bits in lower)) for v in values]
    return np.array(rows, np.int64).reshape(len(rows), count)


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
    moments = moments_of(terms, sigma2, order)
    if ratio is None:
        return [of_moments(sum(ug[a:b]) / 10**9, *summed(moments[a:b])) for a, b in pairwise(bounds)]
    by = ratio[order].tolist()
    scaled = [Moments(of.mean * r, of.variance * r * r, of.third * r**3) for of, r in zip(moments, by, strict=True)]
    kg = [u / 10**9 * r for u, r in zip(ug, by, strict=True)]
    return [of_moments(fsum(kg[a:b]), *summed(scaled[a:b])) for a, b in pairwise(bounds)]


def moments_of(terms: Terms, sigma2: FloatArray, order: Positions) -> list[Moments]:
    """Return the moments of terms in an order, the factors' own uncertainty included."""
    units = (ug_ints(terms.mean[order]), variance_ints(terms.variance[order]), variance_ints(terms.third[order]))
    return [*map(with_factor, map(of_units, *units), sigma2[order].tolist())]


def limbs_of(values: FloatArray, bits: int, count: int) -> list[LimbArray]:
    """Return rounded values as limbs; every step is exact."""
    rest = np.rint(values)
    limbs = []
    for place in range(count - 1, 0, -1):
        limb = np.floor(rest * 2.0 ** (-bits * place))
        rest = rest - limb * 2.0 ** (bits * place)
        limbs.append(limb.astype(np.int64))
    return [*limbs, rest.astype(np.int64)]


def _signed(limbs: list[LimbArray], negative: npt.NDArray[np.bool_]) -> list[LimbArray]:
    """Make some numbers negative, in place: in five limbs a float cannot be told from below."""
    if negative.any():
        for limb in limbs:
            limb[negative] *= -1
    return limbs


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


def _tables() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Cumulants of a row over powers of its median, by its packed scores; then those of a supplier's own factor."""
    sigma2 = [*VARIANCE.tolist(), *(VARIANCE + SIGMA2_BASIC).tolist()]
    mean = [exp(s2 / 2) for s2 in sigma2]
    variance = [exp(s2) * (exp(s2) - 1) for s2 in sigma2]
    third = [exp(1.5 * s2) * (exp(s2) - 1) ** 2 * (exp(s2) + 2) for s2 in sigma2]
    return np.array(mean), np.array(variance), np.array(third)


_MEAN_FACTOR, _VARIANCE_FACTOR, _THIRD_FACTOR = _tables()
