"""Fuels: litres, kilograms and kWh of a named fuel, net and gross, against the official figures."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.calculate import calculate
from vcci_engine.factors import FactorTable, build_table
from vcci_engine.fuels import FUELS, Fuel, fuel_of, fuel_scale, is_net
from vcci_engine.results import Notice, Reason
from vcci_engine.units import Unit, parse

from tests.engine.samples import Row, batch

UNITS = ("litre", "m3", "kg", "tonne", "kWh", "MJ", "kWh net", "GJ net", "kWh gross")
# UK DESNZ 2025, flat file, Fuels: kg CO2e of diesel (average biofuel blend).
PER_TONNE, PER_LITRE, PER_KWH_NET, PER_KWH_GROSS = 3087.94462, 2.57082, 0.25953, 0.24411


def diesel(key: str, unit: str, kg_co2e: float) -> FactorTable:
    return build_table(
        *(1, "hash"), ids=[1], keys=[key], regions=[""], years=[2023], units=[unit], kg_co2e=[kg_co2e], gsd2=[1.05]
    )


LITRE = diesel("fuel:diesel", "litre", PER_LITRE)
KWH = diesel("fuel:diesel_kwh", "kWh", PER_KWH_GROSS)
KWH_NET = diesel("desnz:fuels.liquid_fuels.diesel_average_biofuel_blend.kwh_net", "kWh", PER_KWH_NET)
TONNE = diesel("fuel:diesel_tonne", "tonne", PER_TONNE)


def kg_co2e_of(quantity: float, unit: str, factors: FactorTable) -> tuple[float, bool]:
    """Return kg CO2e, and whether the row is told that the fuel was converted."""
    emissions = calculate(batch(Row(quantity=quantity, unit=unit, factor=factors.key[0])), factors).emissions
    return float(emissions.kg_co2e[0]), bool(emissions.notices[0] >> Notice.FUEL_CONVERTED & 1)


@pytest.mark.parametrize(
    ("unit", "kg_co2e"),
    [
        ("litre", PER_LITRE),
        ("tonne", PER_TONNE),
        ("kg", PER_TONNE / 1000),
        ("kWh", PER_KWH_GROSS),
        ("MWh gross", PER_KWH_GROSS * 1000),
        ("kWh net", PER_KWH_NET),
    ],
)
@pytest.mark.parametrize("factors", [LITRE, KWH, KWH_NET, TONNE])
def test_an_amount_of_a_fuel_is_the_same_emissions_against_a_factor_in_any_unit(
    unit: str, kg_co2e: float, factors: FactorTable
) -> None:
    if (unit, factors) == ("kWh", KWH_NET):
        kg_co2e = PER_KWH_NET  # kWh as the factor has them
    assert kg_co2e_of(1000.0, unit, factors)[0] == pytest.approx(1000 * kg_co2e, rel=1e-12)


def test_a_conversion_by_density_or_calorific_value_is_told() -> None:
    assert kg_co2e_of(5.0, "litre", LITRE) == (5 * PER_LITRE, False)
    assert kg_co2e_of(5.0, "kWh gross", KWH)[1] is False
    assert kg_co2e_of(5.0, "kWh net", KWH)[1] is True
    assert kg_co2e_of(5.0, "litre", KWH)[1] is True


@pytest.mark.parametrize(
    ("unit", "factors"),
    [
        ("item", LITRE),
        ("net", LITRE),
        ("litre net", LITRE),
        ("km", KWH),
        ("kWh", diesel("material:diesel", "litre", 1.0)),
        ("litre", diesel("fuel:coal_industrial", "tonne", 1.0)),
        ("kWh net", diesel("grid:electricity", "kWh", 1.0)),
    ],
)
def test_what_no_fuels_table_converts_is_refused(unit: str, factors: FactorTable) -> None:
    errors = calculate(batch(Row(unit=unit, factor=factors.key[0])), factors).errors
    assert errors.reason == (Reason.INCOMPATIBLE_UNIT,)


def test_a_fuel_is_named_by_the_key_of_its_factor() -> None:
    names = {
        "fuel:diesel": "diesel",
        "fuel:diesel_kwh": "diesel",
        "fuel:natural_gas_kwh_net": "natural_gas",
        "fuel:natural_gas_kwh_upstream": "natural_gas",
        "fuel:diesel_mineral": "diesel_mineral",
        "desnz:fuels.liquid_fuels.burning_oil.kwh_gross": "heating_oil",
        "desnz:wtt_fuels.liquid_fuels.burning_oil.tonne": "heating_oil",
    }
    assert {key: fuel.name for key in names if (fuel := fuel_of(key))} == names
    assert [key for key in ("grid:electricity", "fuel:dieselish", "desnz:fuels.x.y", "diesel") if fuel_of(key)] == []
    assert [is_net(key) for key in ("fuel:natural_gas_kwh_net", "desnz:fuels.a.b.kwh_net", "fuel:diesel_kwh")] == [
        *(True, True, False)
    ]


@given(
    fuel=st.sampled_from(FUELS),
    pair=st.sampled_from(list(permutations(UNITS, 2))),
    net=st.tuples(st.booleans(), st.booleans()),
)
def test_converting_a_fuels_unit_there_and_back_changes_nothing(
    fuel: Fuel, pair: tuple[str, str], net: tuple[bool, bool]
) -> None:
    here, there = (_unit(text) for text in pair)
    forth, back = fuel_scale(here, there, fuel, False), fuel_scale(there, here, fuel, False)
    assert (forth is None) == (back is None) == (not fuel.m3 and bool({"litre", "m3"} & {*pair}))
    if forth and back:
        assert forth[0] * back[0] == pytest.approx(1.0, rel=1e-12)


def test_densities_and_calorific_values_are_those_of_the_fuels() -> None:
    """Within a per cent of what textbooks have, so that no two columns of the table are mixed up."""
    for name, kg_per_litre, kwh_net_per_kg, gross_to_net in (
        ("diesel", 0.835, 11.9, 1.063),
        ("petrol", 0.745, 12.0, 1.056),
        ("lpg", 0.53, 12.77, 1.074),
        ("jet_fuel", 0.80, 12.2, 1.053),
    ):
        fuel = fuel_of(f"fuel:{name}")
        assert fuel is not None
        assert fuel.m3 / fuel.tonne == pytest.approx(kg_per_litre, rel=0.01)
        assert fuel.tonne / 1000 / fuel.kwh_net == pytest.approx(kwh_net_per_kg, rel=0.015)
        assert fuel.kwh_net / fuel.kwh_gross == pytest.approx(gross_to_net, rel=0.01)
    gas = fuel_of("fuel:natural_gas")
    assert gas is not None
    assert gas.m3 / gas.tonne * 1000 == pytest.approx(0.80, rel=0.01)  # kg per m3


def _unit(text: str) -> Unit:
    unit = parse(text)
    assert unit is not None
    return unit
