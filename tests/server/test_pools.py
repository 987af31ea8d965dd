"""Calls that read and calls that write have connections of their own: one kind goes on when the other has none left."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from vcci.v1 import report_service_pb2, report_service_pb2_grpc
from vcci.v1 import upload_service_pb2 as pb
from vcci.v1.emission_service_pb2 import GetDashboardRequest
from vcci.v1.upload_pb2 import Upload

from tests.server_process import ServerProcess, running_server
from tests.uploads import Uploads, batch
from tests.waiting import until

FEW = 2  # connections of each kind
WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'vcci' AND wait_event_type = 'Lock'
"""


@pytest.fixture(scope="module")
def narrow(database: str) -> Iterator[ServerProcess]:
    """A server with few connections."""
    few = {f"VCCI_{kind}_CONNECTIONS": str(FEW) for kind in ("READ", "WRITE")}
    with running_server(env={"VCCI_DATABASE_URL": database, **few}) as server:
        yield server


@pytest.fixture
async def uploads(narrow: ServerProcess) -> AsyncIterator[Uploads]:
    async with narrow.channel() as channel:
        yield Uploads(channel, narrow.metadata())


@asynccontextmanager
async def _all_busy(database: str, lock: str, call: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Have calls wait for a lock on every connection of their kind, and as many for one of these, during the body."""
    holder, watcher = [await asyncpg.connect(database) for _ in range(2)]

    async def is_busy() -> bool:
        return bool(await watcher.fetchval(WAITING) == FEW)

    try:
        async with asyncio.TaskGroup() as calls, holder.transaction():
            await holder.execute(lock)
            waiting = [calls.create_task(_of(call)) for _ in range(2 * FEW)]
            await until(is_busy)
            yield
            assert not any(task.done() for task in waiting)
    finally:
        for connection in (holder, watcher):
            await connection.close()


async def _of(call: Callable[[], Awaitable[object]]) -> None:
    await call()


async def _upload(uploads: Uploads) -> Upload:
    name = await uploads.create()
    async with uploads.writing(name) as writer:
        await writer.ask(batch(0))
        await writer.end()
    return await uploads.stub.FinalizeUpload(pb.FinalizeUploadRequest(name=name), metadata=uploads.metadata)


async def test_an_upload_commits_while_every_connection_to_read_is_busy(database: str, uploads: Uploads) -> None:
    reports = report_service_pb2_grpc.ReportServiceStub(uploads.channel)
    request = report_service_pb2.ListReportsRequest()
    lock = "LOCK TABLE reports IN ACCESS EXCLUSIVE MODE"
    async with _all_busy(database, lock, lambda: reports.ListReports(request, metadata=uploads.metadata)):
        assert (await _upload(uploads)).accepted_rows == 2


async def test_calls_are_answered_while_every_connection_to_write_is_busy(database: str, uploads: Uploads) -> None:
    stored = await _upload(uploads)
    held = await uploads.create()
    number = held.removeprefix("uploads/")
    lock = f"SELECT FROM uploads WHERE upload_id = {number} FOR UPDATE"
    async with _all_busy(database, lock, lambda: uploads.abandon(held)):
        assert (await uploads.get(held)).state == Upload.STATE_OPEN
        assert (await uploads.total(stored.name)).rows == 2
        dashboard = await uploads.emissions.GetDashboard(GetDashboardRequest(), metadata=uploads.metadata)
        assert dashboard.open_upload_count == 1
    assert (await uploads.get(held)).state == Upload.STATE_ABANDONED
