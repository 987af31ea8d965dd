"""What is seen of uploads and what ends them, on a real server: modes, finalizing, abandoning, draining, tenants."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import grpc
import grpc.aio
import pytest
from vcci.v1 import emission_service_pb2, supplier_service_pb2, supplier_service_pb2_grpc
from vcci.v1 import upload_service_pb2 as pb
from vcci.v1.activity_pb2 import METHOD_AVERAGE_WASTE
from vcci.v1.emission_pb2 import EmissionFilter
from vcci.v1.upload_pb2 import Upload
from vcci_client.errors import ServerError, from_rpc
from vcci_server.storage.embedded import embedded_database

from tests.server_process import ServerProcess, running_server
from tests.uploads import Uploads, batch, batch_of_lines, columns
from tests.waiting import until

PENDING = Upload.MODE_PENDING


@pytest.fixture
async def uploads(server: ServerProcess) -> AsyncIterator[Uploads]:
    async with server.channel() as channel:
        yield Uploads(channel, server.metadata())


@pytest.fixture
async def database(server: ServerProcess) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The server's own database."""
    async with embedded_database(server.state_dir) as url:
        connection = await asyncpg.connect(url)
        yield connection
        await connection.close()


async def rows_seen(uploads: Uploads, name: str) -> set[int]:
    """How many rows of an upload are seen, by each way to read: streamed, summed, summed by supplier."""
    request = emission_service_pb2.AggregateEmissionsRequest(
        filter=EmissionFilter(upload=name), group_by=[emission_service_pb2.DIMENSION_SUPPLIER]
    )
    by_supplier = await uploads.emissions.AggregateEmissions(request, metadata=uploads.metadata)
    groups = sum(group.rows for group in by_supplier.groups)
    return {len((await uploads.stored(name)).row), (await uploads.total(name)).rows, groups}


async def all_rows(uploads: Uploads) -> int:
    """How many emissions the tenant has: from the rollups and what they do not count yet."""
    return int((await uploads.total()).rows)


async def append_failure(uploads: Uploads, name: str) -> ServerError:
    """What opening an upload fails with."""
    writer = uploads.stream()
    await writer.send(pb.AppendActivitiesRequest(open=pb.OpenUpload(upload=name)))
    return await writer.failure()


async def test_rows_of_a_committed_upload_are_seen_at_once(uploads: Uploads) -> None:
    name = await uploads.create()
    async with uploads.writing(name) as writer:
        await writer.ask(batch(0, 4))
        assert await rows_seen(uploads, name) == {4}
        await writer.ask(batch_of_lines(4, 2))
        assert await rows_seen(uploads, name) == {6}


async def test_rows_of_a_pending_upload_are_seen_together_when_it_is_finalized(uploads: Uploads) -> None:
    name = await uploads.create(mode=PENDING)
    before = await all_rows(uploads)
    async with uploads.writing(name) as writer:
        ack = await writer.ask(batch(0, 4))
        assert (ack.committed_through, ack.accepted_rows) == (4, 4)
        await writer.ask(pb.AppendBatch(offset=4, columns=columns(1, quantity=[-1.0])))
        assert await rows_seen(uploads, name) == {0}
        assert await all_rows(uploads) == before
        assert (await uploads.get(name)).accepted_rows == 4
        assert [error.row for error in await uploads.row_errors(name)] == [4]
    final = await uploads.finalize(name, 5)
    assert (final.state, final.mode, final.committed_through) == (Upload.STATE_FINALIZED, PENDING, 5)
    assert await rows_seen(uploads, name) == {4}
    assert await all_rows(uploads) == before + 4


@pytest.mark.parametrize("row_count", [None, 4])
async def test_a_finalized_upload_stays_as_it_is(uploads: Uploads, row_count: int | None) -> None:
    name = await uploads.create()
    async with uploads.writing(name) as writer:
        await writer.ask(batch(0, 4))
    final = await uploads.finalize(name, row_count)
    assert final.state == Upload.STATE_FINALIZED
    assert await uploads.finalize(name, row_count) == final == await uploads.get(name)
    failure = await append_failure(uploads, name)
    assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "UPLOAD_FINALIZED")
    assert await rows_seen(uploads, name) == {4}


@pytest.mark.parametrize("row_count", [0, 3, 5, 2**40])
async def test_an_upload_is_not_finalized_with_another_number_of_rows(uploads: Uploads, row_count: int) -> None:
    name = await uploads.create()
    async with uploads.writing(name) as writer:
        await writer.ask(batch(0, 4))
        failure = await uploads.failure("FinalizeUpload", pb.FinalizeUploadRequest(name=name, row_count=row_count))
        assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ROW_COUNT_MISMATCH")
        assert failure.metadata == {"row_count": str(row_count), "committed_through": "4"}
        assert (await writer.ask(batch(4, 1))).committed_through == 5
    assert (await uploads.finalize(name, 5)).state == Upload.STATE_FINALIZED


