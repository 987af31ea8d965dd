"""Price files: the project's own layout, and the ECB's as published."""

from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.errors import InvalidPriceFile
from vcci_server.importers import ecb, prices_csv, starter_prices
from vcci_server.importers.price_record import INDEX, RATE, PriceRecord

HEADER = "kind,currency,base_currency,year,month,value,source_note"
# Lines of eurofxref-hist.csv as the ECB publishes it.
ECB = """Date,USD,JPY,CYP,GBP,
2024-01-03,1.0919,155.45,N/A,0.8639,
2024-01-02,1.0956,155.71,N/A,0.86645,
2023-12-29,1.105,156.33,N/A,0.86905,
2023-12-28,1.1114,156.82,N/A,0.8691,
2007-12-31,1.4721,164.93,0.585274,0.73335,
"""


def problems(data: str) -> list[tuple[str, str]]:
    with pytest.raises(InvalidPriceFile) as caught:
        (ecb.read if data.startswith("Date") else prices_csv.read)(data.encode())
    return [(problem.field, problem.value) for problem in caught.value.problems]


RECORDS = st.builds(
    PriceRecord,
    kind=st.just(RATE),
    currency=st.sampled_from(["USD", "GBP", "JPY"]),
    base_currency=st.just("EUR"),
    year=st.integers(1999, 2030),
    month=st.integers(0, 12),
    value=st.floats(1e-9, 1e30),
    source_note=st.sampled_from(["A", 'quoted, "so"', "Größe"]),
) | st.builds(
    PriceRecord,
    kind=st.just(INDEX),
    currency=st.sampled_from(["USD", "EUR"]),
    base_currency=st.just(""),
    year=st.integers(1999, 2030),
    month=st.just(0),
    value=st.floats(1e-9, 1e30),
    source_note=st.just("A"),
)


@given(st.lists(RECORDS, unique_by=lambda record: record.key))
def test_what_is_written_is_read_back(records: list[PriceRecord]) -> None:
    assert prices_csv.read(prices_csv.write_csv(records)) == records


def test_the_starter_set_is_a_file_of_the_own_layout_in_the_order_of_its_keys() -> None:
    records = prices_csv.read(starter_prices())
    assert records == sorted(records, key=lambda record: record.key)
    assert prices_csv.write_csv(records) == starter_prices()
    years = {(record.kind, record.currency): set[int]() for record in records}
    for record in records:
        years[record.kind, record.currency].add(record.year)
    assert all(set(range(2018, 2025)) <= of for of in years.values())
    assert years[INDEX, "USD"] == years[RATE, "USD"] == set(range(2015, 2027))


def test_the_starter_rates_are_the_yearly_averages_that_the_ecb_publishes() -> None:
    """ECB Data Portal, EXR.A.{currency}.EUR.SP00.A."""
    published = {
        ("USD", 2015): 1.1095,
        ("USD", 2022): 1.0530,
        ("USD", 2023): 1.0813,
        ("USD", 2024): 1.0824,
        ("GBP", 2022): 0.85276,
        ("GBP", 2024): 0.84662,
        ("JPY", 2023): 151.99,
        ("CHF", 2024): 0.9526,
    }
    records = [record for record in prices_csv.read(starter_prices()) if record.kind == RATE]
    rates = {(record.currency, record.year): record.value for record in records}
    assert {key: pytest.approx(rates[key], rel=5e-5) for key in published} == published


def test_reference_rates_are_averaged_by_month_and_year() -> None:
    records = {record.key[1:]: record for record in ecb.read(ECB.encode())}
    assert records["USD", 2024, 1].value == records["USD", 2024, 0].value == fsum([1.0919, 1.0956]) / 2
    assert records["USD", 2023, 12].value == fsum([1.105, 1.1114]) / 2
    assert records["CYP", 2007, 0].value == 0.585274
    assert ("CYP", 2024, 0) not in records
    assert {record.base_currency for record in records.values()} == {"EUR"}
    assert records["JPY", 2024, 1].source_note.endswith("mean of 2 days, 2024-01-02 to 2024-01-03")
    assert {record.key: record.value for record in ecb.read(ECB.replace("\n", "\r\n").encode())} == {
        record.key: record.value for record in records.values()
    }


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("Date,USD\n31.12.2024,1.1\n", [("line 2, column Date", "31.12.2024")]),
        ("Date,USD\n2024-12-31,-1.1\n", [("line 2, column USD", "-1.1")]),
        ("Date,Dollar\n2024-12-31,1.1\n", [("line 2, column Dollar", "1.1")]),
        ("Date,USD\n2024-12-31\n", [("line 2", "1 values")]),
        (f"{HEADER}\nrate,USD,EUR,2024,,1.1,A,B\n", [("line 2", "8 values")]),
        (f"{HEADER}\nrates,USD,EUR,2024,,1.1,A\n", [("line 2, column kind", "rates")]),
        (f"{HEADER}\nindex,USD,EUR,2024,,1.1,A\n", [("line 2, column base_currency", "EUR")]),
        (f"{HEADER}\nrate,USD,EUR,2024,,1.1,A\nrate,USD,EUR,2024,0,1.2,A\n", [("line 3, column currency", "USD")]),
        (f"{HEADER}\nrate,USD,EUR,2024,,1.1,\n", [("line 2, column source_note", "")]),
        (f"{HEADER},rate\n", [("line 1, column rate", "rate")]),
        ("", [("line 1", "")]),
    ],
)
def test_what_is_wrong_in_a_file_is_named(data: str, expected: list[tuple[str, str]]) -> None:
    assert problems(data) == expected
