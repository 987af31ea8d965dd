"""The factor cache: loaded once, fresh within a second, whatever notifications are missed, and never empty again."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from vcci_engine.errors import WrongState
from vcci_server import cache as cache_module
from vcci_server.cache import FactorCache
from vcci_server.importers import FactorRecord
from vcci_server.metrics import Tier
from vcci_server.storage import factors
from vcci_server.storage.pool import Pool, open_pool

from tests.waiting import until

KILL_LISTENER = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = $1 AND query LIKE '%active_factor_sets%'
"""
REPLACE_SILENTLY = "UPDATE active_factor_sets SET factor_set_id = $2 WHERE tenant_id = $1"


class Process:
    """A cache with a pool of its own, as another server process has; counts what it does."""

    def __init__(self, cache: FactorCache, counts: "Counter[str]") -> None:
        self.cache = cache
        self.counts = counts

    def set_id(self, tenant_id: int) -> int | None:
        """The set in use."""
        table = self.cache.peek(tenant_id)
        return table.set_id if table else None

    def uses(self, tenant_id: int, set_id: int) -> Callable[[], bool]:
        """A condition to wait for."""
        return lambda: self.set_id(tenant_id) == set_id


Start = Callable[..., AbstractAsyncContextManager[Process]]


@pytest.fixture
def start(database: str) -> Start:
    """Start a process."""

    @asynccontextmanager
    async def started(max_tables: int = cache_module.MAX_TABLES) -> AsyncIterator[Process]:
        counts: Counter[str] = Counter()
        tier = Tier(lambda: counts.update(["hit"]), lambda: counts.update(["miss"]))
        async with (
            open_pool(database, size=4, observe=lambda query, seconds: counts.update([query])) as pool,
            FactorCache(pool, database, tier=tier, max_tables=max_tables) as cache,
        ):
            yield Process(cache, counts)

    return started


async def _import(pool: Pool, tenant_id: int, year: int = 2025, *, activate: bool = False) -> int:
    record = FactorRecord(
        *("fuel", "diesel", "Diesel", "", year, "litre", 2.57082), *({}, "AR5", 1.05, 0, "", "", "DESNZ")
    )
    made = await factors.import_set(pool, tenant_id, f"Diesel {year}", [record], activate=activate)
    return made.factor_set_id


async def test_a_table_is_loaded_once_and_then_found(start: Start, pool: Pool, tenant_id: int) -> None:
    set_id = await _import(pool, tenant_id, activate=True)
    async with start() as process:
        assert process.cache.peek(tenant_id) is None
        table = await process.cache.table(tenant_id)
        assert table.set_id == set_id
        assert await process.cache.table(tenant_id) is table
        assert process.cache.peek(tenant_id) is table
    assert (process.counts["hit"], process.counts["miss"], process.counts["select_factor_table"]) == (2, 1, 1)


async def test_many_misses_at_once_are_one_load(start: Start, pool: Pool, tenant_id: int) -> None:
    await _import(pool, tenant_id, activate=True)
    async with start() as process:
        tables = await asyncio.gather(*(process.cache.table(tenant_id) for _ in range(50)))
        assert all(table is tables[0] for table in tables)
        assert process.counts["select_factor_table"] == 1


async def test_one_who_gives_up_does_not_take_the_load_from_the_others(
    start: Start, pool: Pool, tenant_id: int
) -> None:
    set_id = await _import(pool, tenant_id, activate=True)
    async with start() as process:
        first, second = (asyncio.create_task(process.cache.table(tenant_id)) for _ in range(2))
        async with _loads_held_up(pool, process):
            first.cancel()
        assert (await second).set_id == set_id
        assert first.cancelled()


async def test_an_activation_reaches_every_process_within_a_second(start: Start, pool: Pool, tenant_id: int) -> None:
    sets = [await _import(pool, tenant_id, year) for year in range(2020, 2025)]
    await factors.activate(pool, tenant_id, sets[0])
    async with start() as one, start() as other:
        assert {(await process.cache.table(tenant_id)).set_id for process in (one, other)} == {sets[0]}
        for set_id in sets[1:]:
            await factors.activate(pool, tenant_id, set_id)
            await until(one.uses(tenant_id, set_id), timeout_s=1)
            await until(other.uses(tenant_id, set_id), timeout_s=1)


async def test_an_activation_during_the_first_load_is_not_missed(start: Start, pool: Pool, tenant_id: int) -> None:
    old, new = [await _import(pool, tenant_id, year) for year in (2024, 2025)]
    await factors.activate(pool, tenant_id, old)
    async with start() as process:
        loading = asyncio.create_task(process.cache.table(tenant_id))
        async with _loads_held_up(pool, process):
            await factors.activate(pool, tenant_id, new)
        assert (await loading).set_id == old
        await until(process.uses(tenant_id, new), timeout_s=1)


