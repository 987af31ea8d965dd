"""The chain of audit events: only added to, with the change, without gaps; what is removed or altered is found."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256

import asyncpg
import pytest
from vcci_server.storage import audit
from vcci_server.storage.audit import Actor, AuditFilter, Event
from vcci_server.storage.audit_chain import Fault, Verdict, verify
from vcci_server.storage.partitions import PartitionKeeper
from vcci_server.storage.pool import Connection, Pool, transaction

ANN = Actor("ann", "analyst uploader", "r-1", "UploadService.CreateUpload")
ODD = 'Süd\n"\\ \0 \u2028'


async def _append(pool: Pool, tenant_id: int, count: int = 1) -> None:
    async with transaction(pool) as db:
        events = [Event(f"uploads/{n}", {"rows": n}, {"rows": n + 1}, by=ANN) for n in range(count)]
        await audit.append(db, tenant_id, *events)


@asynccontextmanager
async def _tampering(pool: Pool) -> AsyncIterator[Connection]:
    """A connection of somebody who has the database's superuser, for whom no trigger counts."""
    async with transaction(pool) as db:
        await db.execute("SET LOCAL session_replication_role = replica")
        yield db


async def test_an_event_is_read_as_it_was_written(pool: Pool, tenant_id: int) -> None:
    async with transaction(pool) as db:
        await audit.append(db, tenant_id, Event(f"suppliers/{ODD}", None, {"name": ODD, "n": 2**60}, by=ANN))
        now = await db.fetchval("SELECT now()")
    (event,) = await audit.read_page(pool, tenant_id, limit=10)
    assert (event.sequence, event.subject, event.roles, event.request_id) == (1, "ann", "analyst uploader", "r-1")
    assert (event.action, event.resource) == (ANN.action, f"suppliers/{ODD}".replace("\0", "\N{REPLACEMENT CHARACTER}"))
    assert event.before is None
    assert event.after == '{"name": "Süd\\n\\"\\\\ \\u0000 \u2028", "n": 1152921504606846976}'
    assert now <= event.at
    assert not (await verify(pool, tenant_id)).faults