def treatments(offset: int, *shares: float, **changes: Any) -> pb.AppendBatch:
    """Shares of treatments of the plant's waste, each a line, with the supplier's own factor."""
    rows = len(shares)
    fields: dict[str, Any] = {"category": [5] * rows, "method": [METHOD_AVERAGE_WASTE] * rows, "units": ["kg"]}
    fields |= {"factors": [], "factor": [], "groups": ["plant"], "group": [0] * rows}
    message = columns(rows, **(fields | changes))
    message.inputs.add(name="share", value=shares)
    message.inputs.add(name="supplier_factor", value=[1.0] * rows)
    return pb.AppendBatch(offset=offset, columns=message)


async def test_shares_may_be_torn_apart_by_batches_and_must_be_whole_in_the_end(uploads: Uploads) -> None:
    name = await uploads.create()
    async with uploads.writing(name) as writer:
        await writer.ask(treatments(0, 0.5, 0.25), batch(2), treatments(4, 1.0, period=[columns().period[0] + 100]))
        failure = await uploads.failure("FinalizeUpload", pb.FinalizeUploadRequest(name=name))
        assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "SHARES_NOT_WHOLE")
        expected = {"group": "plant", "sum": "0.75", "field": "inputs.share", "method": "average_waste"}
        assert failure.metadata == expected
        assert (await writer.ask(treatments(5, 0.25))).committed_through == 6
    assert (await uploads.finalize(name, 6)).state == Upload.STATE_FINALIZED


@pytest.mark.parametrize("said", ["batch", "duplicate", "heartbeat"])
@pytest.mark.parametrize("end", ["finalize", "abandon"])
async def test_a_writer_of_an_upload_that_was_closed_is_told(uploads: Uploads, end: str, said: str) -> None:
    name = await uploads.create()
    async with uploads.writing(name) as writer:
        await writer.ask(batch(0, 4))
        await getattr(uploads, end)(name)
        await writer.send({"batch": batch(4), "duplicate": batch(0), "heartbeat": pb.AppendBatch()}[said])
        failure = await writer.failure()
    reason = {"finalize": "UPLOAD_FINALIZED", "abandon": "UPLOAD_ABANDONED"}[end]
    assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, reason)
    assert await rows_seen(uploads, name) == {4 if end == "finalize" else 0}


@pytest.mark.parametrize("end", ["finalize", "abandon"])
async def test_an_upload_closed_in_full_flow_takes_nothing_after_it(
    uploads: Uploads, database: "asyncpg.Connection[asyncpg.Record]", end: str
) -> None:
    name = await uploads.create()
    async with uploads.writing(name) as writer:

        async def flow() -> None:
            for offset in range(0, 100_000, 500):
                await writer.send(batch(offset, 500))

        flowing = asyncio.create_task(flow())
        await writer.answer()
        closed = await getattr(uploads, end)(name)
        await writer.failure()  # often gRPC's own: a write failed as the call ended (grpc/grpc#36066)
        flowing.cancel()
        await asyncio.wait([flowing])
    assert (await append_failure(uploads, name)).code is grpc.StatusCode.FAILED_PRECONDITION
    kept = closed.committed_through if end == "finalize" else 0
    assert await uploads.get(name) == closed
    assert await rows_seen(uploads, name) == {kept}
    query = "SELECT coalesce(sum(n), 0) FROM emission_segments WHERE upload_id = $1 AND merged_into IS NULL"
    assert await database.fetchval(query, int(name.rpartition("/")[2])) == kept


@pytest.mark.parametrize("mode", [Upload.MODE_COMMITTED, PENDING])
@pytest.mark.parametrize("finalized", [False, True])
async def test_rows_of_an_abandoned_upload_are_gone_from_every_read(
    uploads: Uploads, database: "asyncpg.Connection[asyncpg.Record]", mode: Any, finalized: bool
) -> None:
    code, name = uuid4().hex, await uploads.create(mode=mode)
    before = await all_rows(uploads)
    async with uploads.writing(name) as writer:
        await writer.ask(pb.AppendBatch(columns=columns(4, supplier_codes=[code])))
        await writer.ask(pb.AppendBatch(offset=4, columns=columns(1, quantity=[-1.0])))
    if finalized:
        await uploads.finalize(name)
        await until(lambda: is_folded(database, name))
    gone = await uploads.abandon(name)
    assert (gone.state, gone.committed_through) == (Upload.STATE_ABANDONED, 5)
    assert await rows_seen(uploads, name) == {0}
    assert await uploads.row_errors(name) == []
    assert await all_rows(uploads) == before
    assert await uploads.abandon(name) == gone == await uploads.get(name)
    for failure in (
        await append_failure(uploads, name),
        await uploads.failure("FinalizeUpload", pb.FinalizeUploadRequest(name=name)),
    ):
        assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "UPLOAD_ABANDONED")
    suppliers: Any = supplier_service_pb2_grpc.SupplierServiceStub(uploads.channel)
    asked = supplier_service_pb2.GetSupplierRequest(name=f"suppliers/{code}")
    assert (await suppliers.GetSupplier(asked, metadata=uploads.metadata)).code == code


