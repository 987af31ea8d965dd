"""Finished reports and their files."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg
from vcci_engine.errors import NotFound, WrongState

from vcci_server.storage import audit
from vcci_server.storage.audit import Event
from vcci_server.storage.pool import Connection, Pool, connection, transaction
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.uploads import LAST

CHUNK_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class ReportRecord:
    """A finished report without its file."""

    report_id: int
    request: bytes  # GenerateReportRequest of the contract
    period_start: date
    period_end: date
    input_names: tuple[str, ...]
    input_hashes: tuple[str, ...]
    sha256: str
    size_bytes: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewReport:
    """A report to store."""

    request_id: str
    request: bytes
    period_start: date
    period_end: date
    inputs: tuple[tuple[str, str], ...]  # names and hashes
    sha256: str
    file: bytes
    created_at: datetime


async def create(pool: Pool, tenant_id: int, new: NewReport) -> ReportRecord:
    """Store a report, or return the one that another call with this request id has stored meanwhile."""
    names, hashes = [name for name, _ in new.inputs], [sha256 for _, sha256 in new.inputs]
    async with transaction(pool) as db:
        stored = await db.fetchval(
            QUERIES["insert_report"],
            *(tenant_id, new.request_id, new.request, new.period_start, new.period_end, names, hashes),
            *(new.sha256, len(new.file), new.file, new.created_at),
        )
        made = await find(db, tenant_id, new.request_id, new.request)
        assert made is not None  # it was stored, or was there
        if stored is not None:
            await audit.append(db, tenant_id, Event(f"reports/{made.report_id}", None, _facts(made)))
    return made


def _facts(made: ReportRecord) -> audit.Facts:
    period = f"{made.period_start} to {made.period_end}"
    return {"period": period, "sha256": made.sha256, "size_bytes": made.size_bytes}


async def find(db: Connection, tenant_id: int, request_id: str, request: bytes) -> ReportRecord | None:
    """Return the report made before with this request id; raise WrongState when that was for another request."""
    row = await db.fetchrow(QUERIES["select_report_by_request"], tenant_id, request_id)
    if row is None:
        return None
    made = _record(row)
    if made.request != request:
        raise WrongState(
            f"request id {request_id!r} was used before, for another report",
            reason="REQUEST_ID_REUSED",
            metadata={"report": f"reports/{made.report_id}"},
        )
    return made


async def get(pool: Pool, tenant_id: int, report_id: int) -> ReportRecord:
    """Return a report, or raise NotFound."""
    async with connection(pool) as db:
        row = await db.fetchrow(QUERIES["select_report"], tenant_id, report_id)
    if row is None:
        raise _not_found(report_id)
    return _record(row)


async def delete(pool: Pool, tenant_id: int, report_id: int) -> None:
    """Delete a report with its file, or raise NotFound."""
    async with transaction(pool) as db:
        row = await db.fetchrow(QUERIES["select_report"], tenant_id, report_id)
        if row is None or await db.fetchval(QUERIES["delete_report"], tenant_id, report_id) is None:
            raise _not_found(report_id)
        await audit.append(db, tenant_id, Event(f"reports/{report_id}", _facts(_record(row)), None))


async def list_page(pool: Pool, tenant_id: int, *, limit: int, before: int = LAST) -> list[ReportRecord]:
    """Return up to `limit` reports with ids below `before`, newest first."""
    async with connection(pool) as db:
        return [_record(row) for row in await db.fetch(QUERIES["list_reports"], tenant_id, before, limit)]


async def chunks(pool: Pool, tenant_id: int, report: ReportRecord) -> AsyncGenerator[bytes]:
    """Yield the file, or raise NotFound when it is deleted meanwhile; no connection is held between chunks."""
    for start in range(0, report.size_bytes, CHUNK_BYTES):
        async with connection(pool) as db:
            chunk: bytes | None = await db.fetchval(
                QUERIES["report_chunk"], tenant_id, report.report_id, start + 1, CHUNK_BYTES
            )
        if chunk is None:
            raise _not_found(report.report_id)
        yield chunk


def _not_found(report_id: int) -> NotFound:
    return NotFound("There is no such report.", metadata={"name": f"reports/{report_id}"})


def _record(row: asyncpg.Record) -> ReportRecord:
    fields = {name: row[name] for name in ReportRecord.__slots__}
    return ReportRecord(
        **{**fields, "input_names": tuple(row["input_names"]), "input_hashes": tuple(row["input_hashes"])}
    )
