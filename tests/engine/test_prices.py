"""Money: rates, deflators, what is told of them, and what is refused; nothing changes where nothing differs."""

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.calculate import calculate
from vcci_engine.factors import FactorTable, build_table
from vcci_engine.prices import NO_PRICES, Prices, build_prices, spans
from vcci_engine.results import Calculation, Notice, Reason
from vcci_engine.single import plan_of

from tests.engine.samples import TABLE, Row, batch, day, table

# Averages of the ECB's reference rates; the euro area's HICP and the US CPI-U, to one decimal.
RATES = {
    ("USD", 2022, 0): 1.0530,
    ("USD", 2023, 0): 1.0813,
    ("GBP", 2023, 0): 0.86979,
    ("USD", 2023, 3): 1.0706,
    ("CHF", 2023, 0): 0.9718,
}
INDICES = {("USD", 2021): 271.0, ("USD", 2022): 292.7, ("USD", 2023): 304.7, ("EUR", 2023): 123.2}
PRICES = build_prices(5, "prices", "EUR", RATES, INDICES)
YEARLY = replace(PRICES, rates={key: rate for key, rate in RATES.items() if not key[2]}, by_month=False)


def priced(prices: Prices = PRICES, price_year: int = 2022) -> FactorTable:
    return table(prices=prices, price_year=price_year)


def spend(**fields: Any) -> Row:
    of_all = {"quantity": 1000.0, "unit": "USD", "factor": "naics:331110", "method": 3, "period": "2023-07-01"}
    return Row(**(of_all | fields))  # type: ignore[arg-type]


def only(row: Row, factors: FactorTable) -> tuple[float, set[Notice]]:
    emissions = calculate(batch(row), factors).emissions
    bits = int(emissions.notices[0]) & ~(1 << Notice.OTHER_REGION_FACTOR) & ~(1 << Notice.EARLIER_FACTOR_YEAR)
    return float(emissions.kg_co2e[0]), {notice for notice in Notice if bits >> notice & 1}


def error(row: Row, factors: FactorTable) -> tuple[Reason, str, str, str]:
    errors = calculate(batch(row), factors).errors
    assert len(errors) == 1, "the row was not rejected"
    return errors.reason[0], errors.field[0], errors.value[0], errors.expected[0]


def test_spend_is_converted_at_the_rate_of_its_period_and_then_deflated() -> None:
    kg_co2e, notices = only(spend(unit="GBP"), priced())
    assert kg_co2e == pytest.approx(1000 * (1.0813 / 0.86979) * (292.7 / 304.7) * 0.75, rel=1e-14)
    assert notices == {Notice.CURRENCY_CONVERTED, Notice.DEFLATED}


def test_spend_of_the_bases_currency_takes_the_rate_itself() -> None:
    assert only(spend(unit="EUR", period="2022-07-01"), priced()) == (1000 * 1.0530 * 0.75, {Notice.CURRENCY_CONVERTED})


def test_a_months_rate_comes_before_the_years_where_both_currencies_have_it() -> None:
    march, july = spend(unit="EUR", period="2023-03-31"), spend(unit="EUR", period="2023-07-01")
    assert only(march, priced(price_year=0))[0] == pytest.approx(1000 * 1.0706 * 0.75, rel=1e-14)
    assert only(july, priced(price_year=0))[0] == pytest.approx(1000 * 1.0813 * 0.75, rel=1e-14)
    pounds = replace(march, unit="GBP")  # of which only the year is known
    assert only(pounds, priced(price_year=0))[0] == pytest.approx(1000 * 1.0813 / 0.86979 * 0.75, rel=1e-14)


def test_prefixes_of_money_are_converted_too() -> None:
    assert only(spend(quantity=1.0, unit="kEUR"), priced()) == only(spend(unit="EUR"), priced())


@pytest.mark.parametrize("prices", [NO_PRICES, PRICES, YEARLY])
@pytest.mark.parametrize("row", [spend(period="2022-02-02"), spend(unit="kUSD", period="2022-12-31")])
def test_where_currency_and_year_agree_the_bits_stay(prices: Prices, row: Row) -> None:
    assert only(row, priced(prices)) == (calculate(batch(row), TABLE).emissions.kg_co2e[0], set())


