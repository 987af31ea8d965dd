"""A run, part by part: stored segments are read, calculated anew, and stored with how far the run is.

The segments of finalized, merged uploads never change any more. So a part is the next of them behind the last that is
done, and a run that was interrupted goes on there, with the same bytes.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date

import asyncpg
from vcci_cluster import Executor
from vcci_engine.results import Basis

from vcci_server.storage import folding, merging, uploads
from vcci_server.storage.copy import SegmentRow, copy_segments, stored_segment
from vcci_server.storage.pool import Connection, Pool, transaction
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.reading import Filter, Position, snapshot
from vcci_server.storage.restated import Held, Restated
from vcci_server.storage.run_sums import add
from vcci_server.storage.runs import RunRecord
from vcci_server.storage.summing import Run

PART_ROWS = 200_000  # some 12 MB as read, and as much as written
FETCH_SEGMENTS = 10
BEFORE_ALL = Position()


@dataclass(frozen=True, slots=True)
class Part:
    """The next segments of a run, all of one basis; or the upload that has to be merged before there are any."""

    held: list[Held]
    unmerged: int | None = None

    @property
    def rows(self) -> int:
        """How many rows they have."""
        return sum(held.segment.n for held in self.held)

    @property
    def end(self) -> Position:
        """The place behind them."""
        return Position(*self.held[-1].position[:4], date.max)


async def read_part(pool: Pool, run: RunRecord, chosen: Filter, after: Position, *, rows: int = PART_ROWS) -> Part:
    """Return the next segments behind a place; none at the end."""
    held: list[Held] = []
    found_rows = 0
    async with snapshot(pool) as db:
        upload_id = after.upload_id
        while found := await db.fetchrow(QUERIES["next_run_upload"], run.tenant_id, run.run_id, upload_id):
            upload_id = found["upload_id"]
            if not found["merged"]:
                return Part(held, None if held else upload_id)
            place = after if upload_id == after.upload_id else BEFORE_ALL
            async for record in _records(db, run.tenant_id, upload_id, chosen, place):
                one = _held(record)
                if held and one.basis != held[0].basis:
                    return Part(held)
                held.append(one)
                found_rows += one.segment.n
                if found_rows >= rows:
                    return Part(held)
            upload_id += 1
    return Part(held)


async def settle(pool: Pool, executor: Executor, tenant_id: int, upload_id: int) -> None:
    """Fold and merge a finalized upload now, which the leader would do in its turn."""
    upload = await uploads.get(pool, tenant_id, upload_id)
    while 0 < await folding.fold(pool, executor, tenant_id, upload_id) < upload.committed_rows:
        pass
    while await merging.merge_step(pool, executor, tenant_id, upload_id):
        pass


async def store_part(pool: Pool, on: Run, run: RunRecord, done: Position, part: Part, restated: Restated) -> bool:
    """Store what a part came to; return whether the run goes on: it was neither ended nor carried on by another.

    An upload that was abandoned meanwhile is left out.
    """
    key, end = (run.tenant_id, run.run_id), part.end
    async with transaction(pool) as db:
        if not await db.fetchval(QUERIES["advance_run"], *key, *done[:4], *end[:4], part.rows, restated.rejected):
            return False
        locked = await db.fetch(QUERIES["lock_run_uploads"], run.tenant_id, list(restated.sums))
        there = {row["upload_id"] for row in locked}
        if rows := [_row(run, held) for held in restated.held if held.position.upload_id in there]:
            await copy_segments(db, rows)
        for upload_id in sorted(there):
            await add(db, on, (*key, upload_id), restated.sums[upload_id])
        if errors := [(*key, *of[:4], *columns) for of, columns in restated.errors if of.upload_id in there]:
            await db.executemany(QUERIES["insert_run_row_errors"], errors)
    return True


def _row(run: RunRecord, held: Held) -> SegmentRow:
    return SegmentRow(run.tenant_id, *held.position[:4], held.basis, held.segment, run.run_id)


async def _records(
    db: Connection, tenant_id: int, upload_id: int, chosen: Filter, place: Position
) -> AsyncIterator[asyncpg.Record]:
    key = (place.merge_version, place.batch_offset, place.segment)
    arguments = (tenant_id, upload_id, *chosen.quarters, chosen.suppliers, *key)
    async for record in db.cursor(QUERIES["segments_to_restate"], *arguments, prefetch=FETCH_SEGMENTS):
        yield record


def _held(record: asyncpg.Record) -> Held:
    position = Position(*(record[name] for name in Position._fields))
    return Held(position, Basis(*(record[name] for name in Basis._fields)), stored_segment(record))
