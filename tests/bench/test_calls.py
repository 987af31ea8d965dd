"""The command that calls any method of a server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

pytest.importorskip("hdrh", reason="hdrhistogram has no wheel here")

from bench.latency import Latencies

ROOT = Path(__file__).parents[2]
CHECK = "grpc.health.v1.Health/Check"


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """A server that is not ours, with reflection."""
    server = grpc.server(ThreadPoolExecutor(4))
    servicer = health.HealthServicer()
    servicer.set("known", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflection.enable_server_reflection([CHECK.partition("/")[0], reflection.SERVICE_NAME], server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "bench.calls", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("how", [("--callers=4", "--connections=2"), ("--rate=200",)])
def test_a_method_is_called_and_what_came_of_it_is_told(target: str, how: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "calls.json"
    ended = run(target, CHECK, '--data={"service": "known"}', "--duration=0.2", f"--json={file}", *how)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(file.read_text())
    assert list(told["statuses"]) == ["OK"]
    assert len(Latencies.decoded(told["hdr_us"])) == told["statuses"]["OK"] > 10
    assert told["percent_ms"][-1][0] == 100
    assert "p99 ms" in ended.stdout


def test_calls_that_fail_are_counted_by_status(target: str) -> None:
    ended = run(target, CHECK, '--data={"service": "unknown"}', "--duration=0.1")
    assert ended.returncode == 1
    assert "NOT_FOUND" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("127.0.0.1:1/Health", CHECK), "expected host:port of this machine"),
        (("192.0.2.1:50051", CHECK), "expected host:port of this machine"),
        (("{target}", "grpc.health.v1.Health/Chuck"), "has no method"),
        (("{target}", CHECK, '--data={"name": 1}'), "no field named"),
    ],
)
def test_what_cannot_be_called_is_told(target: str, arguments: tuple[str, ...], told: str) -> None:
    ended = run(*(target if each == "{target}" else each for each in arguments))
    assert ended.returncode != 0
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
