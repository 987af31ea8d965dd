"""The calculation of a batch: values, methods, notices, and what rejected rows are told."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from vcci_engine.activities import Activities
from vcci_engine.calculate import calculate
from vcci_engine.methods import VERSION
from vcci_engine.results import Calculation, Notice, Reason
from vcci_engine.suppliers import Suppliers

from tests.engine.reference import Result, calculated
from tests.engine.samples import BATCHES, GOOD_BATCHES, TABLE, Row, batch, rows_of, table


def notices(bits: int) -> frozenset[Notice]:
    return frozenset(notice for notice in Notice if bits >> notice & 1)


def only(row: Row, **options: bool) -> Calculation:
    return calculate(batch(row), TABLE, **options)


def error(row: Row, **options: bool) -> tuple[Reason, str, str, str]:
    errors = only(row, **options).errors
    assert len(errors) == 1, "the row was not rejected"
    return errors.reason[0], errors.field[0], errors.value[0], errors.expected[0]


@given(GOOD_BATCHES)
def test_every_row_is_as_the_row_by_row_calculation_says(activities: Activities) -> None:
    calculation = calculate(activities, TABLE)
    reasons = dict(zip(calculation.errors.row.tolist(), calculation.errors.reason, strict=True))
    emissions = calculation.emissions
    place = {row: at for at, row in enumerate(emissions.row.tolist())}
    for number, row in enumerate(rows_of(activities)):
        expected = calculated(row)
        if isinstance(expected, Result) and expected.kg_co2e > 5e11:
            expected = Reason.OUT_OF_RANGE
        if isinstance(expected, Reason):
            assert reasons[number] == expected
            continue
        at = place[number]
        assert (emissions.factor[at], emissions.method[at]) == (expected.factor, expected.method)
        assert notices(int(emissions.notices[at])) == expected.notices
        assert emissions.kg_co2e[at] == pytest.approx(expected.kg_co2e, rel=1e-12, abs=1e-300)
        assert emissions.sigma[at] == pytest.approx(expected.sigma, rel=1e-6)


@given(BATCHES)
def test_every_row_is_either_calculated_or_told_why_not(activities: Activities) -> None:
    calculation = calculate(activities, TABLE)
    rows = sorted([*calculation.emissions.row.tolist(), *calculation.errors.row.tolist()])
    assert rows == list(range(len(activities)))
    assert np.isfinite(calculation.emissions.kg_co2e).all()
    assert (calculation.emissions.method > 0).all()
    for text in (*calculation.errors.field, *calculation.errors.expected):
        assert text
    assert max(map(len, (*calculation.errors.value, *calculation.errors.expected)), default=0) <= 128


@given(BATCHES)
def test_the_columns_of_a_batch_are_never_written_to(activities: Activities) -> None:
    names = ("supplier", "category", "quantity", "unit", "period", "method", "factor", "quality")
    columns: list[npt.NDArray[np.generic]] = [getattr(activities, name) for name in names]
    columns += [column.values for column in activities.inputs.values()]
    for column in columns:
        column.flags.writeable = False
    before = [column.tobytes() for column in columns]
    calculate(activities, TABLE)
    assert [column.tobytes() for column in columns] == before


def test_an_empty_batch_gives_nothing() -> None:
    calculation = calculate(batch(), TABLE)
    assert (len(calculation.emissions), len(calculation.errors)) == (0, 0)


def test_a_batch_without_the_optional_columns_is_calculated() -> None:
    bare = replace(batch(Row(inputs={"supplier_factor": 2.0})), method=None, factor=None, quality=None, group=None)
    bare = replace(bare, factors=(), groups=(), references=(), suppliers=Suppliers.of(bare.suppliers.codes))
    emissions = calculate(bare, TABLE).emissions
    assert (emissions.kg_co2e.tolist(), emissions.method.tolist(), emissions.factor.tolist()) == ([2.0], [1], [0])


def test_an_empty_factor_set_knows_no_factor() -> None:
    calculation = calculate(batch(Row()), table(()))
    assert calculation.errors.reason == (Reason.UNKNOWN_FACTOR,)


def test_the_factor_set_is_named_in_the_result() -> None:
    assert calculate(batch(Row()), TABLE).basis == (7, 0, VERSION)


def test_rows_keep_their_group_reference_and_inputs_when_others_are_rejected() -> None:
    rows = [
        Row(quantity=-1.0, group="a", reference="r0"),
        Row(group="b", reference="r1", inputs={"share": 0.5}),
        Row(unit="?", reference="r2", inputs={"share": 0.25}),
        Row(group="c", reference="r3"),
        Row(reference="r4", inputs={"share": 0.75}),
    ]
    emissions = calculate(batch(*rows), TABLE).emissions
    assert emissions.row.tolist() == [1, 3, 4]
    assert emissions.group is not None
    assert [emissions.groups[group] for group in emissions.group] == ["b", "c", ""]
    assert emissions.references == ("r1", "r3", "r4")
    share = emissions.inputs["share"]
    assert share.rows is not None
    assert (share.values.tolist(), share.rows.tolist()) == ([0.5, 0.75], [0, 2])


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (Row(supplier=""), (Reason.REQUIRED_FIELD, "supplier_code", "")),
        (Row(supplier="é" * 65), (Reason.OUT_OF_RANGE, "supplier_code", "é" * 65)),
        (Row(country="Germany"), (Reason.OUT_OF_RANGE, "country", "Germany")),
        (Row(category=0), (Reason.UNKNOWN_CATEGORY, "category", "0")),
        (Row(category=16), (Reason.UNKNOWN_CATEGORY, "category", "16")),
        (Row(method=255), (Reason.UNKNOWN_METHOD, "method", "255")),
        (Row(quantity=float("nan")), (Reason.NOT_FINITE, "quantity", "nan")),
        (Row(quantity=float("-inf")), (Reason.NOT_FINITE, "quantity", "-inf")),
        (Row(quantity=-2.5), (Reason.NEGATIVE, "quantity", "-2.5")),
        (Row(unit=""), (Reason.REQUIRED_FIELD, "unit", "")),
        (Row(unit="kilogrm"), (Reason.UNKNOWN_UNIT, "unit", "kilogrm")),
        (Row(unit="1e999**9"), (Reason.UNKNOWN_UNIT, "unit", "1e999**9")),
        (Row(period="1989-12-31"), (Reason.OUT_OF_RANGE, "reporting_period", "1989-12-31")),
        (Row(period="2101-01-01"), (Reason.OUT_OF_RANGE, "reporting_period", "2101-01-01")),
        (Row(period=2**31 - 1), (Reason.OUT_OF_RANGE, "reporting_period", "2147483647 days since 1970-01-01")),
        (Row(quality=0x60000), (Reason.OUT_OF_RANGE, "quality.reliability", "6")),
        (Row(quality=0x12349), (Reason.OUT_OF_RANGE, "quality.technological", "9")),
        (Row(quality=0x100000), (Reason.OUT_OF_RANGE, "quality", "0x100000")),
        (Row(inputs={"altitude": 3.0}), (Reason.UNKNOWN_INPUT, "inputs.altitude", "3.0")),
        (Row(inputs={"share": float("inf")}), (Reason.NOT_FINITE, "inputs.share", "inf")),
        (Row(inputs={"share": 1.01}), (Reason.OUT_OF_RANGE, "inputs.share", "1.01")),
        (Row(inputs={"distance": -1.0}), (Reason.NEGATIVE, "inputs.distance", "-1.0")),
        (Row(inputs={"supplier_factor": -0.5}), (Reason.NEGATIVE, "inputs.supplier_factor", "-0.5")),
        (Row(inputs={"radiative_forcing": 0.5}), (Reason.OUT_OF_RANGE, "inputs.radiative_forcing", "0.5")),
        (Row(factor="no:such"), (Reason.UNKNOWN_FACTOR, "factor", "no:such")),
        (Row(factor="heat:district", country="IT"), (Reason.NO_FACTOR_FOR_REGION, "factor", "heat:district")),
        (Row(factor="heat:district"), (Reason.AMBIGUOUS_FACTOR, "factor", "heat:district")),
        (Row(factor=""), (Reason.MISSING_INPUT, "factor", "")),
        (Row(factor="", method=1), (Reason.MISSING_INPUT, "factor", "")),
        (Row(method=3), (Reason.MISSING_INPUT, "factor", "material:steel")),
        (Row(factor="odd:unit"), (Reason.MISSING_INPUT, "factor", "odd:unit")),
        (Row(unit="kWh"), (Reason.INCOMPATIBLE_UNIT, "unit", "kWh")),
        (Row(unit="EUR", factor="naics:331110"), (Reason.NO_EXCHANGE_RATE, "unit", "EUR")),
        (Row(unit="t", factor="freight:truck"), (Reason.INCOMPATIBLE_UNIT, "unit", "t")),
        (Row(quantity=1e12), (Reason.OUT_OF_RANGE, "quantity", "1000000000000.0")),
        (Row(quantity=1e308, unit="t"), (Reason.OUT_OF_RANGE, "quantity", "1e+308")),
    ],
)
def test_a_wrong_row_is_told_its_reason_field_and_value(row: Row, told: tuple[Reason, str, str]) -> None:
    assert error(row)[:3] == told


def test_an_incompatible_unit_is_told_what_would_fit() -> None:
    assert error(Row(unit="kWh"))[3] == "a unit of mass, like kg"
    assert error(Row(factor="grid:electricity"))[3] == "a unit of energy, like kWh"
    freight = Row(unit="kg", factor="freight:truck", inputs={"days": 1.0})
    assert error(freight)[3] == "a unit of length x mass, like tonne*km, together with days (day)"


def test_a_region_without_a_factor_is_told_which_there_are() -> None:
    expected = error(Row(factor="heat:district", country="ITA"))[3]
    assert expected == "a factor for ITA or the world; the key has factors for DE, FR"


def test_the_first_error_of_a_row_is_told() -> None:
    row = Row(supplier="", category=0, quantity=-1.0, unit="?", factor="no:such")
    wrong: Sequence[tuple[Row, str]] = [
        (row, "supplier_code"),
        (replace(row, supplier="S"), "category"),
        (replace(row, supplier="S", category=1), "quantity"),
        (replace(row, supplier="S", category=1, quantity=1.0), "unit"),
        (replace(row, supplier="S", category=1, quantity=1.0, unit="kg"), "factor"),
    ]
    for case, field in wrong:
        assert error(case)[1] == field


def test_negative_quantities_are_taken_when_allowed() -> None:
    assert only(Row(quantity=-2.0), allow_negative=True).emissions.kg_co2e.tolist() == [-3.8]
    assert error(Row(quantity=-1e12), allow_negative=True)[0] == Reason.OUT_OF_RANGE


@pytest.mark.parametrize("quantity", [0.0, -0.0])
def test_zero_is_fine(quantity: float) -> None:
    assert only(Row(quantity=quantity)).emissions.kg_co2e.tolist() == [0.0]


def test_a_given_factor_must_exist_even_where_the_supplier_has_its_own() -> None:
    assert error(Row(factor="no:such", inputs={"supplier_factor": 1.0}))[0] == Reason.UNKNOWN_FACTOR


def test_the_suppliers_own_factor_is_per_whatever_the_quantity_is_in() -> None:
    emissions = only(Row(quantity=3.0, unit="room*night", inputs={"supplier_factor": 10.0})).emissions
    assert (emissions.kg_co2e.tolist(), emissions.method.tolist()) == ([30.0], [1])


def grid(country: str, period: str) -> Row:
    return Row(method=2, unit="kWh", factor="grid:electricity", country=country, period=period)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (Row(method=1), {Notice.AVERAGE_DATA_INSTEAD_OF_SUPPLIER_SPECIFIC, Notice.LATER_FACTOR_YEAR}),
        (
            Row(method=1, unit="USD", factor="naics:331110", period="2022-03-03"),
            {Notice.SPEND_BASED_INSTEAD_OF_SUPPLIER_SPECIFIC, Notice.OTHER_REGION_FACTOR},
        ),
        (
            Row(method=2, unit="USD", factor="naics:331110", period="2022-03-03"),
            {Notice.SPEND_BASED_INSTEAD_OF_AVERAGE_DATA, Notice.OTHER_REGION_FACTOR},
        ),
        (grid("DEU", "2023-01-01"), set()),
        (grid("DE", "2022-12-31"), {Notice.EARLIER_FACTOR_YEAR}),
        (grid("FR", "2021-12-31"), {Notice.LATER_FACTOR_YEAR}),
        (grid("IT", "2021-12-31"), {Notice.WORLD_FACTOR}),
        (
            Row(method=3, unit="USD", factor="naics:331110", country="DE", period="2022-06-30"),
            {Notice.OTHER_REGION_FACTOR},
        ),
        (Row(method=3, unit="USD", factor="naics:331110", country="US", period="2022-06-30"), set()),
        (Row(method=2, country="DE"), {Notice.WORLD_FACTOR}),
        (Row(method=2), set()),
        (Row(), {Notice.AVERAGE_DATA_INSTEAD_OF_SUPPLIER_SPECIFIC}),
        (
            Row(unit="USD", factor="naics:331110", country="US", period="2022-06-30"),
            {Notice.SPEND_BASED_INSTEAD_OF_SUPPLIER_SPECIFIC},
        ),
        (Row(inputs={"supplier_factor": 2.0}, country="DE"), set()),
        (Row(unit="kg CO2e", factor="", country="DE"), set()),
    ],
)
def test_what_was_done_otherwise_than_asked_is_told(row: Row, told: set[Notice]) -> None:
    row = replace(row, period="2022-05-17") if row == Row(method=1) else row
    assert notices(int(only(row).emissions.notices[0])) == told


def test_a_lower_method_is_used_when_it_is_wanted() -> None:
    row = Row(quantity=10.0, unit="USD", factor="naics:331110", method=3, inputs={"supplier_factor": 9.0})
    emissions = only(row).emissions
    assert (emissions.method.tolist(), emissions.kg_co2e.tolist()) == ([3], [7.5])


def test_methods_may_be_mixed_in_a_batch() -> None:
    rows = [
        Row(quantity=2.0),
        Row(quantity=2.0, unit="USD", factor="naics:331110"),
        Row(quantity=2.0, inputs={"supplier_factor": 5.0}),
    ]
    emissions = calculate(batch(*rows), TABLE).emissions
    assert (emissions.method.tolist(), emissions.kg_co2e.tolist()) == ([2, 3, 1], [3.8, 1.5, 10.0])


@pytest.mark.parametrize(
    ("quantity", "unit", "inputs", "factor", "kg_co2e"),
    [
        (2.0, "t", {}, "material:steel", 3800.0),
        (1000.0, "lb", {}, "material:steel", 453.59237 * 1.9),
        (3.6, "MJ", {}, "grid:electricity", 0.49),
        (100.0, "tkm", {}, "freight:truck", 10.5),
        (500.0, "kg", {"distance": 200.0}, "freight:truck", 10.5),
        (200.0, "km", {"mass": 500.0}, "freight:truck", 10.5),
        (1000.0, "litre", {"days": 2.0, "share": 0.5}, "storage:ambient", 0.01),
        (1.0, "kUSD", {}, "naics:331110", 750.0),
    ],
)
def test_units_and_inputs_are_converted_to_the_factors_unit(
    quantity: float, unit: str, inputs: dict[str, float], factor: str, kg_co2e: float
) -> None:
    emissions = only(Row(quantity, unit, factor, inputs=inputs)).emissions
    assert emissions.kg_co2e[0] == pytest.approx(kg_co2e, rel=1e-15)
