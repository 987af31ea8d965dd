"""Totals of emissions under levers, and what these reduce, with 95 % intervals.

Of cell c let Y_c be its lines' emissions without the factor's uncertainty (mean m_c, variance v_c), and F_j the
uncertainty of factor j: log-normal with median 1, s_j the variance of ln F_j. Cells are independent of one another, and
so are factors. Under levers the cell emits Y_c x sum over j of w_cj F_j, with the weights of its parts (`levers`).
Baseline and scenario are of the same lines and factors: their difference has weights of its own, w_cj before less w_cj
after, and lines that no lever changes cancel in it. With weights x of either kind, M_j = sum over c of x_cj m_c and
V_j = sum over c of x_cj^2 v_c,

    mean      sum over j of e^(s_j/2) M_j
    variance  sum over j of e^s_j (e^s_j V_j + (e^s_j - 1) M_j^2)
              + sum over c and j != k of e^((s_j + s_k)/2) x_cj x_ck v_c

exactly: the first line is `moments.with_factor`, the second the covariance of the parts of one cell. Where no weight is
below zero the sum is as skewed as the factors' sums, else it is taken as normal: a difference of log-normals is neither
positive nor skewed one way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import exp, fsum

from vcci_engine.levers import EMISSION_FREE, Cell, Factors, Lever, Part, Parts, Pathway, apply, at_first, at_year
from vcci_engine.moments import VARIANCE_UNIT, of_units, summed, with_factor
from vcci_engine.uncertainty import Estimate, of_moments

Weights = dict[int, float]  # of one cell, by factor
NONE = Part(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a lever does, on top of those before it."""

    reduction: Estimate
    scenario: Estimate  # after it
    rows: int  # that it is about
    unchanged_rows: int  # of those, that it could not change


@dataclass(frozen=True, slots=True)
class Outcome:
    """A scenario against its baseline."""

    baseline: Estimate
    scenario: Estimate
    reduction: Estimate
    baseline_ug: dict[int, int]  # by factor, micrograms
    scenario_ug: dict[int, int]
    effects: list[Effect]
    years: list[tuple[int, Estimate]]  # the scenario with pathways as far as they are; none without one


def run(cells: Sequence[Cell], levers: Sequence[Lever], factors: Factors) -> Outcome:
    """Apply levers one after the other; without any, the scenario is the baseline bit for bit."""
    steps = [at_first(cells)]
    rows = []
    for lever in levers:
        applied = apply(lever, cells, steps[-1], factors)
        steps.append(applied.parts)
        rows.append((applied.rows, applied.unchanged_rows))
    totals = [total(cells, parts, factors) for parts in steps]
    reductions = [reduction(cells, before, after, factors) for before, after in pairwise(steps)]
    effects = [Effect(of, after, *counts) for of, after, counts in zip(reductions, totals[1:], rows, strict=True)]
    return Outcome(
        baseline=totals[0],
        scenario=totals[-1],
        reduction=reduction(cells, steps[0], steps[-1], factors),
        baseline_ug=_by_factor(cells, steps[0]),
        scenario_ug=_by_factor(cells, steps[-1]),
        effects=effects,
        years=[(year, _at(year, cells, levers, factors)) for year in _years(levers)],
    )


def total(cells: Sequence[Cell], parts: Sequence[Parts], factors: Factors) -> Estimate:
    """Return what cells come to."""
    return _estimate(cells, [{factor: of.weight for factor, of in each.items()} for each in parts], factors)


def _by_factor(cells: Sequence[Cell], parts: Sequence[Parts]) -> dict[int, int]:
    """Return what cells come to by factor, ascending, in micrograms."""
    found: dict[int, int] = {}
    for cell, of in zip(cells, parts, strict=True):
        for factor, part in of.items():
            if factor != EMISSION_FREE:
                found[factor] = found.get(factor, 0) + _times(cell.ug, part.weight)
    return dict(sorted(found.items()))


def reduction(cells: Sequence[Cell], before: Sequence[Parts], after: Sequence[Parts], factors: Factors) -> Estimate:
    """Return by how much less cells come to after than before."""
    kg_co2e = (_ug(cells, before) - _ug(cells, after)) / 10**9
    weights = [_less(*pair) for pair in zip(before, after, strict=True)]
    return _estimate(cells, weights, factors, kg_co2e)


def _years(levers: Sequence[Lever]) -> range:
    pathways = [lever.change for lever in levers if isinstance(lever.change, Pathway)]
    if not pathways:
        return range(0)
    return range(min(path.base_year for path in pathways), max(path.target_year for path in pathways) + 1)


def _at(year: int, cells: Sequence[Cell], levers: Sequence[Lever], factors: Factors) -> Estimate:
    parts = at_first(cells)
    for lever in at_year(levers, year):
        parts = apply(lever, cells, parts, factors).parts
    return total(cells, parts, factors)


def _less(before: Parts, after: Parts) -> Weights:
    if before is after:
        return {}
    return {f: before.get(f, NONE).weight - after.get(f, NONE).weight for f in sorted({*before, *after})}


def _ug(cells: Sequence[Cell], parts: Sequence[Parts]) -> int:
    """Each part is rounded to micrograms, so that parts of a difference sum to it."""
    return sum(_times(cell.ug, of.weight) for cell, each in zip(cells, parts, strict=True) for of in each.values())


def _times(value: int, weight: float) -> int:
    return value if weight == 1 else round(value * weight)


def _estimate(
    cells: Sequence[Cell], weights: Sequence[Weights], factors: Factors, kg_co2e: float | None = None
) -> Estimate:
    sums: dict[int, list[int]] = {}  # by factor: micrograms, mean, variance, third cumulant
    covariances, signs = [], set()
    for cell, of in zip(cells, weights, strict=True):
        used = [(factor, weight) for factor, weight in of.items() if weight]
        for factor, weight in used:
            into = sums.setdefault(factor, [0, 0, 0, 0])
            into[0] += _times(cell.ug, weight)
            into[1] += _times(cell.mean, weight)
            into[2] += _times(cell.variance, weight * weight)
            into[3] += _times(cell.third, weight**3)
            signs.add(weight > 0)
        covariances += [_covariance(cell, factors, *pair) for pair in combinations(used, 2)]
    mean, variance, third = summed(
        [with_factor(of_units(*units), _sigma2(factors, factor)) for factor, (_, *units) in sums.items()]
    )
    if kg_co2e is None:
        kg_co2e = sum(ug for ug, *_ in sums.values()) / 10**9
    variance = max(fsum([variance, *covariances]), 0.0)
    return of_moments(kg_co2e, mean, variance, third if False not in signs else 0.0)


def _covariance(cell: Cell, factors: Factors, one: tuple[int, float], other: tuple[int, float]) -> float:
    """Twice the covariance of two parts of a cell, kg2."""
    variance = cell.variance * VARIANCE_UNIT
    spread = exp((_sigma2(factors, one[0]) + _sigma2(factors, other[0])) / 2)
    return 2 * spread * one[1] * other[1] * variance


def _sigma2(factors: Factors, factor: int) -> float:
    return factors[factor].sigma2 if factor in factors else 0.0
