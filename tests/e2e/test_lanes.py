"""Lanes on a real server with one thread: reading goes on beside bulk work, a full lane sheds, a slow work ends."""

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from vcci.v1 import calculation_service_pb2 as calculation_pb
from vcci.v1 import emission_service_pb2 as pb
from vcci.v1 import report_service_pb2 as report_pb
from vcci_client import AsyncClient, Client
from vcci_client.upload import UploadOptions

from tests.server_process import ServerProcess, running_server
from tests.uploads import columns
from tests.waiting import until

SIMULATE = "/vcci.v1.EmissionService/SimulateEmissions"
ROW = {"category": 1, "unit": "USD", "factor": "naics:331110", "reporting_period": "2022-03-01"}
LANES = "calculator: waiting=0; reporting: time_limit_s=0.001"
ROWS = 20_000
DRAWS = 100_000  # of 20,000 rows: ten seconds of one core


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server(env={"VCCI_COMPUTE_THREADS": "1", "VCCI_LANES": LANES}) as process:
        with Client(process.listening, process.token()) as client:
            client.upload([{"supplier_code": f"S{n % 7}", "quantity": n + 1.0, **ROW} for n in range(ROWS)])
        yield process


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(server.listening, server.token()) as client:
        yield client


@pytest.fixture
async def bulk(client: AsyncClient, server: ServerProcess) -> AsyncIterator[list[Any]]:
    """Two simulations, of which one has the thread while the other waits for it."""
    request = pb.SimulateEmissionsRequest(draws=DRAWS)
    service, metadata = client.connection.emissions, client.connection.metadata
    ended = metric(server, "api_requests_total", endpoint=SIMULATE)
    calls = [service.SimulateEmissions(request, metadata=metadata) for _ in range(2)]
    await until(lambda: metric(server, "worker_queue_depth", queue="simulation") > 0)
    yield calls
    for call in calls:
        call.cancel()
    await until(lambda: metric(server, "api_requests_total", endpoint=SIMULATE) == ended + 2)


def metric(server: ServerProcess, name: str, **labels: str) -> float:
    """Return the sum of a metric over all that has the labels."""
    shown = [f'{label}="{value}"' for label, value in labels.items()]
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as response:
        lines = response.read().decode().splitlines()
    found = [line for line in lines if line.startswith(f"{name}{{") and all(label in line for label in shown)]
    return sum(float(line.split()[-1]) for line in found)


def details(error: grpc.aio.AioRpcError) -> tuple[str, error_details_pb2.RetryInfo]:
    """Return the reason of an error, and when to try again."""
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                assert any(map(detail.Unpack, (info, retry)))
    return info.reason, retry


async def test_queries_are_answered_while_bulk_work_has_the_thread(
    client: AsyncClient, server: ServerProcess, bulk: list[Any]
) -> None:
    total = (await client.aggregate_emissions([pb.DIMENSION_SUPPLIER])).total
    assert (await client.get_dashboard()).total.rows == total.rows == ROWS
    assert len([supplier async for supplier in client.list_suppliers()]) == 7
    assert sum([len(part.row) async for part in client.stream_emissions()]) == ROWS
    assert not any(call.done() for call in bulk)
    assert metric(server, "worker_in_flight", queue="simulation") == 1


async def test_queries_are_answered_while_an_upload_goes_on(client: AsyncClient, server: ServerProcess) -> None:
    answered, sent = asyncio.Event(), 0

    async def rows() -> AsyncIterator[dict[str, Any]]:
        nonlocal sent
        while not answered.is_set():
            for _ in range(1_000):
                sent += 1
                yield {"supplier_code": f"U{sent % 7}", "quantity": 1.0, **ROW}
            await asyncio.sleep(0)  # lets the queries have the client's loop

    stored = metric(server, "vcci_ingest_rows_total", result="accepted")
    upload = asyncio.create_task(client.upload(rows(), UploadOptions(batch_rows=2_000, pending=True)))
    await until(lambda: metric(server, "vcci_ingest_rows_total", result="accepted") > stored + 10_000)
    assert (await client.aggregate_emissions([pb.DIMENSION_SUPPLIER])).total.rows == ROWS
    assert (await client.get_dashboard()).total.rows == ROWS
    assert not upload.done()
    answered.set()
    assert (await upload).committed == sent
    await client.abandon_upload((await upload).upload)


async def test_a_full_lane_says_when_to_try_again(client: AsyncClient, server: ServerProcess, bulk: list[Any]) -> None:
    service, metadata = client.connection.calculations, client.connection.metadata
    request = calculation_pb.CalculateStreamRequest(columns=columns(5))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await anext(aiter(service.CalculateStream(iter([request]), metadata=metadata)))
    reason, retry = details(raised.value)
    assert (raised.value.code(), reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert retry.retry_delay.ToMilliseconds() > 0
    assert metric(server, "worker_queue_limit", queue="calculator") == 0
    assert not any(call.done() for call in bulk)


async def test_a_work_over_its_limit_ends_with_its_status(client: AsyncClient, server: ServerProcess) -> None:
    request = report_pb.GenerateReportRequest(
        request_id="too slow",
        kind=report_pb.REPORT_KIND_GHG_PROTOCOL_SCOPE_3,
        format=report_pb.REPORT_FORMAT_PDF,
    )
    before = metric(server, "worker_tasks_total", status="time_limit")
    call = client.connection.reports.GenerateReport(request, metadata=client.connection.metadata)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        async for _ in call:
            pass
    reason, _ = details(raised.value)
    assert (raised.value.code(), reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "TIME_LIMIT_EXCEEDED")
    assert metric(server, "worker_tasks_total", status="time_limit") == before + 1
