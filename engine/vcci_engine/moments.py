"""Mean, variance and third cumulant of sums of lines that share a factor, and the factor's part."""

from collections.abc import Sequence
from math import exp, fsum
from typing import NamedTuple

VARIANCE_UNIT = 2.0**-40  # kg2
THIRD_UNIT = 2.0**-60  # kg3


class Moments(NamedTuple):
    """The first three cumulants of an amount, in kg, kg2 and kg3; those of independent amounts add up."""

    mean: float
    variance: float
    third: float


def of_units(ug_mean: int, variance_units: int, third_units: int) -> Moments:
    """Return the moments that are kept as integers."""
    return Moments(ug_mean / 10**9, variance_units * VARIANCE_UNIT, third_units * THIRD_UNIT)


def with_factor(of: Moments, sigma2: float) -> Moments:
    """Return the moments of X times its factor F: log-normal of median 1, with sigma2 the variance of ln F.

    E[(F X)^n] = E[F^n] E[X^n], from moments about zero to cumulants; g = exp(sigma2).
    """
    mean, variance, third = of
    g = exp(sigma2)
    return Moments(
        mean * exp(sigma2 / 2),
        g * (variance * g + mean * mean * (g - 1)),
        exp(1.5 * sigma2) * (third * g**3 + 3 * variance * mean * g * (g * g - 1) + mean**3 * (g - 1) ** 2 * (g + 2)),
    )


def summed(moments: Sequence[Moments]) -> Moments:
    """Return the moments of a sum of independent amounts, the same in any order (fsum)."""
    return Moments(*map(fsum, zip(*moments, strict=True))) if moments else Moments(0.0, 0.0, 0.0)
