"""PostgreSQL killed between COPY and COMMIT: nothing is visible, and the same batch can be stored afterwards."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest
from vcci_engine.errors import Unavailable
from vcci_server.storage import uploads
from vcci_server.storage.embedded import embedded_database
from vcci_server.storage.ingest import commit_batches
from vcci_server.storage.migrate import migrate
from vcci_server.storage.partitions import PartitionKeeper
from vcci_server.storage.pool import Pool, open_pool

from tests.server.storage.samples import batch
from tests.waiting import until

# Holds every COMMIT of rows until advisory lock 1 is free.
HOLD_COMMITS = """
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER hold AFTER UPDATE ON uploads DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (old.committed_rows <> new.committed_rows) EXECUTE FUNCTION hold();
"""
HELD = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
STORED = "SELECT count(*) FROM emission_segments"


@pytest.fixture
async def own_server(state_dir: Path) -> AsyncIterator[tuple[str, Path]]:
    async with embedded_database(state_dir) as url:
        connection = await asyncpg.connect(url)
        await migrate(connection)
        await connection.execute(HOLD_COMMITS)
        await connection.execute("INSERT INTO tenants (name) VALUES ('default')")
        await connection.close()
        yield url, state_dir


def _postmaster(state_dir: Path) -> int:
    (file,) = state_dir.glob("postgres/*/postmaster.pid")
    return int(file.read_text().splitlines()[0])


async def _ledger_once_recovered(pool: Pool, upload: uploads.UploadRecord) -> uploads.UploadRecord:
    async def ask() -> list[uploads.UploadRecord]:
        with suppress(Unavailable):
            return [await uploads.get(pool, upload.tenant_id, upload.upload_id)]
        return []

    (found,) = await until(ask)
    return found


async def _held_backend(holder: "asyncpg.Connection[asyncpg.Record]") -> int:
    async def ask() -> list[int]:
        return [row["pid"] for row in await holder.fetch(HELD)]

    (backend,) = await until(ask)
    return backend


@pytest.mark.parametrize("victim", ["postmaster", "backend"])
async def test_a_server_killed_before_the_commit_leaves_nothing(own_server: tuple[str, Path], victim: str) -> None:
    url, state_dir = own_server
    async with open_pool(url, size=4) as pool:
        keeper = PartitionKeeper(pool)
        upload = await uploads.create(pool, 1, request_id="r", mode="committed")
        upload = await uploads.open_upload(pool, 1, upload.upload_id)
        holder = await asyncpg.connect(url)
        await holder.execute("SELECT pg_advisory_lock(1)")
        committing = asyncio.create_task(
            commit_batches(pool, keeper, 1, upload.upload_id, upload.epoch, [batch(0, 5_000), batch(5_000, 5_000)])
        )
        backend = await _held_backend(holder)
        os.kill(_postmaster(state_dir) if victim == "postmaster" else backend, signal.SIGKILL)
        with pytest.raises(Unavailable):
            await committing
        assert await _ledger_once_recovered(pool, upload) == upload
        assert await pool.fetchval(STORED) == 0
        assert await commit_batches(pool, keeper, 1, upload.upload_id, upload.epoch, [batch(0, 5_000)]) == 5_000
        assert await pool.fetchval(STORED) == 1
        await holder.close()
