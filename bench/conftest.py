"""What the benchmarks share: sizes, the machine's facts, the harness, the batches."""

import inspect
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench import machine
from bench.database import Database, embedded_postgres, state_folder
from bench.harness import Harness
from bench.service import Service, running_service
from bench.sizes import Sizes
from bench.store import fill

for name in [name for name in os.environ if name.startswith("VCCI_")]:
    del os.environ[name]  # the developer's own settings


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sizes", default=Sizes().to_json(), help="the sizes as JSON (bench/sizes.py)")


def pytest_benchmark_generate_machine_info() -> dict[str, str | int | float]:
    return machine.facts()


@pytest.fixture(scope="session")
def sizes(pytestconfig: pytest.Config) -> Sizes:
    return Sizes.from_json(pytestconfig.getoption("sizes"))


@pytest.fixture
def harness(request: pytest.FixtureRequest, benchmark: BenchmarkFixture, sizes: Sizes) -> Harness:
    """The harness; the test's docstring is its question."""
    return Harness(benchmark, inspect.getdoc(request.function) or "", sizes)


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder for the state of everything that runs."""
    with state_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres(folder: Path) -> Iterator[Database]:
    """The one PostgreSQL server that all share."""
    with embedded_postgres(folder) as database:
        yield database


@pytest.fixture(scope="session")
def filled(folder: Path, postgres: Database, sizes: Sizes) -> Iterator[Service]:
    """A server of all suppliers and `read_rows` emissions, for all files that read."""
    own = folder / "filled"
    own.mkdir()
    with running_service(own, postgres) as service:
        fill(service, sizes, sizes.read_rows)
        yield service


@pytest.fixture(scope="module")
def service(folder: Path, postgres: Database, request: pytest.FixtureRequest) -> Iterator[Service]:
    """A server for each file, so that none inherits the memory and the rows of another."""
    own = folder / request.module.__name__.rpartition(".")[2]
    own.mkdir()
    with running_service(own, postgres) as service:
        yield service
