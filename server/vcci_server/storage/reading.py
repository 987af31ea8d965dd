"""Reads segments: those that a filter allows, in the order of their key, with the columns that are wanted.

A reader pins the newest merge version. The segments alive at it stay readable, whatever is merged meanwhile, until the
sweep deletes them an hour later; so a long read takes short transactions and goes on behind its last position.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import asyncpg
import numpy as np
import numpy.typing as npt
from vcci_engine.segments import decode

from vcci_server.storage.pool import Connection, Pool, connection
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.uploads import LAST

FETCH_ROWS = 100_000  # emissions fetched at a time: a few megabytes, and enough for NumPy to be at full speed
FIRST_FETCH = 4  # segments of the first fetch; how large they are is known after it
MOST_FETCHED = 50  # segments of one fetch: the next may be large where the last ones were tiny

Ids = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


class Position(NamedTuple):
    """A segment's key, in the order in which segments are read."""

    upload_id: int = 0
    merge_version: int = 0
    batch_offset: int = 0
    segment: int = -1
    quarter: date = date.min


START = Position()


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
    async with connection(pool) as db, db.transaction(isolation="repeatable_read", readonly=True):
        await db.execute(QUERIES["plan_once"])
        yield db


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

    Needs a transaction; about FETCH_ROWS emissions are in memory at a time.
    """
    cursor = await db.cursor(
        QUERIES["scan_segments_as_of"] if chosen.as_of else QUERIES["scan_segments"],
        *(tenant_id, version, [*columns]),
        LAST if chosen.upload_id is None else chosen.upload_id,
        *chosen.quarters,
        chosen.suppliers,
        *max(after, Position(chosen.upload_id or 0)),
        *([chosen.as_of] if chosen.as_of else []),
    )
    size = FIRST_FETCH
    while records := await cursor.fetch(size):
        for record in records:
            yield _stored(record, columns)
        rows = sum(record["n"] for record in records)
        size = min(max(1, FETCH_ROWS * len(records) // rows), MOST_FETCHED)


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


def _stored(record: asyncpg.Record, columns: Sequence[str]) -> StoredSegment:
    position = Position(*(record[name] for name in Position._fields))
    return StoredSegment(position, record["n"], tuple(record["units"]), {name: record[name] for name in columns})


def _next_quarter(quarter: date) -> date:
    return date(quarter.year + quarter.month // 12, quarter.month % 12 + 3 if quarter.month < 10 else 1, 1)
