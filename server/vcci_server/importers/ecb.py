"""The ECB's euro foreign exchange reference rates, eurofxref-hist.csv as published, averaged by month and year.

A row is a day, newest first; a column is a currency, in units per euro; `N/A` where there was no rate. The average of a
month or a year that is not over is that of its days in the file: its source says which.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from math import fsum

from vcci_engine.currencies import CURRENCIES

from vcci_server.importers.cells import finite_number
from vcci_server.importers.csv_rows import Row, read_rows
from vcci_server.importers.price_record import RATE, PriceRecord
from vcci_server.importers.prices_csv import price_problems

BASE = "EUR"
_NONE = ("", "N/A")

Days = Sequence[tuple[date, float]]


def read(data: bytes) -> list[PriceRecord]:
    """Return the averages of a file; raise InvalidPriceFile when any line is wrong."""
    problems = price_problems()
    days: dict[tuple[str, int, int], list[tuple[date, float]]] = defaultdict(list)
    # Each line of the file ends in a comma.
    for row in read_rows(data.replace(b",\r\n", b"\n").replace(b",\n", b"\n"), problems, ("Date",)):
        day = _day(row)
        for currency, value in _rates(row):
            days[currency, day.year, 0].append((day, value))
            days[currency, day.year, day.month].append((day, value))
    problems.raise_if_any()
    return [_average(*key, of) for key, of in days.items()]


def _average(currency: str, year: int, month: int, days: Days) -> PriceRecord:
    first, last = min(days)[0], max(days)[0]
    value = fsum(value for _, value in days) / len(days)
    note = (
        f"ECB, euro foreign exchange reference rates, eurofxref-hist.csv, mean of {len(days)} days, {first} to {last}"
    )
    return PriceRecord(RATE, currency, BASE, year, month, value, note)


def _day(row: Row) -> date:
    return _date(row.text("Date", _date, "a day, like 2024-12-31")) or date.min


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _rates(row: Row) -> Iterator[tuple[str, float]]:
    """The rates of a day."""
    for column, text in row.cells.items():
        if column == "Date" or text in _NONE:
            continue
        value = finite_number(text)
        if column not in CURRENCIES or column == BASE:
            row.problems.add(row.line, column, text, "a column that is called by an ISO 4217 code, other than EUR")
        elif value is None or value <= 0:
            row.problems.add(row.line, column, text, "a rate above 0, or N/A")
        else:
            yield column, value
