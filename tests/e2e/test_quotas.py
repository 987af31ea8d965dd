"""Limits on a real server: what is refused, what is slowed, and that the client goes on in either case."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import date
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import asyncpg
import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2
from vcci.v1 import factor_service_pb2, report_service_pb2
from vcci.v1 import upload_service_pb2 as pb
from vcci.v1.error_pb2 import ERROR_REASON_LIMIT_EXCEEDED
from vcci.v1.upload_pb2 import Upload
from vcci_client import AsyncClient
from vcci_client.errors import DETAILS_KEY, InvalidRequest, QuotaExceeded, from_rpc
from vcci_client.upload import UploadOptions
from vcci_server.storage.embedded import embedded_database

from tests.server_process import ServerProcess, running_server
from tests.uploads import Uploads, batch, columns, line

QUOTAS = """
[slow]
calls_per_s = 8

[paced]
rows_per_s = 2_000

[narrow]
streams = 2

[full]
stored_rows = 1_000
"""
LIMITS = (
    *("--max-filter-depth", "2", "--max-filter-comparisons", "3", "--max-filter-characters", "100"),
    *("--max-metadata-bytes", "4096", "--max-dictionary-entries", "10", "--max-stream-suppliers", "50"),
    *("--max-call-s", "2"),
)
STARTER = factor_service_pb2.FactorSetSpec(
    display_name="Starter", format=factor_service_pb2.FACTOR_FORMAT_STARTER, activate=True
)
LIMITED = 'vcci_refusals_total{reason="LIMIT_EXCEEDED"}'
CALLS_REFUSED = 'vcci_quota_refusals_total{quota="calls_per_s"}'
TENANTS = ("slow", "paced", "narrow", "full", "other")


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A server with quotas for some tenants, all of which have the starter factors."""
    with tempfile.TemporaryDirectory(prefix="vcci-test-") as folder:
        quotas = Path(folder, "quotas.toml")
        quotas.write_text(QUOTAS)
        with running_server(args=("--quotas", str(quotas), *LIMITS)) as process:
            asyncio.run(_make_tenants(process))
            yield process


async def _make_tenants(server: ServerProcess) -> None:
    async with embedded_database(server.state_dir) as url:
        db = await asyncpg.connect(url)
        await db.executemany("INSERT INTO tenants (name) VALUES ($1)", [(name,) for name in TENANTS])
        await db.close()
    for name in TENANTS:
        async with AsyncClient(server.listening, server.token(name)) as client:
            await client.import_factor_set(STARTER)


@pytest.fixture
async def as_tenant(server: ServerProcess) -> AsyncIterator[Any]:
    """What makes a client of a tenant."""
    async with AsyncExitStack() as stack:

        async def client(name: str) -> AsyncClient:
            return await stack.enter_async_context(AsyncClient(server.listening, server.token(name)))

        yield client


