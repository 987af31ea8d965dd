"""A report as CSV: the tables one below the other, each with its name and title above it, and an empty line between.

A text that a spreadsheet would take for a formula gets an apostrophe before it.
"""

import csv
import io
from collections.abc import Callable, Iterable

from vcci_server.report.model import Cell, Report, Table

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(report: Report) -> bytes:
    """Return the file."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\r\n")
    lines.writerow(("report", report.title, _safe(report.subtitle)))
    lines.writerows((name, _safe(value)) for name, value in report.facts)
    for table in report.tables:
        lines.writerow(())
        _write(table, lines.writerow)
    return out.getvalue().encode("utf-8-sig")  # with the mark by which spreadsheets know UTF-8


def _write(table: Table, write_row: Callable[[Iterable[Cell]], object]) -> None:
    write_row(("table", table.name, table.title))
    write_row([column.name for column in table.columns])
    for row in table.rows:
        write_row([_safe(cell) for cell in row])
    if table.total:
        write_row([_safe(cell) for cell in table.total])


def _safe(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
