"""Two processes that serve one port, against one."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.bench_calls import methods_of
from bench.database import Database
from bench.dataset import Order
from bench.harness import Figures, Harness, Turn
from bench.load import Load, run
from bench.processes import CpuMeter
from bench.service import Service, running_service
from bench.sizes import Sizes

COUNTS = (1, 2)
STREAMS, CONNECTIONS = 2, 16  # the kernel deals connections out to the processes, so a few would all go to one
NO_SLOWER = 0.9  # as fast, as far as a run of seconds can tell
INGEST_PART = 4  # of the rows of the ingest benchmark


@pytest.fixture(scope="module")
def services(folder: Path, postgres: Database) -> Iterator[dict[str, Service]]:
    """A service of each number of processes, each on a database of its own."""
    with ExitStack() as stack:
        running = {}
        for count in COUNTS:
            own = folder / f"processes_{count}"
            own.mkdir()
            service = stack.enter_context(running_service(own, postgres, args=("--processes", str(count))))
            running[f"{count} process{'es' if count > 1 else ''}"] = service
        yield running


def test_calls_of_processes(harness: Harness, services: dict[str, Service], sizes: Sizes) -> None:
    """Does a second process on the same cores answer at least as many single calculations per second?"""
    load = Load(sizes.call_s, sizes.callers, CONNECTIONS)
    _compare(harness, services, {name: _calls(load, service) for name, service in services.items()}, "calls/s")


def test_ingest_of_processes(harness: Harness, services: dict[str, Service], sizes: Sizes) -> None:
    """Does a second process on the same cores make at least as many activities per second durable, of two uploads?"""
    _compare(harness, services, {name: _ingest(sizes, service) for name, service in services.items()}, "rows/s")


def _compare(harness: Harness, services: dict[str, Service], turns: dict[str, Turn], figure: str) -> None:
    harness.take_turns(turns, {name: service.process for name, service in services.items()})
    one, two = services
    harness.ratio(figure, two, one, at_least=NO_SLOWER)


def _calls(load: Load, service: Service) -> Turn:
    methods = methods_of(service)

    def turn() -> Figures:
        meter = CpuMeter({"server": service.process})
        outcome = run(load, *methods)
        return {**outcome.figures(), "server CPU us/call": meter.read()["server"] / outcome.answered.sum() * 1e6}

    return turn


def _ingest(sizes: Sizes, service: Service) -> Turn:
    batches = max(1, sizes.ingest_rows // INGEST_PART // (sizes.batch_rows * STREAMS))

    def turn() -> Figures:
        service.database.checkpoint()
        uploaded = service.upload(sizes, batches, STREAMS, Order.BY_SUPPLIER)
        service.settle()
        return {"rows/s": uploaded.rows / uploaded.seconds, **uploaded.per_million()}

    return turn
