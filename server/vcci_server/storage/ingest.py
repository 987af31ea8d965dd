"""Commits prepared batches: ledger, segments and row errors in one transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import asyncpg
from vcci_engine.errors import OffsetMismatch, VcciError
from vcci_engine.results import Basis, RowErrors
from vcci_engine.segments import Segment

from vcci_server.storage import uploads
from vcci_server.storage.copy import SegmentRow, copy_segments
from vcci_server.storage.partitions import PartitionKeeper
from vcci_server.storage.pool import Connection, Pool, connection, transaction
from vcci_server.storage.queries import QUERIES


@dataclass(frozen=True, slots=True)
class PreparedBatch:
    """A batch that only has to be stored. `rows` = `accepted` + `rejected`; errors count rows within the batch."""

    offset: int
    rows: int
    accepted: int
    rejected: int
    basis: Basis
    segments: list[Segment]
    errors: RowErrors
    references: tuple[str, ...] = ()  # of the errors: one each, or none

    @property
    def ug_co2e(self) -> int:
        return sum(segment.ug_co2e for segment in self.segments)


async def commit_batches(
    pool: Pool,
    keeper: PartitionKeeper,
    tenant_id: int,
    upload_id: int,
    epoch: int,
    batches: Sequence[PreparedBatch],
    *,
    also: Callable[[Connection], Awaitable[None]] | None = None,
    after: asyncio.Task[object] | None = None,
) -> int:
    """Store batches that follow each other, all or none, and return the offset up to which rows are durable now.

    The ledger moves behind the rows: a writer may copy its next batches while it still commits those before, `after`,
    whose failure is raised here too. What `also` does happens in the same transaction, last.

    Raises WriterFenced, WrongState (finalized, abandoned), OffsetMismatch, NotFound; or Unavailable, after which the
    batches may or may not be stored: the upload's `committed_rows` tells.
    """
    if any(before.offset + before.rows != after.offset for before, after in pairwise(batches)):
        raise ValueError("batches of one commit must follow each other")
    await keeper.ensure({segment.quarter for batch in batches for segment in batch.segments})
    try:
        async with transaction(pool) as db:
            if await db.fetchval(QUERIES["hold_upload"], tenant_id, upload_id, epoch) is None:
                raise await _refusal(db, tenant_id, upload_id, epoch, batches[0].offset)
            await _store(db, tenant_id, upload_id, batches)
            if after is not None:
                await asyncio.wait([after])
                after.result()
            committed = await _advance(db, tenant_id, upload_id, epoch, batches)
            if also is not None:
                await also(db)
            return committed
    except asyncpg.UniqueViolationError as error:
        if error.table_name == "kept_calculations":
            raise
        async with connection(pool) as db:  # the rows are stored already: the offset is not the next one
            raise await _refusal(db, tenant_id, upload_id, epoch, batches[0].offset) from error


async def _store(db: Connection, tenant_id: int, upload_id: int, batches: Sequence[PreparedBatch]) -> None:
    if rows := list(_segment_rows(tenant_id, upload_id, batches)):
        await copy_segments(db, rows)
    if errors := [_row_errors(tenant_id, upload_id, batch) for batch in batches if batch.rejected]:
        await db.executemany(QUERIES["insert_row_errors"], errors)


async def _advance(db: Connection, tenant_id: int, upload_id: int, epoch: int, batches: Sequence[PreparedBatch]) -> int:
    committed: int | None = await db.fetchval(
        QUERIES["advance_upload"],
        *(tenant_id, upload_id, epoch, batches[0].offset),
        sum(batch.rows for batch in batches),
        sum(batch.accepted for batch in batches),
        sum(batch.rejected for batch in batches),
        sum(batch.ug_co2e for batch in batches),
    )
    if committed is None:
        raise await _refusal(db, tenant_id, upload_id, epoch, batches[0].offset)
    return committed


async def _refusal(db: Connection, tenant_id: int, upload_id: int, epoch: int, offset: int) -> VcciError:
    """Say why the ledger did not move."""
    upload = await uploads.fetch(db, QUERIES["select_upload"], tenant_id, upload_id)
    return uploads.refusal(upload, epoch) or OffsetMismatch(offset, upload.committed_rows)


def _segment_rows(tenant_id: int, upload_id: int, batches: Sequence[PreparedBatch]) -> Iterator[SegmentRow]:
    for batch in batches:
        for number, segment in enumerate(batch.segments):
            yield SegmentRow(tenant_id, upload_id, 0, batch.offset, number, batch.basis, segment)


def _row_errors(tenant_id: int, upload_id: int, batch: PreparedBatch) -> tuple[object, ...]:
    errors = batch.errors
    references = batch.references or ("",) * len(errors)
    return (
        *(tenant_id, upload_id, batch.offset),
        [batch.offset + row for row in errors.row.tolist()],
        list(map(int, errors.reason)),
        *(
            [text.replace("\0", "\N{REPLACEMENT CHARACTER}") for text in texts]
            for texts in (errors.field, errors.value, errors.expected, references)
        ),
    )
