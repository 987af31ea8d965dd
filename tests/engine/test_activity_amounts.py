"""Amounts of activity in chosen units."""

import numpy as np
from vcci_engine.activities import Activities, InputColumn
from vcci_engine.activity_amounts import NO_UNIT, amounts_in
from vcci_engine.suppliers import Suppliers
from vcci_engine.units import Unit, parse


def unit(text: str) -> Unit:
    found = parse(text)
    assert found is not None
    return found


def rows(*quantities: tuple[float, str], **inputs: InputColumn) -> Activities:
    n = len(quantities)
    units = tuple({text: None for _, text in quantities})
    return Activities(
        suppliers=Suppliers.of(["a"], (), [""]),
        units=units,
        factors=(),
        supplier=np.zeros(n, np.uint32),
        category=np.full(n, 4, np.uint32),
        quantity=np.array([quantity for quantity, _ in quantities]),
        unit=np.array([units.index(text) for _, text in quantities], np.uint32),
        period=np.zeros(n, np.int32),
        inputs=inputs,
    )


def test_a_quantity_with_its_inputs_is_in_the_unit_of_its_dimensions() -> None:
    distance = InputColumn(np.array([300.0, 50.0]), np.array([0, 2], np.uint32))
    batch = rows((12.0, "tonne"), (5.0, "short_ton*mile"), (100.0, "kg"), (7.0, "tonne"), distance=distance)
    amount, place = amounts_in(batch, [unit("tonne*km"), unit("kg")])
    assert place.tolist() == [0, 0, 0, 1]
    np.testing.assert_allclose(amount, [3_600.0, 5 * 0.90718474 * 1.609344, 5.0, 7_000.0])


def test_shares_and_parts_of_wholes_are_in_the_amount() -> None:
    inputs = {name: InputColumn(np.array([value])) for name, value in (("distance", 10.0), ("part", 1), ("whole", 4))}
    amount, _ = amounts_in(rows((8.0, "tonne"), **inputs), [unit("tonne*km")])
    assert amount.tolist() == [20.0]


def test_what_is_of_no_wanted_dimension_has_none() -> None:
    amount, place = amounts_in(rows((12.0, "EUR"), (3.0, "no unit"), (2.0, "kg CO2e")), [unit("tonne*km"), unit("kg")])
    assert (amount.tolist(), place.tolist()) == ([0.0] * 3, [NO_UNIT] * 3)
