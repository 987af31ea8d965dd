"""Folding: adding what uploads have committed to the rollups, in the background; and taking it out again.

`uploads.folded_rows` says how far: the batches before it are counted. It moves in the transaction that adds them.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from functools import partial

from vcci_cluster import Executor

from vcci_server.storage.figures import (
    COLUMNS,
    KG,
    OWN,
    QUARTER,
    SUPPLIER,
    Folded,
    add_folded,
    by,
    fold_segments,
    no_fold,
)
from vcci_server.storage.passes import Tally, pass_over
from vcci_server.storage.pool import Connection, Pool, connection, transaction
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.reading import Filter, Position, StoredSegment, pin_version, scan, snapshot
from vcci_server.storage.rollups import add_to_rollups
from vcci_server.storage.summaries import add_to_summaries
from vcci_server.storage.summing import Run, on_executor
from vcci_server.storage.sums import month_days
from vcci_server.storage.supplier_figures import note_change

# Below, a query scans the rest in a tenth of a second; and what each fold says of a supplier is written by itself.
WORTH_FOLDING_ROWS = 2_000_000
FOLD_ROWS = 500_000  # of one step; the server grows by some 100 MB while it folds
IDLE = timedelta(seconds=5)  # a stream that pauses longer has most likely ended


async def due(pool: Pool, *, idle: timedelta = IDLE) -> list[tuple[int, int]]:
    """Return the uploads (tenant, upload) that have something to fold now."""
    async with connection(pool) as db:
        found = await db.fetch(QUERIES["uploads_to_fold"], WORTH_FOLDING_ROWS, idle)
    return [(row["tenant_id"], row["upload_id"]) for row in found]


async def fold(pool: Pool, executor: Executor, tenant_id: int, upload_id: int, *, rows: int = FOLD_ROWS) -> int:
    """Fold up to about `rows` rows of an upload that is seen; return how far it is folded, 0 when it is not seen.

    The rows are read and summed before the transaction, which so holds the upload's row for milliseconds only.
    """
    run = on_executor(executor, "upkeep")
    async with snapshot(pool) as db:
        upload = await db.fetchrow(QUERIES["rows_to_fold"], tenant_id, upload_id)
        if upload is None:
            return 0
        folded: int = upload["folded_rows"]
        through: int = min(folded + rows, upload["committed_rows"])
        if through == folded:  # by another: behind it are merged segments only, which are counted
            return folded
        segments = batches(db, tenant_id, upload_id, folded, through)
        folded_now = await _sum(run, segments)
    async with transaction(pool) as db:
        if await db.fetchval(QUERIES["advance_folded"], tenant_id, upload_id, folded, through) is not None:
            await _add(db, run, tenant_id, folded_now)
            await db.execute(QUERIES["note_fold"], tenant_id, upload_id, folded, through)
    return through


async def unfold(db: Connection, tenant_id: int, upload_id: int) -> None:
    """Take an upload out of the rollups, in the transaction that abandons it."""
    folded = await db.fetchval(QUERIES["lock_folded_rows"], tenant_id, upload_id)
    if folded:
        segments = batches(db, tenant_id, upload_id, 0, folded)
        await _add(db, asyncio.to_thread, tenant_id, -await _sum(asyncio.to_thread, segments))


async def _sum(run: Run, segments: AsyncIterator[StoredSegment]) -> Folded:
    of_chunk = partial(fold_segments, chosen=Filter())
    return await pass_over(run, segments, of_chunk, add_folded, no_fold(), most_groups=math.inf)


async def batches(
    db: Connection, tenant_id: int, upload_id: int, start: int, stop: int
) -> AsyncIterator[StoredSegment]:
    """Yield the segments of the batches [start, stop). Merged ones count as batch 0: only what is folded is merged."""
    chosen, after = Filter(upload_id=upload_id), Position(upload_id, 0, start)
    version = await pin_version(db)
    async for segment in scan(db, tenant_id, chosen, COLUMNS, version=version, after=after):
        if segment.position.batch_offset < stop:
            yield segment
        elif not segment.position.merge_version:
            return


async def _add(db: Connection, run: Run, tenant_id: int, folded: Folded) -> None:
    await db.execute(QUERIES["lock_rollups"], tenant_id)
    if not len(folded):
        return
    await add_to_rollups(db, run, tenant_id, folded.rollups)
    await db.execute(QUERIES["add_to_grades"], tenant_id, *_grade_columns(folded.grades))
    await db.execute(QUERIES["delete_empty_grades"], tenant_id)
    summaries = await run(partial(by, amounts=(KG,)), folded.suppliers, QUARTER, SUPPLIER, OWN)
    await add_to_summaries(db, run, tenant_id, summaries)
    await note_change(db, run, tenant_id, folded.suppliers)


def _grade_columns(grades: Tally) -> Sequence[list[int]]:
    month, grade = grades.keys
    return [column.tolist() for column in (month_days(month), grade, grades.rows, *grades.sums[0].T)]
