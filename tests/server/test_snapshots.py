"""Tables in a real Redis: shared by processes, sealed, of one tenant each, and never missed when Redis is away."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import uuid4

import pytest
from vcci_engine.factors import FactorTable
from vcci_server import snapshots as snapshots_module
from vcci_server.cache import FactorCache
from vcci_server.importers import READERS, starter_factors
from vcci_server.metrics import Tier
from vcci_server.snapshot_codec import Codec
from vcci_server.snapshots import LIFETIME_S, Snapshots, connect
from vcci_server.storage import factors
from vcci_server.storage.pool import Pool, open_pool

from tests.redis_process import RedisProcess, running_redis
from tests.waiting import until

SECRET = "a secret of the tests, long enough"
STARTER = READERS["vcci_csv"](starter_factors())
REPLACE_SILENTLY = "UPDATE active_factor_sets SET factor_set_id = $2 WHERE tenant_id = $1"

Counts = Counter[str]
Start = Callable[..., AbstractAsyncContextManager[tuple[FactorCache, Counts]]]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisProcess]:
    with running_redis() as process:
        yield process


@pytest.fixture
def start(database: str, redis: RedisProcess) -> Start:
    """Start a cache with all three tiers, as a server process has; counts what its tiers and its database do."""

    @asynccontextmanager
    async def started(secret: str = SECRET) -> AsyncIterator[tuple[FactorCache, Counts]]:
        counts: Counts = Counter()

        def tier(name: str) -> Tier:
            return Tier(lambda: counts.update([f"{name} hit"]), lambda: counts.update([f"{name} miss"]))

        async with (
            open_pool(database, size=4, observe=lambda query, seconds: counts.update([query])) as pool,
            Snapshots(redis.url, secret, tier("redis")) as snapshots,
            FactorCache(pool, database, tier=tier("process"), snapshots=snapshots) as cache,
        ):
            yield cache, counts

    return started


async def _import(pool: Pool, tenant_id: int, first: int = 0) -> int:
    """Import a set with the starter factors from `first` on, and activate it."""
    made = await factors.import_set(pool, tenant_id, "Starter", STARTER[first:], activate=True)
    return made.factor_set_id


async def _names(redis: RedisProcess, tenant_id: int) -> list[bytes]:
    client = connect(redis.url)
    names = [name async for name in client.scan_iter(match=f"vcci:factors:{16 * '?'}:{tenant_id}:*")]
    await client.aclose()
    return names


async def _overwrite(redis: RedisProcess, name: bytes, data: bytes) -> None:
    client = connect(redis.url)
    await client.set(name, data)
    await client.aclose()


async def _read(redis: RedisProcess, name: bytes) -> bytes:
    client = connect(redis.url)
    data = await client.get(name)
    await client.aclose()
    assert isinstance(data, bytes)
    return data


def _bytes(table: FactorTable) -> bytes:
    return Codec(FactorTable).encode(table)


async def test_what_one_process_made_the_next_one_takes_from_redis(
    start: Start, redis: RedisProcess, pool: Pool, tenant_id: int
) -> None:
    await _import(pool, tenant_id)
    async with start() as (cache, counts):
        made = await cache.table(tenant_id)
        await until(lambda: _names(redis, tenant_id))
        assert (counts["redis miss"], counts["redis hit"], counts["select_factor_table"]) == (1, 0, 1)
    async with start() as (cache, counts):
        taken = await cache.table(tenant_id)
        assert (counts["redis miss"], counts["redis hit"], counts["select_factor_table"]) == (0, 1, 0)
    assert _bytes(taken) == _bytes(made)


async def test_a_snapshot_is_forgotten_after_a_day(
    start: Start, redis: RedisProcess, pool: Pool, tenant_id: int
) -> None:
    await _import(pool, tenant_id)
    async with start() as (cache, _):
        await cache.table(tenant_id)
        [name] = await until(lambda: _names(redis, tenant_id))
    client = connect(redis.url)
    assert LIFETIME_S - 60 < await client.ttl(name) <= LIFETIME_S == 86_400
    await client.aclose()


async def test_what_is_activated_is_what_counts_not_what_redis_has(
    start: Start, redis: RedisProcess, pool: Pool, tenant_id: int
) -> None:
    old = await _import(pool, tenant_id)
    async with start() as (cache, _):
        await cache.table(tenant_id)
        await until(lambda: _names(redis, tenant_id))
    new = await _import(pool, tenant_id, first=5)
    async with start() as (cache, counts):
        assert (await cache.table(tenant_id)).set_id == new != old
        assert counts["redis miss"] == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:40],
        lambda data: data[:-1],
        lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:],
        lambda data: bytes(32) + data[32:],
        lambda data: b"cos\nsystem\n(S'true'\ntR.",
    ],
    ids=["empty", "cut off", "a byte short", "a bit changed", "without a seal", "a pickle"],
)
async def test_a_damaged_snapshot_is_not_used_and_is_replaced(
    start: Start,
    redis: RedisProcess,
    pool: Pool,
    tenant_id: int,
    damage: Callable[[bytes], bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    await _import(pool, tenant_id)
    async with start() as (cache, _):
        made = await cache.table(tenant_id)
        [name] = await until(lambda: _names(redis, tenant_id))
    whole = await _read(redis, name)
    await _overwrite(redis, name, damage(whole))
    async with start() as (cache, counts):
        assert _bytes(await cache.table(tenant_id)) == _bytes(made)
        assert (counts["redis miss"], counts["select_factor_table"]) == (1, 1)

        async def replaced() -> bool:
            return await _read(redis, name) == whole

        await until(replaced)
    assert "is not one of ours" in caplog.text


async def test_a_snapshot_under_another_tenants_name_is_not_used(
    start: Start, redis: RedisProcess, pool: Pool, tenant_id: int
) -> None:
    other = await pool.fetchval("INSERT INTO tenants (name) VALUES ($1) RETURNING tenant_id", uuid4().hex)
    await _import(pool, tenant_id, first=5)
    await _import(pool, other)
    async with start() as (cache, _):
        await cache.table(tenant_id)
        theirs = await cache.table(other)
        [name] = await until(lambda: _names(redis, tenant_id))
        [their_name] = await until(lambda: _names(redis, other))
    await _overwrite(redis, their_name, await _read(redis, name))
    async with start() as (cache, counts):
        assert _bytes(await cache.table(other)) == _bytes(theirs)
        assert counts["redis miss"] == 1


async def test_tenants_with_the_same_contents_have_snapshots_of_their_own(
    start: Start, redis: RedisProcess, pool: Pool, tenant_id: int
) -> None:
    other = await pool.fetchval("INSERT INTO tenants (name) VALUES ($1) RETURNING tenant_id", uuid4().hex)
    for tenant in (tenant_id, other):
        await _import(pool, tenant)
    async with start() as (cache, counts):
        ours, theirs = await cache.table(tenant_id), await cache.table(other)
        assert not set(ours.id.tolist()) & set(theirs.id.tolist())
        assert counts["redis miss"] == 2


async def test_a_process_with_another_secret_makes_its_own(
    start: Start, redis: RedisProcess, pool: Pool, tenant_id: int
) -> None:
    await _import(pool, tenant_id)
    async with start() as (cache, _):
        await cache.table(tenant_id)
        await until(lambda: _names(redis, tenant_id))
    async with start(secret=SECRET[::-1]) as (cache, counts):
        await cache.table(tenant_id)
        assert (counts["redis miss"], counts["select_factor_table"]) == (1, 1)


async def test_redis_alone_tells_of_an_activation(start: Start, pool: Pool, tenant_id: int) -> None:
    await _import(pool, tenant_id)
    new = await _import(pool, tenant_id, first=5)
    await _import(pool, tenant_id)
    async with start() as (one, _), start() as (other, _):
        for cache in (one, other):
            await cache.table(tenant_id)
        await pool.execute(REPLACE_SILENTLY, tenant_id, new)  # as behind a pooler that loses notifications
        await one.activated(tenant_id)

        def arrived() -> bool:
            table = other.peek(tenant_id)
            return table is not None and table.set_id == new

        await until(arrived, timeout_s=1)


async def test_redis_may_go_and_come_back(
    start: Start, redis: RedisProcess, pool: Pool, tenant_id: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, snapshots_module.__name__)
    async with start() as (cache, counts):
        redis.kill()
        try:
            first = await _import(pool, tenant_id)
            assert (await cache.table(tenant_id)).set_id == first
            second = await _import(pool, tenant_id, first=5)
            await cache.activated(tenant_id)
            assert (await cache.table(tenant_id)).set_id == second
        finally:
            caplog.clear()
            redis.start()
        await until(lambda: "are shared over Redis" in caplog.text)
        await _import(pool, tenant_id, first=6)
        await cache.activated(tenant_id)
        await until(lambda: _names(redis, tenant_id))
        assert counts["redis hit"] == 0


async def test_a_redis_that_does_not_answer_holds_nobody_up_and_mixes_nothing_up(
    start: Start, redis: RedisProcess, pool: Pool, tenant_id: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, snapshots_module.__name__)
    other = await pool.fetchval("INSERT INTO tenants (name) VALUES ($1) RETURNING tenant_id", uuid4().hex)
    await _import(pool, tenant_id, first=5)
    await _import(pool, other)
    async with start() as (cache, _):
        redis.freeze()
        try:
            ours, theirs = await asyncio.gather(cache.table(tenant_id), cache.table(other))
        finally:
            caplog.clear()
            redis.thaw()
        await until(lambda: "are shared over Redis" in caplog.text)
        newest = await _import(pool, tenant_id)
        await cache.activated(tenant_id)
        await until(lambda: _names(redis, tenant_id))
    async with start() as (cache, counts):
        assert (await cache.table(tenant_id)).set_id == newest != ours.set_id
        assert _bytes(await cache.table(other)) == _bytes(theirs)
        assert counts["redis hit"] == 1


async def test_a_redis_that_is_not_there_at_the_start_delays_nothing(
    start: Start, redis: RedisProcess, pool: Pool, tenant_id: int, caplog: pytest.LogCaptureFixture
) -> None:
    set_id = await _import(pool, tenant_id)
    caplog.set_level(logging.INFO, snapshots_module.__name__)
    redis.kill()
    try:
        async with start() as (cache, counts):
            assert (await cache.table(tenant_id)).set_id == set_id
            assert counts["redis miss"] == 1
            redis.start()
            await until(lambda: "are shared over Redis" in caplog.text)
    finally:
        redis.stop()
        redis.start()
        await until(redis.answers)
