"""Supplier summaries: sums by supplier and whether from its own data, one row of columns for each quarter."""

from collections.abc import Sequence
from datetime import date

import asyncpg
import numpy as np

from vcci_server.storage.figures import where
from vcci_server.storage.passes import Tally, combine_tallies, no_tally
from vcci_server.storage.pool import Connection
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.summing import Run
from vcci_server.storage.sums import quarter_start


async def read_summaries(db: Connection, tenant_id: int, start: date, end: date) -> list[Tally]:
    """Return the kg by supplier and own (1: from its own data) of each quarter that begins in [start, end)."""
    return [_tally(row) for row in await db.fetch(QUERIES["select_summaries"], tenant_id, start, end)]


async def add_to_summaries(db: Connection, run: Run, tenant_id: int, sums: Tally) -> None:
    """Add kg by quarter, supplier and own; the caller holds the lock of the tenant's rollups."""
    quarters, *keys = sums.keys
    by_quarter = Tally(tuple(keys), sums.rows, sums.sums)
    for number in np.unique(quarters).tolist():
        quarter = quarter_start(number)
        kept = await read_summaries(db, tenant_id, quarter, date(quarter.year, quarter.month, 2))
        part = where(by_quarter, quarters == number)
        await _put(db, tenant_id, quarter, await run(_total, [no_tally(2, 1), *kept, part]))


def _total(parts: Sequence[Tally]) -> Tally:
    """Add up; a supplier without rows, after unfolding, goes."""
    total = combine_tallies(parts)
    return where(total, total.rows > 0)


async def _put(db: Connection, tenant_id: int, quarter: date, sums: Tally) -> None:
    if not len(sums):
        await db.execute(QUERIES["delete_summary"], tenant_id, quarter)
        return
    suppliers, own = sums.keys
    await db.execute(
        QUERIES["put_summary"],
        *(tenant_id, quarter, len(sums)),
        suppliers.astype("<i4").tobytes(),
        own.astype("u1").tobytes(),
        *(column.astype("<i8").tobytes() for column in (sums.rows, *sums.sums[0].T)),
    )


def _tally(row: asyncpg.Record) -> Tally:
    suppliers = np.frombuffer(row["supplier"], "<i4").astype(np.int64)
    own = np.frombuffer(row["own"], "u1").astype(np.int64)
    rows, high, low = (np.frombuffer(row[name], "<i8") for name in ("rows", "ug_high", "ug_low"))
    return Tally((suppliers, own), rows, (np.stack((high, low), axis=1),))
