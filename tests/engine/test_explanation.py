"""Explanations: terms that multiply out to the value, and formulas that a person can follow."""

import re
from functools import reduce

import pytest
from hypothesis import assume, given
from vcci_engine.activities import Activities
from vcci_engine.calculate import calculate
from vcci_engine.explanation import Origin, Term, in_names, in_numbers, number, terms_of, told
from vcci_engine.factors import FactorTable
from vcci_engine.fuels import FUELS
from vcci_engine.methods import METHODS

from tests.engine.samples import GOOD_BATCHES, Row, batch, rows_of, table
from tests.engine.samples import TABLE as SAMPLES
from tests.engine.test_declared import ALL, TABLE, row
from tests.engine.test_prices import priced, spend

_NUMBER = re.compile(r"-?[\d,]+(?:\.\d+)?(?:e[+-]\d+)?")


def explained(activities: Activities, table: FactorTable = TABLE) -> tuple[tuple[Term, ...], float]:
    """Return the terms of the only row of a batch, and the value calculated."""
    calculation = calculate(activities, table, allow_negative=True)
    assert not len(calculation.errors), calculation.errors
    return terms_of(activities, calculation.emissions, table), float(calculation.emissions.kg_co2e[0])


def product(terms: tuple[Term, ...]) -> float:
    """Multiply terms from left to right."""
    first, *others = terms
    return reduce(lambda value, term: value / term.value if term.divides else value * term.value, others, first.value)


def evaluated(text: str) -> float:
    """Calculate a formula in numbers by what is printed of it."""
    first, *others = re.split(r" ([×÷]) ", text)
    value = summed(first)
    for sign, term in zip(others[::2], others[1::2], strict=True):
        value = value / summed(term) if sign == "÷" else value * summed(term)
    return value


def summed(text: str) -> float:
    """Return the number that a printed term begins with, or the sum in parentheses."""
    if not text.startswith("("):
        found = _NUMBER.match(text)
        assert found, text
        return float(found[0].replace(",", ""))
    first, *others = re.split(r" ([−+]) ", text[1 : text.index(")")])
    value = summed(first)
    for sign, term in zip(others[::2], others[1::2], strict=True):
        value = value - summed(term) if sign == "−" else value + summed(term)
    return value


@pytest.mark.parametrize("of", ALL, ids=lambda of: METHODS[of.method - 1].name)
def test_the_terms_of_every_method_multiply_out_to_the_value(of: Row) -> None:
    terms, kg_co2e = explained(batch(of))
    assert product(terms) == kg_co2e
    assert evaluated(in_numbers(terms)) == pytest.approx(kg_co2e, rel=1e-9)


@given(GOOD_BATCHES)
def test_terms_multiply_out_to_the_same_bits(activities: Activities) -> None:
    right = set(calculate(activities, SAMPLES).emissions.row.tolist())
    assume(right)
    rows = rows_of(activities)
    for place in right:
        terms, kg_co2e = explained(batch(rows[place]), SAMPLES)
        assert product(terms) == kg_co2e


def test_every_method_is_explained() -> None:
    assert {of.method for of in ALL} == {method.number for method in METHODS}