def test_a_factor_of_no_price_year_is_not_deflated() -> None:
    assert only(spend(), priced(price_year=0)) == (750.0, set())


def test_without_a_price_set_another_year_is_told_and_taken_as_it_is() -> None:
    assert only(spend(), priced(NO_PRICES)) == (750.0, {Notice.NOT_DEFLATED})


@pytest.mark.parametrize(
    ("row", "prices", "reason", "expected"),
    [
        (
            spend(unit="CHF", period="2022-05-05"),
            PRICES,
            Reason.NO_EXCHANGE_RATE,
            "a rate of CHF to USD for 2022; the active price set has CHF for 2023; USD for 2022 to 2023",
        ),
        (
            spend(unit="EUR", period="2031-05-05"),
            PRICES,
            Reason.NO_EXCHANGE_RATE,
            "a rate of EUR to USD for 2031; the active price set has rates per EUR; USD for 2022 to 2023",
        ),
        (
            spend(unit="SEK", period="2031-05-05"),
            PRICES,
            Reason.NO_EXCHANGE_RATE,
            "a rate of SEK to USD for 2031; the active price set has SEK for no year; USD for 2022 to 2023",
        ),
        (
            spend(unit="EUR"),
            NO_PRICES,
            Reason.NO_EXCHANGE_RATE,
            "USD, or a price set that is active and has a rate of EUR for 2023",
        ),
        (
            spend(period="2024-01-01"),
            PRICES,
            Reason.NO_PRICE_INDEX,
            "price indices of USD for 2024 and 2022; the active price set has USD for 2021 to 2023",
        ),
        (
            spend(period="1995-01-01"),
            YEARLY,
            Reason.NO_PRICE_INDEX,
            "price indices of USD for 1995 and 2022; the active price set has USD for 2021 to 2023",
        ),
        (spend(unit="kg"), PRICES, Reason.INCOMPATIBLE_UNIT, "an amount of money, like USD"),
        (
            spend(unit="EUR", inputs={"days": 1.0}),
            PRICES,
            Reason.INCOMPATIBLE_UNIT,
            "an amount of money, like USD, together",
        ),
    ],
)
def test_money_without_a_rate_or_an_index_is_told_which_there_are(
    row: Row, prices: Prices, reason: Reason, expected: str
) -> None:
    told = error(row, priced(prices))
    assert told[:3] == (reason, "unit", row.unit)
    assert told[3].startswith(expected)


def test_a_price_year_without_an_index_is_told() -> None:
    assert error(spend(), priced(price_year=2019))[0] == Reason.NO_PRICE_INDEX


def test_the_price_set_is_named_in_the_result() -> None:
    assert calculate(batch(spend()), priced()).basis.price_set_id == 5
    assert calculate(batch(spend()), TABLE).basis.price_set_id == 0


def test_a_suppliers_own_factor_is_per_the_rows_own_money() -> None:
    assert only(spend(method=1, unit="SEK", inputs={"supplier_factor": 2.0}), priced()) == (2000.0, set())


def test_a_table_with_prices_is_pickled() -> None:
    of = priced()
    copy = pickle.loads(pickle.dumps(of))
    assert copy.prices == of.prices
    assert copy.version == of.version == (7, 5)
    assert only(spend(unit="GBP"), copy) == only(spend(unit="GBP"), of)


def test_a_price_of_a_fuel_is_in_the_spends_own_currency() -> None:
    factors = build_table(
        *(1, "hash"),
        ids=[1],
        keys=["fuel:any"],
        regions=[""],
        years=[2023],
        units=["litre"],
        kg_co2e=[2.5],
        gsd2=[1.05],
        prices=PRICES,
    )
    row = Row(quantity=300, unit="SEK", factor="fuel:any", category=4, method=10, inputs={"fuel_price": 20.0})
    assert calculate(batch(row), factors).emissions.kg_co2e.tolist() == [300 / 20 * 2.5]


MONEY = st.builds(
    Row,
    quantity=st.floats(0.01, 1e6),
    unit=st.sampled_from(["USD", "EUR", "GBP", "kEUR", "CHF", "SEK", "kg"]),
    factor=st.sampled_from(["naics:331110", "grid:electricity", "material:steel"]),
    period=st.integers(day("2021-11-01"), day("2024-02-10")),
    inputs=st.dictionaries(st.sampled_from(["share", "supplier_factor"]), st.floats(0, 1), max_size=1),
)


