"""A report as a workbook: a first sheet that says what it is, then one sheet per table, with typed cells."""

import io
import re
from collections.abc import Iterable, Mapping

from openpyxl import Workbook
from openpyxl.cell.cell import Cell as SheetCell
from openpyxl.cell.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from vcci_server.report.cells import NUMERIC
from vcci_server.report.model import Cell, CellKind, Column, Highlights, Report, Table

FORMATS: Mapping[CellKind, str] = {
    "text": "@",
    "count": "#,##0",
    "tonnes": "#,##0.000",
    "share": "0.0%",
    "number": "General",
    "date": "yyyy-mm-dd",
}
WIDTHS: Mapping[CellKind, int] = {"text": 34, "count": 11, "tonnes": 16, "share": 12, "number": 16, "date": 12}
BOLD, HEADER = Font(bold=True), PatternFill("solid", fgColor="DCE8E8")
NOT_ALLOWED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # in XML


def write(report: Report) -> bytes:
    """Return the file."""
    book = Workbook(write_only=True)  # rows go to a file: they would take 4 kB each
    _about(report, book.create_sheet("about"))
    for table in report.tables:
        _table(table, book.create_sheet(table.name))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _about(report: Report, sheet: Worksheet) -> None:
    sheet.column_dimensions["A"].width = 36
    sheet.column_dimensions["B"].width = 100
    sheet.append([_cell(sheet, report.title, "text", bold=True)])
    for row in (("Organization", report.subtitle), *report.facts):
        sheet.append([_cell(sheet, text, "text") for text in row])
    for section in report.sections:
        sheet.append([])
        sheet.append([_cell(sheet, section.title, "text", bold=True)])
        for block in section.blocks:
            if isinstance(block, Table):
                sheet.append([_cell(sheet, text, "text") for text in (f"Sheet {block.name}", block.title)])
            elif isinstance(block, Highlights):
                for item in block.items:
                    told = f"{item.value} ({item.detail})"
                    sheet.append([_cell(sheet, text, "text") for text in (item.label, told)])
            elif isinstance(block, str):
                sheet.append([None, _cell(sheet, block, "text")])
    sheet.append([])
    sheet.append([_cell(sheet, "References", "text", bold=True)])
    for source in report.sources:
        sheet.append([None, _cell(sheet, source, "text")])


def _table(table: Table, sheet: Worksheet) -> None:
    for number, column in enumerate(table.columns, 1):
        sheet.column_dimensions[get_column_letter(number)].width = WIDTHS[column.kind]
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(table.columns))}{len(table.rows) + 1}"
    sheet.append([_header(sheet, column) for column in table.columns])
    for row in table.rows:
        sheet.append(_cells(sheet, table, row))
    if table.total:
        sheet.append(_cells(sheet, table, table.total, bold=True))
    if table.note:
        sheet.append([])
        sheet.append([_cell(sheet, table.note, "text", wrap=False)])


def _header(sheet: Worksheet, column: Column) -> SheetCell:
    cell = _cell(sheet, column.title, "text", bold=True)
    cell.fill = HEADER
    cell.alignment = Alignment(horizontal="right" if column.kind in NUMERIC else "left", wrap_text=True)
    return cell


def _cells(sheet: Worksheet, table: Table, row: Iterable[Cell], *, bold: bool = False) -> list[SheetCell]:
    return [_cell(sheet, cell, column.kind, bold=bold) for cell, column in zip(row, table.columns, strict=True)]


def _cell(sheet: Worksheet, value: Cell, kind: CellKind, *, bold: bool = False, wrap: bool = True) -> SheetCell:
    is_text = isinstance(value, str)
    cell = WriteOnlyCell(sheet, NOT_ALLOWED.sub("", value) if isinstance(value, str) else value)  # type: ignore[arg-type]  # dates too
    if is_text:
        cell.data_type = "s"  # a text that begins with = is no formula
        cell.alignment = Alignment(wrap_text=wrap, vertical="top")
    else:
        cell.number_format = FORMATS[kind]
    if bold:
        cell.font = BOLD
    return cell
