"""Commits of batches: the ledger moves with the rows or not at all."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest
from vcci_engine.errors import NotFound, OffsetMismatch, VcciError, WriterFenced, WrongState
from vcci_engine.results import Reason, RowErrors
from vcci_server.storage import uploads
from vcci_server.storage.ingest import PreparedBatch, commit_batches
from vcci_server.storage.partitions import PartitionKeeper
from vcci_server.storage.pool import Connection, Pool
from vcci_server.storage.queries import QUERIES

from tests.server.storage.samples import QUARTER, batch
from tests.waiting import until


class Writer:
    """An upload that is open for writing."""

    def __init__(self, pool: Pool, upload: uploads.UploadRecord) -> None:
        self.pool = pool
        self.keeper = PartitionKeeper(pool)
        self.upload = upload
        self.key = (upload.tenant_id, upload.upload_id)

    async def commit(self, *batches: PreparedBatch, after: asyncio.Task[object] | None = None) -> int:
        return await commit_batches(self.pool, self.keeper, *self.key, self.upload.epoch, batches, after=after)

    async def copied(self) -> bool:
        """Whether a transaction of this upload has copied, and waits to move the ledger."""
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE 'COPY%'"
        return bool(await self.pool.fetchval(waiting))

    async def ledger(self) -> uploads.UploadRecord:
        return await uploads.get(self.pool, *self.key)

    async def stored_rows(self) -> list[int]:
        stored = "SELECT row FROM emission_segments WHERE upload_id = $1 ORDER BY batch_offset, segment"
        rows = await self.pool.fetch(stored, self.upload.upload_id)
        return [number for row in rows for number in np.frombuffer(row["row"], "<u4").tolist()]


@pytest.fixture
async def writer(pool: Pool, tenant_id: int) -> Writer:
    upload = await uploads.create(pool, tenant_id, request_id=uuid4().hex, mode="committed")
    return Writer(pool, await uploads.open_upload(pool, tenant_id, upload.upload_id))


def _errors(*rows: int, value: str = "x") -> RowErrors:
    texts = [(text,) * len(rows) for text in ("unit", value, "a unit")]
    return RowErrors(np.array(rows, np.uint32), (Reason.UNKNOWN_UNIT,) * len(rows), *texts)


async def test_batches_that_follow_each_other_are_committed_together(writer: Writer) -> None:
    assert await writer.commit(batch(0, 3), batch(3, 2)) == 5
    assert await writer.commit(batch(5, 4)) == 9
    ledger = await writer.ledger()
    assert (ledger.committed_rows, ledger.accepted_rows, ledger.rejected_rows) == (9, 9, 0)
    assert ledger.ug_co2e == 3 * (10**18 + 1)
    assert await writer.stored_rows() == list(range(9))


async def test_a_batch_of_several_quarters_and_segments_is_stored_whole(writer: Writer) -> None:
    parts = [batch(0, 3), batch(3, 2, quarter=QUARTER + 90)]
    whole = replace(parts[0], rows=5, accepted=5, segments=[part.segments[0] for part in parts])
    assert await writer.commit(whole) == 5
    assert await writer.stored_rows() == list(range(5))


async def test_a_batch_of_nothing_but_wrong_rows_moves_the_offset(writer: Writer) -> None:
    assert await writer.commit(batch(0, 2, errors=_errors(0, 1))) == 2
    ledger = await writer.ledger()
    assert (ledger.accepted_rows, ledger.rejected_rows, ledger.ug_co2e) == (0, 2, 0)


@pytest.mark.parametrize("offset", [0, 2, 4, 6])
async def test_a_batch_that_is_not_the_next_one_is_not_stored(writer: Writer, offset: int) -> None:
    await writer.commit(batch(0, 3))
    with pytest.raises(OffsetMismatch) as raised:
        await writer.commit(batch(offset, 3))
    assert (raised.value.offset, raised.value.expected_offset) == (offset, 3)
    assert await writer.stored_rows() == [0, 1, 2]


async def test_a_batch_sent_by_two_at_once_is_stored_once(writer: Writer) -> None:
    outcomes = await asyncio.gather(*(writer.commit(batch(0, 3)) for _ in range(4)), return_exceptions=True)
    assert sorted(str(type(outcome).__name__) for outcome in outcomes) == ["OffsetMismatch"] * 3 + ["int"]
    assert await writer.stored_rows() == [0, 1, 2]


async def test_a_fenced_writer_stores_nothing(writer: Writer) -> None:
    await uploads.open_upload(writer.pool, *writer.key)
    with pytest.raises(WriterFenced):
        await writer.commit(batch(0, 3))
    assert await writer.stored_rows() == []


async def test_a_transaction_copies_while_the_one_before_is_under_way_and_ends_after_it(writer: Writer) -> None:
    release = asyncio.Event()

    async def first() -> int:
        await release.wait()
        return await writer.commit(batch(0, 3))

    before = asyncio.create_task(first())
    following = asyncio.create_task(writer.commit(batch(3, 2), after=before))
    await until(writer.copied)
    assert ((await writer.ledger()).committed_rows, await writer.stored_rows()) == (0, [])
    release.set()
    assert (await before, await following) == (3, 5)
    assert await writer.stored_rows() == [0, 1, 2, 3, 4]


async def test_a_transaction_fails_with_the_one_before(writer: Writer) -> None:
    before = asyncio.create_task(writer.commit(batch(9, 3)))
    with pytest.raises(OffsetMismatch) as raised:
        await writer.commit(batch(12, 3), after=before)
    assert raised.value.offset == 9
    assert ((await writer.ledger()).committed_rows, await writer.stored_rows()) == (0, [])


async def test_who_takes_an_upload_over_waits_for_what_is_being_committed(writer: Writer) -> None:
    release = asyncio.Event()
    before = asyncio.create_task(release.wait())
    committing = asyncio.create_task(writer.commit(batch(0, 3), after=before))
    await until(writer.copied)
    taking_over = asyncio.create_task(uploads.open_upload(writer.pool, *writer.key))
    done, _ = await asyncio.wait([taking_over], timeout=0.2)
    assert not done
    release.set()
    assert await committing == 3
    assert (await taking_over).committed_rows == 3


async def test_a_finalized_upload_takes_no_batch(writer: Writer) -> None:
    await writer.commit(batch(0, 3))
    await uploads.finalize(writer.pool, *writer.key, row_count=3)
    with pytest.raises(WrongState) as raised:
        await writer.commit(batch(3, 3))
    assert raised.value.reason == "UPLOAD_FINALIZED"
    assert await writer.stored_rows() == [0, 1, 2]


async def test_an_abandoned_upload_leaves_nothing_and_takes_no_batch(writer: Writer) -> None:
    seen: list[int] = []

    async def unfold(connection: Connection, tenant_id: int, upload_id: int) -> None:
        stored = "SELECT count(*) FROM emission_segments WHERE tenant_id = $1 AND upload_id = $2"
        seen.append(await connection.fetchval(stored, tenant_id, upload_id))

    await writer.commit(batch(0, 3, errors=_errors(1)))
    await uploads.abandon(writer.pool, *writer.key, unfold)
    assert seen == [1]
    assert await writer.stored_rows() == []
    assert await uploads.list_row_errors(writer.pool, *writer.key, limit=9) == []
    with pytest.raises(WrongState) as raised:
        await writer.commit(batch(3, 3))
    assert raised.value.reason == "UPLOAD_ABANDONED"


async def test_an_upload_whose_rollups_cannot_be_mended_is_not_abandoned(writer: Writer) -> None:
    async def fail(connection: Connection, tenant_id: int, upload_id: int) -> None:
        raise VcciError

    await writer.commit(batch(0, 3))
    with pytest.raises(VcciError):
        await uploads.abandon(writer.pool, *writer.key, fail)
    assert (await writer.ledger()).state == "open"
    assert await writer.stored_rows() == [0, 1, 2]


async def test_another_tenant_cannot_write(writer: Writer, tenant_id: int) -> None:
    with pytest.raises(NotFound):
        await commit_batches(writer.pool, writer.keeper, tenant_id + 1, writer.upload.upload_id, 1, [batch(0, 3)])


async def test_batches_with_a_gap_between_them_are_a_fault_of_ours(writer: Writer) -> None:
    with pytest.raises(ValueError, match="follow each other"):
        await writer.commit(batch(0, 3), batch(4, 3))


async def test_row_errors_are_listed_in_row_order_page_by_page(writer: Writer) -> None:
    await writer.commit(batch(0, 5, errors=_errors(1, 4), references=("r1", "r4")), batch(5, 1))
    await writer.commit(batch(6, 3, errors=_errors(0, 1, 2)))
    found: list[uploads.RowErrorRecord] = []
    after = -1
    while page := await uploads.list_row_errors(writer.pool, *writer.key, limit=2, after=after):
        after = page[-1].row
        found += page
    assert [error.row for error in found] == [1, 4, 6, 7, 8]
    assert found[0] == uploads.RowErrorRecord(1, Reason.UNKNOWN_UNIT, "unit", "x", "a unit", "r1")
    assert found[2].reference == ""


async def test_a_nul_character_in_a_wrong_value_does_not_fail_its_batch(writer: Writer) -> None:
    await writer.commit(batch(0, 2, errors=_errors(0, value="k\0g"), references=("a\0b",)))
    (error,) = await uploads.list_row_errors(writer.pool, *writer.key, limit=2)
    assert (error.value, error.reference) == ("k\ufffdg", "a\ufffdb")


async def test_a_pending_uploads_ledger_counts_like_any_other(pool: Pool, tenant_id: int) -> None:
    upload = await uploads.create(pool, tenant_id, request_id="pending", mode="pending")
    pending = Writer(pool, await uploads.open_upload(pool, tenant_id, upload.upload_id))
    assert await pending.commit(batch(0, 3)) == 3
    assert (await uploads.finalize(pool, *pending.key)).accepted_rows == 3


async def test_committing_updates_the_ledger_in_place(writer: Writer) -> None:
    hot = "SELECT pg_stat_get_xact_tuples_hot_updated('uploads'::regclass)"
    async with writer.pool.acquire() as connection, connection.transaction():
        before = await connection.fetchval(hot)
        await connection.fetchval(QUERIES["advance_upload"], *writer.key, writer.upload.epoch, 0, 3, 3, 0, 1)
        assert await connection.fetchval(hot) == before + 1
