"""A recalled activity gives the kernel's bits."""

from dataclasses import replace
from math import inf, nan

import pytest
from hypothesis import assume, given
from vcci_engine.calculate import calculate
from vcci_engine.single import plan_of

from tests.engine.samples import AMOUNTS, GOOD_ROWS, TABLE, Row, batch


@given(GOOD_ROWS, AMOUNTS)
def test_another_quantity_gives_the_bits_of_the_kernel(row: Row, quantity: float) -> None:
    first, other = batch(row), batch(replace(row, quantity=quantity))
    assume(not len(calculate(first, TABLE).errors))
    plan = plan_of(first, TABLE)
    calculated = calculate(other, TABLE)
    if len(calculated.errors):
        assert plan.kg_co2e(quantity) is None
    else:
        assert plan.kg_co2e(quantity) == calculated.emissions.kg_co2e[0]


@pytest.mark.parametrize("quantity", [nan, inf, -inf, -1.0, 1.7e308])
def test_a_quantity_that_the_kernel_refuses_is_left_to_it(quantity: float) -> None:
    plan = plan_of(batch(Row()), TABLE)
    assert plan.kg_co2e(quantity) is None


def test_a_negative_quantity_is_taken_where_it_is_allowed() -> None:
    assert plan_of(batch(Row()), TABLE).kg_co2e(-2.0, allow_negative=True) == -3.8
