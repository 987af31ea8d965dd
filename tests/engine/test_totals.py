"""Exact sums against Python's integers, and totals whose rows share a factor."""

from dataclasses import astuple
from math import exp, fsum, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.calculate import calculate
from vcci_engine.moments import summed
from vcci_engine.quality import VARIANCE, pack
from vcci_engine.totals import (
    Terms,
    estimate,
    estimates,
    moments_of,
    terms_by,
    total,
    ug_by,
    ug_ints,
    ug_limbs,
    variance_ints,
    variance_limbs,
    without_spread,
)
from vcci_engine.uncertainty import SIGMA2_BASIC, Estimate, of_moments, of_row, sigma2_of_gsd2

from tests.engine.samples import TABLE, Row, batch

KG = st.floats(-5e11, 5e11) | st.sampled_from([0.0, 5e11, -5e11, 1e-9, 1.5e-9, 123.456, 1e-300])
ROWS = st.lists(st.tuples(st.integers(0, 4), KG, st.integers(0, 2**15 - 1), st.sampled_from([0, 1, 9])), max_size=50)
Rows = list[tuple[int, float, int, int]]


def terms(rows: Rows) -> Terms:
    group, kg, quality, factor = ([row[n] for row in rows] for n in range(4))
    return terms_by(
        np.array(group, np.intp), 5, np.array(kg), np.array(quality, np.uint16), np.array(factor, np.uint32)
    )


def rounded(value: float) -> int:
    return int(np.rint(value))


@given(ROWS)
def test_sums_of_limbs_are_pythons_integers(rows: Rows) -> None:
    sums = terms(rows)
    ug, means, variances, thirds, counts = [0] * 5, [0] * 5, [0] * 5, [0] * 5, [0] * 5
    for group, kg, quality, factor in rows:
        sigma2 = float(VARIANCE[quality] + SIGMA2_BASIC if factor == 0 else VARIANCE[quality])
        counts[group] += 1
        ug[group] += rounded(kg * 1e9)
        means[group] += rounded(kg * exp(sigma2 / 2) * 1e9)
        variances[group] += rounded(kg * kg * (exp(sigma2) * (exp(sigma2) - 1)) * 2.0**40)
        skewness = exp(1.5 * sigma2) * (exp(sigma2) - 1) ** 2 * (exp(sigma2) + 2)
        thirds[group] += rounded(kg * kg * kg * skewness * 2.0**60)
    assert sums.rows.tolist() == counts
    assert ug_ints(sums.ug) == ug
    assert ug_ints(sums.mean) == means
    assert variance_ints(sums.variance) == variances
    assert variance_ints(sums.third) == thirds


@given(ROWS, ROWS)
def test_terms_add_and_subtract_exactly(first: Rows, second: Rows) -> None:
    both = terms(first + second)
    for result, expected in ((terms(first) + terms(second), both), (both - terms(second), terms(first))):
        for name in ("rows", "ug", "mean", "variance"):
            assert np.array_equal(getattr(result, name), getattr(expected, name)), name


@given(ROWS)
def test_without_the_spread_rows_and_values_are_the_same(rows: Rows) -> None:
    with_spread = terms(rows)
    sums = without_spread(np.array([row[0] for row in rows], np.intp), 5, np.array([row[1] for row in rows]))
    assert (sums.rows.tolist(), sums.ug.tolist()) == (with_spread.rows.tolist(), with_spread.ug.tolist())
    assert not sums.mean.any()
    assert not sums.variance.any()


