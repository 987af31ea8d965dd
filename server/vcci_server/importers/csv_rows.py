"""CSV files as rows of named cells, which report what they cannot read."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from vcci_server.importers.cells import LARGEST, finite_number
from vcci_server.importers.problems import Problems
from vcci_server.importers.record import MAX_FACTORS

_YEAR = re.compile(r"(19|20|21)\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class Row:
    """Cells by column; a cell that cannot be read is noted in `problems` and read as nothing."""

    line: int
    cells: dict[str, str]
    problems: Problems

    def text(self, column: str, accept: Callable[[str], object], expected: str) -> str:
        """Return the cell, for which `accept` must return something true."""
        value = self._cell(column)
        if not accept(value):
            self._report(column, expected)
        return value

    def choice(self, column: str, choices: Sequence[str]) -> str:
        """Return the cell, one of `choices`."""
        value = self._cell(column)
        if value not in choices:
            self._report(column, "one of " + ", ".join(choice or "nothing" for choice in choices))
        return value

    def number(
        self, column: str, *, at_least: float = -LARGEST, at_most: float = LARGEST, if_empty: float | None = None
    ) -> float:
        """Return the cell as a finite number."""
        value = self._cell(column)
        if not value and if_empty is not None:
            return if_empty
        number = finite_number(value)
        if number is None or not at_least <= number <= at_most:
            self._report(column, f"a number from {at_least:g} to {at_most:g}, with a decimal point")
        return 0.0 if number is None else number

    def year(self, column: str, if_empty: int | None = None) -> int:
        """Return the cell as a year from 1900 to 2199."""
        value = self._cell(column)
        if not value and if_empty is not None:
            return if_empty
        if not _YEAR.fullmatch(value):
            self._report(column, "a year, like 2024")
            return 0
        return int(value)

    def _cell(self, column: str) -> str:
        return self.cells.get(column, "")

    def _report(self, column: str, expected: str) -> None:
        self.problems.add(self.line, column, self._cell(column), expected)


def read_rows(
    data: bytes, problems: Problems, required: Sequence[str], optional: Sequence[str] | None = None
) -> Iterator[Row]:
    """Yield the rows below the header; `optional` None means that any further columns are ignored.

    UTF-8, with or without a byte order mark. Blank lines are left out. A wrong header raises InvalidFactorFile at once.
    """
    lines = _lines(data, problems)
    first = next(lines, None)
    if first is None:
        problems.fail(1, "", "", "a header: " + ",".join(required))
    line, header = first
    _check_header(line, header, problems, required, optional)
    for line, cells in lines:
        if len(cells) == len(header):
            yield Row(line, dict(zip(header, cells, strict=True)), problems)
        else:
            problems.add(line, "", f"{len(cells)} values", f"{len(header)} values, as in the header")


def _lines(data: bytes, problems: Problems) -> Iterator[tuple[int, list[str]]]:
    _check_encoding(data, problems)
    # Decoded as it is read: StringIO takes four bytes a character.
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline=""), strict=True)
    try:
        for cells in reader:
            if reader.line_num > MAX_FACTORS:
                problems.fail(reader.line_num, "", str(reader.line_num), f"at most {MAX_FACTORS} lines")
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield reader.line_num, stripped
    except csv.Error as error:
        problems.fail(reader.line_num, "", str(error), "comma-separated values, quotes doubled inside quotes")


def _check_encoding(data: bytes, problems: Problems) -> None:
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problems.fail(line, "", repr(data[error.start : error.end]), "text in UTF-8")


def _check_header(
    line: int, header: Sequence[str], problems: Problems, required: Sequence[str], optional: Sequence[str] | None
) -> None:
    known = [*required, *(optional or ())]
    for column in required:
        if column not in header:
            problems.add(line, column, ",".join(header), "a column of this name")
    for index, column in enumerate(header):
        if column in header[:index]:
            problems.add(line, column, column, "each column once")
        elif optional is not None and column not in known:
            problems.add(line, column, column, _suggestion(column, known))
    problems.raise_if_any()


def _suggestion(column: str, known: Sequence[str]) -> str:
    close = get_close_matches(column.lower(), known, n=1)
    return f"{close[0]}, perhaps" if close else "one of " + ", ".join(known)
