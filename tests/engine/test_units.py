"""What texts mean as units, and that hostile ones are cheap errors."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.currencies import CURRENCIES
from vcci_engine.units import MAX_LENGTH, conversion, parse


def convert(text: str, to: str) -> float | None:
    unit, other = parse(text), parse(to)
    assert unit is not None, text
    assert other is not None, to
    return conversion(unit, other)


@pytest.mark.parametrize(
    ("text", "to", "scale"),
    [
        ("t", "kg", 1000.0),
        ("tonne", "kg", 1000.0),
        ("kt", "t", 1000.0),
        ("MT", "t", 1.0),
        ("mt", "t", 1.0),
        ("long_ton", "lb", 2240.0),
        ("kilonewton", "newton", 1000.0),
        ("nmi", "km", 1.852),
        ("lb", "kg", 0.45359237),
        ("short_ton", "kg", 907.18474),
        ("gal", "litre", 3.785411784),
        ("litre", "m3", 0.001),
        ("m**3", "m^3", 1.0),
        ("m³", "m3", 1.0),
        ("megalitre", "m3", 1000.0),
        ("bbl", "gallon", 42.0),
        ("mcf", "ft3", 1000.0),
        ("mile", "km", 1.609344),
        ("kWh", "MJ", 3.6),
        ("GJ", "kWh", 1e9 / 3.6e6),
        ("MMBtu", "BTU", 1e6),
        ("tkm", "tonne*km", 1.0),
        ("kg*km", "tonne*km", 0.001),
        ("tonne.km", "tonne-km", 1.0),
        ("tonne km", "tonne * km", 1.0),
        ("pkm", "passenger*km", 1.0),
        ("employee*km", "passenger*km", 1.0),
        ("passenger*mile", "passenger*km", 1.609344),
        ("vehicle*km", "vkm", 1.0),
        ("TEU*km", "FEU*km", 0.5),
        ("room*night", "night*room", 1.0),
        ("kg/m2", "g/m**2", 1000.0),
        ("kWh/item", "kWh*item-1", 1.0),
        ("pieces", "item", 1.0),
        ("units", "count", 1.0),
        ("ea", "pcs", 1.0),
        ("kilos", "kg", 1.0),
        ("kEUR", "EUR", 1000.0),
        ("hours", "min", 60.0),
        ("week", "day", 7.0),
        (" kg ", "kg", 1.0),
        ("KG", "kg", 1.0),
        ("Tonnes", "t", 1.0),
        ("KWH", "kWh", 1.0),
        ("MWH", "kWh", 1000.0),
    ],
)
def test_units_convert(text: str, to: str, scale: float) -> None:
    assert convert(text, to) == scale


@pytest.mark.parametrize(
    ("text", "to"),
    [
        ("kg", "kWh"),
        ("km", "vehicle*km"),
        ("room", "item"),
        ("night", "day"),
        ("EUR", "USD"),
        ("kg", "EUR"),
        ("tonne", "tonne*km"),
        ("use", "item"),
    ],
)
def test_units_of_different_dimensions_do_not_convert(text: str, to: str) -> None:
    assert convert(text, to) is None


@pytest.mark.parametrize("code", sorted(CURRENCIES))
def test_a_currency_converts_only_to_itself(code: str) -> None:
    currency = parse(code)
    assert currency is not None
    assert currency.is_money
    assert (currency.scale, currency.dimensions) == (Decimal(1), ((f"[{code}]", 1),))


@pytest.mark.parametrize("text", ["kg", "unit", "kWh", "room*night", "TEU", "mile"])
def test_physical_units_are_not_money(text: str) -> None:
    unit = parse(text)
    assert unit is not None
    assert not unit.is_money


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "qwertz", "kg*", "*kg", "kg**", "2 kg", "2", "kg + kg", "kg, kg", "(kg)", "kg;", "kg\0",
        "ton", "tons", "Ton", "kton", "ton*mile", "gr", "NM", "nm", "degC", "°C", "kelvin", "usd", "XXX", "XTS",
        "1e999**9", "kg**9**9", "kg**99", "kg**0", "kg^1e3", "kg**-", "9**9**9**9", "__class__", "kg.__class__",
        "().__class__", "kg.to('g')", "lambda: 0", "nan", "inf", "NaN*kg", "0*kg", "kg/0", "Qm9*Qm9", "qm9*qm9",
        "kg" * 100, "kg*" * 30 + "kg", "\ud800", "\uff4b\uff47", "m²²",
    ],
)  # fmt: skip
def test_what_is_not_a_unit_is_none(text: str) -> None:
    assert parse(text) is None


def test_a_long_text_is_not_looked_at() -> None:
    assert parse("m" * (MAX_LENGTH + 1)) is None
    assert parse("kg" + " " * 1000) is not None


@given(st.text(max_size=80) | st.text("kgmtWhsdaµ%*/^.- 0123456789()[]_'EURe", max_size=MAX_LENGTH + 2))
def test_any_text_is_a_sound_unit_or_none(text: str) -> None:
    unit = parse(text)
    if unit is not None:
        assert 0 < float(unit.scale) < float("inf")
        assert conversion(unit, unit) == 1.0
        assert all(power for _, power in unit.dimensions)
        assert str(unit)