def metric(server: ServerProcess, name: str) -> float:
    """Return a sample of the server's metrics, 0 when there is none yet."""
    with urlopen(f"http://{server.metrics}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(text.rpartition(" ")[2]) for text in lines if text.startswith(f"{name} "))


def rows(count: int) -> list[dict[str, Any]]:
    fields = {"supplier_code": "S1", "category": 1, "unit": "USD", "factor": "naics:331110"}
    return [fields | {"quantity": row + 1.0, "reporting_period": "2022-03-01"} for row in range(count)]


async def test_calls_beyond_the_quota_are_told_when_to_come_again(server: ServerProcess) -> None:
    async with server.channel() as channel:
        slow = Uploads(channel, server.metadata("slow"))
        calls = (slow.call("ListUploads", pb.ListUploadsRequest()) for _ in range(20))
        refused = [
            error for error in await asyncio.gather(*calls, return_exceptions=True) if isinstance(error, Exception)
        ]
        await Uploads(channel, server.metadata("other")).call("ListUploads", pb.ListUploadsRequest())
    error = refused[0]
    assert isinstance(error, grpc.aio.AioRpcError)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    info, retry, quota = _details(error)
    assert (info.reason, info.metadata["quota"], info.metadata["limit"]) == ("QUOTA_EXCEEDED", "calls_per_s", "8")
    assert 0 < retry.retry_delay.ToTimedelta().total_seconds() <= 1
    (violation,) = quota.violations
    assert (violation.subject, violation.quota_id, violation.quota_value) == ("tenants/slow", "calls_per_s", 8)
    assert "8 calls a second" in violation.description
    assert metric(server, CALLS_REFUSED) >= 1
    assert metric(server, 'vcci_refusals_total{reason="QUOTA_EXCEEDED"}') >= 1


def _details(error: grpc.aio.AioRpcError) -> tuple[Any, Any, Any]:
    status = status_pb2.Status.FromString(dict(error.trailing_metadata() or ())[DETAILS_KEY])
    found = (error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo(), error_details_pb2.QuotaFailure())
    for message in found:
        assert any(detail.Unpack(message) for detail in status.details)
    return found


async def test_the_client_comes_again_when_it_is_told_to(server: ServerProcess, as_tenant: Any) -> None:
    slow = await as_tenant("slow")
    before = metric(server, CALLS_REFUSED)
    async with asyncio.TaskGroup() as tasks:
        calculated = [tasks.create_task(slow.calculate([line(number + 1.0)])) for number in range(12)]
        uploaded = tasks.create_task(slow.upload(rows(100)))
    assert len({task.result().total.kg_co2e for task in calculated}) == 12
    assert uploaded.result().committed == 100
    period, refused = (date(2022, 1, 1), date(2023, 1, 1)), metric(server, CALLS_REFUSED)
    async with asyncio.TaskGroup() as tasks:
        for number in range(12):
            tasks.create_task(slow.calculate([line(number + 1.0)]))
        report = tasks.create_task(slow.generate_report(report_service_pb2.REPORT_FORMAT_JSON, period=period))
    assert report.result().file
    assert before < refused < metric(server, CALLS_REFUSED)


async def test_an_upload_beyond_the_rate_of_rows_is_slowed_and_stored_whole(
    server: ServerProcess, as_tenant: Any
) -> None:
    paced = await as_tenant("paced")
    summaries = await asyncio.gather(*(paced.upload(rows(3_000)) for _ in range(2)))
    assert [(summary.committed, summary.rejected, summary.duplicates) for summary in summaries] == [(3_000, 0, 0)] * 2
    assert metric(server, "vcci_quota_paced_seconds_total") > 0
    other = await as_tenant("other")
    before = metric(server, "vcci_quota_paced_seconds_total")
    assert (await other.upload(rows(6_000))).committed == 6_000
    assert metric(server, "vcci_quota_paced_seconds_total") == before


async def test_a_slowed_upload_is_asked_for_batches_of_a_second(server: ServerProcess) -> None:
    async with server.channel() as channel:
        uploads = Uploads(channel, server.metadata("paced"))
        async with uploads.writing(await uploads.create()) as writer:
            assert writer.opened.limits.max_rows == 2_000
            async with uploads.writing(await uploads.create()) as second:
                assert second.opened.limits.max_rows == 1_000
            assert (await writer.ask(batch(0, 2_500))).committed_through == 2_500, "a larger one is taken, too"


async def test_streams_beyond_the_quota_are_refused_and_those_of_others_are_not(server: ServerProcess) -> None:
    async with server.channel() as channel:
        narrow = Uploads(channel, server.metadata("narrow"))
        name = await narrow.create()
        async with narrow.writing(name), narrow.writing(name):
            third = narrow.stream()
            await third.send(pb.AppendActivitiesRequest(open=pb.OpenUpload(upload=name)))
            failure = await third.failure()
            other = Uploads(channel, server.metadata("other"))
            async with other.writing(await other.create()) as writer:
                assert (await writer.ask(batch(0))).committed_through == 2
    assert isinstance(failure, QuotaExceeded)
    assert (failure.metadata["quota"], failure.metadata["limit"]) == ("streams", "2")
    assert failure.retry_after_s


async def _stored(uploads: Uploads, names: Sequence[str]) -> int:
    return sum([(await uploads.get(name)).accepted_rows for name in names])


async def test_rows_beyond_the_quota_are_refused_whole_and_what_was_stored_stays(
    server: ServerProcess, as_tenant: Any
) -> None:
    async with server.channel() as channel:
        uploads = Uploads(channel, server.metadata("full"))
        names = [await uploads.create() for _ in range(2)]
        async with uploads.writing(names[0]) as writer:
            await writer.ask(batch(0, 600))
        async with uploads.writing(names[1]) as writer:
            await writer.ask(batch(0, 300))
            await writer.send(batch(300, 101))
            failure = await writer.failure()
        assert isinstance(failure, QuotaExceeded)
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
        assert (failure.metadata["quota"], failure.metadata["limit"]) == ("stored_rows", "1000")
        assert failure.retry_after_s is None, "waiting does not help"
        assert await _stored(uploads, names) == 900
        async with uploads.writing(names[1]) as writer:
            assert writer.opened.committed_through == 300
            await writer.ask(batch(300, 100))  # up to the last row
            wrong = pb.AppendBatch(offset=400, columns=columns(2, quantity=[-1.0, -1.0]))
            assert (await writer.ask(wrong)).rejected_rows == 2, "rows that are rejected are not stored"
        full = await as_tenant("full")
        with pytest.raises(QuotaExceeded, match="1,000 rows stored"):
            await full.calculate([line(1.0)], keep=True)
        with pytest.raises(QuotaExceeded, match="remove some, or ask the operator"):
            await full.upload(rows(1), UploadOptions(uuid4().hex))
        await uploads.abandon(names[0])
        assert (await full.upload(rows(600))).committed == 600
        assert (await full.calculate([line(1.0)])).total.kg_co2e > 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("(((code = 1)))", "at most 2 parentheses in each other"),
        ("code=1 OR code=2 OR code=3 OR code=4", "at most 3 comparisons"),
        (f"code = {'x' * 100}", "at most 100 characters"),
    ],
)
async def test_a_filter_beyond_a_limit_is_told_it(server: ServerProcess, as_tenant: Any, text: str, told: str) -> None:
    before, client = metric(server, LIMITED), await as_tenant("other")
    with pytest.raises(InvalidRequest, match=told) as raised:
        await anext(client.list_suppliers(text))
    assert raised.value.reason == "LIMIT_EXCEEDED"
    assert metric(server, LIMITED) == before + 1