async def is_folded(database: "asyncpg.Connection[asyncpg.Record]", name: str) -> bool:
    """Tell whether the rollups count all of an upload."""
    query = "SELECT folded_rows = committed_rows FROM uploads WHERE upload_id = $1"
    return bool(await database.fetchval(query, int(name.rpartition("/")[2])))


async def test_an_upload_of_another_tenant_is_not_found(
    server: ServerProcess, uploads: Uploads, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    tenant = uuid4().hex
    await database.execute("INSERT INTO tenants (name) VALUES ($1)", tenant)
    name = await uploads.create()
    async with uploads.writing(name) as writer:
        await writer.ask(batch(0, 4))
    stranger = Uploads(uploads.channel, server.metadata(tenant))
    calls: dict[str, Any] = {
        "GetUpload": pb.GetUploadRequest(name=name),
        "FinalizeUpload": pb.FinalizeUploadRequest(name=name),
        "AbandonUpload": pb.AbandonUploadRequest(name=name),
        "ListRowErrors": pb.ListRowErrorsRequest(upload=name),
    }
    failures = [await stranger.failure(method, request) for method, request in calls.items()]
    failures.append(await append_failure(stranger, name))
    for read in (stranger.pages, stranger.total):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await read(name)
        failures.append(from_rpc(raised.value))
    assert {(failure.code, failure.reason) for failure in failures} == {(grpc.StatusCode.NOT_FOUND, "NOT_FOUND")}
    assert await all_rows(stranger) == 0
    assert await rows_seen(uploads, name) == {4}
    own = await stranger.create(request_id=(await uploads.get(name)).request_id)
    assert own != name, "a request id is the tenant's own"


async def test_an_upload_has_no_more_rows_than_can_be_numbered(
    uploads: Uploads, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    name, most = await uploads.create(), 2**32
    statement = "UPDATE uploads SET committed_rows = $2, folded_rows = $2 WHERE upload_id = $1"
    await database.execute(statement, int(name.rpartition("/")[2]), most - 2)
    request = batch(0, 3)
    request.offset = most - 2
    async with uploads.writing(name) as writer:
        refusal = await writer.ask(request)
        assert (refusal.field, refusal.expected_offset) == ("offset", most - 2)
        last = pb.AppendBatch(offset=most - 2, columns=columns(2))
        assert (await writer.ask(last)).committed_through == most
    assert [*(await uploads.stored(name)).row] == [most - 2, most - 1]
    await uploads.abandon(name)


async def test_rows_of_any_quarter_are_stored(uploads: Uploads) -> None:
    name = await uploads.create()
    days = [(date(year, month, 15) - date(1970, 1, 1)).days for year in (1990, 2024, 2100) for month in (2, 5, 8, 11)]
    rows = len(days)
    async with uploads.writing(name) as writer:
        power = columns(rows, period=days, units=["kWh"], factors=["grid:electricity"])
        ack = await writer.ask(pb.AppendBatch(columns=power))
    assert ack.accepted_rows == rows
    assert await rows_seen(uploads, name) == {rows}


async def test_what_was_accepted_is_committed_and_acknowledged_when_the_server_drains(state_dir: Path) -> None:
    with running_server(state_dir) as server:
        metadata = server.metadata()
        async with server.channel() as channel:
            uploads = Uploads(channel, metadata)
            names = [await uploads.create() for _ in range(3)]
            writers = [uploads.stream() for _ in names]
            for writer, name in zip(writers, names, strict=True):
                await writer.open(name)
            for writer in writers[:2]:
                await writer.ask(batch(0, 10))
                for offset in range(10, 80_010, 20_000):
                    await writer.send(batch_of_lines(offset, 20_000))
            ended = asyncio.create_task(asyncio.to_thread(server.terminate))
            acknowledged = [await _drained(writer) for writer in writers]
            assert await ended == 0
        assert acknowledged[2] == 0
        server.start()
        async with server.channel() as channel:
            uploads = Uploads(channel, metadata)
            for name, rows in zip(names, acknowledged, strict=True):
                assert (await uploads.get(name)).committed_through == rows
                assert await rows_seen(uploads, name) == {rows}
                async with uploads.writing(name) as writer:
                    assert writer.opened.committed_through == rows
                    assert (await writer.ask(batch(rows, 5))).committed_through == rows + 5


async def _drained(writer: Any) -> int:
    """Return how many rows are acknowledged when a writer's stream ends, which it is told before."""
    told, through, received = False, 0, 0
    try:
        while True:
            answer = await writer.answer()
            told = told or isinstance(answer, pb.Drain)
            if isinstance(answer, pb.Drain):
                assert answer.deadline.seconds > 0
            else:
                assert isinstance(answer, pb.BatchAck)
                through, received = answer.committed_through, answer.received_through
    except grpc.aio.AioRpcError as error:
        failure = from_rpc(error)
    assert told
    assert through == received, "everything that was taken is acknowledged"
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
    assert failure.retry_after_s
    return through
