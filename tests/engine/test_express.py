"""Calculations under another GWP set than their factors'."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.calculate import calculate
from vcci_engine.express import activity_of, consist_of, express, mixes_sets
from vcci_engine.factors import FactorTable, build_table
from vcci_engine.gwp import GWP
from vcci_engine.results import Reason

from tests.engine.samples import Row, batch

FUEL = {"CO2": 2.5, "CH4": 1e-3, "N2O": 1e-4}
KG = 2.5 + 28e-3 + 265e-4
TABLE = build_table(
    1,
    "hash",
    ids=[31, 32, 33],
    keys=["fuel:diesel", "fuel:wood", "material:steel"],
    regions=["", "", ""],
    years=[2022, 2022, 2022],
    units=["litre", "kg", "kg"],
    kg_co2e=[KG, 0.0, 1.9],
    gsd2=[1.05, 1.05, 1.05],
    gases=[FUEL, {"CO2_biogenic": 1.6}, {}],
    gwp_sets=["AR5", "AR5", "AR5"],
)
LITRES = Row(quantity=10, unit="litre", factor="fuel:diesel")
LOGS = Row(quantity=10, unit="kg", factor="fuel:wood")
STEEL = Row(quantity=10)
WRONG = Row(quantity=-1, unit="litre", factor="fuel:diesel")


def test_each_row_is_expressed_by_its_factor_or_rejected() -> None:
    activities = batch(STEEL, LITRES, WRONG, LOGS)
    calculation = express(calculate(activities, TABLE), activities, TABLE, "AR6")
    assert calculation.emissions.row.tolist() == [1, 3]
    assert calculation.emissions.kg_co2e.tolist() == pytest.approx([10 * (2.5 + 27.9e-3 + 273e-4), 0.0], rel=1e-12)
    assert calculation.errors.row.tolist() == [0, 2]
    assert calculation.errors.reason == (Reason.GWP_SET_NOT_POSSIBLE, Reason.NEGATIVE)
    assert calculation.errors.value[0] == "material:steel"


def test_no_set_and_the_factors_own_change_no_bit() -> None:
    activities = batch(STEEL, LITRES, WRONG)
    calculation = calculate(activities, TABLE)
    assert express(calculation, activities, TABLE, "") is calculation
    own = express(calculation, activities, TABLE, "AR5")
    assert own.emissions.kg_co2e.tobytes() == calculation.emissions.kg_co2e.tobytes()


def test_biogenic_co2_of_a_factor_of_0_kg_follows_from_the_amount() -> None:
    activities = batch(LOGS, LITRES)
    emissions = calculate(activities, TABLE).emissions
    assert activity_of(emissions, TABLE).tolist() == pytest.approx([10, 10])
    found = consist_of(emissions, TABLE, np.zeros(2, np.intp), 1)
    assert found.kg_co2_biogenic.tolist() == [16.0]


def test_sums_of_several_sets_are_flagged() -> None:
    mixed = build_table(
        *(1, "hash"),
        ids=[1, 2, 3],
        keys=["a:ar5", "a:ar6", "a:both"],
        regions=[""] * 3,
        years=[2022] * 3,
        units=["kg"] * 3,
        kg_co2e=[1.0, 1.0, 1.0],
        gsd2=[1.05] * 3,
        gases=[{"CO2": 1.0}, {"CO2": 1.0}, {"CO2": 0.5, "CO2e_AR5": 0.5}],
        gwp_sets=["AR5", "AR6", "AR6"],
    )

    def flagged(*rows: Row, gwp_set: str = "", table: FactorTable = mixed) -> bool:
        activities = batch(*rows)
        calculation = express(calculate(activities, table), activities, table, gwp_set)
        return mixes_sets(calculation.emissions, table, gwp_set)

    ar5, ar6, both = (Row(quantity=2.0, factor=key) for key in mixed.key)
    own = Row(quantity=2.0, factor="", inputs={"supplier_factor": 1.0})
    assert not flagged(ar5, ar5)
    assert flagged(ar5, ar6)
    assert flagged(both)
    assert flagged(ar6, own)
    assert not flagged(ar5, replace(ar6, quantity=0.0))
    assert not flagged(ar5, ar6, gwp_set="AR4")
    assert flagged(ar5, both, gwp_set="AR4")
    assert not flagged(gwp_set="AR4")
    assert not flagged(LITRES, STEEL, table=TABLE)
    assert flagged(LITRES, own, table=TABLE)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20), st.sampled_from(["AR4", "AR5", "AR6"]))
def test_gases_do_not_depend_on_the_set_that_emissions_are_under(litres: list[float], gwp_set: str) -> None:
    activities = batch(*(Row(quantity=quantity, unit="litre", factor="fuel:diesel") for quantity in litres))
    calculation = express(calculate(activities, TABLE), activities, TABLE, gwp_set)
    lines = np.arange(len(litres))
    found = consist_of(calculation.emissions, TABLE, lines, len(litres), gwp_set)
    for place, gas in enumerate(found.gases):
        assert found.kg[:, place] == pytest.approx(np.array(litres) * FUEL[gas], rel=1e-12, abs=1e-300)
        assert found.kg_co2e[:, place] == pytest.approx(found.kg[:, place] * GWP[gwp_set][gas], rel=1e-12)
    assert found.by_set.sum() == pytest.approx(calculation.emissions.kg_co2e.sum(), rel=1e-12)
