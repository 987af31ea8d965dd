"""Two server processes and a real Redis: what is activated at one is used by both, whatever becomes of Redis."""

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families
from vcci.v1 import factor_service_pb2 as pb
from vcci_client import AsyncClient
from vcci_server.auth import make_token

from tests.redis_process import RedisProcess, running_redis
from tests.server_process import ServerProcess, running_server
from tests.uploads import Uploads, batch, line
from tests.waiting import until

SECRET = "a secret of the tests, long enough for every process"
FOUND = "factor sets are shared over Redis"
LOST = "Redis does not answer"

Pair = tuple[AsyncClient, AsyncClient]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisProcess]:
    with running_redis() as process:
        yield process


@pytest.fixture(scope="module")
def env(redis: RedisProcess, database: str) -> dict[str, str]:
    return {"VCCI_DATABASE_URL": database, "VCCI_REDIS_URL": redis.url, "VCCI_TOKEN_SECRET": SECRET}


@pytest.fixture(scope="module")
def servers(env: dict[str, str]) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    with running_server(env=env) as one, running_server(env=env) as other:
        yield one, other


@pytest.fixture
async def clients(servers: tuple[ServerProcess, ServerProcess]) -> AsyncIterator[Pair]:
    async with _client(servers[0]) as one, _client(servers[1]) as other:
        yield one, other


def _token() -> str:
    return make_token(SECRET, "default", "tester", 3_600)


def _client(server: ServerProcess) -> AsyncClient:
    return AsyncClient(server.listening, _token())


async def _activate(client: AsyncClient, kg_co2e: float) -> None:
    """Activate a set in which a dollar of steel is some kg CO2e."""
    factor = pb.Factor(
        source="naics", code="331110", display_name="Steel", year=2022, unit="USD", kg_co2e=kg_co2e, source_note="A"
    )
    await client.import_factor_set(pb.FactorSetSpec(display_name=str(kg_co2e), activate=True), [factor])


async def _kg_co2e(client: AsyncClient) -> float:
    return (await client.calculate([line(1.0)])).total.kg_co2e


async def _uses(client: AsyncClient, kg_co2e: float) -> bool:
    return await _kg_co2e(client) == kg_co2e


@asynccontextmanager
async def _calling(*clients: AsyncClient) -> AsyncIterator[None]:
    """Call all the time, until the end of the body; a call that fails, fails the test."""
    stopped = asyncio.Event()

    async def call(client: AsyncClient) -> None:
        while not stopped.is_set():
            assert await _kg_co2e(client) > 0

    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(call(client))
        yield
        stopped.set()


def _times(server: ServerProcess, told: str) -> int:
    return server.log.read_text().count(told)


def _counted(server: ServerProcess, what: str, tier: str) -> float:
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as response:
        families = text_string_to_metric_families(response.read().decode())
    [value] = [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == f"cache_{what}_total" and sample.labels == {"tier": tier}
    ]
    return float(value)


async def test_an_update_is_seen_by_both_within_a_second(clients: Pair) -> None:
    for number, kg_co2e in enumerate((2.5, 3.0, 3.5, 2.5)):
        here, there = clients if number % 2 else clients[::-1]
        await _activate(here, kg_co2e)
        assert await _uses(here, kg_co2e)
        await until(lambda: _uses(there, kg_co2e), timeout_s=1)  # noqa: B023  awaited before they change


async def test_a_changed_factor_is_seen_by_both_within_a_second(clients: Pair) -> None:
    here, there = clients
    await _activate(here, 4.0)
    [steel] = [item async for item in here.list_factors(text="naics:331110")]
    await here.update_factor(pb.Factor(name=steel.name, kg_co2e=4.25), activate=True)
    assert await _uses(here, 4.25)
    await until(lambda: _uses(there, 4.25), timeout_s=1)


async def test_a_process_that_starts_takes_the_table_from_redis(env: dict[str, str], clients: Pair) -> None:
    await _activate(clients[0], 4.5)
    with running_server(env=env) as third:
        async with _client(third) as client:
            assert await _uses(client, 4.5)
        assert _counted(third, "hits", "redis") == 1
        assert _counted(third, "misses", "redis") == 0


async def test_redis_killed_and_back_is_no_error_to_anybody(
    redis: RedisProcess, servers: tuple[ServerProcess, ServerProcess], clients: Pair
) -> None:
    found = [_times(server, FOUND) for server in servers]
    async with _calling(*clients):
        redis.kill()
        await _activate(clients[0], 5.0)
        for client in clients:
            await until(lambda: _uses(client, 5.0))  # noqa: B023  awaited before it changes
        redis.start()
        for server, before in zip(servers, found, strict=True):
            await until(lambda: _times(server, FOUND) > before)  # noqa: B023  awaited before they change
        await _activate(clients[1], 5.5)
        for client in clients:
            await until(lambda: _uses(client, 5.5), timeout_s=1)  # noqa: B023  awaited before it changes
    assert all(_times(server, LOST) for server in servers)


async def test_the_hit_rate_of_the_process_is_above_95_percent_under_a_mixed_load(
    servers: tuple[ServerProcess, ServerProcess], clients: Pair
) -> None:
    """Single calculations, streams and uploads at both, while sets are activated."""
    kinds = ("hits", "misses")
    before = {(server.pid, kind): _counted(server, kind, "process") for server in servers for kind in kinds}
    async with _calling(*clients), AsyncExitStack() as stack:
        for server in servers:
            channel = await stack.enter_async_context(server.channel())
            uploads = Uploads(channel, [("authorization", f"Bearer {_token()}")])
            name = await uploads.create()
            writer = await stack.enter_async_context(uploads.writing(name))
            for number in range(10):
                await writer.ask(batch(2 * number))
        for number in range(5):
            await _activate(clients[number % 2], 6.0 + number)
            for client in clients:
                await until(lambda: _uses(client, 6.0 + number))  # noqa: B023  awaited before they change
    for server in servers:
        hits, misses = (_counted(server, kind, "process") - before[server.pid, kind] for kind in kinds)
        assert hits / (hits + misses) > 0.95
