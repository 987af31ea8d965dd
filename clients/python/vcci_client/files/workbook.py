"""XLSX workbooks, row by row through openpyxl: some 30,000 rows/s; a large sheet is better saved as CSV."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from vcci_client.assemble import Chunk
from vcci_client.errors import FileProblem
from vcci_client.files import objects
from vcci_client.files.texts import named
from vcci_client.mapping import FileFormat


class WorkbookReader:
    """One sheet of a workbook; rows without any value are not rows."""

    sparse = False

    def __init__(self, path: Path, form: FileFormat) -> None:
        self._path = path
        self._header_line = form.header_line
        self._book = _open(path)
        self._sheet = self._book.worksheets[0] if not form.sheet else self._named_sheet(form.sheet)
        self._rows_read = 0
        found = next(self._sheet.iter_rows(self._header_line, self._header_line, values_only=True), ())
        names = ["" if cell is None else str(cell).strip() for cell in found]
        self.header: Sequence[str] = named(names, path, form.header_line)
        self.total_rows: int | None = None
        self._lines = (self._sheet.max_row or 0) - form.header_line  # as the sheet says; some programs leave it out

    def chunks(self, columns: Sequence[str], rows: int) -> Iterator[Chunk]:
        """Yield all rows, formulas as the values that were saved with them."""
        return objects.chunks(self._rows(), columns, rows)

    def fraction_read(self) -> float | None:
        """Return how much was read, 0 to 1; None when the workbook does not say how long it is."""
        return min(self._rows_read / self._lines, 1.0) if self._lines > 0 else None

    def close(self) -> None:
        """Close the file."""
        self._book.close()

    def _rows(self) -> Iterator[objects.Row]:
        for cells in self._sheet.iter_rows(self._header_line + 1, values_only=True):
            self._rows_read += 1
            if any(cell is not None for cell in cells):
                yield dict(zip(self.header, cells, strict=False))

    def _named_sheet(self, name: str) -> Any:
        sheets = {sheet.title: sheet for sheet in self._book.worksheets}
        if name not in sheets:
            raise FileProblem(f"{self._path.name} has no sheet {name!r}; it has {', '.join(sheets)}")
        return sheets[name]


def _open(path: Path) -> openpyxl.Workbook:
    try:
        with warnings.catch_warnings(action="ignore"):  # of styles and the like, which are not read
            return openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, BadZipFile, KeyError, ValueError, OSError) as error:
        raise FileProblem(f"{path.name} is not a workbook that can be read: {error}") from error
