"""Merging: a finalized upload's segments of a quarter, sorted by supplier into larger ones; and deleting the old ones.

A step is one transaction: it takes up to a million rows of one quarter, so that memory is bounded and a step that fails
is done again. A supplier's rows of a quarter are then side by side, once in each million of one basis.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import asyncpg
from vcci_cluster import Executor, Work
from vcci_engine.input_hash import is_unaltered
from vcci_engine.results import Basis
from vcci_engine.segments import Segment, merge

from vcci_server.storage.copy import SegmentRow, copy_segments, stored_segment
from vcci_server.storage.pool import Connection, Pool, connection, transaction
from vcci_server.storage.queries import QUERIES

STEP_ROWS = 1_000_000  # some 50 MB as read, as sorted and as written
FETCH_SEGMENTS = 20
KEPT = timedelta(hours=1)  # how long a reader or a resume token may go on with the segments that it began with
CPU_S_PER_ROW = 0.3e-6

logger = logging.getLogger(__name__)


async def due(pool: Pool) -> list[tuple[int, int]]:
    """Return the uploads (tenant, upload) that have something to merge."""
    async with connection(pool) as db:
        return [(row["tenant_id"], row["upload_id"]) for row in await db.fetch(QUERIES["uploads_to_merge"])]


async def merge_step(pool: Pool, executor: Executor, tenant_id: int, upload_id: int, *, rows: int = STEP_ROWS) -> bool:
    """Merge up to about `rows` rows of one quarter of an upload; return whether there may be more to do."""
    async with transaction(pool) as db:
        if not await db.fetchval(QUERIES["lock_upload_to_merge"], tenant_id, upload_id):
            return False
        like = await db.fetchrow(QUERIES["quarter_to_merge"], tenant_id, upload_id)
        if like is None:
            await db.execute(QUERIES["finish_merging"], tenant_id, upload_id)
            return False
        old = [record async for record in _records(db, (tenant_id, upload_id, *like), rows)]
        merged = await _merged(executor, old)
        if merged is None:
            logger.error("upload %d of tenant %d has altered inputs; it stays as it is", upload_id, tenant_id)
            await db.execute(QUERIES["finish_merging"], tenant_id, upload_id)
            return False
        await _replace(db, old, merged)
    return True


async def to_sweep(pool: Pool, *, kept: timedelta = KEPT) -> list[int]:
    """Return the merges whose old segments nobody may read any more."""
    async with connection(pool) as db:
        return [row["merge_version"] for row in await db.fetch(QUERIES["merges_to_sweep"], kept)]


async def sweep(pool: Pool, merge_version: int) -> None:
    """Delete the segments that a merge replaced."""
    async with transaction(pool) as db:
        if merged := await db.fetchrow(QUERIES["mark_swept"], merge_version):
            await db.execute(QUERIES["delete_merged"], *merged, merge_version)


async def _records(db: Connection, like: Sequence[object], rows: int) -> AsyncIterator[asyncpg.Record]:
    """Yield whole segments, two at least, until they have `rows` rows."""
    found = taken = 0
    query = db.cursor(QUERIES["segments_to_merge"], *like, prefetch=FETCH_SEGMENTS)
    async for record in query:
        if found >= 2 and taken >= rows:
            return
        found += 1
        taken += record["n"]
        yield record


async def _merged(executor: Executor, old: list[asyncpg.Record]) -> list[Segment] | None:
    rows = sum(record["n"] for record in old)
    segments = [stored_segment(record) for record in old]
    estimated_s = rows * CPU_S_PER_ROW
    return await executor.run(Work("sort_segments", merge_unaltered, (segments,), estimated_s, rows, lane="upkeep"))


def merge_unaltered(segments: list[Segment]) -> list[Segment] | None:
    """Merge segments that have the inputs that they were stored with; None: the hash of a new one would cover it up."""
    return merge(segments) if all(map(is_unaltered, segments)) else None


async def _replace(db: Connection, old: list[asyncpg.Record], merged: list[Segment]) -> None:
    first, last = old[0], old[-1]
    tenant_id, upload_id = first["tenant_id"], first["upload_id"]
    await db.execute(QUERIES["lock_merges"])
    version = await db.fetchval(QUERIES["insert_merge"], tenant_id, upload_id)
    basis = Basis(*(first[name] for name in Basis._fields))
    key = (tenant_id, upload_id, first["quarter"], *basis, version, last["batch_offset"], last["segment"])
    await db.execute(QUERIES["mark_merged"], *key)
    await copy_segments(
        db,
        [SegmentRow(tenant_id, upload_id, version, 0, number, basis, segment) for number, segment in enumerate(merged)],
    )
