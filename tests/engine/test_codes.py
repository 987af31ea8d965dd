"""Codes of countries and currencies, and the calendar."""

from datetime import date, timedelta

import numpy as np
import pytest
from vcci_engine.countries import ALPHA_2, alpha_2
from vcci_engine.currencies import CURRENCIES
from vcci_engine.dates import (
    DAY_OF_QUARTER,
    EPOCH,
    FIRST_DAY,
    LAST_DAY,
    MONTH,
    QUARTER,
    QUARTER_START,
    YEAR,
    day_index,
)


def test_every_country_has_one_code_of_each_length() -> None:
    assert len(ALPHA_2) == 2 * 249
    assert sorted(code for code in ALPHA_2 if len(code) == 2) == sorted(set(ALPHA_2.values()))
    assert len([code for code in ALPHA_2 if len(code) == 3]) == 249


@pytest.mark.parametrize(
    ("code", "country"),
    [
        ("DE", "DE"),
        ("DEU", "DE"),
        ("deu", "DE"),
        (" us ", "US"),
        ("USA", "US"),
        ("", ""),
        ("XX", None),
        ("Germany", None),
    ],
)
def test_countries_become_alpha_2(code: str, country: str | None) -> None:
    assert alpha_2(code) == country


def test_currencies_are_codes_of_three_capitals() -> None:
    assert {"USD", "EUR", "GBP", "JPY", "CHF", "CNY", "HRK"} <= CURRENCIES
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCIES)
    assert not {"XXX", "XTS", "XAU"} & CURRENCIES


def test_the_calendar_is_the_calendar() -> None:
    assert (EPOCH + timedelta(FIRST_DAY), EPOCH + timedelta(LAST_DAY)) == (date(1990, 1, 1), date(2100, 12, 31))
    for index in range(LAST_DAY - FIRST_DAY + 1):
        day = EPOCH + timedelta(FIRST_DAY + index)
        months = (day.year - 1990) * 12 + day.month - 1
        assert (YEAR[index], MONTH[index], QUARTER[index]) == (day.year, months, months // 3)
        start = EPOCH + timedelta(int(QUARTER_START[QUARTER[index]]))
        assert start == date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
        assert DAY_OF_QUARTER[index] == (day - start).days


def test_days_outside_the_calendar_count_as_the_nearest_inside() -> None:
    days = day_index(np.array([-(2**31), FIRST_DAY, LAST_DAY, 2**31 - 1], np.int32))
    assert days.tolist() == [0, 0, LAST_DAY - FIRST_DAY, LAST_DAY - FIRST_DAY]
