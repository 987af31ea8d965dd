"""Single calculations that are kept: stored once per request id, as batches of an upload."""

from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

from vcci_server.storage import audit
from vcci_server.storage.audit import Actor, Event
from vcci_server.storage.ingest import PreparedBatch, commit_batches
from vcci_server.storage.partitions import PartitionKeeper
from vcci_server.storage.pool import Connection, Pool, connection
from vcci_server.storage.queries import QUERIES


class Kept(NamedTuple):
    """Where the rows of a request are stored."""

    upload_id: int
    first_row: int


async def find_kept(pool: Pool, tenant_id: int, request_ids: Sequence[str]) -> dict[str, Kept]:
    """Return where each request is stored that was kept before."""
    async with connection(pool) as db:
        rows = await db.fetch(QUERIES["select_kept"], tenant_id, request_ids)
    return {row["request_id"]: Kept(row["upload_id"], row["first_row"]) for row in rows}


async def commit_kept(
    pool: Pool,
    keeper: PartitionKeeper,
    tenant_id: int,
    upload_id: int,
    epoch: int,
    batches: Sequence[PreparedBatch],
    request_ids: Sequence[str],
    actors: Sequence[Actor],
) -> int | None:
    """Store one batch per request, as `commit_batches` does, with ids and events in the same transaction.

    Returns None, and stores nothing, when another connection has kept one of the requests meanwhile.
    """
    first_rows = [batch.offset for batch in batches]

    async def insert_ids(db: Connection) -> None:
        await db.execute(QUERIES["insert_kept"], tenant_id, upload_id, request_ids, first_rows)
        events = [
            Event(f"uploads/{upload_id}/emissions/{batch.offset}", None, {"request_id": id, "rows": batch.rows}, by=who)
            for batch, id, who in zip(batches, request_ids, actors, strict=True)
        ]
        await audit.append(db, tenant_id, *events)

    try:
        return await commit_batches(pool, keeper, tenant_id, upload_id, epoch, batches, also=insert_ids)
    except asyncpg.UniqueViolationError:
        return None
