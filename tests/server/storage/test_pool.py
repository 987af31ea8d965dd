"""The edge to the driver: what becomes our error, what is observed, what is waited for."""

from contextlib import suppress
from urllib.parse import urlsplit

import asyncpg
import pytest
from vcci_engine.errors import InvalidField, Unavailable
from vcci_server.storage import pool as pools
from vcci_server.storage.pool import Pool, active_connections, connection, open_pool, storage_errors, transaction
from vcci_server.storage.queries import QUERIES

from tests.waiting import until

NOWHERE = "postgresql://vcci@127.0.0.1:1/vcci"


async def _fail_with(pool: Pool, state: str) -> None:
    async with connection(pool) as db:
        await db.execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$")


@pytest.mark.parametrize("state", ["08006", "25006", "40001", "40P01", "53300", "55P03", "57014", "57P01", "58030"])
async def test_what_may_succeed_again_is_unavailable(pool: Pool, state: str) -> None:
    with pytest.raises(Unavailable) as raised:
        await _fail_with(pool, state)
    assert isinstance(raised.value.__cause__, asyncpg.PostgresError)


@pytest.mark.parametrize("state", ["23505", "42601", "XX000"])
async def test_a_fault_of_ours_stays_as_it_is(pool: Pool, state: str) -> None:
    with pytest.raises(asyncpg.PostgresError):
        await _fail_with(pool, state)


async def test_a_value_of_the_wrong_type_is_a_fault_of_ours(pool: Pool) -> None:
    with pytest.raises(asyncpg.DataError):
        async with connection(pool) as db:
            await db.fetchval("SELECT $1::integer", "seven")


async def test_a_nul_character_is_the_callers_fault(pool: Pool) -> None:
    with pytest.raises(InvalidField) as raised:
        async with connection(pool) as db:
            await db.fetchval("SELECT $1::text", "a\0b")
    assert raised.value.reason == "MALFORMED_VALUE"


async def test_a_lost_connection_is_unavailable_and_replaced(pool: Pool) -> None:
    with pytest.raises(Unavailable):
        async with transaction(pool) as db:
            await db.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    async with connection(pool) as db:
        assert await db.fetchval("SELECT 7") == 7


async def test_a_refused_connection_is_unavailable() -> None:
    with pytest.raises(Unavailable), storage_errors():
        await asyncpg.connect(NOWHERE)


async def test_a_connection_that_was_told_while_idle_that_its_server_dies_is_unavailable() -> None:
    with pytest.raises(Unavailable), storage_errors():
        raise asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")


async def test_a_pool_in_full_use_is_unavailable_after_a_while(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_pool(database, size=1) as small:
        monkeypatch.setattr(pools, "ACQUIRE_TIMEOUT_S", 0.01)
        async with connection(small):
            assert active_connections(small) == 1
            with pytest.raises(Unavailable):
                async with connection(small):
                    pass
        assert active_connections(small) == 0


async def test_a_transaction_is_undone_by_an_error(pool: Pool) -> None:
    with suppress(ZeroDivisionError):
        async with transaction(pool) as db:
            await db.execute("INSERT INTO tenants (name) VALUES ('undone')")
            raise ZeroDivisionError
    async with connection(pool) as db:
        assert await db.fetchval("SELECT count(*) FROM tenants WHERE name = 'undone'") == 0


async def test_opening_gives_up_on_a_database_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "START_TIMEOUT_S", 0.2)
    with pytest.raises(Unavailable, match="did not answer"):
        async with open_pool(NOWHERE, size=1):
            pass


async def test_opening_waits_for_a_database_that_is_still_starting(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    connect = asyncpg.connect

    async def starting_at_first(*args: object, **kwargs: object) -> object:
        seen.append("asked")
        if len(seen) < 3:
            raise asyncpg.CannotConnectNowError("the database system is starting up")
        return await connect(*args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr("asyncpg.connection.connect", starting_at_first)
    async with open_pool(database, size=1) as waited, connection(waited) as db:
        assert await db.fetchval("SELECT 7") == 7
    assert len(seen) == 3


async def test_a_database_that_does_not_exist_is_not_waited_for(database_url: str) -> None:
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        async with open_pool(urlsplit(database_url)._replace(path="/absent").geturl(), size=1):
            pass


async def test_statements_are_observed_by_their_names(database: str, tenant_id: int) -> None:
    seen: dict[str, float] = {}
    async with open_pool(database, size=1, observe=seen.__setitem__) as observed:
        async with transaction(observed) as db:
            await db.fetch(QUERIES["select_upload"], tenant_id, 1)
            await db.fetch("SELECT 1")
        await until(lambda: {"begin", "select_upload", "select", "commit"} <= seen.keys())
    assert all(seconds > 0 for seconds in seen.values())