@given(ROWS)
def test_regrouping_is_grouping_by_less(rows: Rows) -> None:
    coarse = [(group // 2, *rest) for group, *rest in rows]
    regrouped = terms(rows).regroup(np.arange(5) // 2, 5)
    for name in ("rows", "ug", "mean", "variance"):
        assert np.array_equal(getattr(regrouped, name), getattr(terms(coarse), name)), name  # type: ignore[arg-type]


@given(st.lists(st.integers(-(2**90), 2**90)))
def test_limbs_hold_integers(values: list[int]) -> None:
    assert ug_ints(ug_limbs(values)) == values
    assert variance_ints(variance_limbs(values)) == values


@given(st.lists(st.floats(0, 1e9), min_size=1))
def test_a_total_is_the_exact_sum_but_for_each_rows_rounding_to_a_microgram(kg: list[float]) -> None:
    [ug] = ug_ints(ug_by(np.zeros(len(kg), np.intp), 1, np.array(kg)))
    assert ug / 10**9 == pytest.approx(fsum(kg), rel=2.0**-52, abs=len(kg) * 0.5e-9)


def test_rows_that_share_a_factor_do_not_cancel_its_error() -> None:
    rows = batch(*[Row(1000.0, quality=0x11111)] * 100)
    result = total(calculate(rows, TABLE).emissions, TABLE)
    assert log(result.high / result.median) / 2 == pytest.approx(sqrt(sigma2_of_gsd2(1.05)))
    assert result.median == pytest.approx(190_000.0)


def test_rows_with_their_own_factors_are_independent() -> None:
    rows = batch(*[Row(1000.0, inputs={"supplier_factor": 1.9}, quality=0x11111)] * 100)
    result = total(calculate(rows, TABLE).emissions, TABLE)
    relative = sqrt((exp(SIGMA2_BASIC) - 1) / 100)
    assert (result.high - result.low) / result.mean == pytest.approx(4 * relative, rel=1e-4)


def test_a_sum_of_independent_amounts_has_their_moments_and_is_less_wide_below_than_fenton_and_wilkinson_say() -> None:
    kg, gsd2 = np.array([3e4, 6e4, 2e4, 2.5e4, 1e4]), (1.2, 1.5, 2.0, 1.1, 1.3)
    exact = np.full(5, pack(np.array([0x11111], np.uint32))[0])
    sums = terms_by(np.arange(5), 5, kg, exact, np.arange(1, 6, dtype=np.uint32))
    sigma2 = np.array([sigma2_of_gsd2(value) for value in gsd2])
    mean, variance, third = summed(moments_of(sums, sigma2, np.arange(5)))
    assert (mean, sqrt(variance)) == pytest.approx((147_723.44, 15_023.65), abs=5e-3)
    fenton = of_moments(0.0, mean, variance, variance**2 / mean * (3 + variance / mean**2))
    sigma = log(fenton.high / fenton.low) / 4
    ends = (fenton.median * exp(-1.959964 * sigma), fenton.median * exp(1.959964 * sigma))
    assert (fenton.median, *ends) == pytest.approx((146_965, 120_467, 179_292), abs=0.5)
    result = estimate(sums, sigma2)
    assert result == of_moments(145_000, mean, variance, third)
    # Of four million draws, the percentiles of two standard deviations, 2.275, 50 and 97.725:
    assert (result.low, result.median, result.high) == pytest.approx((121_397, 146_502, 181_404), rel=0.003)
    assert result.low > fenton.low


def test_the_total_of_one_row_is_its_own_estimate() -> None:
    emissions = calculate(batch(Row(1000.0, quality=0x23232)), TABLE).emissions
    result, sigma = total(emissions, TABLE), float(emissions.sigma[0])
    assert result == of_row(1900.0, sigma)
    terms = terms_by(np.zeros(1, np.intp), 1, emissions.kg_co2e, emissions.quality, emissions.factor)
    by_terms = astuple(estimate(terms, TABLE.sigma2_of(emissions.factor)))
    assert astuple(result) == pytest.approx(by_terms, rel=1e-6)


def test_the_total_does_not_depend_on_the_order_of_its_terms() -> None:
    rows: Rows = [(k % 5, 1.1**k, 7 * k, k % 3) for k in range(200)]
    sigma2 = np.array([0.0, 0.01, 0.02, 0.3, 0.004])
    sums, order = terms(rows), np.array([3, 0, 4, 1, 2])
    assert estimate(sums, sigma2) == estimate(sums[order], sigma2[order])


def test_groups_of_terms_are_totalled_apart() -> None:
    rows: Rows = [(k % 5, 1.1**k, 7 * k, 1) for k in range(200)]
    sums, sigma2 = terms(rows), np.array([0.0, 0.01, 0.02, 0.3, 0.004])
    group = np.array([2, 0, 2, 0, 0])
    results = estimates(sums, sigma2, group, 3)
    for number in range(3):
        mine = group == number
        assert results[number] == estimate(sums[mine], sigma2[mine])
    assert results[1] == Estimate()


def test_a_total_of_nothing_is_all_zeros() -> None:
    assert total(calculate(batch(), TABLE).emissions, TABLE) == Estimate()


def test_credit_notes_subtract_and_add_to_the_spread() -> None:
    rows = [Row(1000.0, quality=0x33333), Row(-900.0, quality=0x33333)]
    result = total(calculate(batch(*rows), TABLE, allow_negative=True).emissions, TABLE)
    assert result.kg_co2e == pytest.approx(190.0)
    assert result.high - result.low > 190.0
    opposite = [Row(-1000.0), Row(900.0)]
    result = total(calculate(batch(*opposite), TABLE, allow_negative=True).emissions, TABLE)
    assert result.low < result.mean < 0 < result.high
