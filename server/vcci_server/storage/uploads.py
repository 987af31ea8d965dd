"""Uploads: sessions of bulk upload, each a row of the ledger."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

import asyncpg
from vcci_engine.errors import NotFound, VcciError, WriterFenced, WrongState

from vcci_server.storage import audit
from vcci_server.storage.audit import Event
from vcci_server.storage.pool import Connection, Pool, connection, transaction
from vcci_server.storage.queries import QUERIES

Mode: TypeAlias = Literal["committed", "pending"]
State: TypeAlias = Literal["open", "finalized", "abandoned"]
Check: TypeAlias = Callable[[Connection, int, int], Awaitable[None]]  # raises what is wrong with an upload's rows
Unfold: TypeAlias = Callable[[Connection, int, int], Awaitable[None]]  # takes an upload's rows out of the rollups

LAST = 2**63 - 1  # an upload id above all others
DELETE_TIMEOUT_S = 3600.0  # of an upload's segments: about a second for ten million rows


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """One upload as it is in the ledger; `ug_co2e` is the exact sum of its calculated values, in micrograms."""

    tenant_id: int
    upload_id: int
    request_id: str
    display_name: str
    mode: Mode
    allow_negative: bool
    state: State
    epoch: int
    committed_rows: int
    accepted_rows: int
    rejected_rows: int
    ug_co2e: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class RowErrorRecord:
    """One rejected row, by its number within the upload; `reason` is a number of ErrorReason."""

    row: int
    reason: int
    field: str
    value: str
    expected: str
    reference: str


async def stored_rows(pool: Pool, tenant_id: int) -> int:
    """Return how many rows the tenant has stored in uploads that are not abandoned, by the ledger."""
    async with connection(pool) as db:
        rows: int = await db.fetchval(QUERIES["stored_rows"], tenant_id)
    return rows


async def create(
    pool: Pool, tenant_id: int, *, request_id: str, display_name: str = "", mode: Mode, allow_negative: bool = False
) -> UploadRecord:
    """Make an upload, or return the one made before with this request id."""
    async with transaction(pool) as db:
        made = await db.fetchrow(QUERIES["insert_upload"], tenant_id, request_id, display_name, mode, allow_negative)
        upload = record(made or await db.fetchrow(QUERIES["select_upload_by_request"], tenant_id, request_id))
        if made is not None:
            await audit.append(db, tenant_id, Event(_name(upload), None, {"request_id": request_id, **_facts(upload)}))
    if (upload.mode, upload.allow_negative) != (mode, allow_negative):
        raise WrongState(
            f"request id {request_id!r} was used before, for an upload with another mode or allow_negative",
            reason="REQUEST_ID_REUSED",
            metadata={"upload": f"uploads/{upload.upload_id}"},
        )
    return upload


async def get(pool: Pool, tenant_id: int, upload_id: int) -> UploadRecord:
    """Return an upload."""
    async with connection(pool) as db:
        return await fetch(db, QUERIES["select_upload"], tenant_id, upload_id)


async def list_page(pool: Pool, tenant_id: int, *, limit: int, before: int = LAST) -> list[UploadRecord]:
    """Return up to `limit` uploads with ids below `before`, newest first."""
    async with connection(pool) as db:
        return [record(row) for row in await db.fetch(QUERIES["list_uploads"], tenant_id, before, limit)]


async def open_upload(pool: Pool, tenant_id: int, upload_id: int) -> UploadRecord:
    """Take a new epoch, which fences any other writer. Batches that are being committed are waited for."""
    async with transaction(pool) as db:
        upload = await fetch(db, QUERIES["lock_upload"], tenant_id, upload_id)
        if upload.state != "open":
            raise closed(upload)
        opened = record(await db.fetchrow(QUERIES["open_upload"], tenant_id, upload_id))
        now = {"epoch": opened.epoch, "committed_rows": opened.committed_rows}
        await audit.append(db, tenant_id, Event(_name(upload), {"epoch": upload.epoch}, now))
        return opened


async def note_drain(pool: Pool, upload: UploadRecord, committed_rows: int) -> None:
    """Note that the server ended a writer's stream at this row; the upload goes on."""
    async with transaction(pool) as db:
        await audit.append(
            db, upload.tenant_id, Event(_name(upload), None, {"drained": True, "committed_rows": committed_rows})
        )


