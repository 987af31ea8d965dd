"""What factors consist of, and what emissions come to under another GWP set."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.activities import FloatArray
from vcci_engine.gases import Breakdown, Parts, breakdown, parts_of, ratios
from vcci_engine.gwp import GASES, GWP, GWP_SETS, weights

COMMON = (
    "CO2",
    "CH4",
    "CH4_fossil",
    "CH4_nonfossil",
    "N2O",
    "HFC134a",
    "CF4",
    "SF6",
    "NF3",
)  # in every set from AR4 on
MODERN = ("AR4", "AR5", "AR6")


class Factor(NamedTuple):
    """One factor."""

    kg_co2e: float
    gases: Mapping[str, float] = {}
    gwp_set: str = ""


def parts(*factors: Factor) -> Parts:
    return parts_of([of.kg_co2e for of in factors], [of.gases for of in factors], [of.gwp_set for of in factors])


def ratio(factor: Factor, gwp_set: str) -> float:
    return float(ratios(parts(factor), gwp_set)[0])


def of_one(factor: Factor, gwp_set: str = "") -> Breakdown:
    """Return what one unit of activity consists of."""
    return breakdown(parts(factor), np.zeros(1, np.intp), np.ones(1), np.zeros(1, np.intp), 1, gwp_set)


def by_set(found: Breakdown, group: int = 0) -> dict[str, float]:
    return {name: kg for name, kg in zip(found.sets, found.by_set[group].tolist(), strict=True) if kg}


DIESEL = Factor(2.7 + 28e-4 + 0.0265, {"CO2": 2.7, "CH4": 1e-4, "N2O": 1e-4}, "AR5")
GASES_KG = st.dictionaries(st.sampled_from(COMMON), st.floats(1e-6, 10), min_size=1)
WITH_GASES = st.builds(
    lambda gases, gwp_set, rest: Factor(
        sum(kg * GWP[gwp_set][gas] for gas, kg in gases.items()) + rest, gases, gwp_set
    ),
    GASES_KG,
    st.sampled_from(MODERN),
    st.sampled_from([0.0, 1e-6, 0.5, 20.0]),
)
ANY_FACTOR = WITH_GASES | st.builds(Factor, st.floats(0, 10), st.just({}), st.sampled_from(["", *MODERN]))


def test_a_factor_is_expressed_by_the_potentials_of_the_set_that_is_wanted() -> None:
    assert ratio(DIESEL, "AR6") * DIESEL.kg_co2e == pytest.approx(2.7 + 27.9e-4 + 0.0273, rel=1e-12)
    assert ratio(DIESEL, "AR5") == 1.0


@pytest.mark.parametrize(
    ("factor", "gwp_set"),
    [
        (Factor(1.5, {}, "AR5"), "AR6"),  # no gases
        (Factor(1.5, {"CO2": 1.5}, ""), "AR6"),  # of an unknown set
        (Factor(1.5, {}, ""), "AR6"),
        (Factor(1.5, {"CO2_biogenic": 3.0}, "AR5"), "AR6"),  # nothing of its total is known
        (Factor(50.0, {"HFC236cb": 0.01}, "AR6"), "AR4"),  # a gas that the wanted set does not know
        (Factor(50.0, {"HFC236cb": 0.01}, "AR4"), "AR6"),  # one that its own does not
    ],
)
def test_a_factor_without_the_gases_cannot_give_another_set(factor: Factor, gwp_set: str) -> None:
    assert np.isnan(ratio(factor, gwp_set))


def test_a_factor_of_nothing_is_nothing_under_every_set() -> None:
    assert ratio(Factor(0.0, {"CO2_biogenic": 2.4}, "AR5"), "AR6") == 1.0
    assert ratio(Factor(0.0), "AR6") == 1.0


def test_co2e_that_the_gases_leave_out_is_carried_over_under_its_own_set() -> None:
    for factor in (
        Factor(1.0 + 0.28 + 0.05, {"CO2": 1.0, "CH4": 0.01}, "AR5"),
        Factor(1.0 + 0.28 + 0.05, {"CO2": 1.0, "CH4": 0.01, "CO2e_AR5": 0.05}, "AR5"),
    ):
        assert ratio(factor, "AR6") * factor.kg_co2e == pytest.approx(1.0 + 0.279 + 0.05, rel=1e-12)
        assert by_set(of_one(factor, "AR6")) == pytest.approx({"AR5": 0.05, "AR6": 1.279})
        assert by_set(of_one(factor)) == pytest.approx({"AR5": 1.33})


def test_what_is_within_rounding_is_no_co2e_of_its_own() -> None:
    printed = Factor(2.73, {"CO2": 2.70, "N2O": 0.029985 / 265}, "AR5")
    found = of_one(printed, "AR5")
    assert by_set(found) == pytest.approx({"AR5": 2.73}, rel=1e-12)
    assert found.kg_co2e.sum() == pytest.approx(2.73, rel=1e-12)
    assert by_set(of_one(printed, "AR6")).keys() == {"AR6"}


def test_gases_of_a_factor_of_an_unknown_set_are_told_without_their_co2e() -> None:
    found = of_one(Factor(1.5, {"CO2": 1.2, "CH4": 0.01}))
    assert dict(zip(found.gases, found.kg[0].tolist(), strict=True)) == {"CO2": 1.2, "CH4": 0.01}
    assert found.kg_co2e.sum() == 0
    assert by_set(found) == {"": 1.5}


def test_biogenic_co2_is_beside_the_total() -> None:
    found = of_one(Factor(0.28, {"CH4_nonfossil": 0.01, "CO2_biogenic": 3.0}, "AR5"))
    assert found.gases == ("CH4_nonfossil",)
    assert found.kg_co2_biogenic.tolist() == [3.0]
    assert by_set(found) == pytest.approx({"AR5": 0.28})


def test_no_factors_consist_of_nothing() -> None:
    none = np.empty(0, np.intp)
    found = breakdown(parts_of([], [], []), none, np.empty(0), none, 2, "AR6")
    assert found.by_set.tolist() == [[0.0], [0.0]]
    assert found.kg.shape == (2, 0)
    assert breakdown(parts(DIESEL), none, np.empty(0), none, 0).kg.shape[0] == 0


@given(WITH_GASES)
def test_parts_add_up_to_the_factor_by_its_own_potentials(factor: Factor) -> None:
    of = parts(factor)
    assert float((of.kg[0] * weights(of.names, factor.gwp_set)).sum()) == pytest.approx(factor.kg_co2e, rel=1e-12)


@given(WITH_GASES, st.sampled_from(MODERN))
def test_there_and_back_is_the_same(factor: Factor, gwp_set: str) -> None:
    there = parts(factor)
    kg = dict(zip(there.names, there.kg[0].tolist(), strict=True))
    expressed = Factor(factor.kg_co2e * ratio(factor, gwp_set), kg, gwp_set)
    assert ratio(expressed, factor.gwp_set) * expressed.kg_co2e == pytest.approx(factor.kg_co2e, rel=1e-12)


@given(st.lists(st.tuples(ANY_FACTOR, st.floats(0, 1e6)), min_size=1, max_size=20), st.sampled_from(["", *MODERN]))
def test_a_total_expressed_anew_is_the_sum_of_its_lines_expressed_anew(
    lines: list[tuple[Factor, float]], gwp_set: str
) -> None:
    of = parts(*(factor for factor, _ in lines))
    amounts = np.array([amount for _, amount in lines])
    places = np.arange(len(lines))
    one = breakdown(of, places, amounts, np.zeros(len(lines), np.intp), 1, gwp_set)
    each = breakdown(of, places, amounts, places, len(lines), gwp_set)
    ratio_of = ratios(of, gwp_set) if gwp_set else np.ones(len(of))
    expressed: FloatArray = amounts * of.kg_co2e * np.where(np.isnan(ratio_of), 1.0, ratio_of)
    assert each.by_set.sum(axis=1) == pytest.approx(expressed, rel=1e-12, abs=1e-12)
    assert one.by_set.sum() == pytest.approx(expressed.sum(), rel=1e-12, abs=1e-12)
    assert one.kg[0] == pytest.approx(each.kg.sum(axis=0), rel=1e-12, abs=1e-12)


def test_sets_and_gases_are_those_of_the_vocabulary() -> None:
    assert set(MODERN) <= set(GWP_SETS)
    assert set(COMMON) <= GASES
