"""Cells to texts, numbers and days."""

from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vcci_client.cells import cell_text, days, distinct, numbers, texts
from vcci_client.reading import dates

CANDIDATES = st.one_of(
    st.floats(allow_nan=True).map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.text("0123456789+-.,eE xnaif_'", max_size=8),
    st.sampled_from(["nan", "NaN", "inf", "-Infinity", "+.5", "1.", ".", "", " 1 ", "1e5", "0x10", "1_000", "\u0661"]),
)


@settings(deadline=None)
@given(st.lists(CANDIDATES, min_size=1, max_size=20))
def test_a_number_is_read_the_same_beside_right_and_beside_wrong_ones(cells: list[str]) -> None:
    alone = [numbers(pa.array([cell])) for cell in cells]
    together = numbers(pa.array([*cells, "no number"]))
    np.testing.assert_array_equal([found.values[0] for found in alone], together.values[:-1])
    assert [bool(found.wrong[0]) for found in alone] == together.wrong[:-1].tolist()
    assert [bool(found.missing[0]) for found in alone] == together.missing[:-1].tolist()


def test_numbers_of_any_type_are_read() -> None:
    for array in (pa.array([1, None]), pa.array([1.0, None]), pa.array([Decimal("1.00"), None]), pa.array(["1", None])):
        found = numbers(array)
        assert found.values[0] == 1.0
        assert found.missing.tolist() == [False, True]
        assert not found.wrong.any()
    assert numbers(pa.array(["1", "1", "2"]).dictionary_encode()).values.tolist() == [1, 1, 2]


def test_a_column_that_cannot_hold_numbers_is_wrong_where_it_is_not_empty() -> None:
    assert numbers(pa.array([date(2024, 1, 1), None])).wrong.tolist() == [True, False]
    assert numbers(pa.array([True, None])).wrong.tolist() == [True, False]
    assert numbers(pa.nulls(2)).missing.tolist() == [True, True]


@pytest.mark.parametrize(
    ("text", "decimal", "thousands", "expected"),
    [
        ("1.234,5", ",", ".", 1234.5),
        ("1234,5", ",", ".", 1234.5),
        ("1,234,567.89", ".", ",", 1234567.89),
        ("-1 234,50", ",", " ", -1234.5),
        ("1'234.5", ".", "'", 1234.5),
        ("12,34,567.5", ".", ",", 1234567.5),
        ("1,5", ",", "", 1.5),
        ("1e3", ",", ".", 1000.0),
    ],
)
def test_numbers_are_read_as_the_file_writes_them(text: str, decimal: str, thousands: str, expected: float) -> None:
    found = numbers(pa.array([text]), decimal=decimal, thousands=thousands)
    assert found.values.tolist() == [expected]


@pytest.mark.parametrize(
    ("text", "decimal", "thousands"),
    [
        ("1,5", ".", ","),
        ("1.5", ",", ""),
        ("1,50,3", ".", ","),
        ("1,2,3", ",", ""),
        ("1.23,4", ",", "."),
        (",", ",", ""),
    ],
)
def test_a_sign_in_the_wrong_place_makes_no_other_number(text: str, decimal: str, thousands: str) -> None:
    found = numbers(pa.array([text]), decimal=decimal, thousands=thousands)
    assert found.wrong.tolist() == [True]
    assert np.isnan(found.values[0])


def test_texts_lose_the_blanks_around_them_and_nulls_are_empty() -> None:
    for array in (pa.array([" a", None, "a", ""]), pa.array([" a", None, "a", ""]).dictionary_encode()):
        column = texts(array)
        assert [column.entries[entry] for entry in column.index] == ["a", "", "a", ""]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (331110.0, "331110"),
        (1.5, "1.5"),
        (7, "7"),
        (datetime(2024, 1, 5), "2024-01-05"),
        (datetime(2024, 1, 5, 12, 30), "2024-01-05T12:30:00"),
        (date(2024, 1, 5), "2024-01-05"),
        (None, ""),
        (" x ", "x"),
    ],
)
def test_a_value_of_any_type_is_the_text_that_a_csv_file_would_have(value: object, expected: str) -> None:
    assert cell_text(value) == expected


def test_days_come_from_dates_timestamps_and_texts() -> None:
    read = dates(("%Y-%m-%d",))
    for array in (
        pa.array([date(1970, 1, 2), None]),
        pa.array([datetime(1970, 1, 2, 23), None]),
        pa.array(["1970-01-02", None]),
    ):
        found, wrong = days(array, read)
        assert found.tolist() == [1, 0]
        assert wrong.tolist() == [False, True]


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from("abc")] * 3), min_size=1, max_size=30))
def test_distinct_rows_and_the_index_give_the_rows_back(rows: list[tuple[str, str, str]]) -> None:
    columns, index = distinct([texts(pa.array(list(column))) for column in zip(*rows, strict=True)])
    entries = list(zip(*columns, strict=True))
    assert [entries[entry] for entry in index] == rows
    assert len(set(entries)) == len(entries)
