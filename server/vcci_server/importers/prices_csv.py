"""The project's own price file: one rate or index a line, a source on each (docs/prices.md)."""

import csv
import io
from collections.abc import Iterable

from vcci_engine.currencies import CURRENCIES
from vcci_engine.errors import InvalidPriceFile

from vcci_server.importers.cells import LARGEST
from vcci_server.importers.csv_rows import Row, read_rows
from vcci_server.importers.price_record import KINDS, RATE, PriceRecord
from vcci_server.importers.problems import Problems
from vcci_server.importers.record import TEXT

REQUIRED = ("kind", "currency", "year", "value", "source_note")
OPTIONAL = ("base_currency", "month")
COLUMNS = ("kind", "currency", "base_currency", "year", "month", "value", "source_note")

SMALLEST = 1e-9
_KIND_NAMES = {number: name for name, number in KINDS.items()}
_MONTHS = ("", *map(str, range(13)))


def price_problems() -> Problems:
    """Return an empty collection of the problems of a price file."""
    return Problems(error=InvalidPriceFile)


def read(data: bytes) -> list[PriceRecord]:
    """Return the lines of a file, in its order; raise InvalidPriceFile when any is wrong."""
    problems = price_problems()
    return read_records(read_rows(data, problems, REQUIRED, OPTIONAL), problems)


def read_records(rows: Iterable[Row], problems: Problems) -> list[PriceRecord]:
    """Return the lines of rows in this layout; raise InvalidPriceFile when any is wrong."""
    records: list[PriceRecord] = []
    line_of: dict[object, int] = {}
    base = ""
    for row in rows:
        record = _record(row)
        earlier = line_of.setdefault(record.key, row.line)
        if earlier != row.line:
            expected = f"each kind, currency, year and month once; {problems.place(earlier, '')} has the same"
            problems.add(row.line, "currency", record.currency, expected)
        if record.kind == RATE:
            base = base or record.base_currency
            _check_base(row, record, base)
        records.append(record)
    problems.raise_if_any()
    return records


def write_csv(records: Iterable[PriceRecord]) -> bytes:
    """Return the file that `read` reads back as equal records; the same records give the same bytes."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_cells(record) for record in records)
    return text.getvalue().encode()


def _record(row: Row) -> PriceRecord:
    kind = KINDS.get(row.choice("kind", tuple(KINDS)), RATE)
    currency = "an ISO 4217 code, like USD"
    return PriceRecord(
        kind=kind,
        currency=row.text("currency", CURRENCIES.__contains__, currency),
        base_currency=row.text("base_currency", lambda text: (text in CURRENCIES) is (kind == RATE), _base(kind)),
        year=row.year("year"),
        month=_month(row, kind),
        value=row.number("value", at_least=SMALLEST, at_most=LARGEST),
        source_note=row.text("source_note", TEXT.fullmatch, "where it was published, 1 to 500 characters on one line"),
    )


def _base(kind: int) -> str:
    return "an ISO 4217 code, like EUR" if kind == RATE else "nothing: an index is of one currency"


def _month(row: Row, kind: int) -> int:
    month = row.choice("month", _MONTHS if kind == RATE else _MONTHS[:2])
    return int(month) if month in _MONTHS[1:] else 0


def _check_base(row: Row, record: PriceRecord, base: str) -> None:
    """All rates are per one currency, so that any two convert; that currency has no rate itself."""
    if record.base_currency != base:
        row.problems.add(row.line, "base_currency", record.base_currency, f"the same in each rate: {base}")
    elif record.currency == base:
        row.problems.add(row.line, "currency", record.currency, f"another than the base currency, {base}")


def _cells(record: PriceRecord) -> list[str]:
    month = str(record.month) if record.month else ""
    return [
        *(_KIND_NAMES[record.kind], record.currency, record.base_currency, str(record.year), month),
        *(repr(record.value), record.source_note),
    ]
