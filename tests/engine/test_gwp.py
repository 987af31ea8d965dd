"""Global warming potentials: the IPCC's figures, and what each set knows."""

from collections.abc import Mapping

import numpy as np
import pytest
from vcci_engine.gwp import CO2E_SETS, GASES, GWP, GWP_SETS, co2e_of, weights

# IPCC AR4 WG1 table 2.14; AR5 WG1 table 8.A.1; AR6 WG1 tables 7.15 and 7.SM.7.
PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "AR4": {"CO2": 1, "CH4": 25, "N2O": 298, "SF6": 22800, "NF3": 17200, "HFC134a": 1430, "CF4": 7390},
    "AR5": {"CO2": 1, "CH4": 28, "CH4_fossil": 30, "N2O": 265, "SF6": 23500, "NF3": 16100, "HFC134a": 1300},
    "AR6": {"CO2": 1, "CH4": 27.9, "CH4_fossil": 29.8, "CH4_nonfossil": 27.0, "N2O": 273, "SF6": 25200, "NF3": 17400},
}


@pytest.mark.parametrize("gwp_set", PUBLISHED)
def test_potentials_are_those_of_the_reports(gwp_set: str) -> None:
    assert {gas: GWP[gwp_set][gas] for gas in PUBLISHED[gwp_set]} == PUBLISHED[gwp_set]


def test_every_set_knows_methane_of_any_origin_and_counts_no_biogenic_co2() -> None:
    for gwp_set in GWP_SETS:
        table = GWP[gwp_set]
        assert table["CH4_fossil"] >= table["CH4"] >= table["CH4_nonfossil"] > 0
        assert table["CO2_biogenic"] == 0
        assert table["CO2"] == 1


def test_methane_has_one_value_before_ar5() -> None:
    assert GWP["AR4"]["CH4_fossil"] == GWP["AR4"]["CH4_nonfossil"] == 25


def test_a_gas_that_a_set_does_not_know_has_no_weight_and_co2e_is_one_in_every_set() -> None:
    assert "HFC236cb" in GASES
    assert weights(["HFC236cb", "CO2e_AR5", "CO2e", "CH4"], "AR4").tolist() == pytest.approx(
        [np.nan, 1, 1, 25], nan_ok=True
    )
    assert weights(["CH4", "CO2e_AR5"], "").tolist() == pytest.approx([np.nan, 1], nan_ok=True)


def test_co2e_without_gases_is_named_after_its_set() -> None:
    assert co2e_of("AR5") == "CO2e_AR5"
    assert co2e_of("") == "CO2e"
    assert CO2E_SETS["CO2e_AR5"] == "AR5"
