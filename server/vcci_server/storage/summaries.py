"""Supplier summaries: sums by supplier, one row of columns for each quarter."""

from collections.abc import Sequence
from datetime import date

import asyncpg
import numpy as np
from vcci_engine.totals import LimbArray, Terms

from vcci_server.storage.pool import Connection
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.summing import Run
from vcci_server.storage.sums import Sums, combine, quarter_start


async def read_summaries(db: Connection, tenant_id: int, start: date, end: date) -> list[Sums]:
    """Return the sums by supplier of each quarter that begins in [start, end); rows and calculated values only."""
    return [_sums(row) for row in await db.fetch(QUERIES["select_summaries"], tenant_id, start, end)]


async def add_to_summaries(db: Connection, run: Run, tenant_id: int, sums: Sums) -> None:
    """Add sums by quarter and supplier; the caller holds the lock of the tenant's rollups."""
    quarters, suppliers = sums.keys
    for number in np.unique(quarters).tolist():
        quarter = quarter_start(number)
        kept = await read_summaries(db, tenant_id, quarter, date(quarter.year, quarter.month, 2))
        part = Sums((suppliers,), sums.terms).where(quarters == number)
        await _put(db, tenant_id, quarter, await run(_total, [*kept, part]))


def _total(parts: Sequence[Sums]) -> Sums:
    """Add up; a supplier without rows, after unfolding, goes."""
    total = combine(parts)
    return total.where(total.terms.rows > 0)


async def _put(db: Connection, tenant_id: int, quarter: date, sums: Sums) -> None:
    if not len(sums):
        await db.execute(QUERIES["delete_summary"], tenant_id, quarter)
        return
    await db.execute(
        QUERIES["put_summary"],
        *(tenant_id, quarter, len(sums)),
        sums.keys[0].astype("<i4").tobytes(),
        *(column.astype("<i8").tobytes() for column in (sums.terms.rows, sums.terms.ug[:, 0], sums.terms.ug[:, 1])),
    )


def _sums(row: asyncpg.Record) -> Sums:
    suppliers = np.frombuffer(row["supplier"], "<i4").astype(np.int64)
    rows, high, low = (np.frombuffer(row[name], "<i8") for name in ("rows", "ug_high", "ug_low"))
    ug = np.stack((high, low), axis=1)
    return Sums((suppliers,), Terms(rows, ug, _none(len(rows), 2), _none(len(rows), 3)))


def _none(rows: int, limbs: int) -> LimbArray:
    return np.zeros((rows, limbs), np.int64)
