"""Which groups make most of the emissions, and how concentrated these are.

A group's emissions are integer micrograms (`totals.ug_ints`), so that every figure is the same bits in whatever order
the groups come.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import mul


@dataclass(frozen=True, slots=True)
class Pareto:
    """The smallest set of groups that makes a share of the total."""

    groups: int  # how many of the largest: 0 when the total is not positive
    ug_co2e: int  # what they come to


@dataclass(frozen=True, slots=True)
class Concentration:
    """How unequal groups are; all zero without emissions."""

    gini: float = 0.0  # 0: all equal; (G - 1) / G: one of G groups has everything
    herfindahl: float = 0.0  # sum of squared shares: 1 / G when all are equal, 1 when one has everything
    effective_groups: float = 0.0  # as many equal groups would be as concentrated: 1 / herfindahl
    largest_share: float = 0.0


def descending(ug: Sequence[int]) -> list[int]:
    """Return the groups' emissions, largest first."""
    return sorted(ug, reverse=True)


def pareto(ordered: Sequence[int], share: float) -> Pareto:
    """Return the smallest set of groups, `descending`, whose sum is at least a share (above 0, up to 1) of the total.

    The total counts groups below zero (credit notes) too.
    """
    total = sum(ordered)
    if total <= 0:
        return Pareto(0, 0)
    for number, so_far in enumerate(accumulate(ordered), start=1):
        if so_far / total >= share:
            return Pareto(number, so_far)
    return Pareto(len(ordered), total)


def concentration(ordered: Sequence[int]) -> Concentration:
    """Return Gini coefficient and Herfindahl-Hirschman index of groups, `descending`; those below zero count as zero.

    G = sum of (n + 1 - 2 i) x_i / (n x sum of x), i from 1, largest first (Sen, On Economic Inequality, 1973);
    H = sum of squared shares (Hirschman, The Paternity of an Index, American Economic Review 54, 1964).
    """
    values = [max(ug, 0) for ug in ordered]
    total, n = sum(values), len(values)
    if not total:
        return Concentration()
    weighted = sum(map(mul, range(n - 1, -n - 1, -2), values))
    squares = sum(map(mul, values, values))
    return Concentration(
        gini=weighted / (n * total),
        herfindahl=squares / (total * total),
        effective_groups=(total * total) / squares,
        largest_share=values[0] / total,
    )
