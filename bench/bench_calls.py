"""Single calculations, against a bare echo."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import psutil
import pytest
from google.type.date_pb2 import Date
from vcci.v1 import activity_pb2
from vcci.v1.calculation_service_pb2 import CalculateRequest

from bench import echo
from bench.harness import Harness, Timed, Turn
from bench.load import Load, Method, arrivals_s, run, single
from bench.processes import CpuMeter
from bench.service import Service
from bench.sizes import Sizes

CALCULATE = "/vcci.v1.CalculationService/Calculate"
REQUESTS = 240  # that differ in supplier, country, quantity and month
CALLS_RATIO, P99_RATIO = 0.7, 1.5


def request_of(number: int) -> CalculateRequest:
    """Return a request with one activity."""
    activity = activity_pb2.Activity(
        supplier_code=f"S{number:06}",
        supplier_name="Northern Steel",
        country=("DE", "FR", "PL", "SE", "US")[number % 5],
        category=activity_pb2.CATEGORY_PURCHASED_GOODS_AND_SERVICES,
        quantity=12_500.25 + number,
        unit="kg",
        factor="material:steel",
        reporting_period=Date(year=2025, month=number % 12 + 1, day=1),
        quality=activity_pb2.Quality(reliability=2, completeness=1, temporal=1, geographical=3, technological=2),
    )
    return CalculateRequest(activities=[activity])


def methods_of(service: Service) -> list[Method]:
    """Return the calls of a service, to be made in turn."""
    requests = (request_of(number).SerializeToString() for number in range(REQUESTS))
    return [Method(service.address, CALCULATE, request, service.metadata) for request in requests]


@dataclass(frozen=True, slots=True)
class Callee:
    """Methods and the process that answers them."""

    methods: Sequence[Method]
    process: psutil.Process


@pytest.fixture(scope="module")
def callees(service: Service) -> Iterator[dict[str, Callee]]:
    """The service's method and the echo's, with messages of the same sizes."""
    ours = methods_of(service)
    answer = single(ours[0])
    command = [sys.executable, "-m", "bench.echo", str(len(answer))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        theirs = [replace(method, target=f"127.0.0.1:{port}", path=echo.PATH) for method in ours]
        yield {"service": Callee(ours, service.process), "echo": Callee(theirs, psutil.Process(server.pid))}
        server.terminate()


def test_one_caller(harness: Harness, callees: dict[str, Callee], sizes: Sizes) -> None:
    """What does one calculation cost a caller who waits for each answer, against an echo of as many bytes?"""
    _compare(harness, callees, Load(sizes.call_s))


def test_many_callers(harness: Harness, callees: dict[str, Callee], sizes: Sizes) -> None:
    """How many single calculations per second does the service answer at saturation, against such an echo?"""
    _compare(harness, callees, Load(sizes.call_s, sizes.callers, sizes.connections), at_least=CALLS_RATIO)
    harness.ratio("p99 ms", "service", "echo", at_most=P99_RATIO)


def test_open_loop(harness: Harness, callees: dict[str, Callee], sizes: Sizes) -> None:
    """How long do calls take that arrive at a given rate, whatever the answers do, against such an echo?"""
    _compare(harness, callees, Load(connections=sizes.connections, arrivals_s=arrivals_s(sizes.rate, sizes.call_s)))


def _compare(harness: Harness, callees: dict[str, Callee], load: Load, *, at_least: float | None = None) -> None:
    servers = {name: callee.process for name, callee in callees.items()}
    harness.take_turns({name: _turn(load, callee) for name, callee in callees.items()}, servers)
    harness.ratio("calls/s" if not load.arrivals_s else "p50 ms", "service", "echo", at_least=at_least)


def _turn(load: Load, callee: Callee) -> Turn:
    def turn() -> Timed:
        meter = CpuMeter({"server": callee.process})
        outcome = run(load, *callee.methods)  # a stall of the machine may have a call refused, which counts for nothing
        cpu_us = meter.read()["server"] / outcome.answered.sum() * 1e6
        return Timed({**outcome.figures(), "server CPU us/call": cpu_us}, outcome.latencies)

    return turn
