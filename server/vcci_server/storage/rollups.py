"""Rollups: sums by month, category, method and factor with the terms of the spread, a block for each quarter; and by
month, category and method as rows, for SQL.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from vcci_server.storage.figures import ROLLUPS
from vcci_server.storage.pool import Connection
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.reading import Filter
from vcci_server.storage.run_sums import pack, unpack
from vcci_server.storage.summing import Run
from vcci_server.storage.sums import Sums, combine, month_days, month_number, nothing, quarter_start, regroup

_MONTH = 0
_BY_METHOD = 3  # keys of the rows for SQL, the first ones

Block = tuple[date, int, bytes]  # quarter, number of sums, the sums


async def rolled_up(db: Connection, run: Run, tenant_id: int, chosen: Filter, by: Sequence[str]) -> Sums:
    """Return the folded sums of a filter's whole months by some of ROLLUPS."""
    rows = await db.fetch(QUERIES["select_rollups"], tenant_id, *chosen.quarters)
    return await run(_of_blocks, [row["sums"] for row in rows], chosen, by)


async def add_to_rollups(db: Connection, run: Run, tenant_id: int, sums: Sums) -> None:
    """Add sums by ROLLUPS; the caller holds the lock of the tenant's rollups."""
    quarters = [quarter_start(number) for number in np.unique(sums.keys[_MONTH] // 3).tolist()]
    rows = await db.fetch(QUERIES["rollups_of_quarters"], tenant_id, quarters)
    made = await run(_added, {row["quarter"]: row["sums"] for row in rows}, sums)
    await db.execute(QUERIES["put_rollups"], tenant_id, *([block[part] for block in made] for part in range(3)))
    await db.execute(QUERIES["delete_empty_blocks"], tenant_id)
    await db.execute(QUERIES["add_to_rollups"], tenant_id, *await run(_by_method, sums))
    await db.execute(QUERIES["delete_empty_rollups"], tenant_id)


def regrouped(rollups: Sums, chosen: Filter, by: Sequence[str]) -> Sums:
    """Return the sums of a filter's whole months, of sums by ROLLUPS, by some of these."""
    columns = dict(zip(ROLLUPS, rollups.keys, strict=True))
    first = month_number(chosen.start) if chosen.start else 0
    end = month_number(chosen.end) if chosen.end else np.iinfo(np.int64).max
    meant = (columns["month"] >= first) & (columns["month"] < end)
    for name, values in (("category", chosen.categories), ("method", chosen.methods)):
        if values is not None:
            meant &= np.isin(columns[name], values)
    part = Sums(tuple(columns[name] for name in by), rollups.terms).where(meant)
    return regroup(part.keys, part.terms)


def _of_blocks(blocks: Sequence[bytes], chosen: Filter, by: Sequence[str]) -> Sums:
    return combine([nothing(len(by)), *(regrouped(_unpacked(block), chosen, by) for block in blocks)])


def _unpacked(block: bytes) -> Sums:
    return unpack(block, len(ROLLUPS), spread=True)


def _added(kept: Mapping[date, bytes], sums: Sums) -> list[Block]:
    """Return the new block of each quarter; sums without rows, after unfolding, go."""
    made = []
    quarters = sums.keys[_MONTH] // 3
    for number in np.unique(quarters).tolist():
        day = quarter_start(number)
        total = combine([*([_unpacked(kept[day])] if day in kept else []), sums.where(quarters == number)])
        total = total.where(total.terms.rows > 0)
        made.append((day, len(total), pack(total, spread=True)))
    return made


def _by_method(sums: Sums) -> list[list[int]]:
    """Return the columns of the rows for SQL."""
    total = regroup(sums.keys[:_BY_METHOD], sums.terms)
    month, *others = total.keys
    return [column.tolist() for column in (month_days(month), *others, total.terms.rows, *total.terms.ug.T)]
