"""Supplier summaries: sums by supplier and whether from its own data, a row of columns for each part of a quarter.

A fold adds a part to each quarter, and takes in the parts before it that are not larger. So a quarter has few parts,
and what is large is seldom written again.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby

import asyncpg
import numpy as np

from vcci_server.storage.figures import cut, where
from vcci_server.storage.passes import Tally, combine_tallies
from vcci_server.storage.pool import Connection
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.summing import Run
from vcci_server.storage.sums import quarter_start

_COLUMNS = {"supplier": "<i4", "own": "u1", "rows": "<i8", "ug_high": "<i8", "ug_low": "<i8"}


async def read_summaries(db: Connection, tenant_id: int, start: date, end: date) -> list[Tally]:
    """Return the kg by supplier and own (1: own data) of each part of the quarters that begin in [start, end)."""
    return [_tally(row) for row in await db.fetch(QUERIES["select_summaries"], tenant_id, start, end)]


async def add_to_summaries(db: Connection, run: Run, tenant_id: int, sums: Tally) -> None:
    """Add kg by quarter (ascending), supplier and own; the caller holds the lock of the tenant's rollups."""
    quarters, *keys = sums.keys
    by_quarter = cut(Tally(tuple(keys), sums.rows, sums.sums), quarters)
    parts = {quarter_start(number): part for number, part in by_quarter.items()}
    known = await db.fetch(QUERIES["parts_of_summaries"], tenant_id, [*parts])
    taken = _taken(known, parts, whole=bool((sums.rows < 0).any()))
    kept = await db.fetch(QUERIES["take_summaries"], tenant_id, [*parts], taken)
    made = await run(_made, kept, parts)
    await db.execute(QUERIES["insert_summaries"], tenant_id, *([row[column] for row in made] for column in range(7)))


def _taken(known: Sequence[asyncpg.Record], parts: Mapping[date, Tally], *, whole: bool) -> list[int]:
    """Return the parts to take in, of `known` with the newest first: all where rows are taken away (`whole`)."""
    taken = []
    for day, of_quarter in groupby(known, lambda row: row["quarter"]):
        size = len(parts[day])
        for row in of_quarter:
            if row["n"] > size and not whole:
                break
            taken.append(row["part"])
            size += row["n"]
    return taken


def _made(kept: Sequence[asyncpg.Record], parts: Mapping[date, Tally]) -> list[tuple[date | int | bytes, ...]]:
    """Return the rows to insert; a supplier without rows, after unfolding, goes."""
    made = []
    for day, part in parts.items():
        total = combine_tallies([part, *(_tally(row) for row in kept if row["quarter"] == day)])
        total = where(total, total.rows > 0)
        columns = zip(_COLUMNS.values(), (*total.keys, total.rows, *total.sums[0].T), strict=True)
        if len(total):
            made.append((day, len(total), *(column.astype(kind).tobytes() for kind, column in columns)))
    return made


def _tally(row: asyncpg.Record) -> Tally:
    supplier, own, rows, high, low = (np.frombuffer(row[name], kind) for name, kind in _COLUMNS.items())
    keys = supplier.astype(np.int64), own.astype(np.int64)
    return Tally(keys, rows, (np.stack((high, low), axis=1),))
