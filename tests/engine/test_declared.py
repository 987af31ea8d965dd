"""What each method makes of the inputs that it declares, by its published formula, and what it refuses."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.calculate import calculate
from vcci_engine.inputs import attributions
from vcci_engine.methods import METHODS, Data
from vcci_engine.results import Calculation
from vcci_engine.single import plan_of

from tests.engine.samples import Row, batch, table

NUMBERS = {method.name: method.number for method in METHODS}
UNITS = (
    "kg",
    "kWh",
    "litre",
    "m3",
    "USD",
    "item",
    "m2",
    "tonne*km",
    "passenger*km",
    "km",
    "kg*km",
    "m3*day",
    "room*night",
)
FACTOR = 0.5  # kg CO2e per each of them
TABLE = table([(n, f"per:{unit}", "", 2023, unit, FACTOR, 1.05) for n, unit in enumerate(UNITS, 1)])


def row(method: str, quantity: float, unit: str, per: str = "", category: int = 0, **inputs: float) -> Row:
    """An activity with a factor of 0.5 per its own unit or another; without one for emissions."""
    number = NUMBERS[method]
    emissions = "CO2e" in unit or "supplier_factor" in inputs
    return Row(
        quantity=quantity,
        unit=unit,
        factor="" if emissions else f"per:{per or unit}",
        category=category or min(METHODS[number - 1].categories),
        method=number,
        group="G",
        inputs=inputs,
    )


CASES = (
    (row("supplier_specific", 3, "t CO2e", part=1, whole=4), 750),
    (row("average_data", 8, "kg", part=1, whole=4), 1),
    (row("spend_based", 8, "USD", share=0.25), 1),
    (row("hybrid", 5_000, "kg", "kg*km", distance=1_000), 2_500_000),
    (row("hybrid_partial", 2, "t CO2e", share=0.5), 1_000),
    (row("upstream_fuel", 10, "litre", combustion_factor=0.125), 3.75),
    (row("upstream_fuel", 10, "litre", supplier_factor=3.0, combustion_factor=2.5), 5),
    (row("upstream_electricity", 1, "MWh", "kWh", combustion_factor=0.25, loss_factor=0.125), 125),
    (row("transmission_losses", 1_000, "kWh", loss_rate=0.08), 40),
    (row("resold_electricity", 1_000, "kWh"), 500),
    (row("fuel_based", 300, "USD", "litre", fuel_price=1.5), 100),
    (row("fuel_based", 100, "km", "litre", fuel_per_distance=0.3, part=1, whole=3), 5),
    (row("fuel_based", 100, "km", "kWh", category=6, energy_per_distance=0.2), 10),
    (row("refrigerant_leakage", 40, "kg", release_rate=0.05), 1),
    (row("distance_based", 230, "kg", "tonne*km", distance=700), 80.5),
    (row("distance_based", 1_000, "km", "passenger*km", category=6, passengers=2, radiative_forcing=1.5), 1_500),
    (row("backhaul", 50, "km", "litre", fuel_per_distance=0.2), 5),
    (row("allocated_transport", 31.5, "kg CO2e", part=240, whole=640), 11.8125),
    (row("site_specific_distribution", 1_000, "kWh", part=30, whole=300), 50),
    (row("average_distribution", 4, "m3", "m3*day", days=3), 6),
    (row("hotel_stay", 2, "room", "room*night", nights=3), 3),
    (row("waste_type_specific", 3, "t", "kg"), 1_500),
    (row("average_waste", 10, "kg", share=1), 5),
    (row("end_of_life_treatment", 10, "item", "kg", mass_per_item=4, share=1), 20),
    (row("commuting_distance", 15, "km", commuting_days=220), 3_300),
    (row("average_commuting", 200, "employee", "passenger*km", share=1, distance=12, commuting_days=220), 528_000),
    (row("teleworking", 5, "kWh/day", "kWh", days=40), 100),
    (row("asset_specific", 120, "kWh"), 60),
    (row("floor_area_allocation", 9_000, "kWh", area=300, total_area=1_000, occupancy=0.75), 1_800),
    (row("lessor_specific", 9, "t CO2e", category=13, area=5_000, total_area=15_000, share=0.5), 1_500),
    (row("average_floor_area", 700, "m2"), 350),
    (row("average_asset_count", 8, "item", category=14), 4),
    (row("franchise_specific", 120, "t CO2e"), 120_000),
    (row("franchise_sample", 30, "t CO2e", franchises=400, franchises_sampled=20), 600_000),
    (row("site_specific_processing", 80, "kWh", share=0.5), 20),
    (row("direct_use_phase", 1_000, "item", "kWh", uses=200, energy_per_use=0.5), 50_000),
    (row("direct_use_phase", 10, "item", "litre", uses=20, fuel_per_use=0.1), 10),
    (row("fuels_sold", 20, "litre"), 10),
    (row("contained_gases", 500, "item", "kg", mass_per_item=0.2, release_rate=0.1), 5),
    (row("indirect_use_phase", 10, "item", "kWh", uses=10, energy_per_use=2, share=1), 100),
    (row("intermediate_products", 300, "km", part=20, whole=500), 6),
    (row("equity_share", 120_000, "t CO2e", share=0.4), 48_000_000),
    (row("equity_revenue", 1_000, "USD", share=0.25, sector_share=1), 125),
    (row("project_debt", 200, "t CO2e", outstanding=1, equity=15, debt=5), 10_000),
    (row("project_cost", 1_000, "USD", outstanding=1, equity=15, debt=5), 25),
    (row("projected_lifetime", 7, "t CO2e/year", years=30, share=0.15), 31_500),
    (row("pcaf_listed_equity", 100, "t CO2e", outstanding=50, evic=100, pcaf_score=2), 50_000),
    (row("pcaf_business_loans", 100, "t CO2e", outstanding=5, equity=0, debt=100), 5_000),
    (row("pcaf_project_finance", 100, "USD", outstanding=1, equity=3, debt=1), 12.5),
    (row("pcaf_commercial_real_estate", 100, "kWh", outstanding=1, property_value=4), 12.5),
    (row("pcaf_mortgages", 100, "kWh", share=0.5), 25),
    (row("pcaf_motor_vehicle_loans", 100, "km", outstanding=10, vehicle_value=40), 12.5),
    (row("pcaf_sovereign_debt", 1, "kt CO2e", outstanding=1e6, gdp=2.5e13), 0.04),
)
ALL = [of for of, _ in CASES]


def named(case: object) -> str:
    return METHODS[case.method - 1].name if isinstance(case, Row) else ""


def only(of: Row) -> Calculation:
    return calculate(batch(of), TABLE, whole_groups=True)


def error(of: Row) -> tuple[str, str, str]:
    errors = only(of).errors
    assert len(errors) == 1, "the row was not rejected"
    return errors.reason[0].name, errors.field[0], errors.value[0]


@pytest.mark.parametrize(("of", "kg_co2e"), CASES, ids=named)
def test_a_method_gives_what_its_formula_says(of: Row, kg_co2e: float) -> None:
    calculation = only(of)
    assert calculation.errors.expected == ()
    assert calculation.emissions.method.tolist() == [of.method]
    assert calculation.emissions.kg_co2e[0] == pytest.approx(kg_co2e, rel=1e-12)


def test_every_method_has_a_case() -> None:
    assert {of.method for of in ALL} == {method.number for method in METHODS}


def test_all_methods_in_one_batch_give_the_same_bits_as_each_alone() -> None:
    together = calculate(batch(*ALL), TABLE)
    assert together.errors.expected == ()
    assert together.emissions.kg_co2e.tolist() == [only(of).emissions.kg_co2e[0] for of in ALL]


@given(st.sampled_from(ALL), st.floats(0, 1e4))
def test_a_recalled_activity_gives_the_bits_of_the_kernel(of: Row, quantity: float) -> None:
    emissions = calculate(batch(replace(of, quantity=quantity)), TABLE).emissions
    plan = plan_of(batch(of), TABLE)
    assert plan.kg_co2e(quantity) == emissions.kg_co2e[0]
    assert emissions.amount is not None
    assert plan.amount(quantity) == emissions.amount[0]


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=20), st.floats(0.01, 100))
def test_scaling_the_quantities_scales_the_results(rows: list[Row], by: float) -> None:
    once = calculate(batch(*rows), TABLE).emissions.kg_co2e
    scaled = calculate(batch(*(replace(of, quantity=of.quantity * by) for of in rows)), TABLE).emissions.kg_co2e
    np.testing.assert_allclose(scaled, once * by, rtol=1e-12)


def test_amounts_and_attributions_are_what_an_auditor_asks_for() -> None:
    transport = only(row("distance_based", 87, "kg", "tonne*km", distance=423)).emissions
    assert transport.amount is not None
    assert transport.amount.tolist() == [pytest.approx(36.801)]
    rows = (ALL[0], row("pcaf_listed_equity", 0, "t CO2e", outstanding=50, evic=100), ALL[8])
    assert attributions(batch(*rows).inputs, 3).tolist() == [0.25, 0.5, 1.0]


WRONG: Sequence[tuple[Row, tuple[str, str, str]]] = [
    (row("fuel_based", 1, "litre", category=7), ("UNKNOWN_METHOD", "method", "fuel_based")),
    (row("commuting_distance", 15, "km"), ("MISSING_INPUT", "inputs.commuting_days", "")),
    (row("pcaf_listed_equity", 1, "t CO2e", outstanding=50), ("MISSING_INPUT", "inputs.evic", "")),
    (row("pcaf_business_loans", 1, "t CO2e", outstanding=5, equity=1), ("MISSING_INPUT", "inputs.debt", "")),
    (row("average_data", 1, "kg", part=1), ("MISSING_INPUT", "inputs.whole", "")),
    (row("pcaf_mortgages", 1, "t CO2e", share=1, outstanding=2), ("MISSING_INPUT", "inputs.property_value", "")),
    (
        row("pcaf_mortgages", 1, "t CO2e", share=1, outstanding=2, property_value=2),
        ("UNKNOWN_INPUT", "inputs.outstanding", "2.0"),
    ),
    (row("fuel_based", 3, "kg", supplier_factor=1, fuel_price=1.5), ("INCOMPATIBLE_UNIT", "unit", "kg")),
    (row("average_data", 1, "kg", outstanding=1, evic=3), ("UNKNOWN_INPUT", "inputs.evic", "3.0")),
    (row("waste_type_specific", 1, "kg", nights=2), ("UNKNOWN_INPUT", "inputs.nights", "2.0")),
    (row("waste_type_specific", 1, "kWh"), ("INCOMPATIBLE_UNIT", "unit", "kWh")),
    (row("fuel_based", 3, "kg", fuel_price=1.5), ("INCOMPATIBLE_UNIT", "unit", "kg")),
    (row("projected_lifetime", 7, "t CO2e", years=30, share=0.15), ("INCOMPATIBLE_UNIT", "unit", "t CO2e")),
    (row("supplier_specific", 7, "t CO2e", supplier_factor=2), ("INCOMPATIBLE_UNIT", "unit", "t CO2e")),
    (replace(row("supplier_specific", 7, "t CO2e"), factor="per:kg"), ("INCOMPATIBLE_UNIT", "unit", "t CO2e")),
    (row("equity_share", 1, "kg", share=0.5), ("MISSING_INPUT", "factor", "per:kg")),
    (
        row("floor_area_allocation", 1, "kWh", area=300, total_area=1_000, occupancy=1.2),
        ("OUT_OF_RANGE", "inputs.occupancy", "1.2"),
    ),
    (
        row("floor_area_allocation", 1, "kWh", area=300, total_area=1_000, occupancy=0.2),
        ("OUT_OF_RANGE", "inputs.area", "300.0"),
    ),
    (row("floor_area_allocation", 1, "kWh", area=-3, total_area=9), ("NEGATIVE", "inputs.area", "-3.0")),
    (row("floor_area_allocation", 1, "kWh", area=3, total_area=0), ("OUT_OF_RANGE", "inputs.total_area", "0.0")),
    (row("allocated_transport", 1, "kg CO2e", part=3, whole=2), ("OUT_OF_RANGE", "inputs.part", "3.0")),
    (
        row("project_debt", 1, "t CO2e", outstanding=3, equity=0, debt=0),
        ("OUT_OF_RANGE", "inputs.outstanding", "3.0"),
    ),
    (row("pcaf_mortgages", 1, "t CO2e", share=1, pcaf_score=6), ("OUT_OF_RANGE", "inputs.pcaf_score", "6.0")),
    (
        row("upstream_fuel", 1, "litre", combustion_factor=0.75),
        ("OUT_OF_RANGE", "inputs.combustion_factor", "0.75"),
    ),
    (row("average_waste", 10, "kg", share=0.75), ("SHARES_NOT_WHOLE", "inputs.share", "0.75")),
    (replace(row("hybrid", 1, "kg"), group=""), ("REQUIRED_FIELD", "group", "")),
    (row("backhaul", 1, "kg", category=1, supplier_factor=2), ("UNKNOWN_METHOD", "method", "backhaul")),
    (row("lessor_specific", 1, "kg", supplier_factor=2, area=1, total_area=2), ("MISSING_INPUT", "factor", "")),
    (replace(row("distance_based", 1, "t CO2e"), factor="per:km"), ("INCOMPATIBLE_UNIT", "unit", "t CO2e")),
]


@pytest.mark.parametrize(("of", "told"), WRONG)
def test_what_a_method_cannot_take_is_told(of: Row, told: tuple[str, str, str]) -> None:
    assert error(of) == told


def test_a_wrong_row_is_told_the_same_whatever_else_is_in_its_batch() -> None:
    alone = [calculate(batch(of), TABLE).errors for of, _ in WRONG]
    together = calculate(batch(*(of for of, _ in WRONG)), TABLE).errors
    for field in ("reason", "field", "value", "expected"):
        each = {number: getattr(errors, field)[0] for number, errors in enumerate(alone) if len(errors)}
        assert dict(zip(together.row.tolist(), getattr(together, field), strict=True)) == each


def test_a_part_above_its_whole_is_told_the_whole_of_its_own_row() -> None:
    bond = row("pcaf_listed_equity", 1, "t CO2e", outstanding=5, evic=4)
    room = row("floor_area_allocation", 1, "kWh", area=9, total_area=10, occupancy=0.8)
    expected = calculate(batch(bond, room), TABLE).errors.expected
    assert expected == ("at most its whole: evic (4)", "at most its whole: total_area and occupancy (8)")


def shares(*parts: float, **changes: object) -> list[Row]:
    lines = (row("average_waste", 10, "kg", share=part) for part in parts)
    return [replace(of, **{"group": "W", **changes}) for of in lines]  # type: ignore[arg-type]


def wrong(*rows: Row, whole_groups: bool = True) -> list[int]:
    return [int(number) for number in calculate(batch(*rows), TABLE, whole_groups=whole_groups).errors.row]


def test_shares_of_a_system_sum_to_one_whatever_else_is_in_the_batch() -> None:
    other = shares(0.5, 0.4, group="H")
    assert wrong(*shares(0.3, 0.3, 0.4), *ALL) == []
    assert wrong(other[0], *shares(0.3, 0.3, 0.4), other[1]) == [0, 4]
    assert wrong(*shares(0.5, 0.5), *shares(0.5, 0.5, supplier="S2")) == []
    assert wrong(*shares(0.5), *shares(0.5, supplier="S2")) == [0, 1]
    assert wrong(*shares(1 / 3, 1 / 3, 1 / 3), *shares(0.6, 0.6, group="H")) == [3, 4]


def test_shares_are_not_summed_where_a_system_may_go_on_in_another_batch() -> None:
    assert wrong(*shares(0.5, 0.4), whole_groups=False) == []


@pytest.mark.parametrize("unit", ["kg CO2e", "kgCO2e", "kg_co2e", "kg CO2-eq", "kilogram*CO2e"])
def test_reported_emissions_need_no_factor(unit: str) -> None:
    emissions = calculate(batch(Row(quantity=5, unit=unit, factor="")), TABLE).emissions
    assert (emissions.kg_co2e.tolist(), emissions.method.tolist(), emissions.factor.tolist()) == ([5.0], [1], [0])


def test_methods_that_take_reported_emissions_say_so() -> None:
    taking: Mapping[str, bool] = {method.name: bool(method.needs & Data.REPORTED) for method in METHODS}
    assert taking["equity_share"]
    assert not taking["average_data"]
