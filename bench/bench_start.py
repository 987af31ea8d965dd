"""The server's start."""

import asyncio
import time
from pathlib import Path
from typing import Any

import grpc.aio
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.harness import Figures, Harness
from tests.server_process import ServerProcess

MOST_S = 3.0


def test_start(harness: Harness, folder: Path) -> None:
    """How long does a server take from its start until its health says SERVING, its embedded database being there?"""
    state = folder / "start"
    state.mkdir(mode=0o711)  # PostgreSQL runs as another user when this one is root
    server = ServerProcess(state)
    server.start()
    server.terminate()

    def start() -> Figures:
        begin = time.perf_counter()
        server.start()
        try:
            asyncio.run(_check_serving(server.listening))
            seconds = time.perf_counter() - begin
            return {"start s": seconds, "server CPU s": sum(psutil.Process(server.pid).cpu_times()[:2])}
        finally:
            server.terminate()

    harness.take_turns({"server": start}, {})
    harness.bound("start s", "server", at_most=MOST_S)


async def _check_serving(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest())
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise AssertionError(answer)
