"""Reads segments: those that a filter allows, in the order of their key, with the columns that are wanted.

A reader pins the newest merge version. The segments alive at it stay readable, whatever is merged meanwhile, until the
sweep deletes them an hour later; so a long read takes short transactions and goes on behind its last position.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, NamedTuple

import asyncpg
import numpy as np
import numpy.typing as npt
from vcci_engine.segment_codec import COLUMNS, DTYPE, decode

from vcci_server.storage.pool import Connection, Pool, connection
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.slices import WORTH_ROWS, Marks
from vcci_server.storage.uploads import LAST

FETCH_ROWS = 100_000  # emissions fetched at a time: a few megabytes, and enough for NumPy to be at full speed
FIRST_FETCH = 4  # segments of the first fetch; how large they are is known after it
MOST_FETCHED = 50  # segments of one fetch: the next may be large where the last ones were tiny
FEW_SUPPLIERS = 4  # up to so many only their parts of segments are fetched
HEADERS = 500  # of one fetch
MARKS = Marks()

Ids = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
_Part = tuple[asyncpg.Record, int, int]  # a segment's header, and which of its rows: [start, stop)


class Position(NamedTuple):
    """A segment's key, in the order in which segments are read."""

    upload_id: int = 0
    merge_version: int = 0
    batch_offset: int = 0
    segment: int = -1
    quarter: date = date.min


START = Position()
FIXED = frozenset(name for name, _ in COLUMNS)  # columns of fixed width