async def test_after_a_refresh_the_new_set_is_in_use_though_the_old_one_was_being_loaded(
    start: Start, pool: Pool, tenant_id: int
) -> None:
    old, new = [await _import(pool, tenant_id, year) for year in (2024, 2025)]
    await factors.activate(pool, tenant_id, old)
    async with start() as process:
        loading = asyncio.create_task(process.cache.table(tenant_id))
        async with _loads_held_up(pool, process):
            await factors.activate(pool, tenant_id, new)
            refreshing = asyncio.create_task(process.cache.activated(tenant_id))
        await refreshing
        assert process.set_id(tenant_id) == new
        await loading


async def test_an_activation_missed_without_a_connection_is_seen_when_it_is_back(
    start: Start, pool: Pool, tenant_id: int
) -> None:
    old, new = [await _import(pool, tenant_id, year) for year in (2024, 2025)]
    await factors.activate(pool, tenant_id, old)
    async with start() as process:
        await process.cache.table(tenant_id)
        await pool.execute(REPLACE_SILENTLY, tenant_id, new)
        await until(lambda: pool.fetchval(KILL_LISTENER, cache_module.APPLICATION_NAME))
        await until(process.uses(tenant_id, new))
        newest = await _import(pool, tenant_id, 2026, activate=True)
        await until(process.uses(tenant_id, newest), timeout_s=1)


async def test_an_activation_that_nobody_told_of_is_seen_after_a_while(
    start: Start, pool: Pool, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "LOOK_EVERY_S", 0.05)
    old, new = [await _import(pool, tenant_id, year) for year in (2024, 2025)]
    await factors.activate(pool, tenant_id, old)
    async with start() as process:
        await process.cache.table(tenant_id)
        await pool.execute(REPLACE_SILENTLY, tenant_id, new)
        await until(process.uses(tenant_id, new))


async def test_the_last_table_stays_in_use_while_the_database_is_away(
    start: Start, database_url: str, database: str, pool: Pool, tenant_id: int, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = [await _import(pool, tenant_id, year) for year in (2024, 2025)]
    await factors.activate(pool, tenant_id, old)
    async with start() as process:
        table = await process.cache.table(tenant_id)
        with caplog.at_level(logging.WARNING, logger=cache_module.__name__):
            async with _away(database_url, database):
                await until(lambda: "activations cannot be followed" in caplog.text)
                assert await process.cache.table(tenant_id) is table
        await factors.activate(pool, tenant_id, new)
        await until(process.uses(tenant_id, new))


async def test_the_table_not_used_for_the_longest_time_is_dropped(start: Start, pool: Pool, tenant_id: int) -> None:
    others = "INSERT INTO tenants (name) VALUES ($1), ($2) RETURNING tenant_id"
    tenants = [tenant_id, *(row["tenant_id"] for row in await pool.fetch(others, uuid4().hex, uuid4().hex))]
    for each in tenants:
        await _import(pool, each, activate=True)
    async with start(max_tables=2) as process:
        for each in (tenants[0], tenants[1], tenants[0], tenants[2]):
            await process.cache.table(each)
        assert [process.cache.peek(each) is not None for each in tenants] == [True, False, True]


async def test_a_tenant_without_an_active_set_gets_one_as_soon_as_there_is_one(
    start: Start, pool: Pool, tenant_id: int
) -> None:
    async with start() as process:
        with pytest.raises(WrongState) as raised:
            await process.cache.table(tenant_id)
        assert raised.value.reason == "NO_ACTIVE_FACTOR_SET"
        set_id = await _import(pool, tenant_id, activate=True)
        assert (await process.cache.table(tenant_id)).set_id == set_id


async def test_nothing_goes_on_after_the_end(start: Start, pool: Pool, tenant_id: int) -> None:
    await _import(pool, tenant_id, activate=True)
    before = asyncio.all_tasks()
    async with start() as process:
        await process.cache.table(tenant_id)
    assert asyncio.all_tasks() == before


@asynccontextmanager
async def _loads_held_up(pool: Pool, process: Process) -> AsyncIterator[None]:
    """Hold up the reading of factors, from when the process has learned which set is active to the end of the body."""
    async with pool.acquire() as db, db.transaction():
        await db.execute("LOCK TABLE emission_factors IN ACCESS EXCLUSIVE MODE")
        await until(lambda: process.counts["select_active_versions"])
        yield


@asynccontextmanager
async def _away(database_url: str, database: str) -> AsyncIterator[None]:
    """Take the database away for the body."""
    name = urlsplit(database).path.removeprefix("/")
    server = await asyncpg.connect(database_url)
    try:
        await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        yield
    finally:
        await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await server.close()
