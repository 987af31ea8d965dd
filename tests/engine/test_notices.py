"""Notices in words: each names what was wanted, why not, and what was used."""

import pytest
from vcci_engine.calculate import calculate
from vcci_engine.factors import FactorTable, build_table
from vcci_engine.notices import MOST_NAMED, Asked, Step, steps
from vcci_engine.prices import NO_PRICES
from vcci_engine.results import Notice

from tests.engine.samples import TABLE, Row, batch, table
from tests.engine.test_prices import priced, spend


def told(row: Row, factors: FactorTable = TABLE) -> list[Step]:
    """Return the notices of a row in words."""
    emissions = calculate(batch(row), factors).emissions
    place = int(factors.positions(emissions.factor)[0])
    year, month = map(int, str(row.period).split("-")[:2])
    asked = Asked(row.country, year, month, row.unit, row.inputs)
    return steps(int(emissions.notices[0]), asked, place, factors)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            Row(method=1),
            Step(
                Notice.AVERAGE_DATA_INSTEAD_OF_SUPPLIER_SPECIFIC,
                "supplier_specific",
                "the activity has no supplier_factor, and is no reported emissions",
                "average_data",
            ),
        ),
        (
            Row(method=2, unit="USD", factor="naics:331110", country="US", period="2022-01-01"),
            Step(
                Notice.SPEND_BASED_INSTEAD_OF_AVERAGE_DATA,
                "average_data",
                "the factor naics:331110 is per unit of money (USD)",
                "spend_based",
            ),
        ),
        (
            Row(unit="USD", factor="naics:331110", country="US", period="2022-01-01"),
            Step(
                Notice.SPEND_BASED_INSTEAD_OF_SUPPLIER_SPECIFIC,
                "supplier_specific",
                "the activity has no supplier_factor, and is no reported emissions; "
                "the factor naics:331110 is per unit of money (USD)",
                "spend_based",
            ),
        ),
        (
            Row(country="DE"),
            Step(
                Notice.WORLD_FACTOR,
                "material:steel for DE",
                "the set has it for the world",
                "material:steel for the world",
            ),
        ),
        (
            Row(unit="USD", factor="naics:331110", country="DE", period="2022-01-01"),
            Step(
                Notice.OTHER_REGION_FACTOR,
                "naics:331110 for DE",
                "the set has it for US",
                "naics:331110 for US, its only region",
            ),
        ),
        (
            Row(unit="kWh", factor="grid:electricity", country="US", period="2021-01-01"),
            Step(
                Notice.WORLD_FACTOR,
                "grid:electricity for US",
                "the set has it for the world, DE, FR",
                "grid:electricity for the world",
            ),
        ),
        (
            Row(unit="kWh", factor="grid:electricity", country="DE", period="2022-06-01"),
            Step(
                Notice.EARLIER_FACTOR_YEAR,
                "grid:electricity for 2022",
                "for DE the set has it for 2020, 2023",
                "that for 2020, the nearest before it",
            ),
        ),
        (
            Row(unit="kWh", factor="grid:electricity", country="DE", period="2019-06-01"),
            Step(
                Notice.LATER_FACTOR_YEAR,
                "grid:electricity for 2019",
                "for DE the set has it for 2020, 2023",
                "that for 2020, the earliest",
            ),
        ),
    ],
    ids=lambda value: value.notice.name if isinstance(value, Step) else "",
)
def test_a_step_says_what_was_wanted_why_not_and_what_was_used(row: Row, expected: Step) -> None:
    of = {step.notice: step for step in told(row)}
    assert of[expected.notice] == expected


MONEY = priced(price_year=2022)
PURCHASER = build_table(
    *(1, "hash"),
    ids=[1],
    keys=["naics:331110"],
    regions=[""],
    years=[2023],
    units=["USD"],
    kg_co2e=[0.75],
    gsd2=[1.05],
    price_bases=["purchaser"],
    margins=["with"],
)
DIESEL = table([(1, "fuel:diesel_kwh", "", 2023, "kWh", 0.25, 1.05)])


@pytest.mark.parametrize(
    ("row", "factors", "expected"),
    [
        (
            spend(unit="GBP"),
            MONEY,
            Step(Notice.CURRENCY_CONVERTED, "naics:331110 per GBP", "it is per USD", "the rate of 2023"),
        ),
        (
            spend(unit="EUR", period="2023-03-31"),
            MONEY,
            Step(Notice.CURRENCY_CONVERTED, "naics:331110 per EUR", "it is per USD", "the rate of 2023-03"),
        ),
        (
            spend(),
            MONEY,
            Step(
                Notice.DEFLATED,
                "naics:331110 at prices of 2023",
                "it is at prices of 2022",
                "the amount at prices of 2022, by the index of its currency",
            ),
        ),
        (
            spend(),
            priced(NO_PRICES),
            Step(
                Notice.NOT_DEFLATED,
                "naics:331110 at prices of 2023",
                "it is at prices of 2022",
                "the amount as it is: no price set was active",
            ),
        ),
        (
            spend(inputs={"price_basis": 2.0, "margins": 2.0}),
            PURCHASER,
            Step(
                Notice.PRICE_BASIS_DIFFERS,
                "naics:331110 at producer prices without margins",
                "it is at purchaser prices with margins, and the set has no variant that fits",
                "it as it is",
            ),
        ),
        (
            Row(unit="litre", factor="fuel:diesel_kwh"),
            DIESEL,
            Step(
                Notice.FUEL_CONVERTED,
                "fuel:diesel_kwh per litre",
                "it is per kWh",
                "the fuel's density or calorific value (docs/prices.md)",
            ),
        ),
    ],
    ids=lambda value: value.notice.name if isinstance(value, Step) else "",
)
def test_what_is_converted_says_what_to(row: Row, factors: FactorTable, expected: Step) -> None:
    assert {step.notice: step for step in told(row, factors)}[expected.notice] == expected


def test_a_supplier_without_a_country_is_said_to_have_none() -> None:
    [step] = told(Row(method=3, unit="USD", factor="naics:331110", period="2022-01-01"))
    assert step.wanted == "naics:331110 for the country of the supplier"
    assert step.why_not == "the supplier's country is not known; the set has it for US"


def test_every_notice_has_words() -> None:
    bits = sum(1 << notice for notice in Notice)
    assert {step.notice for step in steps(bits, Asked("DE", 2023, 1, "kg", {}), 0, TABLE)} == set(Notice)


def test_nothing_is_told_of_a_suppliers_own_factor() -> None:
    assert told(Row(method=1, inputs={"supplier_factor": 2.0}, factor="")) == []


def test_of_many_years_some_are_named() -> None:
    many = table([(n, "a:b", "", 1990 + n, "kg", 1.0, 1.05) for n in range(1, 20)])
    [step] = told(Row(method=2, factor="a:b", period="2023-01-01"), many)
    assert step.why_not.endswith(f"1998 and {19 - MOST_NAMED} more")
    assert step.why_not.count(",") == MOST_NAMED - 1
