"""Restating stored emissions: the same bits under the same basis, and exact differences by cause under another."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from vcci_engine.activities import Activities
from vcci_engine.calculate import calculate
from vcci_engine.factors import FactorTable, build_table
from vcci_engine.methods import METHODS, VERSION, Method
from vcci_engine.prices import build_prices
from vcci_engine.restatement import RESTATED, Cause, Restatement, Tables, restate
from vcci_engine.results import Basis, Reason
from vcci_engine.segments import Segment, cut, decode, merge, replaced
from vcci_engine.stored import columns_of
from vcci_engine.totals import ug_by, ug_ints

from tests.engine.samples import FACTORS, GOOD_BATCHES, TABLE, Row, batch, table

BASIS = Basis(TABLE.set_id, 0, VERSION)
OTHER_VALUES = [
    (number + 50, key, region, year, unit, kg * 1.37, gsd2) for number, key, region, year, unit, kg, gsd2 in FACTORS
]
STEEL, POWER = FACTORS[0], FACTORS[2]
# Of quantities: with the inputs of some method they make an amount that it is for.
UNITS = ("kg", "kWh", "USD", "tonne*km", "kg CO2e", "m3*day", "m3", "m2", "km", "person", "1", "litre/km", "night")


def stored(activities: Activities, factors: FactorTable = TABLE) -> tuple[list[Segment], tuple[str, ...]]:
    """Return a batch as it is stored, and the country of each supplier by its id."""
    calculation = calculate(activities, factors, allow_negative=True)
    suppliers = activities.suppliers
    segments = cut(calculation.emissions, np.arange(len(suppliers), dtype=np.int32), activities.units, 0, 4)
    return segments, tuple(map(suppliers.country_of, range(len(suppliers))))


def restated(
    activities: Activities,
    new: FactorTable,
    basis: Basis = BASIS,
    wanted: npt.NDArray[np.bool_] | None = None,
    gwp_set: str = "",
) -> tuple[list[Segment], Restatement]:
    segments, of_supplier = stored(activities)
    mask = np.ones(sum(segment.n for segment in segments), np.bool_) if wanted is None else wanted

    def countries(ids: npt.NDArray[np.int32]) -> Sequence[str]:
        return [of_supplier[number] for number in ids.tolist()]

    return segments, restate(segments, mask, countries, basis, Tables(TABLE, TABLE, new), gwp_set)


def micrograms(kg_co2e: npt.NDArray[np.float64]) -> int:
    return sum(ug_ints(ug_by(np.zeros(len(kg_co2e), np.intp), 1, kg_co2e)))


def by_cause(found: Restatement) -> dict[Cause, tuple[int, int]]:
    """Rows and micrograms that each cause adds."""
    changes = found.changes
    return {
        Cause(cause): (int(rows.sum()), micrograms(changes.after[rows]) - micrograms(changes.before[rows]))
        for cause in np.unique(changes.cause).tolist()
        for rows in [changes.cause == cause]
    }


@given(GOOD_BATCHES)
def test_under_the_same_basis_nothing_changes_to_the_bit(activities: Activities) -> None:
    if not len(calculate(activities, TABLE, allow_negative=True).emissions):
        return
    segments, found = restated(activities, TABLE)
    assert not len(found.errors)
    assert not len(found.changes.row)
    for name, column in zip(RESTATED, columns_of(segments, *RESTATED), strict=True):
        assert found.columns[name].tobytes() == column.tobytes(), name
    assert replaced(segments, found.columns) == segments


@given(GOOD_BATCHES)
def test_the_causes_differences_add_up_to_the_whole_difference(activities: Activities) -> None:
    if not len(calculate(activities, TABLE, allow_negative=True).emissions):
        return
    other = table(OTHER_VALUES[:-4], 8)
    segments, found = restated(activities, other)
    (before,) = columns_of(segments, "kg_co2e")
    assert micrograms(before) + sum(ug for _, ug in by_cause(found).values()) == micrograms(found.columns["kg_co2e"])


@given(GOOD_BATCHES)
def test_how_rows_are_put_together_changes_no_bit(activities: Activities) -> None:
    segments, of_supplier = stored(activities)
    if not segments:
        return
    other = table(OTHER_VALUES, 8)

    def restate_all(parts: Sequence[Segment]) -> list[Segment]:
        mask = np.ones(sum(part.n for part in parts), np.bool_)
        found = restate(
            parts, mask, lambda ids: [of_supplier[n] for n in ids.tolist()], BASIS, Tables(TABLE, TABLE, other)
        )
        return replaced(parts, found.columns)

    assert merge(restate_all(segments)) == restate_all(merge(segments))
    assert [one for part in segments for one in restate_all([part])] == restate_all(segments)


def test_another_value_of_the_same_factor_is_told() -> None:
    new = table([(50, *STEEL[1:5], 2.5, 1.2), *FACTORS[1:]], 8)
    _, found = restated(batch(Row(quantity=10), Row(quantity=3, unit="kWh", factor=POWER[1])), new)
    assert by_cause(found) == {Cause.FACTOR_VALUE: (1, 6_000_000_000)}
    assert sorted(found.columns["factor"].tolist()) == [13, 50]
    assert found.columns["sigma"].max() > 0.09  # ln(1.2) / 2, with the quality's part


def test_another_year_or_region_of_the_factor_is_told() -> None:
    later = table([*FACTORS, (51, "material:steel", "", 2024, "kg", 1.5, 1.05)], 8)
    regional = table([*FACTORS, (52, "material:steel", "DE", 2023, "kg", 1.0, 1.05)], 8)
    row = Row(quantity=10, period="2024-06-01", country="DE")
    assert by_cause(restated(batch(row), later)[1]) == {Cause.FACTOR_REGION_OR_YEAR: (1, -4_000_000_000)}
    assert by_cause(restated(batch(row), regional)[1]) == {Cause.FACTOR_REGION_OR_YEAR: (1, -9_000_000_000)}


def test_a_suppliers_new_country_is_told_as_another_region() -> None:
    segments, _ = stored(batch(Row(quantity=100, unit="kWh", factor=POWER[1], country="FR")))
    found = restate(segments, np.ones(1, np.bool_), lambda ids: ["DE"], BASIS, Tables(TABLE, TABLE, TABLE))
    assert by_cause(found) == {Cause.FACTOR_REGION_OR_YEAR: (1, 29_000_000_000)}


def test_another_method_is_told() -> None:
    row = Row(quantity=10, method=2)
    spend = table([(60, "material:steel", "", 2023, "USD", 4.0, 1.05)], 8)
    _, found = restated(batch(replace(row, unit="USD", factor="naics:331110", country="US", method=2)), TABLE)
    assert found.columns["method"].tolist() == [3]  # downgraded when it was ingested, and again
    assert found.columns["notices"].tolist() != [0]
    assert not len(found.changes.row)
    _, found = restated(batch(row), spend)
    assert found.errors.reason == (Reason.INCOMPATIBLE_UNIT,)


def test_a_row_that_cannot_be_calculated_any_more_keeps_its_value_and_is_told() -> None:
    segments, found = restated(batch(Row(quantity=10), Row(quantity=3, unit="kWh", factor=POWER[1])), table([STEEL], 8))
    assert by_cause(found) == {Cause.NOT_CALCULABLE: (1, 0)}
    assert found.errors.reason == (Reason.UNKNOWN_FACTOR,)
    assert found.errors.value == (POWER[1],)
    for name, column in zip(RESTATED, columns_of(segments, *RESTATED), strict=True):
        assert found.columns[name].tobytes() == column.tobytes(), name


def test_rows_that_are_not_wanted_stay_as_they_are_and_are_not_told() -> None:
    rows = batch(Row(quantity=10, supplier="A"), Row(quantity=20, supplier="B"), Row(unit="kWh", factor=POWER[1]))
    new = table([(50, *STEEL[1:5], 2.5, 1.05)], 8)
    _, found = restated(rows, new, wanted=np.array([False, True, False]))
    assert by_cause(found) == {Cause.FACTOR_VALUE: (1, 12_000_000_000)}
    assert not len(found.errors)
    assert found.columns["kg_co2e"].tolist() == [19.0, 50.0, 0.49]


def test_an_older_formula_of_the_method_is_told_apart_from_the_factor() -> None:
    segments, _ = stored(batch(Row(quantity=10)))
    (kg,) = columns_of(segments, "kg_co2e")
    older = replaced(
        segments,
        {**{name: columns_of(segments, name)[0] for name in RESTATED}, "kg_co2e": kg / 2},  # an older engine's value
    )
    new = table([(50, *STEEL[1:5], 2.5, 1.05)], 8)
    found = restate(older, np.ones(1, np.bool_), lambda ids: [""], Basis(7, 0, VERSION - 1), Tables(TABLE, TABLE, new))
    assert by_cause(found) == {Cause.METHOD: (1, 9_500_000_000), Cause.FACTOR_VALUE: (1, 6_000_000_000)}
    assert found.columns["kg_co2e"].tolist() == [25.0]


def test_a_stored_value_that_its_inputs_do_not_come_to_is_told_as_altered() -> None:
    rows = (Row(quantity=10), Row(quantity=2, unit="USD", factor="naics:331110", country="US"))
    segments, of_supplier = stored(batch(*rows, Row(factor="", inputs={"supplier_factor": 2.0})))
    columns = {name: columns_of(segments, name)[0] for name in RESTATED}
    altered = replaced(segments, columns | {"kg_co2e": columns["kg_co2e"] + 1.0})
    new = table([(50, *STEEL[1:5], 2.5, 1.05), *FACTORS[1:]], 8)
    found = restate(
        altered, np.ones(3, np.bool_), lambda ids: [of_supplier[n] for n in ids], BASIS, Tables(TABLE, TABLE, new)
    )
    assert by_cause(found) == {
        Cause.RESULT_ALTERED: (3, -3_000_000_000),
        Cause.FACTOR_VALUE: (1, 6_000_000_000),
    }
    assert sorted(found.columns["kg_co2e"].tolist()) == [1.5, 2.0, 25.0]


def test_a_suppliers_own_factor_and_reported_emissions_do_not_depend_on_the_set() -> None:
    rows = batch(
        Row(quantity=10, factor="", inputs={"supplier_factor": 1.5}, method=1),
        Row(quantity=7, factor="", unit="kg CO2e"),
    )
    _, found = restated(rows, table([STEEL], 8))
    assert not len(found.changes.row)
    assert not len(found.errors)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_method_restates_its_own_rows_to_the_bit(method: Method) -> None:
    inputs = dict.fromkeys(sorted(method.inputs[0]), 0.5)
    own = {**inputs, "supplier_factor": 0.25}
    rows = [
        Row(unit=unit, factor=factor, category=category, method=method.number, group="g", country="US", inputs=given)
        for category in sorted(method.categories)
        for unit in UNITS
        for factor, given in (("", own), *((of[1], inputs) for of in FACTORS), ("", inputs))
    ]
    activities = batch(*rows)
    assert len(calculate(activities, TABLE, allow_negative=True).emissions)
    segments, found = restated(activities, TABLE)
    assert not len(found.errors), found.errors
    assert replaced(segments, found.columns) == segments


def test_replaced_segments_have_their_own_totals_and_hash() -> None:
    segments, _ = stored(batch(Row(quantity=10), Row(quantity=20, supplier="S2")))
    columns = {name: columns_of(segments, name)[0] for name in RESTATED}
    (new,) = replaced(segments, {**columns, "kg_co2e": columns["kg_co2e"] * 2, "factor": columns["factor"] + 1})
    assert new.ug_co2e == 2 * segments[0].ug_co2e
    assert new.input_hash != segments[0].input_hash
    assert decode("kg_co2e", new.columns["kg_co2e"]).tolist() == [38.0, 76.0]


def test_another_price_set_is_told_apart_from_the_factor() -> None:
    steel = (12, "naics:331110", "US", 2022, "USD", 0.75, 1.05)
    rates = {("EUR", 2023, 0): 0.5}
    indices = {("USD", 2022): 100.0, ("USD", 2023): 100.0}
    dearer = {("EUR", 2023, 0): 0.4}
    old, priced = (
        table([steel], prices=build_prices(number, "hash", "USD", of, indices), price_year=2022)
        for number, of in ((1, rates), (2, dearer))
    )
    new = table([(60, *steel[1:5], 1.0, 1.05)], 8, prices=priced.prices, price_year=2022)
    segments, _ = stored(batch(Row(quantity=100, unit="EUR", factor="naics:331110", country="US")), old)
    found = restate(segments, np.ones(1, np.bool_), lambda ids: ["US"], Basis(7, 1, VERSION), Tables(old, priced, new))
    assert by_cause(found) == {Cause.PRICE_SET: (1, 37_500_000_000), Cause.FACTOR_VALUE: (1, 62_500_000_000)}
    assert found.columns["kg_co2e"].tolist() == [250.0]


def test_another_gwp_set_is_told_apart_from_the_factor() -> None:
    segments, _ = stored(batch(Row(quantity=10), Row(quantity=5, factor="", inputs={"supplier_factor": 2.0}, method=1)))
    new = build_table(
        *(8, "hash"),
        ids=[50],
        keys=["material:steel"],
        regions=[""],
        years=[2023],
        units=["kg"],
        kg_co2e=[2.25],  # 1 + 0.05 x 25
        gsd2=[1.05],
        gases=[{"CO2": 1.0, "CH4": 0.05}],
        gwp_sets=["AR4"],
    )
    found = restate(
        segments, np.ones(2, np.bool_), lambda ids: ["", ""], BASIS, Tables(TABLE, TABLE, new), gwp_set="AR5"
    )
    assert by_cause(found) == {
        Cause.FACTOR_VALUE: (1, 3_500_000_000),
        Cause.GWP_SET: (1, 1_500_000_000),
        Cause.NOT_CALCULABLE: (1, 0),
    }
    assert found.errors.reason == (Reason.GWP_SET_NOT_POSSIBLE,)
    assert sorted(found.columns["kg_co2e"].tolist()) == pytest.approx([10.0, 24.0], rel=1e-15)


@given(GOOD_BATCHES)
def test_factors_found_by_their_ids_give_the_same_bits(activities: Activities) -> None:
    segments, of_supplier = stored(activities)
    if not segments:
        return
    found = restate(
        *(segments, np.ones(sum(part.n for part in segments), np.bool_), lambda ids: [of_supplier[n] for n in ids]),
        Basis(7, 0, VERSION - 1),  # so that the values are calculated again with today's methods
        Tables(TABLE, TABLE, TABLE),
    )
    assert not len(found.changes.row)
