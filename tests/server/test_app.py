"""The whole service as a process: starting, being watched, draining, dying, coming back."""

import asyncio
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from vcci.v1 import calculation_service_pb2 as pb
from vcci.v1 import calculation_service_pb2_grpc as rpc
from vcci.v1 import supplier_service_pb2, supplier_service_pb2_grpc
from vcci_server.service import SERVICES

from tests.failures import failure
from tests.postgres_process import running_postgres
from tests.server_process import ServerProcess, running_server
from tests.waiting import until


@pytest.fixture
async def channel(server: ServerProcess) -> AsyncIterator[grpc.aio.Channel]:
    async with server.channel() as channel:
        yield channel


@pytest.mark.parametrize("service", ["", *SERVICES])
async def test_it_is_healthy_without_a_token(channel: grpc.aio.Channel, service: str) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    response = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    assert response.status == health_pb2.HealthCheckResponse.SERVING


async def test_reflection_lists_every_service_without_a_token(channel: grpc.aio.Channel) -> None:
    untyped: Any = channel  # the stubs know only the synchronous API
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(untyped)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = [answer async for answer in stub.ServerReflectionInfo(iter([request]))]
    assert set(SERVICES) <= {service.name for service in answer.list_services_response.service}


async def test_calls_are_seen_on_the_second_port(server: ServerProcess, channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError):
        await rpc.CalculationServiceStub(channel).Calculate(pb.CalculateRequest(), metadata=server.metadata())
    text = await asyncio.to_thread(_scraped, server)
    calls = (
        'api_requests_total{endpoint="/vcci.v1.CalculationService/Calculate",method="unary",status="INVALID_ARGUMENT"}'
    )
    assert calls in text
    assert 'worker_queue_depth{queue="intake"} 0.0' in text
    assert "db_query_duration_seconds_count" in text
    assert 'db_connections_limit{pool="read"} 10.0' in text
    assert 'db_connections_active{pool="write"}' in text


def _scraped(server: ServerProcess) -> str:
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as response:
        text: str = response.read().decode()
    return text


