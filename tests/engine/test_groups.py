"""Sums by group, and PCAF's metrics of a portfolio."""

from dataclasses import replace

import pytest
from vcci_engine.calculate import calculate
from vcci_engine.groups import GroupTotal, group_totals
from vcci_engine.totals import total

from tests.engine.samples import TABLE, Row, batch


def totals(*rows: Row) -> list[GroupTotal]:
    return group_totals(calculate(batch(*rows), TABLE).emissions, TABLE)


def investment(t: float, **inputs: float) -> Row:
    return Row(quantity=t, unit="t CO2e", factor="", category=15, method=42, group="fund", inputs=inputs)


def test_each_group_has_its_own_total_in_the_order_of_their_first_lines() -> None:
    rows = (Row(3, group="b"), Row(5), Row(1, group="a"), Row(2, group="b"))
    b, a = totals(*rows)
    assert [(of.group, of.activities) for of in (b, a)] == [("b", 2), ("a", 1)]
    alone = calculate(batch(rows[0], rows[3]), TABLE).emissions
    assert b.estimate == total(alone, TABLE)
    assert (b.portfolio, b.kg_co2e_per_functional_unit) == (None, 0.0)


def test_lines_without_a_group_are_in_none() -> None:
    assert totals(Row(), Row()) == []


def test_one_line_of_a_product_says_what_it_does() -> None:
    (of,) = totals(Row(10, group="p", inputs={"functional_units": 4}), Row(10, group="p"))
    assert of.kg_co2e_per_functional_unit == pytest.approx(2 * 19 / 4)


def test_a_portfolio_is_weighted_by_what_is_outstanding() -> None:
    (of,) = totals(
        investment(100, outstanding=30, evic=60, base_evic=30, pcaf_score=1),
        investment(100, outstanding=10, evic=20, base_evic=20, pcaf_score=5),
        investment(7, share=0.5),
    )
    assert of.estimate.kg_co2e == pytest.approx(103_500)
    portfolio = of.portfolio
    assert portfolio is not None
    assert (portfolio.outstanding, portfolio.kg_co2e_per_outstanding) == (40, 2_500)
    assert portfolio.data_quality_score == pytest.approx(2)
    assert portfolio.kg_co2e_per_outstanding_adjusted == pytest.approx(2_500 / ((30 * 0.5 + 10) / 40))


def test_an_investment_of_several_lines_counts_once_with_the_worst_of_its_scores() -> None:
    gas, power = {"pcaf_score": 1.0}, {"pcaf_score": 3.0}
    amounts = {"outstanding": 30.0, "evic": 60.0, "base_evic": 30.0}
    (of,) = totals(
        investment(100, **amounts, **gas),
        investment(20, **amounts, **power),
        investment(40, outstanding=10, evic=20, base_evic=20, pcaf_score=5),
        replace(investment(40, outstanding=10, evic=20, base_evic=20, pcaf_score=4), supplier="another"),
        replace(investment(40, outstanding=10, evic=20, base_evic=20), period="2024-05-17"),
    )
    portfolio = of.portfolio
    assert portfolio is not None
    assert (portfolio.investments, portfolio.outstanding) == (4, 60)
    assert portfolio.kg_co2e_per_outstanding == pytest.approx((60_000 + 3 * 20_000) / 60)
    assert portfolio.data_quality_score == pytest.approx((30 * 3 + 10 * 5 + 10 * 4) / 50)
    assert portfolio.kg_co2e_per_outstanding_adjusted == pytest.approx(2_000 / ((30 * 0.5 + 30) / 60))


def test_the_order_of_lines_changes_no_metric() -> None:
    lines = [
        investment(7.3 * n, outstanding=3.1 + n % 3, evic=60, base_evic=59, pcaf_score=1 + n % 5) for n in range(1, 20)
    ]
    (of,), (reversed_,) = totals(*lines), totals(*lines[::-1])
    assert of.portfolio == reversed_.portfolio
    assert of.portfolio is not None
    assert of.portfolio.investments == 3


def test_what_is_not_known_of_a_portfolio_is_zero() -> None:
    (of,) = totals(investment(1, outstanding=1, evic=2, base_evic=1), investment(1, outstanding=2, evic=2))
    assert of.portfolio is not None
    assert (of.portfolio.data_quality_score, of.portfolio.kg_co2e_per_outstanding_adjusted) == (0, 0)