@pytest.mark.parametrize(
    ("of", "names", "numbers"),
    [
        (
            row("distance_based", 12_000, "kg", "tonne*km", distance=340),
            "quantity × distance × unit × factor",
            "12,000 kg × 340 km × 0.001 tonne*km per kg*km × 0.5 kg CO2e per tonne*km",
        ),
        (
            row("commuting_distance", 15, "km", commuting_days=220),
            "quantity × commuting_days × 2 × factor",
            "15 km × 220 × 2 × 0.5 kg CO2e per km",
        ),
        (
            row("project_debt", 200, "t CO2e", outstanding=1, equity=15, debt=5),
            "quantity × outstanding ÷ (equity + debt) × unit",
            "200 t CO2e × 1 ÷ (15 + 5) × 1,000 kg CO2e per t CO2e",
        ),
        (
            row("upstream_electricity", 1, "MWh", "kWh", combustion_factor=0.25, loss_factor=0.125),
            "quantity × unit × (factor − combustion_factor − loss_factor)",
            "1 MWh × 1,000 kWh per MWh × (0.5 − 0.25 − 0.125) kg CO2e per kWh",
        ),
        (
            row("upstream_fuel", 10, "litre", supplier_factor=3.0, combustion_factor=2.5),
            "quantity × (supplier_factor − combustion_factor)",
            "10 litre × (3 − 2.5) kg CO2e per litre",
        ),
        (
            row("fuel_based", 300, "USD", "litre", fuel_price=1.5),
            "quantity ÷ fuel_price × factor",
            "300 USD ÷ 1.5 USD/litre × 0.5 kg CO2e per litre",
        ),
        (
            row("fuel_based", 300, "USD", "m3", fuel_price=1.5),
            "quantity ÷ fuel_price × unit × factor",
            "300 USD ÷ 1.5 USD/litre × 0.001 m3 per USD/(USD/litre) × 0.5 kg CO2e per m3",
        ),
        (
            row("refrigerant_leakage", 4, "item", "kg", mass_per_item=10, release_rate=0.05),
            "quantity × mass_per_item × release_rate × factor",
            "4 item × 10 kg/item × 0.05 × 0.5 kg CO2e per kg",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_formula_is_as_on_paper(of: Row, names: str, numbers: str) -> None:
    terms, _ = explained(batch(of))
    assert in_names(terms) == names
    assert in_numbers(terms) == numbers


def test_each_number_says_where_it_comes_from() -> None:
    terms, _ = explained(batch(row("commuting_distance", 15_000, "m", "km", commuting_days=220)))
    parts = [part for term in terms for part in term.parts]
    origins = [Origin.GIVEN, Origin.GIVEN, Origin.UNITS, Origin.METHOD, Origin.FACTOR_SET]
    assert [part.origin for part in parts] == origins
    assert [part.what for part in parts] == [
        "amount of the activity",
        "days on which people commute",
        "km in one m",
        "constant of commuting_distance",
        "per:km for the world, 2023",
    ]


def test_money_is_brought_to_the_currency_and_the_prices_of_its_factor() -> None:
    terms, kg_co2e = explained(batch(spend(unit="kGBP", quantity=1.0)), priced())
    assert in_names(terms) == "quantity × unit × rate × deflator × factor"
    assert in_numbers(terms) == (
        "1 kGBP × 1,000 GBP per kGBP × 1.24317363961 USD per GBP × 0.960617000328 × 0.75 kg CO2e per USD"
    )
    _, _, rate, deflator, _ = (term.parts[0] for term in terms)
    assert rate.what == "average of 2023: per EUR 1.0813 USD and 0.86979 GBP"
    assert deflator.what == "prices of USD: index 292.7 in 2022 / 304.7 in 2023"
    assert rate.origin == deflator.origin == Origin.PRICE_SET
    assert product(terms) == pytest.approx(kg_co2e, rel=1e-14)


def test_a_months_rate_is_said_to_be_the_months() -> None:
    terms, _ = explained(batch(spend(unit="EUR", period="2023-03-31")), priced(price_year=0))
    assert terms[1].parts[0].what == "average of 2023-03: per EUR 1.0706 USD"


def test_a_fuels_conversion_says_where_it_is_from() -> None:
    diesel = table([(1, "fuel:diesel_kwh", "", 2023, "kWh", 0.25, 1.05)])
    terms, kg_co2e = explained(batch(Row(quantity=100.0, unit="litre", factor="fuel:diesel_kwh")), diesel)
    part = terms[1].parts[0]
    assert (part.name, part.unit, part.origin) == ("unit", "kWh per litre", Origin.UNITS)
    assert part.what == f"kWh in one litre of diesel: {next(fuel.source for fuel in FUELS if fuel.name == 'diesel')}"
    assert product(terms) == kg_co2e


def test_inputs_that_are_only_told_are_no_terms() -> None:
    activities = batch(row("pcaf_listed_equity", 100, "t CO2e", outstanding=50, evic=100, pcaf_score=2))
    terms, _ = explained(activities)
    assert [(of.name, of.value) for of in told(activities)] == [("pcaf_score", 2.0)]
    assert "pcaf_score" not in in_names(terms)


@pytest.mark.parametrize(
    ("value", "text"),
    [(12_000.0, "12,000"), (0.1 + 0.2, "0.3"), (1e-7, "1e-07"), (1234567.875, "1,234,567.875"), (-2.5, "-2.5")],
)
def test_numbers_are_for_people(value: float, text: str) -> None:
    assert number(value) == text