@given(st.lists(MONEY, max_size=30), st.sampled_from([PRICES, YEARLY, NO_PRICES]), st.sampled_from([0, 2021, 2022]))
def test_a_row_of_money_is_the_same_bits_alone_and_among_others(rows: list[Row], prices: Prices, year: int) -> None:
    factors = priced(prices, year)
    together = _each(calculate(batch(*rows), factors))
    assert together == {number: each[0] for number, row in enumerate(rows) for each in [_each_alone(row, factors)]}


@given(MONEY, st.sampled_from([PRICES, YEARLY]))
def test_a_recalled_row_of_money_gives_the_bits_of_the_kernel(row: Row, prices: Prices) -> None:
    factors = priced(prices)
    calculation = calculate(batch(row), factors)
    if not len(calculation.errors):
        assert plan_of(batch(row), factors).kg_co2e(row.quantity) == calculation.emissions.kg_co2e[0]


def _each_alone(row: Row, factors: FactorTable) -> dict[int, object]:
    return _each(calculate(batch(row), factors))


def _each(calculation: Calculation) -> dict[int, object]:
    emissions, errors = calculation.emissions, calculation.errors
    right = zip(emissions.kg_co2e.tolist(), emissions.notices.tolist(), strict=True)
    wrong = zip(errors.reason, errors.field, errors.expected, strict=True)
    return dict(zip(emissions.row.tolist(), right, strict=True)) | dict(zip(errors.row.tolist(), wrong, strict=True))


CURRENCIES = st.permutations(["USD", "EUR", "GBP", "CHF"])


@given(st.floats(0.01, 1e9), CURRENCIES, st.integers(0, 12))
def test_converting_a_currency_there_and_back_changes_nothing(quantity: float, way: list[str], month: int) -> None:
    there, back = PRICES.rate(way[0], way[1], 2023, month), PRICES.rate(way[1], way[0], 2023, month)
    assert there is not None
    assert back is not None
    assert quantity * there * back == pytest.approx(quantity, rel=1e-12)


@given(st.floats(0.01, 1e9), CURRENCIES)
def test_converting_once_round_all_currencies_changes_nothing(quantity: float, way: list[str]) -> None:
    converted = quantity
    for of, to in zip(way, [*way[1:], way[0]], strict=True):
        rate = PRICES.rate(of, to, 2023)
        assert rate is not None
        converted *= rate
    assert converted == pytest.approx(quantity, rel=1e-12)


@given(quantity=st.floats(0.01, 1e9), year=st.sampled_from([2021, 2022, 2023]), to=st.sampled_from([2021, 2022, 2023]))
def test_deflating_there_and_back_changes_nothing(quantity: float, year: int, to: int) -> None:
    there, back = PRICES.deflator("USD", year, to), PRICES.deflator("USD", to, year)
    assert there is not None
    assert back is not None
    assert quantity * there * back == pytest.approx(quantity, rel=1e-12)


@pytest.mark.parametrize(
    ("inputs", "differs"),
    [
        ({}, False),
        ({"price_basis": 1.0}, False),
        ({"price_basis": 2.0}, True),
        ({"margins": 1.0}, False),
        ({"margins": 2.0}, True),
        ({"price_basis": 1.0, "margins": 2.0}, True),
    ],
)
def test_another_price_basis_than_the_factors_is_told(inputs: dict[str, float], differs: bool) -> None:
    kg_co2e, notices = only(spend(inputs=inputs), table(price_basis="purchaser", margins="with"))
    assert (kg_co2e, Notice.PRICE_BASIS_DIFFERS in notices) == (750.0, differs)
    assert not only(spend(inputs=inputs), TABLE)[1], "a factor without a basis is for any"


def test_a_price_basis_that_does_not_exist_is_refused() -> None:
    for value in (0.0, 1.5, 3.0):
        told = error(spend(inputs={"price_basis": value}), TABLE)
        assert told[:3] == (Reason.OUT_OF_RANGE, "inputs.price_basis", str(value))


def test_years_are_told_as_spans() -> None:
    assert spans([2019, 2021, 2022, 2023, 2023]) == "2019, 2021 to 2023"
    assert spans([]) == "no year"
    assert np.issubdtype(TABLE.lookup.target.dtype, np.int32)
