"""Log-normal uncertainty of a row, and of sums by Fenton and Wilkinson.

sigma is the standard deviation of ln(amount), GSD2 = exp(2 sigma) the squared geometric standard deviation: the
95 % interval is median / GSD2 to median x GSD2. A calculated value is the median of its row.
"""

from dataclasses import dataclass
from math import exp, log, log1p, sqrt

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


def of_row(kg_co2e: float, sigma: float) -> Estimate:
    """Return the estimate of one row."""
    gsd2 = exp(2 * sigma)
    low, high = sorted((kg_co2e / gsd2, kg_co2e * gsd2))
    return Estimate(kg_co2e, low, high, kg_co2e * exp(sigma * sigma / 2), kg_co2e)


def of_moments(kg_co2e: float, mean: float, variance: float) -> Estimate:
    """Return the estimate of a sum: log-normal, or normal when the mean is not positive (credit notes outweigh)."""
    if mean <= 0:
        spread = 2 * sqrt(variance)
        return Estimate(kg_co2e, mean - spread, mean + spread, mean, mean)
    sigma2 = log1p(variance / (mean * mean))
    median, gsd2 = mean * exp(-sigma2 / 2), exp(2 * sqrt(sigma2))
    return Estimate(kg_co2e, median / gsd2, median * gsd2, mean, median)