def quarter_of(day: date) -> date:
    """Return the first day of a day's quarter."""
    return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which emissions; None does not restrict."""

    upload_id: int | None = None
    suppliers: Ids | None = None  # suppliers.supplier_id, ascending
    categories: tuple[int, ...] | None = None
    methods: tuple[int, ...] | None = None
    start: date | None = None  # first day, inclusive
    end: date | None = None  # exclusive
    as_of: int = 0  # the run with whose results they are; 0: as ingested
    gwp_set: str = ""  # that this run expressed what it restated in; the others are in their factors' own

    @property
    def quarters(self) -> tuple[date, date]:
        """The first quarter that may hold some, and the day before which all quarters begin."""
        return date.min if self.start is None else quarter_of(self.start), self.end or date.max

    def of_upload(self, upload_id: int) -> "Filter":
        """Return the same of one upload alone."""
        return replace(self, upload_id=upload_id)

    @property
    def columns(self) -> frozenset[str]:
        """The columns that tell whether a row is meant."""
        asked = {
            "supplier": self.suppliers,
            "category": self.categories,
            "method": self.methods,
            "period": self.start or self.end,
        }
        return frozenset(name for name, values in asked.items() if values is not None)


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """A segment as read: n emissions of one upload and quarter, sorted by supplier and row; the columns asked for."""

    position: Position
    n: int
    units: tuple[str, ...]
    columns: Mapping[str, bytes | None]

    def column(self, name: str) -> npt.NDArray[Any]:
        """Return one of the fixed-width columns."""
        return decode(name, self.columns[name] or b"")


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[Connection]:
    """Open one snapshot: rollups, how far they count, and the segments beyond are those of one moment."""
    async with connection(pool) as db:
        await db.execute(QUERIES["begin_snapshot"])
        try:
            yield db
        finally:
            if not db.is_closed():
                await db.execute("COMMIT")


async def pin_version(db: Connection) -> int:
    """Return the merge version to read at."""
    return int(await db.fetchval(QUERIES["pin_version"]))


async def scan(
    db: Connection,
    tenant_id: int,
    chosen: Filter,
    columns: Sequence[str],
    *,
    version: int,
    after: Position = START,
) -> AsyncGenerator[StoredSegment]:
    """Yield the segments behind `after` that may hold emissions of the filter; `selected` tells which of their rows do.

    Needs a transaction; about FETCH_ROWS emissions are in memory at a time. Of few suppliers, only the part of a large
    segment that may hold their rows is read.
    """
    async for segments in fetches(db, tenant_id, chosen, columns, version=version, after=after):
        for segment in segments:
            yield segment


async def fetches(
    db: Connection,
    tenant_id: int,
    chosen: Filter,
    columns: Sequence[str],
    *,
    version: int,
    after: Position = START,
    first: int = FIRST_FETCH,
    rows: int = FETCH_ROWS,
) -> AsyncGenerator[list[StoredSegment]]:
    """Yield what `scan` does as it is fetched: `first` segments, then those that have about as many rows."""
    few = chosen.suppliers is not None and 0 < len(chosen.suppliers) <= FEW_SUPPLIERS and not chosen.as_of
    if few and FIXED.issuperset(columns):
        async for parts in _parts(db, tenant_id, chosen, columns, version, after):
            yield parts
        return
    query = QUERIES["scan_segments_as_of"] if chosen.as_of else QUERIES["scan_segments"]
    where = _where(chosen, after)
    cursor = await db.cursor(query, tenant_id, version, [*columns], *where, *([chosen.as_of] if chosen.as_of else []))
    size = first
    while records := await cursor.fetch(size):
        yield [_stored(record, columns) for record in records]
        found = sum(record["n"] for record in records)
        size = min(max(1, rows * len(records) // found), MOST_FETCHED)


def _where(chosen: Filter, after: Position) -> tuple[object, ...]:
    last = LAST if chosen.upload_id is None else chosen.upload_id
    return (last, *chosen.quarters, chosen.suppliers, *max(after, Position(chosen.upload_id or 0)))


async def _parts(
    db: Connection, tenant_id: int, chosen: Filter, columns: Sequence[str], version: int, after: Position
) -> AsyncGenerator[list[StoredSegment]]:
    assert chosen.suppliers is not None
    sought = [supplier.tobytes() for supplier in chosen.suppliers.astype(DTYPE["supplier"])]
    cursor = await db.cursor(QUERIES["scan_headers"], tenant_id, version, *_where(chosen, after), sought, WORTH_ROWS)
    while headers := await cursor.fetch(HEADERS):
        await _mark(db, tenant_id, headers)
        parts = [(header, *_rows(header, chosen.suppliers)) for header in headers]
        for some in _batches(parts):
            records = await _fetch_parts(db, tenant_id, columns, some)
            yield [
                StoredSegment(
                    *(_position(header), stop - start, tuple(record["units"])),
                    {name: record[name] for name in columns},
                )
                for (header, start, stop), record in zip(some, records, strict=True)
            ]


async def _mark(db: Connection, tenant_id: int, headers: Sequence[asyncpg.Record]) -> None:
    """Note the suppliers of large segments that are not known yet."""
    unknown = [header for header in headers if header["n"] >= WORTH_ROWS and header["input_hash"] not in MARKS]
    for some in _batches([(header, 0, header["n"]) for header in unknown]):
        records = await _fetch_parts(db, tenant_id, ["supplier"], some)
        for (header, _, _), record in zip(some, records, strict=True):
            MARKS.add(header["input_hash"], decode("supplier", record["supplier"]))


async def _fetch_parts(
    db: Connection, tenant_id: int, columns: Sequence[str], parts: Sequence[_Part]
) -> list[asyncpg.Record]:
    """Return columns of parts of segments, in their order."""
    places = zip(*(_position(header) for header, _, _ in parts), strict=True)
    bounds = [start for _, start, _ in parts], [stop - start for _, start, stop in parts]
    return await db.fetch(QUERIES["parts_of_segments"], tenant_id, [*columns], *map(list, places), *bounds)


def _rows(header: asyncpg.Record, suppliers: Ids) -> tuple[int, int]:
    n: int = header["n"]
    return MARKS.rows(header["input_hash"], n, suppliers) if n >= WORTH_ROWS else (0, n)


def _batches(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Yield parts of segments, those with rows, in lists of about FETCH_ROWS."""
    some: list[_Part] = []
    rows = 0
    for part in parts:
        size = part[2] - part[1]
        if size > 0:
            some.append(part)
            rows += size
        if rows >= FETCH_ROWS:
            yield some
            some, rows = [], 0
    if some:
        yield some


def selected(segment: StoredSegment, chosen: Filter) -> Mask | None:
    """Return which rows of a segment are meant; None: all."""
    masks = []
    if chosen.suppliers is not None:
        masks.append(np.isin(segment.column("supplier"), chosen.suppliers))
    for name, values in (("category", chosen.categories), ("method", chosen.methods)):
        if values is not None:
            masks.append(np.isin(segment.column(name), values))
    quarter = segment.position.quarter
    if chosen.start is not None and chosen.start > quarter:
        masks.append(segment.column("period") >= (chosen.start - quarter).days)
    if chosen.end is not None and chosen.end < _next_quarter(quarter):
        masks.append(segment.column("period") < (chosen.end - quarter).days)
    return np.logical_and.reduce(masks) if masks else None


def _position(record: asyncpg.Record) -> Position:
    return Position(*(record[name] for name in Position._fields))


def _stored(record: asyncpg.Record, columns: Sequence[str]) -> StoredSegment:
    return StoredSegment(
        _position(record), record["n"], tuple(record["units"]), {name: record[name] for name in columns}
    )


def _next_quarter(quarter: date) -> date:
    return date(quarter.year + quarter.month // 12, quarter.month % 12 + 3 if quarter.month < 10 else 1, 1)
