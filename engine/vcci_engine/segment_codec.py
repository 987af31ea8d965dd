"""The form of a segment: columns as bytes, little-endian, and how they are read back.

strings  n end offsets (u4) within the text, then the text (UTF-8)
inputs   u1 count; for each: u1 length of the name, the name, u4 number of values; when fewer than n a bit per row
         (lowest first, ceil(n / 8) bytes) that says which rows have it; the values (f8)
totals   records of category u1, method u1, rows u4, micrograms as high i8 x 2^32 + low u4
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import InputColumn

Buffer = bytes | memoryview

COLUMNS: tuple[tuple[str, np.dtype[Any]], ...] = (
    ("row", np.dtype("<u4")),
    ("supplier", np.dtype("<i4")),
    ("category", np.dtype("u1")),
    ("method", np.dtype("u1")),
    ("period", np.dtype("u1")),
    ("quantity", np.dtype("<f8")),
    ("unit", np.dtype("<u2")),
    ("factor", np.dtype("<u4")),
    ("quality", np.dtype("<u2")),
    ("kg_co2e", np.dtype("<f8")),
    ("sigma", np.dtype("<f4")),
    ("notices", np.dtype("<u2")),
)

DTYPE: Mapping[str, np.dtype[Any]] = dict(COLUMNS)
TOTALS = np.dtype([("category", "u1"), ("method", "u1"), ("rows", "<u4"), ("high", "<i8"), ("low", "<u4")])
_OFFSET = np.dtype("<u4")
_VALUE = np.dtype("<f8")
_BASE = 0x9E37_79B9_7F4A_7C15  # odd: it has an inverse modulo 2^64
_INVERSE = pow(_BASE, -1, 1 << 64)


@dataclass(frozen=True, slots=True)
class Segment:
    """Some thousand emissions of one quarter, sorted by supplier and row."""

    quarter: int  # first day of the quarter, days since 1970-01-01
    n: int
    supplier_min: int
    supplier_max: int
    row_min: int
    row_max: int
    ug_co2e: int  # micrograms, exact
    units: tuple[str, ...]  # dictionary of the column unit
    totals: bytes
    input_hash: bytes  # as input_hash.py makes it
    columns: Mapping[str, Buffer]  # by the names of COLUMNS; period is days since the first day of the quarter
    group: bytes | None = None  # strings
    reference: bytes | None = None  # strings
    inputs: bytes | None = None

    def __reduce__(self) -> tuple[object, ...]:
        columns = {name: bytes(column) for name, column in self.columns.items()}  # a memoryview cannot be pickled
        bounds = (self.quarter, self.n, self.supplier_min, self.supplier_max, self.row_min, self.row_max)
        header = (*bounds, self.ug_co2e, self.units, self.totals, self.input_hash)
        return Segment, (*header, columns, self.group, self.reference, self.inputs)


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of a segment by category and method; parallel."""

    category: npt.NDArray[np.uint8]
    method: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.uint32]
    ug: list[int]  # micrograms


def decode(name: str, data: Buffer) -> npt.NDArray[Any]:
    """Return a column's values, as a read-only view of its bytes."""
    return np.frombuffer(data, DTYPE[name])


def decode_totals(data: Buffer) -> Totals:
    """Return a segment's sums."""
    records = np.frombuffer(data, TOTALS)
    ug = [(high << 32) + low for high, low in zip(records["high"].tolist(), records["low"].tolist(), strict=True)]
    return Totals(records["category"], records["method"], records["rows"], ug)


def encode_strings(strings: Sequence[str]) -> bytes | None:
    """Return a column of strings; None when all are empty."""
    if not any(strings):
        return None
    text = "".join(strings)
    lengths = map(len, strings) if text.isascii() else (len(string.encode()) for string in strings)
    ends = np.fromiter(lengths, _OFFSET, len(strings)).cumsum(dtype=_OFFSET)
    return ends.tobytes() + text.encode()


def decode_strings(data: Buffer | None, n: int) -> list[str]:
    """Return n strings."""
    if data is None:
        return [""] * n
    start = n * _OFFSET.itemsize
    ends = np.frombuffer(data, _OFFSET, n).tolist()
    text = bytes(data[start:])
    return [text[a:b].decode() for a, b in pairwise((0, *ends))]


def decode_string(data: Buffer | None, n: int, place: int) -> str:
    """Return one of n strings."""
    if data is None:
        return ""
    ends = np.frombuffer(data, _OFFSET, n)
    start = int(ends[place - 1]) if place else 0
    return bytes(data[n * _OFFSET.itemsize :][start : int(ends[place])]).decode()


def hash_strings(data: Buffer | None, n: int) -> npt.NDArray[np.uint64]:
    """Return a number for each of n strings, the same for the same text, 0 for an empty one: 1 ns a byte.

    The text's bytes are the digits of a number modulo 2^64: two texts of up to 128 bytes share one by chance only.
    """
    if data is None:
        return np.zeros(n, np.uint64)
    start = n * _OFFSET.itemsize
    ends = np.frombuffer(data, _OFFSET, n).astype(np.intp)
    text = np.frombuffer(data, np.uint8, offset=start).astype(np.uint64) + np.uint64(1)
    powers, inverses = _powers(_BASE, len(text)), _powers(_INVERSE, len(text) + 1)
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(text * powers, dtype=np.uint64)))
    starts = np.concatenate((np.zeros(1, np.intp), ends[:-1]))
    hashes: npt.NDArray[np.uint64] = (sums[ends] - sums[starts]) * inverses[starts]
    return hashes


def _powers(base: int, count: int) -> npt.NDArray[np.uint64]:
    powers = np.full(count, base, np.uint64)
    powers[:1] = 1
    return np.cumprod(powers, dtype=np.uint64)


def encode_inputs(inputs: Mapping[str, npt.NDArray[np.float64]]) -> bytes | None:
    """Return the inputs of n rows by name, NaN where a row has none; None when no row has any."""
    parts: list[bytes] = []
    for name, values in sorted(inputs.items()):
        has = ~np.isnan(values)
        count = int(np.count_nonzero(has))
        if count:
            text = name.encode()
            bits = b"" if count == len(values) else np.packbits(has, bitorder="little").tobytes()
            parts.append(bytes([len(text)]) + text + count.to_bytes(4, "little") + bits)
            parts.append(values[has].astype(_VALUE).tobytes())
    return bytes([len(parts) // 2]) + b"".join(parts) if parts else None


def decode_inputs(data: Buffer | None, n: int) -> dict[str, InputColumn]:
    """Return the inputs of n rows by name."""
    inputs: dict[str, InputColumn] = {}
    if data is None:
        return inputs
    position = 1
    for _ in range(data[0]):
        start = position + 1
        name, position = bytes(data[start : start + data[position]]).decode(), start + data[position]
        count, position = int.from_bytes(data[position : position + 4], "little"), position + 4
        rows = None
        if count < n:
            bits = np.frombuffer(data, np.uint8, -(-n // 8), position)
            rows = np.flatnonzero(np.unpackbits(bits, count=n, bitorder="little")).astype(np.uint32)
            position += len(bits)
        inputs[name] = InputColumn(np.frombuffer(data, _VALUE, count, position), rows)
        position += count * _VALUE.itemsize
    return inputs