async def test_an_event_commits_with_its_change_or_not_at_all(pool: Pool, tenant_id: int) -> None:
    async def change_and_fail() -> None:
        async with transaction(pool) as db:
            await audit.append(db, tenant_id, Event("uploads/1"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await change_and_fail()
    assert await audit.head(pool, tenant_id) == (0, b"")
    await _append(pool, tenant_id)
    assert [event.sequence for event in await audit.read_page(pool, tenant_id, limit=10)] == [1]


async def test_appending_at_the_same_time_leaves_no_gap_and_no_second_chain(pool: Pool, tenant_id: int) -> None:
    await asyncio.gather(*(_append(pool, tenant_id, 3) for _ in range(20)))
    verdict = await verify(pool, tenant_id)
    assert (verdict.events, verdict.last_sequence, verdict.faults) == (60, 60, [])


@pytest.mark.parametrize("table", ["audit_events", "audit_events_{:%Ym%m}", "audit_heads"])
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET sequence = sequence - 1", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
async def test_nothing_is_altered_or_removed_by_the_services_own_role(
    pool: Pool, tenant_id: int, table: str, statement: str
) -> None:
    await _append(pool, tenant_id)
    with pytest.raises(asyncpg.RestrictViolationError):
        await pool.execute(statement.format(table.format(datetime.now(UTC))))
    assert not (await verify(pool, tenant_id)).faults


async def test_a_connection_of_one_tenant_adds_nothing_to_the_chain_of_another(pool: Pool, tenant_id: int) -> None:
    async def append_as(bound: int) -> None:
        async with transaction(pool) as db:
            await db.execute(f"SET LOCAL vcci.tenant = {bound}")
            await audit.append(db, tenant_id, Event("uploads/1"))

    await append_as(tenant_id)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await append_as(tenant_id + 1)
    assert await verify(pool, tenant_id) == Verdict(*await audit.head(pool, tenant_id), events=1)


@pytest.mark.parametrize(
    "change",
    ["subject = 'bob'", "after = '{\"rows\": 9}'", "at = at + interval '1 microsecond'", "calls = 2", "reason = 'X'"],
)
async def test_an_altered_event_is_found(pool: Pool, tenant_id: int, change: str) -> None:
    await _append(pool, tenant_id, 5)
    async with _tampering(pool) as db:
        await db.execute(f"UPDATE audit_events SET {change} WHERE tenant_id = $1 AND sequence = 3", tenant_id)
    assert (await verify(pool, tenant_id)).faults == [Fault(3, "altered")]


async def test_an_event_that_is_altered_with_its_hash_is_found_at_the_next(pool: Pool, tenant_id: int) -> None:
    await _append(pool, tenant_id, 5)
    async with _tampering(pool) as db:
        await db.execute(
            "UPDATE audit_events SET subject = 'bob', hash = sha256(hash) WHERE tenant_id = $1 AND sequence = 5",
            tenant_id,
        )
    assert {fault.sequence for fault in (await verify(pool, tenant_id)).faults} == {5}
    async with _tampering(pool) as db:
        await db.execute("UPDATE audit_events SET hash = sha256(hash) WHERE tenant_id = $1 AND sequence = 2", tenant_id)
    assert [fault.sequence for fault in (await verify(pool, tenant_id)).faults][:2] == [2, 3]


@pytest.mark.parametrize(
    ("removed", "fault"),
    [("= 1", Fault(1, "missing", 1)), ("IN (3, 4)", Fault(3, "missing", 2)), ("> 3", Fault(4, "missing", 2))],
)
async def test_removed_events_are_found(pool: Pool, tenant_id: int, removed: str, fault: Fault) -> None:
    await _append(pool, tenant_id, 5)
    async with _tampering(pool) as db:
        await db.execute(f"DELETE FROM audit_events WHERE tenant_id = $1 AND sequence {removed}", tenant_id)
    assert (await verify(pool, tenant_id)).faults == [fault]


async def test_a_chain_that_was_cut_or_written_anew_is_found_by_what_was_noted(pool: Pool, tenant_id: int) -> None:
    await _append(pool, tenant_id, 5)
    noted = await audit.head(pool, tenant_id)
    assert not (await verify(pool, tenant_id, noted)).faults
    async with _tampering(pool) as db:
        for table in ("audit_events", "audit_heads"):
            await db.execute(f"DELETE FROM {table} WHERE tenant_id = $1", tenant_id)
    await _append(pool, tenant_id, 3)
    assert not (await verify(pool, tenant_id)).faults
    assert (await verify(pool, tenant_id, noted)).faults == [Fault(4, "missing", 2)]
    await _append(pool, tenant_id, 3)
    assert (await verify(pool, tenant_id, noted)).faults == [Fault(5, "not_as_known")]


async def test_the_hash_is_that_of_the_documented_recipe(pool: Pool, tenant_id: int) -> None:
    await _append(pool, tenant_id, 2)
    row = await pool.fetchrow(
        "SELECT (extract(epoch FROM at) * 1000000)::bigint AS us, hash, lag(hash) OVER (ORDER BY sequence) AS link"
        " FROM audit_events WHERE tenant_id = $1 ORDER BY sequence DESC LIMIT 1",
        tenant_id,
    )
    assert row is not None
    fields = [tenant_id, 2, row["us"], *("ann", "analyst uploader", "r-1", ANN.action, "uploads/1", "", 1)]
    texts = [str(field) for field in (*fields, '{"rows": 1}', '{"rows": 2}')]
    contents = "".join(f"{len(text)}:{text}" for text in texts).encode()
    assert row["hash"] == sha256(row["link"] + contents).digest()


async def test_events_are_found_by_time_who_what_and_resource(pool: Pool, tenant_id: int) -> None:
    bob = Actor("bob", "", "", "SupplierService.UpdateSupplier")
    for event in (
        Event("uploads/1", by=ANN),
        Event("uploads/12", by=ANN),
        Event("uploads/1/emissions/7", by=ANN),
        Event("suppliers/S", by=bob),
        Event("", by=bob, reason="PERMISSION_DENIED"),
    ):
        async with transaction(pool) as db:
            await audit.append(db, tenant_id, event)

    async def found(**wanted: object) -> list[int]:
        page = await audit.read_page(pool, tenant_id, limit=10, wanted=AuditFilter(**wanted))  # type: ignore[arg-type]
        return [event.sequence for event in page]

    assert await found() == [5, 4, 3, 2, 1]
    assert await found(subject="bob") == [5, 4]
    assert await found(action="UploadService") == [3, 2, 1]
    assert await found(action="UploadService.Create") == []
    assert await found(resource="uploads/1") == [3, 1]
    assert await found(resource="uploads") == [3, 2, 1]
    assert await found(denied=True) == [5]
    assert await found(denied=False, subject="bob") == [4]
    third = (await audit.read_page(pool, tenant_id, limit=1, before=4))[0].at
    assert await found(start=third) == [5, 4, 3]
    assert await found(end=third) == [2, 1]


async def test_months_are_made_ahead_and_one_that_is_missing_when_it_is_needed(pool: Pool, tenant_id: int) -> None:
    this = f"audit_events_{datetime.now(UTC):%Ym%m}"
    await pool.execute(f"DROP TABLE {this}")
    await _append(pool, tenant_id)
    assert [event.sequence for event in await audit.read_page(pool, tenant_id, limit=2)] == [1]
    await PartitionKeeper(pool).ensure_ahead()
    children = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit_events'::regclass"
    assert await pool.fetchval(children) == 4
