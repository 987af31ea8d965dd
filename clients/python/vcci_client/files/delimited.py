"""CSV files, through Arrow's reader: blocks of columns, never a row at a time."""

import csv
import json
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from vcci_client.activities import Unreadable
from vcci_client.assemble import Chunk, shortened
from vcci_client.errors import FileProblem
from vcci_client.files.texts import TextFile, check_text, named
from vcci_client.mapping import FileFormat

SAMPLE_BYTES = 64 << 10
SMALLEST_BLOCK_BYTES = 1 << 20  # a row must fit
LARGEST_BLOCK_BYTES = 16 << 20


class DelimitedReader:
    """A CSV file with a header; a quoted cell may hold line ends."""

    sparse = False
    total_rows: int | None = None

    def __init__(self, path: Path, form: FileFormat, delimiter: str) -> None:
        self._path = path
        self._form = form
        self._delimiter = delimiter
        if not check_text(path, form.encoding):
            self._check_quotes()
        self._file = TextFile(path)
        self.header: Sequence[str]
        self.header, self._header_lines = self._read_header()

    def chunks(self, columns: Sequence[str], rows: int) -> Iterator[Chunk]:
        """Yield all rows; one that has too few or too many cells is unreadable as a whole."""
        ragged = _Ragged(self._header_lines, len(self.header))
        try:
            for batch in self._open(columns, rows, ragged):
                yield from ragged.woven(batch).split(rows)
        except pa.ArrowInvalid as error:
            raise FileProblem(f"{self._path.name}: {error}") from None
        yield from ragged.rest(columns).split(rows)

    def fraction_read(self) -> float | None:
        """Return how much was read, 0 to 1."""
        return self._file.fraction_read()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _open(self, columns: Sequence[str], rows: int, ragged: "_Ragged") -> Iterator[pa.RecordBatch]:
        parse = pa.csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True, invalid_row_handler=ragged.note)
        read = pa.csv.ReadOptions(
            block_size=self._block_bytes(rows),
            encoding=self._form.encoding,
            skip_rows=self._header_lines,
            column_names=list(self.header),
            use_threads=False,  # with threads a ragged row does not know its number
        )
        convert = pa.csv.ConvertOptions(
            include_columns=list(columns),
            column_types=dict.fromkeys(columns, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
        )
        yield from pa.csv.open_csv(self._file.stream(), read, parse, convert)

    def _block_bytes(self, rows: int) -> int:
        """Return how much to read at a time, so that a block makes about one batch of `rows` rows, and not more."""
        sample: bytes = self._file.stream().read(SAMPLE_BYTES)
        wanted = rows * len(sample) // max(sample.count(b"\n"), 1) * 9 // 10
        return min(max(wanted, SMALLEST_BLOCK_BYTES), LARGEST_BLOCK_BYTES)

    def _read_header(self) -> tuple[list[str], int]:
        """Return the names of the columns, and how many lines stand before the first row."""
        text = self._file.text(self._form.encoding)
        for _ in range(self._form.header_line - 1):
            text.readline()
        lines = csv.reader(text, delimiter=self._delimiter)
        header = named([name.strip() for name in next(lines, [])], self._path, self._form.header_line)
        self._check_delimiter(header)
        return header, self._form.header_line - 1 + lines.line_num

    def _check_delimiter(self, header: Sequence[str]) -> None:
        others = [sign for sign in ";\t,|" if sign != self._delimiter and sign in header[0]]
        if len(header) == 1 and others:
            raise FileProblem(
                f"{self._path.name} has one column, {header[0]!r}: its delimiter seems to be {others[0]!r}. "
                f"Say delimiter = {json.dumps(others[0])} under [file] of a mapping (--map)."
            )

    def _check_quotes(self) -> None:
        """Raise FileProblem when a quote is never closed: all rows behind it would be one cell."""
        file = TextFile(self._path)
        end = "\n", "end of file\n"
        rows = csv.reader(chain(file.text(self._form.encoding), end), delimiter=self._delimiter)
        last, start, line = [""], 1, 1
        try:
            for row in rows:
                last, start, line = row, line, rows.line_num + 1
        except csv.Error:  # a cell of more than 128 KiB
            last, start = [""], line
        finally:
            file.close()
        if last != ["end of file"]:
            raise FileProblem(f"{self._path.name}: line {start:,} opens a quote that is never closed")


class _Ragged:
    """The rows that have too few or too many cells: Arrow skips them, and here they are put back, empty."""

    def __init__(self, header_lines: int, width: int) -> None:
        self._header_lines = header_lines
        self._expected = f"{width} cells"
        self._found: deque[tuple[int, str]] = deque()
        self._next_row = 0

    def note(self, row: Any) -> str:
        """Take note of an invalid row (Arrow's handler)."""
        text = f"{row.actual_columns} cells: {row.text}"
        self._found.append((row.number - 1 - self._header_lines, text))
        return "skip"

    def woven(self, batch: pa.RecordBatch) -> Chunk:
        """Return the batch with the invalid rows at their places."""
        sources: list[int | None] = []
        unreadable = []
        for source in range(batch.num_rows) if self._is_next_within(batch.num_rows) else ():
            unreadable += self._invalid_here(sources)
            sources.append(source)
            self._next_row += 1
        if not unreadable:
            self._next_row += batch.num_rows - len(sources)
            return Chunk(dict(zip(batch.schema.names, batch.columns, strict=True)), batch.num_rows)
        taken = batch.take(pa.array(sources, pa.int64()))
        return Chunk(dict(zip(taken.schema.names, taken.columns, strict=True)), len(sources), tuple(unreadable))

    def rest(self, columns: Sequence[str]) -> Chunk:
        """Return the invalid rows behind the last valid one."""
        sources: list[int | None] = []
        unreadable = tuple(self._invalid_here(sources))
        return Chunk({name: pa.nulls(len(sources), pa.string()) for name in columns}, len(sources), unreadable)

    def _is_next_within(self, rows: int) -> bool:
        return bool(self._found) and self._found[0][0] < self._next_row + rows

    def _invalid_here(self, sources: list[int | None]) -> list[Unreadable]:
        found = []
        while self._found and self._found[0][0] == self._next_row:
            _, text = self._found.popleft()
            found.append(Unreadable(len(sources), "", shortened(text), self._expected))
            sources.append(None)
            self._next_row += 1
        return found
