"""Pareto and concentration against figures that can be had by hand, and for every order of the groups."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.hotspots import Concentration, Pareto, concentration, descending, pareto

UG = st.lists(st.integers(-(10**18), 10**21), max_size=30)


@pytest.mark.parametrize(
    ("values", "gini", "herfindahl"),
    [
        ([1, 1, 1, 1], 0.0, 0.25),
        ([0, 0, 0, 8], 0.75, 1.0),
        ([1, 2, 3, 4], 0.25, 0.3),  # 30 / 100
        ([1, 3], 0.25, 0.625),  # (1 + 9) / 16
        ([5], 0.0, 1.0),
        ([1, 3, -7], 0.5, 0.625),  # a group of credit notes counts as one with nothing
    ],
)
def test_concentration_of_known_vectors(values: list[int], gini: float, herfindahl: float) -> None:
    found = concentration(descending(values))
    assert (found.gini, found.herfindahl) == pytest.approx((gini, herfindahl), abs=1e-15)
    assert found.effective_groups == pytest.approx(1 / herfindahl)
    assert found.largest_share == max(values) / sum(value for value in values if value > 0)


def test_nothing_is_not_concentrated() -> None:
    for values in ([], [0, 0], [-1]):
        assert concentration(descending(values)) == Concentration()
        assert pareto(descending(values), 0.8) == Pareto(0, 0)


@pytest.mark.parametrize(
    ("share", "groups", "ug"), [(0.8, 2, 80), (0.800001, 3, 90), (0.5, 1, 50), (1.0, 4, 100), (0.01, 1, 50)]
)
def test_the_smallest_set_that_makes_a_share(share: float, groups: int, ug: int) -> None:
    assert pareto(descending([10, 50, 10, 30]), share) == Pareto(groups, ug)


def test_credit_notes_count_in_the_total() -> None:
    assert pareto(descending([60, 60, -20]), 0.6) == Pareto(1, 60)
    assert pareto(descending([60, 60, -20]), 1.0) == Pareto(2, 120)


@given(UG, st.floats(0.01, 1), st.randoms(use_true_random=False))
def test_no_smaller_set_makes_the_share_and_order_changes_no_bit(
    values: list[int], share: float, random: Random
) -> None:
    ordered = descending(values)
    found = pareto(ordered, share)
    if sum(values) > 0:
        assert sum(ordered[: found.groups]) == found.ug_co2e >= 0
        assert found.ug_co2e / sum(values) >= share
        assert sum(ordered[: found.groups - 1]) / sum(values) < share
    mixed = values.copy()
    random.shuffle(mixed)
    assert pareto(descending(mixed), share) == found
    assert concentration(descending(mixed)) == concentration(ordered)


@given(st.lists(st.integers(0, 10**21), min_size=1, max_size=30).filter(any))
def test_concentration_stays_within_its_bounds(values: list[int]) -> None:
    found, n = concentration(descending(values)), len(values)
    assert -1e-12 <= found.gini <= (n - 1) / n + 1e-12
    assert 1 / n - 1e-12 <= found.herfindahl <= 1 + 1e-12
    shares = [value / sum(values) for value in values]
    assert sum(shares) == pytest.approx(1)
    assert found.herfindahl == pytest.approx(sum(share**2 for share in shares))
