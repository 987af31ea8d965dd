"""Long-running operations of a tenant, but for recalculations (`runs`): a ledger, from which whoever leads works."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from vcci_engine.errors import NotFound, Overloaded, WrongState

from vcci_server.storage import audit
from vcci_server.storage.audit import Event
from vcci_server.storage.pool import Pool, connection, transaction
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.runs import State

MOST_RUNNING = 100  # of a tenant
RETRY_S = 5.0


@dataclass(frozen=True, slots=True)
class OperationRecord:
    """One operation as it is in the ledger, without its response."""

    tenant_id: int
    operation_id: int
    request_id: str
    subject: str  # who asked for it
    task: bytes  # OperationTask of the contract
    state: State
    step: str
    done: int
    total: int
    error: bytes | None  # google.rpc.Status
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


async def create(pool: Pool, tenant_id: int, request_id: str, subject: str, task: bytes) -> OperationRecord:
    """Make an operation, or return the one made before with this request id; raise Overloaded when too many go on."""
    async with transaction(pool) as db:
        if made := await db.fetchrow(QUERIES["insert_operation"], tenant_id, request_id, subject, task, MOST_RUNNING):
            operation = _record(made)
            await audit.append(db, tenant_id, Event(_name(operation), None, {"request_id": request_id}))
            return operation
        row = await db.fetchrow(QUERIES["select_operation_by_request"], tenant_id, request_id)
    if row is None:
        raise Overloaded(f"{MOST_RUNNING} operations go on already", retry_after_s=RETRY_S)
    found = _record(row)
    if found.task != task:
        raise WrongState(
            f"request id {request_id!r} was used before, for another task",
            reason="REQUEST_ID_REUSED",
            metadata={"operation": f"operations/{found.operation_id}"},
        )
    return found


async def get(pool: Pool, tenant_id: int, operation_id: int) -> OperationRecord:
    """Return an operation, or raise NotFound."""
    async with connection(pool) as db:
        row = await db.fetchrow(QUERIES["select_operation"], tenant_id, operation_id)
    if row is None:
        raise NotFound("There is no such operation.", metadata={"name": f"operations/{operation_id}"})
    return _record(row)


async def list_page(pool: Pool, tenant_id: int, *, limit: int, before: int) -> list[OperationRecord]:
    """Return up to `limit` operations with ids below `before`, newest first."""
    async with connection(pool) as db:
        return [_record(row) for row in await db.fetch(QUERIES["list_operations"], tenant_id, before, limit)]


async def response(pool: Pool, operation: OperationRecord) -> bytes | None:
    """Return what an operation came to, a serialized google.protobuf.Any; None unless it has succeeded."""
    async with connection(pool) as db:
        found: bytes | None = await db.fetchval(QUERIES["operation_response"], *_key(operation))
    return found


async def cancel(pool: Pool, operation: OperationRecord) -> None:
    """Cancel an operation that goes on; one that has ended stays as it is."""
    async with transaction(pool) as db:
        if await db.fetchval(QUERIES["cancel_operation"], *_key(operation)):
            event = Event(_name(operation), {"state": "running"}, {"state": "cancelled"})
            await audit.append(db, operation.tenant_id, event)


async def delete(pool: Pool, operation: OperationRecord) -> None:
    """Delete an operation with its response; one that goes on ends."""
    async with transaction(pool) as db:
        if await db.fetchval(QUERIES["delete_operation"], *_key(operation)):
            event = Event(_name(operation), {"request_id": operation.request_id}, None)
            await audit.append(db, operation.tenant_id, event)


async def to_do(pool: Pool, most: int, under_way: Sequence[int]) -> list[OperationRecord]:
    """Return operations that go on, of all tenants; those that are under way first."""
    async with connection(pool) as db:
        return [_record(row) for row in await db.fetch(QUERIES["operations_to_do"], most, under_way)]


async def begin(pool: Pool, operation: OperationRecord) -> float:
    """Note when an operation began; return how many seconds ago that was, the first time."""
    async with connection(pool) as db:
        age_s: float | None = await db.fetchval(QUERIES["begin_operation"], *_key(operation))
    return age_s or 0.0  # None: it was deleted meanwhile


async def note_progress(pool: Pool, operation: OperationRecord, step: str, done: int, total: int) -> None:
    """Note how far an operation is."""
    async with connection(pool) as db:
        await db.execute(QUERIES["note_progress"], *_key(operation), step, done, total)


async def end(
    pool: Pool, operation: OperationRecord, state: State, *, error: bytes | None = None, response: bytes | None = None
) -> None:
    """End an operation, unless it was ended meanwhile."""
    async with connection(pool) as db:
        await db.execute(QUERIES["end_operation"], *_key(operation), state, error, response)


def _name(operation: OperationRecord) -> str:
    return f"operations/{operation.operation_id}"


def _key(operation: OperationRecord) -> tuple[int, int]:
    return operation.tenant_id, operation.operation_id


def _record(row: asyncpg.Record) -> OperationRecord:
    return OperationRecord(**{name: row[name] for name in OperationRecord.__slots__})
