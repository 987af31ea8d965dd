"""Log-normal uncertainty of a row, and of sums by their first three cumulants.

sigma is the standard deviation of ln(amount), GSD2 = exp(2 sigma) the squared geometric standard deviation: the
95 % interval is median / GSD2 to median x GSD2. A calculated value is the median of its row.
"""

from dataclasses import dataclass
from math import asinh, copysign, exp, expm1, log, log1p, sinh, sqrt
from typing import Self

GSD2_BASIC = 1.05  # energy, materials, waste services, CO2: the basic uncertainty of the pedigree method
SIGMA2_BASIC = (log(GSD2_BASIC) / 2) ** 2


@dataclass(frozen=True, slots=True)
class Estimate:
    """An amount in kg CO2e: the calculated value, its 95 % interval, mean and median."""

    kg_co2e: float = 0.0
    low: float = 0.0
    high: float = 0.0
    mean: float = 0.0
    median: float = 0.0


def sigma2_of_gsd2(gsd2: float) -> float:
    """Return the variance of ln(amount) for a squared geometric standard deviation."""
    return (log(gsd2) / 2) ** 2


@dataclass(frozen=True, slots=True)
class RowSpread:
    """What the uncertainty of a row makes of its value."""

    gsd2: float
    mean: float  # per median

    @classmethod
    def of(cls, sigma: float) -> Self:
        """Return that of a standard deviation of ln(amount)."""
        return cls(exp(2 * sigma), exp(sigma * sigma / 2))

    def numbers(self, kg_co2e: float) -> tuple[float, float, float, float, float]:
        """Return what an Estimate consists of, in its order."""
        one, other = kg_co2e / self.gsd2, kg_co2e * self.gsd2
        low, high = (one, other) if one <= other else (other, one)
        return kg_co2e, low, high, kg_co2e * self.mean, kg_co2e


def of_row(kg_co2e: float, sigma: float) -> Estimate:
    """Return the estimate of one row."""
    return Estimate(*RowSpread.of(sigma).numbers(kg_co2e))


def of_moments(kg_co2e: float, mean: float, variance: float, third: float) -> Estimate:
    """Return the estimate of a sum by its mean and its second and third cumulants (kg, kg2, kg3).

    It is taken as log-normal behind a shift, the sigma s of which its skewness (exp(s^2) + 2) sqrt(exp(s^2) - 1) tells:
    with u = sqrt(exp(s^2) - 1) a cubic equation, u^3 + 3 u = skewness. What lies z standard deviations of the logarithm
    from the median is then mean + sd (exp(s z - s^2 / 2) - 1) / u. Without skewness that is the normal distribution,
    with that of a log-normal sum nothing is shifted: Fenton and Wilkinson.
    """
    sd = sqrt(variance)
    u = 2 * sinh(asinh(third / sd**3 / 2) / 3) if sd else 0.0
    s = copysign(sqrt(log1p(u * u)), u)
    low, median, high = (mean + sd * (expm1(s * z - s * s / 2) / u if u else z) for z in (-2, 0, 2))
    return Estimate(kg_co2e, low, high, mean, median)
