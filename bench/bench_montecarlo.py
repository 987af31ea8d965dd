"""Monte Carlo of emissions: what one core draws."""

import time
from collections.abc import Callable

import numpy as np
import pytest
from vcci_engine.montecarlo import Rows, cell_sums
from vcci_engine.results import Emissions
from vcci_engine.selection import select
from vcci_engine.simulations import Cells, Simulation, blocks, of_draws, place_draws, simulate

from bench import dataset
from bench.harness import Figures, Harness, Turn, per_second
from bench.prepared import prepare, starter_table
from bench.sizes import Sizes
from bench.works import rows_by_factor

REQUIRED_ROWS = 60_000  # per CPU second, at 1,000 draws
ROWS_AT_ONCE, PARTS = 500, 4  # whose draws are kept for percentiles of each row


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


def _timed(rows: int, work: Callable[[], object]) -> Figures:
    begin, cpu = time.perf_counter(), time.process_time()
    work()
    return per_second(rows, time.perf_counter() - begin, time.process_time() - cpu)


def _by_factor(emissions: Emissions) -> tuple[Rows, Cells]:
    """Rows and the cells of a total: one for each factor."""
    rows, n_cells = rows_by_factor(emissions)
    ids = np.unique(emissions.factor).astype(np.int64)
    return rows, Cells(np.full(n_cells, -1), ids, starter_table().sigma2_of(ids))


def _total(rows: Rows, cells: Cells, draws: int) -> list[Simulation]:
    ranges = blocks(draws, len(cells), 0)
    parts = [place_draws(cell_sums(rows, len(cells), block), cells, 0, block) for block in ranges]
    return of_draws(np.concatenate(parts, axis=1))
