"""`vcci serve --processes 2`: one port, one endpoint of metrics; each process can be lost, and all end together."""

import os
import signal
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import grpc
import grpc.aio
import pytest
from vcci.v1 import emission_service_pb2, emission_service_pb2_grpc
from vcci_client import AsyncClient
from vcci_client.upload import UploadOptions

from tests.cluster.processes import alive, children
from tests.server_process import ServerProcess, running_server
from tests.uploads import Uploads, batch
from tests.waiting import until, wait_until

TWO = ("--processes", "2")
PRIVATE = (("grpc.use_local_subchannel_pool", 1),)  # a connection of its own, which the kernel hands to either process
MOST_CONNECTIONS = 200  # all of them to one of two processes: as likely as 200 heads


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server(args=TWO) as process:
        yield process


def members(server: ServerProcess) -> list[int]:
    """Return the processes that serve."""
    found = [pid for pid in children(server.pid) if b"--member" in command_of(pid)]
    return sorted(found)


def command_of(pid: int) -> bytes:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()


def metric(server: ServerProcess, name: str, **labels: str) -> float:
    """Return the sum of a metric over all that has the labels."""
    shown = [f'{label}="{value}"' for label, value in labels.items()]
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as response:
        lines = response.read().decode().splitlines()
    found = [line for line in lines if line.startswith((f"{name}{{", f"{name} "))]
    return sum(float(line.split()[-1]) for line in found if all(label in line for label in shown))


@pytest.fixture
async def at_each(server: ServerProcess) -> AsyncIterator[list[grpc.aio.Channel]]:
    """A channel to each of the two processes, told apart by where their calls are counted."""
    async with AsyncExitStack() as stack:
        found: dict[str, grpc.aio.Channel] = {}
        for _ in range(MOST_CONNECTIONS):
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.listening, PRIVATE))
            before = calls(server)
            stub = emission_service_pb2_grpc.EmissionServiceStub(channel)
            await stub.GetDashboard(emission_service_pb2.GetDashboardRequest(), metadata=server.metadata())
            (process,) = [number for number, count in calls(server).items() if count > before[number]]
            found[process] = channel
            if len(found) == 2:
                break
        yield [found["0"], found["1"]]


def calls(server: ServerProcess) -> dict[str, float]:
    """Return how many dashboards each process has answered."""
    endpoint = "/vcci.v1.EmissionService/GetDashboard"
    return {n: metric(server, "api_requests_total", endpoint=endpoint, process=n) for n in ("0", "1")}


async def test_both_processes_serve_the_port_and_the_metrics_of_both_are_on_one_endpoint(
    server: ServerProcess, at_each: list[grpc.aio.Channel]
) -> None:
    assert len(at_each) == len(members(server)) == 2
    assert metric(server, "vcci_processes") == 2
    for process in ("0", "1"):
        assert metric(server, "worker_queue_limit", process=process, queue="intake") == 1024
        assert metric(server, "db_query_duration_seconds_count", process=process) > 0


async def test_a_writer_that_comes_back_to_another_process_fences_the_old_one(
    server: ServerProcess, at_each: list[grpc.aio.Channel]
) -> None:
    one, other = (Uploads(channel, server.metadata()) for channel in at_each)
    name = await one.create()
    async with one.writing(name) as old:
        await old.ask(batch(0, 5))
        async with other.writing(name) as new:
            assert metric(server, "vcci_ingest_streams_open", process="0") == 1
            assert metric(server, "vcci_ingest_streams_open", process="1") == 1
            assert (new.opened.committed_through, new.opened.epoch) == (5, old.opened.epoch + 1)
            await old.send(batch(5, 5))
            assert (await old.failure()).code is grpc.StatusCode.ABORTED
            assert (await new.ask(batch(5, 3))).committed_through == 8
        async with one.writing(name) as again:
            assert (await again.ask(batch(5, 3))).duplicate
            assert (await again.ask(batch(8, 2))).committed_through == 10
    assert [*(await other.stored(name)).row] == [*range(10)]


async def test_a_process_that_is_killed_is_started_again_and_no_row_is_lost(server: ServerProcess) -> None:
    before, restarts = members(server), metric(server, "vcci_process_restarts_total")
    row = {"category": 1, "unit": "USD", "factor": "naics:331110", "reporting_period": "2022-03-01"}
    killed = []

    def rows() -> Iterator[dict[str, object]]:
        for number in range(6_000):
            if number == 3_000:
                killed.append(before[0])
                os.kill(before[0], signal.SIGKILL)
            yield {"supplier_code": "S", "quantity": number + 1.0, **row}

    async with AsyncClient(server.listening, server.token()) as client:
        summary = await client.upload(rows(), UploadOptions(batch_rows=500))
    assert killed
    assert (summary.rows, summary.committed) == (6_000, 6_000)
    assert summary.kg_co2e == pytest.approx(0.787 * 6_000 * 6_001 / 2, rel=1e-3)
    await until(lambda: metric(server, "vcci_processes") == 2, 60)
    assert metric(server, "vcci_process_restarts_total") == restarts + 1
    assert len(members(server)) == 2
    assert before[0] not in members(server)


def test_a_second_server_on_the_port_is_refused(server: ServerProcess) -> None:
    ended = server.run_to_end()
    assert ended.returncode == 1
    assert f"cannot listen on {server.listening}: is it taken?" in ended.stderr


def test_all_end_with_the_process_that_started_them_and_their_port_is_free(server: ServerProcess) -> None:
    of_it = members(server)
    server.kill()
    wait_until(lambda: not any(map(alive, of_it)), 60)
    server.start()
    assert not set(of_it) & set(members(server))


def test_they_drain_together(server: ServerProcess) -> None:
    of_it, drained = members(server), server.log.read_text().count('"draining"')
    assert server.terminate() == 0
    assert not any(map(alive, of_it))
    assert server.log.read_text().count('"draining"') == drained + 2
