"""The columns of a file, through a mapping, as Activities."""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from vcci_client import reading
from vcci_client.activities import (
    Activities,
    DayArray,
    Dictionary,
    FloatArray,
    IndexArray,
    Input,
    Unreadable,
    sliced_cells,
)
from vcci_client.cells import BoolArray, Numbers, days, distinct, encoded, numbers, parsed, texts
from vcci_client.fields import INPUTS, MAX_BYTES, MAX_BYTES_ELSE, SCORES, wire_name
from vcci_client.mapping import Mapping, Template

_EMPTY = Template(("",), ())


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a file: the columns that the mapping reads, of N cells each."""

    columns: Map[str, pa.Array]
    rows: int
    unreadable: tuple[Unreadable, ...] = ()  # rows that are wrong as a whole; they are empty in every column

    def split(self, rows: int) -> "Iterator[Chunk]":
        """Yield the chunk in parts of at most `rows` rows, of about the same size."""
        parts = -(-self.rows // rows)
        for part in range(parts):
            start, stop = self.rows * part // parts, self.rows * (part + 1) // parts
            columns = {name: column.slice(start, stop - start) for name, column in self.columns.items()}
            yield Chunk(columns, stop - start, sliced_cells(self.unreadable, start, stop))


class Assembler:
    """Makes Activities of the chunks of one file."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._read_date = reading.dates(mapping.format.date_formats)
        self._date_expected = reading.dates_expected(mapping.format.date_formats)

    def activities(self, chunk: Chunk) -> Activities:
        """Return the rows of a chunk: N in, N out, whatever is in them."""
        cells = _Cells(self._mapping, chunk)
        suppliers, index = distinct([cells.text(name) for name in ("supplier_code", "supplier_name", "country")])
        codes, names, countries = suppliers
        return Activities(
            supplier=Dictionary(codes, index),
            names=names if any(names) else (),
            countries=countries if any(countries) else (),
            category=cells.index("category", reading.category, reading.CATEGORY_EXPECTED),
            period=cells.days("reporting_period", self._read_date, self._date_expected),
            quantity=cells.quantity(),
            unit=cells.text("unit"),
            method=_unless_zero(cells.index("method", reading.method, reading.METHOD_EXPECTED)),
            factor=_unless_empty(cells.text("factor")),
            quality=_unless_zero(_quality(cells)),
            group=_unless_empty(cells.text("group")),
            references=_per_row(_unless_empty(cells.text("reference"))),
            inputs={name: column for name in INPUTS if (column := cells.input(name)) is not None},
            unreadable=cells.unreadable,
        )


class _Cells:
    """The fields of one chunk. Cells that cannot be read are noted, the first of each row."""

    def __init__(self, mapping: Mapping, chunk: Chunk) -> None:
        self._mapping = mapping
        self._chunk = chunk
        self._unreadable = {cell.row: cell for cell in chunk.unreadable}

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        return tuple(self._unreadable[row] for row in sorted(self._unreadable))

    def text(self, field: str) -> Dictionary:
        """Return a field's texts; one that the server could not store is noted and emptied."""
        column = texts(self._array(field))
        if table := self._mapping.values.get(field):
            column = Dictionary([table.get(text, text) for text in column.entries], column.index)
        limit = MAX_BYTES.get(field, MAX_BYTES_ELSE)
        if _are_storable(column.entries, limit):
            return column
        wrong = np.array([len(text.encode()) > limit or "\0" in text for text in column.entries], np.bool_)
        self._note(field, wrong[column.index], f"a text of at most {limit} bytes, without NUL")
        kept = ["" if bad else text for text, bad in zip(column.entries, wrong.tolist(), strict=True)]
        return Dictionary(kept, column.index)

    def index(self, field: str, read: Callable[[str], int | None], expected: str) -> IndexArray:
        """Return a field whose texts stand for numbers."""
        values, wrong = parsed(self.text(field), read)
        self._note(field, wrong, expected)
        return values.astype(np.uint32)

    def days(self, field: str, read: Callable[[str], int | None], expected: str) -> DayArray:
        """Return a field of dates as days since 1970-01-01."""
        values, wrong = days(self._array(field), read)
        self._note(field, wrong, expected)
        return values

    def quantity(self) -> FloatArray:
        """Return the quantities; NaN where there is none."""
        column = self._numbers("quantity")
        self._note("quantity", column.wrong | column.missing, "a number")
        return column.values

    def input(self, field: str) -> Input | None:
        """Return a further input; None when no row has it."""
        if field not in self._mapping.fields:
            return None
        column = self._numbers(field)
        self._note(field, column.wrong, "a number, or nothing")
        if not column.missing.any():
            return Input(column.values)
        rows = np.flatnonzero(~column.missing).astype(np.uint32)
        return Input(column.values[rows], rows) if len(rows) else None

    def _numbers(self, field: str) -> Numbers:
        form = self._mapping.format
        return numbers(self._array(field), decimal=form.decimal, thousands=form.thousands)

    def _array(self, field: str) -> pa.Array:
        """Return the field's cells: its template, filled with the columns."""
        template = self._mapping.fields.get(field, _EMPTY)
        if template.is_column:
            return self._chunk.columns[template.columns[0]]
        if not template.columns:
            return encoded(Dictionary([template.literals[0]], np.zeros(self._chunk.rows, np.uint32)))
        columns, index = distinct([texts(self._chunk.columns[column]) for column in template.columns])
        return encoded(Dictionary([template.fill(entry) for entry in zip(*columns, strict=True)], index))

    def _note(self, field: str, wrong: BoolArray, expected: str) -> None:
        if not wrong.any():
            return
        found = texts(self._array(field))
        for row in np.flatnonzero(wrong).tolist():
            value = shortened(found.entries[found.index[row]])
            self._unreadable.setdefault(row, Unreadable(row, wire_name(field), value, shortened(expected)))


def _are_storable(texts: Sequence[str], limit: int) -> bool:
    """Whether all can be stored, at a glance; a character is at most four bytes."""
    return max(map(len, texts), default=0) * 4 <= limit and "\0" not in "".join(texts)


def shortened(text: str) -> str:
    """Return as much of a text as an error may carry."""
    return text.encode()[:MAX_BYTES_ELSE].decode(errors="ignore").replace("\0", "\\0")[:MAX_BYTES_ELSE]


def _quality(cells: _Cells) -> IndexArray:
    quality = cells.index(SCORES[0], reading.score, reading.SCORE_EXPECTED)
    for score in SCORES[1:]:
        quality = quality << np.uint32(4) | cells.index(score, reading.score, reading.SCORE_EXPECTED)
    return quality


def _unless_zero(column: IndexArray) -> IndexArray | None:
    return column if column.any() else None


def _unless_empty(column: Dictionary) -> Dictionary | None:
    return column if any(column.entries) else None


def _per_row(column: Dictionary | None) -> list[str]:
    return [column.entries[entry] for entry in column.index.tolist()] if column else []
