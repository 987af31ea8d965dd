"""What a cell's text means."""

from datetime import date

import pytest
from vcci_client import reading
from vcci_client.fields import MAX_BYTES_ELSE
from vcci_client.mapping import DATE_FORMATS

EPOCH = date(1970, 1, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6", 6),
        ("6.0", 6),
        ("06", 6),
        ("business travel", 6),
        ("Business_Travel", 6),
        ("Purchased Goods and Services", 1),
        ("16", 16),
        ("", 0),
        ("1.5", None),
        ("-1", None),
        ("travel", None),
        ("99999999999", None),
    ],
)
def test_a_category_is_a_number_or_a_name(text: str, expected: int | None) -> None:
    assert reading.category(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("spend_based", 3), ("Spend-based", 3), ("average data", 2), ("PCAF mortgages", 46), ("", 0), ("guess", None)],
)
def test_a_method_is_a_name(text: str, expected: int | None) -> None:
    assert reading.method(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("1", 1), ("5", 5), ("7", 7), ("", 0), ("16", None), ("x", None)])
def test_a_score_is_one_digit(text: str, expected: int | None) -> None:
    assert reading.score(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-09", date(2024, 3, 9)),
        ("2024-Q1", date(2024, 1, 1)),
        ("2024-Q4", date(2024, 10, 1)),
        ("1887-03-01", date(1887, 3, 1)),
        ("2024-Q5", None),
        ("2024-Q12", None),
        ("2024-02-30", None),
        ("2024-03-09T00:00:00", None),
        ("", None),
    ],
)
def test_our_own_dates_are_days_and_quarters(text: str, expected: date | None) -> None:
    assert reading.dates(DATE_FORMATS)(text) == (None if expected is None else (expected - EPOCH).days)


def test_the_first_format_that_reads_a_date_counts() -> None:
    assert reading.dates(("%m/%d/%y", "%d/%m/%y"))("4/5/22") == (date(2022, 4, 5) - EPOCH).days
    assert reading.dates(("%m/%d/%y", "%d/%m/%y"))("13/5/22") == (date(2022, 5, 13) - EPOCH).days


def test_people_are_told_how_dates_are_written() -> None:
    assert reading.dates_expected(DATE_FORMATS) == "a date as YYYY-MM-DD or YYYY-Qn"


@pytest.mark.parametrize("expected", [reading.CATEGORY_EXPECTED, reading.METHOD_EXPECTED, reading.SCORE_EXPECTED])
def test_what_was_expected_is_short_enough_to_travel(expected: str) -> None:
    assert len(expected.encode()) <= MAX_BYTES_ELSE
