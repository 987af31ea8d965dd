"""Runs a scenario: levers resolved, cells read, the engine's work done where it pays, progress told meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from vcci.v1 import hotspot_service_pb2 as pb
from vcci.v1.emission_pb2 import Composition
from vcci_cluster import Executor, Work
from vcci_engine.levers import Cell, Factor, Lever, Move, Pathway
from vcci_engine.scenarios import Outcome, run
from vcci_engine.totals import of_ug, ug_limbs

from vcci_server.emission_gases import StoredParts
from vcci_server.hotspot_reading import Emissions, composition_of
from vcci_server.scenario_cells import Scopes, read_cells
from vcci_server.scenario_levers import factor_of, resolve
from vcci_server.storage.queries import QUERIES

LANE = "hotspot"  # of reading
COMPUTE_LANE = "simulation"  # may take seconds, and what waits in the other lane is short
S_PER_CELL = 4e-6  # of one lever

R = TypeVar("R")
Report = Callable[[int, int], None]  # told of rows read, and cells


@dataclass(frozen=True, slots=True)
class Read:
    """All that a scenario is computed from."""

    cells: list[Cell]
    levers: list[Lever]
    factors: dict[int, Factor]
    parts: StoredParts | None  # of factors; None where a run has expressed some emissions in a GWP set of its own

    @property
    def rows(self) -> int:
        """The rows of the baseline."""
        return sum(cell.rows for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Computed:
    """A scenario, and under which GWP sets its baseline and it are."""

    rows: int
    outcome: Outcome
    baseline: Composition
    scenario: Composition


async def read_scenario(emissions: Emissions, request: pb.RunScenarioRequest, report: Report) -> Read:
    """Read what a scenario needs, in the snapshot."""
    resolved = await resolve(emissions.db, emissions.tenant_id, request.levers)
    cells = await read_cells(
        emissions,
        Scopes.of(resolved.scopes),
        with_quantities=any(isinstance(lever.change, Move) for lever in resolved.levers),
        on_rows=lambda rows: report(rows, 0),
    )
    ids = sorted({cell.factor for cell in cells})
    factors = {**await _factors(emissions, ids), **resolved.factors}
    parts = await emissions.parts(sorted({*ids, *resolved.factors}))
    found = Read(cells, resolved.levers, factors, parts)
    report(found.rows, len(cells))
    return found


async def compute(executor: Executor, read: Read) -> Computed:
    """Return what the levers do; on Ray when there is enough to compute."""
    work = Work(
        "scenario",
        run,
        (read.cells, read.levers, read.factors),
        estimated_s=len(read.cells) * _turns(read.levers) * S_PER_CELL,
        rows=len(read.cells),
        lane=COMPUTE_LANE,
    )
    outcome = await executor.run(work)
    sets = [await asyncio.to_thread(_composition, read.parts, ug) for ug in (outcome.baseline_ug, outcome.scenario_ug)]
    return Computed(read.rows, outcome, *sets)


def _composition(parts: StoredParts | None, ug: dict[int, int]) -> Composition:
    terms = of_ug(np.zeros(len(ug), np.int64), ug_limbs([*ug.values()]))
    return composition_of(parts, terms, np.array([*ug], np.int64))


async def with_progress(work: Callable[[Report], Awaitable[R]]) -> AsyncGenerator[pb.ScenarioProgress | R]:
    """Yield the newest progress of a work whenever there is some, as fast as it is taken, and at last its result."""
    woken, newest = asyncio.Event(), list[pb.ScenarioProgress]()

    def report(rows_read: int, cells: int) -> None:
        newest[:] = [pb.ScenarioProgress(rows_read=rows_read, cells=cells)]
        woken.set()

    task = asyncio.ensure_future(work(report))
    task.add_done_callback(lambda _: woken.set())
    try:
        while newest or not task.done():
            await woken.wait()
            woken.clear()
            if newest:
                yield newest.pop()
        yield await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _factors(emissions: Emissions, ids: list[int]) -> dict[int, Factor]:
    rows = await emissions.db.fetch(QUERIES["factor_details"], emissions.tenant_id, ids)
    found = [factor_of(**row) for row in rows]
    return {factor.id: factor for factor in found if factor is not None}


def _turns(levers: list[Lever]) -> int:
    """Return how often all cells are gone through."""
    pathways = [lever.change for lever in levers if isinstance(lever.change, Pathway)]
    years = max((of.target_year for of in pathways), default=0) - min((of.base_year for of in pathways), default=1)
    return 2 + (3 + years + 1) * len(levers)