async def check_epoch(pool: Pool, tenant_id: int, upload_id: int, epoch: int) -> UploadRecord:
    """Return the upload if `epoch` may still write to it: what a heartbeat asks."""
    upload = await get(pool, tenant_id, upload_id)
    if error := refusal(upload, epoch):
        raise error
    return upload


async def finalize(
    pool: Pool, tenant_id: int, upload_id: int, row_count: int | None = None, *, check: Check | None = None
) -> UploadRecord:
    """Close an upload, if it has `row_count` rows and its check passes; finalizing again returns the same."""
    async with transaction(pool) as db:
        upload = await fetch(db, QUERIES["lock_upload"], tenant_id, upload_id)
        if upload.state == "abandoned":
            raise closed(upload)
        if row_count is not None and row_count != upload.committed_rows:
            raise WrongState(
                f"{row_count} rows were expected, {upload.committed_rows} are committed",
                reason="ROW_COUNT_MISMATCH",
                metadata={"row_count": str(row_count), "committed_through": str(upload.committed_rows)},
            )
        if upload.state == "finalized":
            return upload
        if check is not None:
            await check(db, tenant_id, upload_id)
        return await _close(db, upload, "finalized")


async def abandon(pool: Pool, tenant_id: int, upload_id: int, unfold: Unfold) -> UploadRecord:
    """Remove an upload's emissions, from the rollups too, and row errors; abandoning again returns the same."""
    async with transaction(pool) as db:
        upload = await fetch(db, QUERIES["lock_upload"], tenant_id, upload_id)
        if upload.state == "abandoned":
            return upload
        await unfold(db, tenant_id, upload_id)
        await db.execute(QUERIES["delete_segments"], tenant_id, upload_id, timeout=DELETE_TIMEOUT_S)
        await db.execute(QUERIES["delete_row_errors"], tenant_id, upload_id)
        await db.execute(QUERIES["delete_run_sums_of_upload"], tenant_id, upload_id)
        return await _close(db, upload, "abandoned")


async def _close(db: Connection, upload: UploadRecord, state: State) -> UploadRecord:
    key = (upload.tenant_id, upload.upload_id)
    closed_now = record(await db.fetchrow(QUERIES["close_upload"], *key, state))
    await audit.append(db, upload.tenant_id, Event(_name(upload), _facts(upload), _facts(closed_now)))
    return closed_now


async def list_row_errors(
    pool: Pool, tenant_id: int, upload_id: int, *, limit: int, after: int = -1
) -> list[RowErrorRecord]:
    """Return up to `limit` rejected rows with numbers above `after`, in row order."""
    async with connection(pool) as db:
        rows = await db.fetch(QUERIES["list_row_errors"], tenant_id, upload_id, after, limit)
    return [RowErrorRecord(**row) for row in rows]


def refusal(upload: UploadRecord, epoch: int) -> VcciError | None:
    """Say why a writer of `epoch` may not write to this upload, if it may not."""
    if upload.state != "open":
        return closed(upload)
    if upload.epoch != epoch:
        return WriterFenced(metadata={"upload": f"uploads/{upload.upload_id}", "epoch": str(upload.epoch)})
    return None


def closed(upload: UploadRecord) -> WrongState:
    """The error for an upload that takes nothing any more."""
    return WrongState(f"uploads/{upload.upload_id} is {upload.state}", reason=f"UPLOAD_{upload.state.upper()}")


def _name(upload: UploadRecord) -> str:
    return f"uploads/{upload.upload_id}"


def _facts(upload: UploadRecord) -> audit.Facts:
    names = ("display_name", "mode", "allow_negative", "state", "committed_rows", "accepted_rows", "rejected_rows")
    return {name: getattr(upload, name) for name in names}


async def fetch(db: Connection, statement: str, tenant_id: int, upload_id: int) -> UploadRecord:
    """Return the upload that a statement finds, or raise NotFound."""
    row = await db.fetchrow(statement, tenant_id, upload_id)
    if row is None:
        raise NotFound("There is no such upload.", metadata={"name": f"uploads/{upload_id}"})
    return record(row)


def record(row: asyncpg.Record | None) -> UploadRecord:
    """Return a row of the ledger."""
    assert row is not None  # of a statement that returns one
    values = {name: row[name] for name in UploadRecord.__slots__}
    return UploadRecord(**{**values, "ug_co2e": int(row["ug_co2e"])})
