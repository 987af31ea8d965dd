"""Figures of abatement costs by hand."""

import pytest
from vcci_engine.abatement import Abatement, Costs, Step, abatement, annuity, curve


def test_annuities_are_those_of_tables() -> None:
    assert annuity(0.05, 10) == pytest.approx(7.721735, abs=1e-6)
    assert annuity(0.08, 1) == pytest.approx(1 / 1.08)
    assert annuity(0.0, 7) == 7
    assert annuity(0.1, 3) == pytest.approx(1 / 1.1 + 1 / 1.21 + 1 / 1.331)


def test_an_investment_that_pays_has_a_negative_cost_per_tonne() -> None:
    """1,000 once; 300 saved and 50 spent a year for 10 years at 5 %: 250 x 7.721735 - 1,000 = 930.43."""
    found = abatement(Costs(1_000, 50, 300, 10), annual_tonnes=40, rate=0.05)
    assert found.npv == pytest.approx(930.43, abs=0.005)
    assert found.annual_cost == pytest.approx(129.5046 - 250, abs=1e-4)
    assert found.cost_per_tonne == pytest.approx(-3.012386, abs=1e-5)
    assert found.payback_years == 4.0
    assert found.annual_cost * annuity(0.05, 10) == pytest.approx(-found.npv)


def test_without_discounting_it_is_the_sum() -> None:
    found = abatement(Costs(1_200, 10, 0, 12), annual_tonnes=11, rate=0.0)
    assert found == Abatement(annual_tonnes=11, annual_cost=110, npv=-1_320, cost_per_tonne=10, payback_years=None)


def test_what_costs_nothing_is_paid_back_at_once_and_what_abates_nothing_has_no_cost_per_tonne() -> None:
    assert abatement(Costs(0, 0, 5, 3), 1, 0.03).payback_years == 0
    assert abatement(Costs(0, 5, 0, 3), 1, 0.03).payback_years is None
    assert abatement(Costs(10, 0, 5, 3), 0, 0.03).cost_per_tonne is None
    assert abatement(Costs(10, 0, 5, 3), -2, 0.03).cost_per_tonne is None


def test_the_curve_begins_with_the_cheapest_tonne() -> None:
    costs = (Costs(annual_cost=100), Costs(annual_savings=50), Costs(annual_cost=100), Costs(annual_cost=1))
    found = [abatement(of, tonnes, 0.0) for of, tonnes in zip(costs, (10, 5, 10, 0), strict=True)]
    assert curve([*found, None]) == [Step(1, 0, 5, -10), Step(0, 5, 15, 10), Step(2, 15, 25, 10)]
    assert curve([]) == []
