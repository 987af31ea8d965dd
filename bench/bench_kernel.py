"""What one core calculates and cuts."""

import time
from collections.abc import Callable, Sequence

import pytest
from vcci_engine.calculate import calculate
from vcci_engine.segments import cut

from bench import dataset
from bench.harness import Figures, Harness, Turn, per_second
from bench.prepared import Batch, prepare, starter_table
from bench.sizes import Sizes

KINDS = {"one method": (dataset.SPEND,), "mixed": dataset.MIXED, "all fifteen categories": dataset.FIFTEEN}
REQUIRED = {"one method": 20e6, "all fifteen categories": 10e6}  # rows per CPU second


@pytest.fixture(scope="module")
def prepared(sizes: Sizes) -> dict[str, list[Batch]]:
    factors = starter_table()
    return {name: [prepare(batch, factors) for batch in dataset.batches(sizes, kinds)] for name, kinds in KINDS.items()}


def test_kernel(harness: Harness, prepared: dict[str, list[Batch]]) -> None:
    """How many rows per second does one core calculate, and cut into segments?"""
    factors = starter_table()
    contenders: dict[str, Turn] = {}
    for name, batches in prepared.items():
        contenders[f"calculate, {name}"] = _each(batches, lambda batch: calculate(batch.activities, factors))
        contenders[f"cut, {name}"] = _each(
            batches, lambda batch: cut(batch.emissions, batch.supplier_ids, batch.activities.units, 0)
        )
    harness.take_turns(contenders)
    for name, at_least in REQUIRED.items():
        harness.bound("rows/CPU-s", f"calculate, {name}", at_least=at_least)


def _each(batches: Sequence[Batch], work: Callable[[Batch], object]) -> Turn:
    """A turn goes once through the batches."""

    def turn() -> Figures:
        rows = sum(len(batch.emissions) for batch in batches)
        begin, cpu = time.perf_counter(), time.process_time()
        for batch in batches:
            work(batch)
        return per_second(rows, time.perf_counter() - begin, time.process_time() - cpu)

    return turn
