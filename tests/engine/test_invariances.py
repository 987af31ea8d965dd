"""What must not matter does not: how much at once, in how many lines, in which unit, in which order."""

from dataclasses import astuple, replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.calculate import calculate
from vcci_engine.results import Emissions
from vcci_engine.simulations import simulate
from vcci_engine.totals import total

from tests.engine.samples import TABLE, Row, batch

UNITS = {
    "kg": ("t", 1e-3),
    "lb": ("kg", 0.45359237),
    "kWh": ("MJ", 3.6),
    "MJ": ("MWh", 1 / 3600),
    "tonne*km": ("kg*km", 1e3),
}
PORTIONS = st.floats(0.1, 1e3)
FACTORS = {
    "material:steel": ("kg", "lb"),
    "naics:331110": ("USD",),
    "grid:electricity": ("kWh", "MJ"),
    "freight:truck": ("tonne*km",),
}
ROWS = st.sampled_from([(factor, unit) for factor, units in FACTORS.items() for unit in units]).flatmap(
    lambda pair: st.builds(
        Row,
        factor=st.just(pair[0]),
        unit=st.just(pair[1]),
        quantity=st.floats(1e3, 1e7),
        category=st.integers(1, 2),
        country=st.sampled_from(["", "DE", "FR", "US"]),
        quality=st.sampled_from([0, 0x12345, 0x11111, 0x55555, 0x20304]),
        group=st.sampled_from(["", "plant 1", "Büro"]),
        inputs=st.dictionaries(st.sampled_from(["supplier_factor", "share"]), st.floats(0.1, 1), max_size=2),
    )
)


def emissions(*rows: Row) -> Emissions:
    """The emissions of rows, none of which is wrong."""
    calculation = calculate(batch(*rows), TABLE)
    assert not len(calculation.errors), calculation.errors
    return calculation.emissions


def estimate(*rows: Row) -> tuple[float, ...]:
    return astuple(total(emissions(*rows), TABLE))


@given(ROWS, PORTIONS)
def test_scaling_a_quantity_scales_the_result(row: Row, by: float) -> None:
    one, scaled = emissions(row), emissions(replace(row, quantity=row.quantity * by))
    assert scaled.kg_co2e == pytest.approx(one.kg_co2e * by, rel=1e-12)
    assert scaled.sigma.tobytes() == one.sigma.tobytes()
    expected = [value * by for value in estimate(row)]
    assert estimate(replace(row, quantity=row.quantity * by)) == pytest.approx(expected, rel=1e-12)


@given(st.lists(ROWS, min_size=2, max_size=6), PORTIONS)
def test_scaling_all_quantities_scales_the_total_and_its_interval(rows: list[Row], by: float) -> None:
    scaled = [replace(row, quantity=row.quantity * by) for row in rows]
    expected = [value * by for value in estimate(*rows)]
    assert estimate(*scaled) == pytest.approx(expected, rel=1e-6, abs=1e-8)  # each row is rounded to a microgram


@given(ROWS, st.floats(0.01, 0.99), st.lists(ROWS, max_size=3))
def test_splitting_a_line_in_two_keeps_the_total(row: Row, portion: float, others: list[Row]) -> None:
    first = row.quantity * portion
    parts = [replace(row, quantity=first), replace(row, quantity=row.quantity - first)]
    whole, split = total(emissions(row, *others), TABLE), total(emissions(*parts, *others), TABLE)
    assert split.kg_co2e == pytest.approx(whole.kg_co2e, rel=1e-12, abs=2e-9)
    assert split.mean == pytest.approx(whole.mean, rel=1e-6, abs=2e-9)  # sigma of a row is a float32
    assert split.high <= whole.high * (1 + 1e-6) + 1e-8  # two lines are two judgements: surer than one


@given(ROWS.filter(lambda row: row.unit in UNITS), st.lists(ROWS, max_size=3))
def test_converting_the_unit_changes_nothing(row: Row, others: list[Row]) -> None:
    unit, factor = UNITS[row.unit]
    converted = replace(row, unit=unit, quantity=row.quantity * factor)
    if "supplier_factor" in row.inputs:  # it is per the quantity's unit
        own = row.inputs["supplier_factor"] / factor
        converted = replace(converted, inputs={**row.inputs, "supplier_factor": own})
    given, after = emissions(row, *others), emissions(converted, *others)
    assert after.kg_co2e == pytest.approx(given.kg_co2e, rel=1e-12)
    for name in ("sigma", "factor", "method", "notices"):
        assert getattr(after, name).tobytes() == getattr(given, name).tobytes()
    assert astuple(total(after, TABLE)) == pytest.approx(astuple(total(given, TABLE)), rel=1e-9, abs=1e-8)


@given(st.lists(ROWS, min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_permuting_rows_changes_no_bit_of_the_total(rows: list[Row], random: Random) -> None:
    mixed = random.sample(rows, len(rows))
    assert estimate(*mixed) == estimate(*rows)


@given(st.lists(ROWS, min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_permuting_rows_changes_no_bit_of_what_draws_say(rows: list[Row], random: Random) -> None:
    given = emissions(*rows)
    order = np.array(random.sample(range(len(rows)), len(rows)))
    columns = ("row", "kg_co2e", "quality", "factor", "group")
    mixed = replace(given, **{name: getattr(given, name)[order] for name in columns})
    before, after = simulate(TABLE, given, 1_000), simulate(TABLE, mixed, 1_000)
    assert (after.total, after.groups) == (before.total, before.groups)
    assert after.rows == [before.rows[place] for place in order]
