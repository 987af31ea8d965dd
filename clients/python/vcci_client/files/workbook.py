"""XLSX workbooks, row by row through openpyxl: some 30,000 rows/s; a large sheet is better saved as CSV."""

import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from vcci_client.assemble import Chunk
from vcci_client.errors import FileProblem
from vcci_client.files import objects
from vcci_client.files.texts import named
from vcci_client.mapping import FileFormat

# What openpyxl and the modules below it raise for a damaged file; they check little before they use it.
DAMAGED = (
    *(InvalidFileException, BadZipFile, ParseError, zlib.error, OSError, RuntimeError),
    *(AttributeError, EOFError, LookupError, TypeError, ValueError),
)


class WorkbookReader:
    """One sheet of a workbook; rows without any value are not rows."""

    sparse = False

    def __init__(self, path: Path, form: FileFormat) -> None:
        self._path = path
        self._header_line = form.header_line
        self._rows_read = 0
        self.total_rows: int | None = None
        with _readable(path), ExitStack() as opened:
            file = opened.enter_context(path.open("rb"))
            with warnings.catch_warnings(action="ignore"):  # of styles and the like, which are not read
                self._book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            self._sheet = self._book.worksheets[0] if not form.sheet else self._named_sheet(form.sheet)
            found = next(self._sheet.iter_rows(self._header_line, self._header_line, values_only=True), ())
            names = ["" if cell is None else str(cell).strip() for cell in found]
            self.header: Sequence[str] = named(names, path, form.header_line)
            self._lines = (self._sheet.max_row or 0) - form.header_line  # as the sheet says; some programs leave it out
            self._opened = opened.pop_all()

    def chunks(self, columns: Sequence[str], rows: int) -> Iterator[Chunk]:
        """Yield all rows, formulas as the values that were saved with them."""
        return objects.chunks(self._rows(), columns, rows)

    def fraction_read(self) -> float | None:
        """Return how much was read, 0 to 1; None when the workbook does not say how long it is."""
        return min(self._rows_read / self._lines, 1.0) if self._lines > 0 else None

    def close(self) -> None:
        """Close the file."""
        self._book.close()
        self._opened.close()

    def _rows(self) -> Iterator[objects.Row]:
        lines = self._sheet.iter_rows(self._header_line + 1, values_only=True)
        while True:
            with _readable(self._path):
                cells = next(lines, None)
            if cells is None:
                return
            self._rows_read += 1
            if any(cell is not None for cell in cells):
                yield dict(zip(self.header, cells, strict=False))

    def _named_sheet(self, name: str) -> Any:
        sheets = {sheet.title: sheet for sheet in self._book.worksheets}
        if name not in sheets:
            raise FileProblem(f"{self._path.name} has no sheet {name!r}; it has {', '.join(sheets)}")
        return sheets[name]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        raise FileProblem(f"{path.name} is not a workbook that can be read: {error}") from error
