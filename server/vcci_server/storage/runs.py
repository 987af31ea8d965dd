"""Runs: recalculations of a tenant, each a row of the ledger and a long-running operation."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, TypeAlias

import asyncpg
from vcci_engine.errors import NotFound, WrongState

from vcci_server.storage import audit
from vcci_server.storage.audit import Actor, Event
from vcci_server.storage.merging import KEPT
from vcci_server.storage.pool import Connection, Pool, connection, transaction
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.reading import Filter, Position
from vcci_server.storage.uploads import LAST

State: TypeAlias = Literal["running", "succeeded", "cancelled", "failed"]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run as it is in the ledger."""

    tenant_id: int
    run_id: int
    request_id: str
    request: bytes  # RecalculateRequest of the contract
    factor_set_id: int
    price_set_id: int
    state: State
    error: bytes | None  # google.rpc.Status
    rows_total: int
    rows_done: int
    rejected_rows: int
    open_uploads: int
    done_upload: int
    done_version: int
    done_offset: int
    done_segment: int
    forgotten: bool
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def done(self) -> Position:
        """The last segment that is done."""
        return Position(self.done_upload, self.done_version, self.done_offset, self.done_segment, date.max)


@dataclass(frozen=True, slots=True)
class NewRun:
    """What a run is asked to do."""

    request_id: str
    request: bytes
    factor_set_id: int
    price_set_id: int


async def create(pool: Pool, tenant_id: int, new: NewRun, chosen: Filter) -> RunRecord:
    """Make a run over the uploads that are finalized now, or return the one made before with this request id."""
    fields = (new.request_id, new.request, new.factor_set_id, new.price_set_id)
    async with transaction(pool) as db:
        made = await db.fetchrow(QUERIES["insert_run"], tenant_id, *fields)
        if made is None:
            found = await db.fetchrow(QUERIES["select_run_by_request"], tenant_id, new.request_id)
            if found is not None and found["deleted_at"] is not None:
                raise _reused(record(found), "for a run that was deleted")
            return _same(record(found), new)
        run_id = made["run_id"]
        await db.execute(QUERIES["insert_run_uploads"], tenant_id, run_id, chosen.upload_id)
        counted = await db.fetchrow(
            QUERIES["count_run"], tenant_id, run_id, chosen.upload_id, *chosen.quarters, chosen.suppliers
        )
        run = record(counted)
        await audit.append(db, tenant_id, Event(_name(run_id), None, _facts(run)))
        return run


def _same(made: RunRecord, new: NewRun) -> RunRecord:
    if made.request != new.request:
        raise _reused(made, "for another recalculation")
    return made


def _reused(made: RunRecord, what: str) -> WrongState:
    message = f"request id {made.request_id!r} was used before, {what}"
    return WrongState(message, reason="REQUEST_ID_REUSED", metadata={"run": f"runs/{made.run_id}"})


async def get(pool: Pool, tenant_id: int, run_id: int) -> RunRecord:
    """Return a run."""
    async with connection(pool) as db:
        return await fetch(db, tenant_id, run_id)


async def fetch(db: Connection, tenant_id: int, run_id: int) -> RunRecord:
    """Return a run, or raise NotFound."""
    row = await db.fetchrow(QUERIES["select_run"], tenant_id, run_id)
    if row is None:
        raise NotFound("There is no such run.", metadata={"name": f"runs/{run_id}"})
    return record(row)


async def fetch_readable(db: Connection, tenant_id: int, run_id: int) -> RunRecord:
    """Return a run whose results can be read, or raise WrongState."""
    run = await fetch(db, tenant_id, run_id)
    if run.state != "succeeded":
        raise WrongState(
            f"runs/{run_id} is {run.state}: its results can be read once it has succeeded",
            reason="RUN_NOT_SUCCEEDED",
            metadata={"name": f"runs/{run_id}", "state": run.state},
        )
    return run


async def list_page(
    pool: Pool, tenant_id: int, *, limit: int, before: int = LAST, forgotten: bool = True
) -> list[RunRecord]:
    """Return up to `limit` runs with ids below `before`, newest first."""
    async with connection(pool) as db:
        return [record(row) for row in await db.fetch(QUERIES["list_runs"], tenant_id, before, limit, forgotten)]