async def test_metadata_beyond_the_limit_is_told_it(server: ServerProcess) -> None:
    async with server.channel() as channel:
        large = Uploads(channel, [*server.metadata("other"), ("x-large", "x" * 4_096)])
        failure = await large.failure("ListUploads", pb.ListUploadsRequest())
    assert (failure.reason, failure.metadata["expected"]) == ("LIMIT_EXCEEDED", "at most 4096 bytes")


async def test_dictionaries_beyond_the_limit_are_refused_and_the_stream_goes_on(server: ServerProcess) -> None:
    before = metric(server, LIMITED)
    async with server.channel() as channel:
        uploads = Uploads(channel, server.metadata("other"))
        async with uploads.writing(await uploads.create()) as writer:
            limits = writer.opened.limits
            assert (limits.max_dictionary_entries, limits.max_stream_suppliers) == (10, 50)
            many = columns(1, units=[f"unit {number}" for number in range(11)])
            refusal = await writer.ask(pb.AppendBatch(offset=0, columns=many))
            assert (refusal.reason, refusal.expected) == (ERROR_REASON_LIMIT_EXCEEDED, "at most 10 entries")
            assert (await writer.ask(batch(0))).committed_through == 2
    assert metric(server, LIMITED) == before + 1


async def test_a_call_that_never_ends_ends_after_the_limit_unless_its_client_has_one(server: ServerProcess) -> None:
    async with server.channel() as channel, embedded_database(server.state_dir) as url:
        uploads = Uploads(channel, server.metadata("other"))
        request = pb.FinalizeUploadRequest(name=await uploads.create())
        db = await asyncpg.connect(url)
        async with db.transaction():
            await db.execute("SELECT FROM uploads FOR UPDATE")
            longer = asyncio.create_task(uploads.call("FinalizeUpload", request))
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await uploads.stub.FinalizeUpload(request, metadata=uploads.metadata)
            assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert from_rpc(raised.value).reason == "TIME_LIMIT_EXCEEDED"
            assert not longer.done()
        await db.close()
        assert (await longer).state == Upload.STATE_FINALIZED
