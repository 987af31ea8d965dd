"""Segments as a binary COPY stream: each row is a packed header and the columns as they are in memory.

No value becomes a Python object and no tuple is made: assembling costs one copy of memory.
"""

import struct
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass

import asyncpg
from vcci_engine.dates import EPOCH
from vcci_engine.results import Basis
from vcci_engine.segments import COLUMNS, Segment

from vcci_server.storage.pool import Connection

HEADER_COLUMNS = (
    *("tenant_id", "quarter", "upload_id", "run_id", "merge_version", "batch_offset", "segment"),
    *("n", "supplier_min", "supplier_max", "row_min", "row_max"),
    *("factor_set_id", "price_set_id", "method_version"),
)
COLUMN_NAMES = tuple(name for name, _ in COLUMNS)
SEGMENT_COLUMNS = (
    *HEADER_COLUMNS,
    *("ug_co2e", "units", "totals", "input_hash"),
    *COLUMN_NAMES,
    *("group", "reference", "inputs"),
)

CHUNK_BYTES = 1 << 20  # the driver spends some 20 us on a chunk, whatever its size

_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, no header extension
_TRAILER = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_LENGTH = struct.Struct(">i")
# Number of columns, then length and value of each.
_HEADER = struct.Struct(">h ii ii iq iq iq iq ii ii ii ii iq iq ii ii ih")
_DAYS_TO_2000 = 10_957  # PostgreSQL counts days from 2000-01-01, we from 1970-01-01
_TEXT_OID = 25

Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A segment and where it belongs."""

    tenant_id: int
    upload_id: int
    merge_version: int
    batch_offset: int
    number: int
    basis: Basis
    segment: Segment
    run_id: int = 0  # 0: as ingested


def stored_segment(record: asyncpg.Record) -> Segment:
    """Return a whole row of emission_segments as the engine has it."""
    return Segment(
        quarter=(record["quarter"] - EPOCH).days,
        n=record["n"],
        supplier_min=record["supplier_min"],
        supplier_max=record["supplier_max"],
        row_min=record["row_min"],
        row_max=record["row_max"],
        ug_co2e=int(record["ug_co2e"]),
        units=tuple(record["units"]),
        totals=record["totals"],
        input_hash=record["input_hash"],
        columns={name: record[name] for name in COLUMN_NAMES},
        group=record["group"],
        reference=record["reference"],
        inputs=record["inputs"],
    )


async def copy_segments(connection: Connection, rows: Iterable[SegmentRow]) -> None:
    """Store segments, in the transaction that is open; their partitions must exist."""
    await connection.copy_to_table(
        "emission_segment_store", columns=SEGMENT_COLUMNS, format="binary", source=_source(rows)
    )


async def _source(rows: Iterable[SegmentRow]) -> AsyncIterator[bytes]:
    for chunk in chunks(rows):
        yield chunk


def chunks(rows: Iterable[SegmentRow]) -> Iterator[bytes]:
    """Yield the stream, in pieces of about a mebibyte."""
    pending: list[Buffer] = [_SIGNATURE]
    size = 0
    for row in rows:
        if size >= CHUNK_BYTES:
            yield b"".join(pending)
            pending, size = [], 0
        buffers = list(_buffers(row))
        pending += buffers
        size += sum(map(_size, buffers))
    yield b"".join([*pending, _TRAILER])


def _buffers(row: SegmentRow) -> Iterator[Buffer]:
    segment = row.segment
    yield _header(row)
    first = (numeric(segment.ug_co2e), text_array(segment.units), segment.totals, segment.input_hash)
    columns = (segment.columns[name] for name in COLUMN_NAMES)
    for data in (*first, *columns, segment.group, segment.reference, segment.inputs):
        if data is None:
            yield _NULL
        else:
            yield _LENGTH.pack(_size(data))
            yield data


def _size(data: Buffer) -> int:
    return memoryview(data).nbytes


def _header(row: SegmentRow) -> bytes:
    segment = row.segment
    return _HEADER.pack(
        *(len(SEGMENT_COLUMNS), 4, row.tenant_id, 4, segment.quarter - _DAYS_TO_2000),
        *(8, row.upload_id, 8, row.run_id, 8, row.merge_version, 8, row.batch_offset, 4, row.number),
        *(4, segment.n, 4, segment.supplier_min, 4, segment.supplier_max, 8, segment.row_min, 8, segment.row_max),
        *(4, row.basis.factor_set_id, 4, row.basis.price_set_id, 2, row.basis.method_version),
    )


def numeric(value: int) -> bytes:
    """Return an integer as PostgreSQL's binary numeric: digits of base 10,000, the highest first."""
    digits = []
    rest = abs(value)
    while rest:
        rest, digit = divmod(rest, 10_000)
        digits.append(digit)
    sign = 0x4000 if value < 0 else 0
    return struct.pack(f">hhHh{len(digits)}h", len(digits), len(digits) - 1, sign, 0, *reversed(digits))


def text_array(values: tuple[str, ...]) -> bytes:
    """Return strings as PostgreSQL's binary text[]."""
    if not values:
        return struct.pack(">iii", 0, 0, _TEXT_OID)
    encoded = [value.encode() for value in values]
    elements = b"".join(part for value in encoded for part in (_LENGTH.pack(len(value)), value))
    return struct.pack(">iiiii", 1, 0, _TEXT_OID, len(values), 1) + elements