async def cancel(pool: Pool, tenant_id: int, run_id: int) -> None:
    """Cancel a run that goes on; one that has ended stays as it is."""
    async with transaction(pool) as db:
        await fetch(db, tenant_id, run_id)
        if await db.fetchval(QUERIES["cancel_run"], tenant_id, run_id) is not None:
            await audit.append(db, tenant_id, Event(_name(run_id), {"state": "running"}, {"state": "cancelled"}))


async def forget(pool: Pool, tenant_id: int, run_id: int) -> None:
    """Delete the operation of a run, not the run."""
    async with transaction(pool) as db:
        await db.execute(QUERIES["forget_operation"], tenant_id, run_id)
        await audit.append(db, tenant_id, Event(f"operations/{run_id}", {"forgotten": False}, {"forgotten": True}))


async def delete(pool: Pool, tenant_id: int, run_id: int) -> None:
    """Delete a run that has ended; what it stored stays for those who read it, until `sweep` deletes it."""
    async with transaction(pool) as db:
        run = await fetch(db, tenant_id, run_id)
        if not await db.fetchval(QUERIES["delete_run"], tenant_id, run_id):
            raise WrongState(
                f"runs/{run_id} goes on: cancel operations/{run_id} first",
                reason="RUN_GOES_ON",
                metadata={"name": f"runs/{run_id}", "operation": f"operations/{run_id}"},
            )
        await audit.append(db, tenant_id, Event(_name(run_id), _facts(run), None))


async def to_do(pool: Pool, most: int) -> list[RunRecord]:
    """Return runs that go on, of all tenants, oldest first of each."""
    async with connection(pool) as db:
        return [record(row) for row in await db.fetch(QUERIES["runs_to_do"], most)]


async def begin(pool: Pool, run: RunRecord) -> None:
    """Note when a run began."""
    async with connection(pool) as db:
        await db.execute(QUERIES["begin_run"], run.tenant_id, run.run_id)


async def end(pool: Pool, run: RunRecord, done: Position, state: State, error: bytes | None = None) -> None:
    """End a run that is done up to a segment; one that was cancelled meanwhile stays so."""
    async with transaction(pool) as db:
        ended = await db.fetchval(QUERIES["end_run"], run.tenant_id, run.run_id, state, error, *done[:4])
        if ended is not None:
            event = Event(_name(run.run_id), {"state": "running"}, {"state": state}, by=Actor(action="Recalculate"))
            await audit.append(db, run.tenant_id, event)


async def sweep(pool: Pool, *, kept: timedelta = KEPT, timeout_s: float = 3600.0) -> None:
    """Delete what runs that did not succeed have left, and runs that were deleted a while ago."""
    async with connection(pool) as db:
        left = await db.fetch(QUERIES["runs_to_sweep"])
        deleted = await db.fetch(QUERIES["runs_to_delete"], kept)
    for rows, is_last in ((left, False), (deleted, True)):
        for tenant_id, run_id in rows:
            async with transaction(pool) as db:
                await db.execute(QUERIES["delete_run_segments"], tenant_id, run_id, timeout=timeout_s)
                await db.execute(QUERIES["delete_run_sums"], tenant_id, run_id, timeout=timeout_s)
                if is_last:
                    await db.execute(QUERIES["drop_run"], tenant_id, run_id)


def _name(run_id: int) -> str:
    return f"runs/{run_id}"


def _facts(run: RunRecord) -> audit.Facts:
    price_set = f"priceSets/{run.price_set_id}" if run.price_set_id else None
    counted = {"rows_total": run.rows_total, "open_uploads": run.open_uploads}
    return {
        "request_id": run.request_id,
        "state": run.state,
        "factor_set": f"factorSets/{run.factor_set_id}",
        "price_set": price_set,
        **counted,
    }


def record(row: asyncpg.Record | None) -> RunRecord:
    """Return a row of the ledger."""
    assert row is not None  # of a statement that returns one
    return RunRecord(**{name: row[name] for name in RunRecord.__slots__})
