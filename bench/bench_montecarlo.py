"""Monte Carlo of emissions: what one core draws, and what a second worker adds."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial

import numpy as np
import pytest
from vcci_cluster import Executor, RayOptions, Work, open_executor
from vcci_engine.distinct import distinct
from vcci_engine.montecarlo import Draws, Rows, cell_sums, own_sigma
from vcci_engine.results import Emissions
from vcci_engine.selection import select
from vcci_engine.simulations import Cells, Simulation, blocks, of_draws, place_draws, simulate

from bench import dataset
from bench.harness import Figures, Harness, Turn, per_second
from bench.prepared import prepare, starter_table
from bench.sizes import Sizes

REQUIRED_ROWS = 60_000  # per CPU second, at 1,000 draws
REQUIRED_RATIO = 1.7  # of two workers to one
ROWS_AT_ONCE, PARTS = 500, 4  # whose draws are kept for percentiles of each row
WORKS, REPEATS = 4, 2  # long works: what passing them on costs is not the question


@pytest.fixture(scope="module")
def emissions(sizes: Sizes) -> Emissions:
    batch = prepare(dataset.batch(0, sizes), starter_table()).emissions
    return select(batch, np.arange(len(batch)) < sizes.drawn_rows)


def test_montecarlo(harness: Harness, emissions: Emissions, sizes: Sizes) -> None:
    """How many rows per second does one core draw a thousand times, for a total with percentiles, and for each row?"""
    rows, cells = _by_factor(emissions)
    place = np.arange(len(emissions))
    parts = [select(emissions, place // ROWS_AT_ONCE == part) for part in range(PARTS)]
    factors = starter_table()
    each: Callable[[], object] = lambda: [simulate(factors, part, sizes.draws) for part in parts]  # noqa: E731
    contenders: dict[str, Turn] = {
        "total": lambda: _timed(len(rows), lambda: _total(rows, cells, sizes.draws)),
        "each row": lambda: _timed(sum(map(len, parts)), each),
    }
    harness.take_turns(contenders)
    harness.bound("rows/CPU-s", "total", at_least=REQUIRED_ROWS)


def test_montecarlo_on_ray(harness: Harness, emissions: Emissions, sizes: Sizes) -> None:
    """What do two Ray workers add to one: works sent one after the other, and two at a time?"""
    rows, cells = _by_factor(emissions)
    parts = np.array_split(np.arange(len(rows)), WORKS)
    works = [_work(_some(rows, part), len(cells), sizes.draws) for part in parts] * REPEATS
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        ray = stack.enter_async_context(open_executor("local", threads=1, ray=RayOptions(cpus=2)))
        executor = runner.run(ray)
        try:
            contenders = {
                name: partial(_sent, runner, executor, works, at_once)
                for name, at_once in (("one worker", 1), ("two workers", 2))
            }
            harness.take_turns(contenders)
        finally:
            runner.run(stack.aclose())
    harness.ratio("rows/s", "two workers", "one worker", at_least=REQUIRED_RATIO)


def _sent(runner: asyncio.Runner, executor: Executor, works: Sequence[Work[object]], at_once: int) -> Figures:
    async def one_after_the_other(mine: Sequence[Work[object]]) -> None:
        for work in mine:
            await executor.run(work)

    async def run() -> None:
        await asyncio.gather(*(one_after_the_other(works[place::at_once]) for place in range(at_once)))

    begin = time.perf_counter()
    runner.run(run())
    return {"rows/s": sum(work.rows for work in works) / (time.perf_counter() - begin)}


def _timed(rows: int, work: Callable[[], object]) -> Figures:
    begin, cpu = time.perf_counter(), time.process_time()
    work()
    return per_second(rows, time.perf_counter() - begin, time.process_time() - cpu)


def _by_factor(emissions: Emissions) -> tuple[Rows, Cells]:
    """Rows and the cells of a total: one for each factor."""
    ids, cell = distinct(emissions.factor.astype(np.intp), int(emissions.factor.max(initial=0)) + 1)
    rows = Rows(
        upload=np.ones(len(emissions), np.int64),
        row=emissions.row,
        kg_co2e=emissions.kg_co2e,
        sigma=own_sigma(emissions.quality, emissions.factor),
        cell=cell,
    )
    return rows, Cells(np.full(len(ids), -1), ids.astype(np.int64), starter_table().sigma2_of(ids))


def _some(rows: Rows, part: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Rows:
    return Rows(rows.upload[part], rows.row[part], rows.kg_co2e[part], rows.sigma[part], rows.cell[part])


def _total(rows: Rows, cells: Cells, draws: int) -> list[Simulation]:
    ranges = blocks(draws, len(cells), 0)
    parts = [place_draws(cell_sums(rows, len(cells), block), cells, 0, block) for block in ranges]
    return of_draws(np.concatenate(parts, axis=1))


def _work(rows: Rows, n_cells: int, draws: int) -> Work[object]:
    arguments = (rows, n_cells, Draws(0, draws))
    return Work("simulate", cell_sums, arguments, estimated_s=60.0, rows=len(rows), lane="simulation")
