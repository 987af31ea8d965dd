"""Cells of a column to texts, numbers and days, whatever type the file gave the column.

Columns are Arrow arrays of N cells. What cannot be read is told by a mask, never by an exception: one bad cell costs
one row. Texts are looked at once each: a column of a batch has few different ones.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vcci_client.activities import DayArray, Dictionary, FloatArray, IndexArray

BoolArray = npt.NDArray[np.bool_]

# What Arrow's cast to double takes; a test compares them.
NUMBER = r"^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?i:nan|inf|infinity))$"


@dataclass(frozen=True, slots=True)
class Numbers:
    """N numbers; NaN where `missing` (the cell is empty) or `wrong` (it is no number)."""

    values: FloatArray
    missing: BoolArray
    wrong: BoolArray


def texts(array: pa.Array) -> Dictionary:
    """Return a column's texts without the blanks around them; an empty cell is the text ""."""
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    entries = _entries(encoded.dictionary)
    indices = encoded.indices
    if indices.null_count:
        indices = indices.fill_null(len(entries))
        entries.append("")
    return Dictionary(entries, _ints(indices).view(np.uint32))


def _entries(values: pa.Array) -> list[str]:
    if _is_text(values.type):
        return list(pc.utf8_trim_whitespace(values.fill_null("")).to_pylist())
    return [cell_text(value) for value in values.to_pylist()]


def cell_text(value: object) -> str:
    """Return a cell's value as it would stand in a CSV file: codes read as numbers lose their `.0`."""
    if isinstance(value, str):
        return value.strip()
    if value is None or value != value:  # NaN, which pandas has for an empty cell
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return (value.date() if value.time() == value.time().min else value).isoformat()
    return value.isoformat() if isinstance(value, date) else str(value).strip()


def numbers(array: pa.Array, *, decimal: str = ".", thousands: str = "") -> Numbers:
    """Return a column's numbers."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return numbers(array.dictionary_decode(), decimal=decimal, thousands=thousands)
    if _is_text(kind):
        return _parsed_numbers(array, decimal, thousands)
    missing = _missing(array)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return Numbers(_floats(array.cast(pa.float64(), safe=False)), missing, np.zeros(len(array), np.bool_))
    return Numbers(np.full(len(array), np.nan), missing, ~missing)


def _parsed_numbers(array: pa.Array, decimal: str, thousands: str) -> Numbers:
    if decimal == "." and not thousands:
        with suppress(pa.ArrowInvalid):  # texts that are all numbers as they are, or empty
            return Numbers(_floats(array.cast(pa.float64())), _missing(array), np.zeros(len(array), np.bool_))
    cells = pc.utf8_trim_whitespace(array.fill_null(""))
    empty = pc.equal(cells, "")
    cells = pc.if_else(empty, None, _in_plain_form(cells, decimal, thousands))
    values = pc.if_else(pc.match_substring_regex(cells, NUMBER), cells, None).cast(pa.float64())
    missing = _bools(empty)
    return Numbers(_floats(values), missing, _bools(values.is_null()) & ~missing)


def _missing(array: pa.Array) -> BoolArray:
    return _bools(array.is_null()) if array.null_count else np.zeros(len(array), np.bool_)


def _in_plain_form(cells: pa.Array, decimal: str, thousands: str) -> pa.Array:
    """Return numbers written `1.234,5` as `1234.5`; separators that do not part thousands make no number."""
    if thousands:
        sign, point = _escaped(thousands), _escaped(decimal)
        grouped = pc.match_substring_regex(cells, rf"^[+-]?\d{{1,3}}(?:{sign}\d{{2,3}})*{sign}\d{{3}}(?:{point}\d*)?$")
        cells = pc.if_else(grouped, pc.replace_substring(cells, thousands, ""), cells)
    if decimal != ".":
        other = pc.match_substring(cells, ".")
        cells = pc.if_else(other, "no number", pc.replace_substring(cells, decimal, ".", max_replacements=1))
    return cells


def _escaped(character: str) -> str:
    return f"[{character}]" if character not in "\\]^" else f"\\{character}"


def parsed(column: Dictionary, read: Callable[[str], int | None]) -> tuple[npt.NDArray[np.int64], BoolArray]:
    """Read each text as an integer; return the N integers, and which of them could not be read (and are 0)."""
    found = [read(text) for text in column.entries]
    values = np.array([value or 0 for value in found], np.int64).take(column.index)
    if None not in found:
        return values, np.zeros(len(values), np.bool_)
    return values, np.array([value is None for value in found], np.bool_).take(column.index)


def days(array: pa.Array, read: Callable[[str], int | None]) -> tuple[DayArray, BoolArray]:
    """Return a column's dates as days since 1970-01-01, and which could not be read (and are 0)."""
    if pa.types.is_date(array.type) or pa.types.is_timestamp(array.type):
        dates = array.cast(pa.date32(), safe=False)
        return _ints(dates.cast(pa.int32()).fill_null(0)), _missing(array)
    values, wrong = parsed(texts(array), read)
    return values.astype(np.int32), wrong


def distinct(columns: Sequence[Dictionary]) -> tuple[list[list[str]], IndexArray]:
    """Return the different rows of some text columns, column by column, and each row's index into them."""
    index = np.zeros(len(columns[0].index), np.uint32)
    for column in columns:
        if len(column.entries) > 1:
            pairs = index.astype(np.int64) * len(column.entries) + column.index
            index = _ints(_arrow(pairs, pa.int64()).dictionary_encode().indices).view(np.uint32)
    row = np.empty(int(index.max(initial=0)) + 1 if len(index) else 0, np.intp)
    row[index] = np.arange(len(index))  # a row that has each of them
    return [_taken(column.entries, column.index[row]) for column in columns], index


def _taken(entries: Sequence[str], index: IndexArray) -> list[str]:
    return [entries[entry] for entry in index.tolist()]


def encoded(column: Dictionary) -> pa.Array:
    """Return a column of texts as an Arrow array."""
    index = _arrow(np.ascontiguousarray(column.index), pa.int32())
    return pa.DictionaryArray.from_arrays(index, pa.array(column.entries, pa.string()))


def _arrow(values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Return the array as Arrow's without a copy; pa.array() would import numpy.ma, which takes longer than a batch."""
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _bools(array: pa.Array) -> BoolArray:
    return np.asarray(array.to_numpy(zero_copy_only=False), np.bool_)


def _floats(array: pa.Array) -> FloatArray:
    return np.asarray(array.to_numpy(zero_copy_only=False), np.float64)


def _ints(array: pa.Array) -> npt.NDArray[np.int32]:
    return np.asarray(array.to_numpy(zero_copy_only=False), np.int32)
