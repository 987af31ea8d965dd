"""What the benchmarks share: sizes, the machine's facts, the harness, the batches."""

import inspect
from collections.abc import Sequence

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from vcci_client.activities import Activities

from bench import dataset, machine
from bench.harness import Harness
from bench.sizes import Sizes


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sizes", default=Sizes().to_json(), help="the sizes as JSON (bench/sizes.py)")


def pytest_benchmark_generate_machine_info() -> dict[str, str | int | float]:
    return machine.facts()


@pytest.fixture(scope="session")
def sizes(pytestconfig: pytest.Config) -> Sizes:
    return Sizes.from_json(pytestconfig.getoption("sizes"))


@pytest.fixture
def harness(request: pytest.FixtureRequest, benchmark: BenchmarkFixture) -> Harness:
    """The harness; the test's docstring is its question."""
    return Harness(benchmark, inspect.getdoc(request.function) or "")


@pytest.fixture(scope="session")
def batches(sizes: Sizes) -> Sequence[Activities]:
    """The distinct batches, mixed."""
    return dataset.batches(sizes)