async def test_the_tenant_of_a_token_must_exist(server: ServerProcess, channel: grpc.aio.Channel) -> None:
    stub = rpc.CalculationServiceStub(channel)
    failed = await failure(stub.Calculate(pb.CalculateRequest(), metadata=server.metadata("nobody")))
    assert (failed.code, failed.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNKNOWN_TENANT")


async def test_what_is_beyond_grpcs_own_limits_does_no_harm(server: ServerProcess, channel: grpc.aio.Channel) -> None:
    stub = rpc.CalculationServiceStub(channel)
    for request, metadata in (
        (pb.CalculateRequest(request_id="x" * (33 << 20)), []),
        (pb.CalculateRequest(), [("x-long", "x" * 32_768)]),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Calculate(request, metadata=[*server.metadata(), *metadata])
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.Calculate(pb.CalculateRequest(), metadata=server.metadata())
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_sigterm_ends_streams_with_a_reason_and_the_server_with_zero(state_dir: Path) -> None:
    with running_server(state_dir) as server:
        async with server.channel() as channel:
            call: Any = rpc.CalculationServiceStub(channel).CalculateStream(metadata=server.metadata())
            await call.write(pb.CalculateStreamRequest())
            await call.read()
            status = asyncio.create_task(asyncio.to_thread(server.terminate))
            failed = await failure(call.read())
            assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
            assert await status == 0


async def test_what_was_stored_and_the_tokens_outlive_a_kill(state_dir: Path) -> None:
    with running_server(state_dir) as server:
        token = server.metadata()
        async with server.channel() as channel:
            stub = supplier_service_pb2_grpc.SupplierServiceStub(channel)
            supplier = supplier_service_pb2.Supplier(code="S1")
            await stub.BatchUpsertSuppliers(
                supplier_service_pb2.BatchUpsertSuppliersRequest(suppliers=[supplier]), metadata=token
            )
        server.kill()
        server.start()
        async with server.channel() as channel:
            stub = supplier_service_pb2_grpc.SupplierServiceStub(channel)
            page = await stub.ListSuppliers(supplier_service_pb2.ListSuppliersRequest(), metadata=token)
        assert [supplier.code for supplier in page.suppliers] == ["S1"]


def test_a_signal_while_it_starts_ends_it_with_zero(state_dir: Path) -> None:
    command = [sys.executable, "-m", "vcci_server", "serve", "--state-dir", str(state_dir), "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        [*command, "--metrics-listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert "migrated" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.fixture
def empty_database(database_url: str) -> Iterator[str]:
    """The URL of a database with nothing in it."""
    name = f"vcci_test_{uuid4().hex}"
    asyncio.run(_execute(database_url, f"CREATE DATABASE {name}"))
    yield urlsplit(database_url)._replace(path=f"/{name}").geturl()
    asyncio.run(_execute(database_url, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


def test_an_external_database_is_migrated_only_when_asked(state_dir: Path, empty_database: str) -> None:
    env = {"VCCI_DATABASE_URL": empty_database}
    failed = _serve(state_dir, env)
    assert failed.returncode == 1
    assert "run `vcci migrate`" in failed.stderr
    with running_server(state_dir, env=env | {"VCCI_MIGRATE": "yes"}):
        pass
    with running_server(state_dir, env=env):
        assert not (state_dir / "postgres").exists()


def test_a_taken_port_is_told(state_dir: Path, server: ServerProcess) -> None:
    failed = _serve(state_dir, {}, "--listen", server.listening)
    assert failed.returncode == 1
    assert f"cannot listen on {server.listening}" in failed.stderr


def test_a_taken_metrics_port_is_told(state_dir: Path, server: ServerProcess) -> None:
    failed = _serve(state_dir, {}, "--metrics-listen", server.metrics)
    assert failed.returncode == 1
    assert f"cannot listen on {server.metrics}" in failed.stderr


def test_a_database_that_does_not_answer_is_told(state_dir: Path) -> None:
    failed = _serve(
        state_dir, {"VCCI_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "VCCI_DATABASE_WAIT_S": "1"}
    )
    assert failed.returncode == 1
    assert "waiting for the database: it does not answer" in failed.stderr
    assert "error: The database did not answer within 1 s" in failed.stderr


async def test_a_server_waits_for_its_database_and_says_by_health_that_it_does_not_serve(state_dir: Path) -> None:
    with ExitStack() as stack:
        postgres = await asyncio.to_thread(stack.enter_context, running_postgres())
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        postgres.stop()
        env = {"VCCI_DATABASE_URL": postgres.url, "VCCI_MIGRATE": "yes"}
        server = ServerProcess(state_dir, env, listening=address)
        starting = asyncio.create_task(asyncio.to_thread(server.start))
        async with server.channel() as channel:
            await until(lambda: _health(channel, health_pb2.HealthCheckResponse.NOT_SERVING))
            postgres.start()
            await starting
            await until(lambda: _health(channel, health_pb2.HealthCheckResponse.SERVING))
        assert "waiting for the database: it does not answer" in server.log.read_text()
        assert await asyncio.to_thread(server.terminate) == 0


async def _health(channel: grpc.aio.Channel, status: int) -> bool:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    try:
        return bool((await stub.Check(health_pb2.HealthCheckRequest())).status == status)
    except grpc.aio.AioRpcError:
        return False


def test_a_ray_that_does_not_answer_is_told(state_dir: Path, empty_database: str) -> None:
    env = {"VCCI_DATABASE_URL": empty_database, "VCCI_MIGRATE": "yes", "VCCI_RAY_ADDRESS": "127.0.0.1:1"}
    failed = _serve(state_dir, env)
    assert failed.returncode == 1
    assert "error: Ray at '127.0.0.1:1' cannot be used: nothing listens there" in failed.stderr


def test_a_database_that_refuses_is_told(state_dir: Path, database_url: str) -> None:
    failed = _serve(state_dir, {"VCCI_DATABASE_URL": urlsplit(database_url)._replace(path="/no_such").geturl()})
    assert failed.returncode == 1
    assert 'error: the database refuses: database "no_such" does not exist' in failed.stderr


def _serve(state_dir: Path, env: dict[str, str], *args: str) -> "subprocess.CompletedProcess[str]":
    """Start a server that is expected to fail."""
    server = ServerProcess(state_dir, env)
    return server.run_to_end(*args)
