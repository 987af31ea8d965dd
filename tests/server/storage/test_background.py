"""The background: one leader per database, who folds, merges and sweeps; its faults are told and tried again."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from vcci_cluster import Executor, Place, open_executor
from vcci_server.storage import background, folding, merging
from vcci_server.storage.background import LEADER_LOCK, Background
from vcci_server.storage.partitions import PartitionKeeper
from vcci_server.storage.pool import Pool

from tests.server.stages import AT_ONCE
from tests.server.stored_emissions import StoredEmissions
from tests.waiting import until


@pytest.fixture
async def executor() -> AsyncIterator[Executor]:
    async with open_executor(None, threads=1) as executor:
        yield executor


class Worker:
    """A process's background, and what it was told of."""

    def __init__(self, database: str, pool: Pool, executor: Executor, *, kept: timedelta = timedelta(hours=1)) -> None:
        self.done: Counter[tuple[str, str]] = Counter()
        keeper = PartitionKeeper(pool)
        self.background = Background(database, pool, keeper, executor, observe=self._observe, idle=AT_ONCE, kept=kept)

    def _observe(self, name: str, place: Place, status: str, seconds: float) -> None:
        self.done[name, status] += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        task = asyncio.create_task(self.background.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "POLL_S", 0.02)


async def _leaders(pool: Pool) -> list[int]:
    """The database processes that hold the lock."""
    rows = await pool.fetch(
        """
        SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
        WHERE locktype = 'advisory' AND granted AND datname = current_database()
            AND (classid::bigint << 32) + objid::bigint = $1
        """,
        LEADER_LOCK,
    )
    return [row["pid"] for row in rows]


async def test_a_finalized_upload_is_folded_merged_and_swept(database: str, pool: Pool, executor: Executor) -> None:
    store = await StoredEmissions.of_new_tenant(pool)
    upload_id = await store.open()
    for seed in range(3):
        await store.append(upload_id, 40, seed=seed)
    worker = Worker(database, pool, executor, kept=AT_ONCE)
    async with worker.running():
        await until(lambda: worker.done["fold", "success"])
        await store.finalize(upload_id)
        await until(lambda: worker.done["sweep", "success"])
        await until(lambda: pool.fetchval("SELECT merged FROM uploads WHERE upload_id = $1", upload_id))
        replaced = "SELECT NOT EXISTS (SELECT FROM emission_segments WHERE upload_id = $1 AND merge_version = 0)"
        await until(lambda: pool.fetchval(replaced, upload_id))
    assert "failure" not in {status for _, status in worker.done}
    assert worker.done["partitions", "success"] == 1


async def test_one_of_two_leads_and_the_other_takes_over(database: str, pool: Pool, executor: Executor) -> None:
    first, second = Worker(database, pool, executor), Worker(database, pool, executor)
    async with first.running():
        await until(lambda: first.done["partitions", "success"])
        (leader,) = await _leaders(pool)
        async with second.running() as task:
            await until(lambda: _both_stand(pool))
            assert await _leaders(pool) == [leader]
            assert not second.done
            await pool.execute("SELECT pg_terminate_backend($1)", leader)
            await until(lambda: _other_leads(pool, leader))
            assert not task.done()


async def test_a_lost_leader_stands_again(database: str, pool: Pool, executor: Executor) -> None:
    worker = Worker(database, pool, executor)
    async with worker.running():
        await until(lambda: _leaders(pool))
        (leader,) = await _leaders(pool)
        await pool.execute("SELECT pg_terminate_backend($1)", leader)
        await until(lambda: _other_leads(pool, leader))


async def test_a_fault_of_the_loop_itself_does_not_end_it(
    database: str, pool: Pool, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = 0

    async def fail(pool: Pool, *, kept: timedelta) -> list[int]:
        nonlocal faults
        faults += 1
        raise ValueError("a fault")

    monkeypatch.setattr(merging, "to_sweep", fail)
    async with Worker(database, pool, executor).running() as task:
        await until(lambda: faults >= 2)
        assert not task.done()


async def test_a_cancelled_leader_gives_up_the_lock(database: str, pool: Pool, executor: Executor) -> None:
    async with Worker(database, pool, executor).running() as task:
        await until(lambda: _leaders(pool))
    assert task.cancelled()
    await until(lambda: _nobody_leads(pool))


async def test_a_task_that_fails_is_tried_again_and_does_not_stop_others(
    database: str, pool: Pool, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await StoredEmissions.of_new_tenant(pool)
    bad, good = [await store.open() for _ in range(2)]
    for upload_id in (bad, good):
        await store.append(upload_id, 10, seed=1)
    fold, failures = folding.fold, 0

    async def fails_twice(pool: Pool, executor: Executor, tenant_id: int, upload_id: int) -> int:
        nonlocal failures
        if upload_id == bad and failures < 2:
            failures += 1
            raise ValueError("a fault")
        return await fold(pool, executor, tenant_id, upload_id)

    monkeypatch.setattr(folding, "fold", fails_twice)
    worker = Worker(database, pool, executor)
    async with worker.running():
        await until(lambda: worker.done["fold", "success"] >= 2)
    assert worker.done["fold", "failure"] == 2
    folded = "SELECT bool_and(folded_rows = committed_rows) FROM uploads WHERE tenant_id = $1"
    assert await pool.fetchval(folded, store.tenant_id)


async def _candidates(pool: Pool) -> int:
    """Return how many lead or wait to."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1"
    count: int = await pool.fetchval(query, background.NAME)
    return count


async def _both_stand(pool: Pool) -> bool:
    return await _candidates(pool) == 2


async def _other_leads(pool: Pool, leader: int) -> bool:
    return await _leaders(pool) not in ([], [leader])


async def _nobody_leads(pool: Pool) -> bool:
    return await _leaders(pool) == []
