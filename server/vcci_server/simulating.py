"""Monte Carlo of stored emissions: range of draws by range, the segments of each summed piece by piece.

Nothing of it grows with the number of rows: for each range of draws all segments are read again, in one snapshot.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from vcci.v1 import emission_service_pb2 as pb
from vcci_cluster import Executor, Work
from vcci_engine.activities import FloatArray, Positions
from vcci_engine.errors import InvalidField
from vcci_engine.montecarlo import LIMBS, Draws, Rows, add_sums, cell_sums, own_sigma
from vcci_engine.simulations import LEAST_DRAWS, MOST_DRAWS, REST, Cells, Simulation, blocks, of_draws, place_draws
from vcci_engine.totals import LimbArray

from vcci_server.emission_filters import MOST_GROUPS, check_sums
from vcci_server.emission_sums import Found
from vcci_server.storage.pool import Connection
from vcci_server.storage.reading import Filter, StoredSegment, pin_version, scan
from vcci_server.storage.sums import Keys, Made, chosen_columns, columns_for, grouped
from vcci_server.validation import Problems

DRAWS = 10_000
GROUPS = 100
MOST_ROW_DRAWS = 100_000_000_000  # eight minutes of one core
MOST_GROUP_DRAWS = 20_000_000  # 160 MB
CPU_S_PER_ROW = 2e-6
CPU_S_PER_DRAW = 5e-9
WORK_S = 0.25  # long against what Ray costs, short against what others wait for
MOST_AHEAD = 64  # works under way of one simulation
AHEAD_BYTES = 128 << 20  # of their results
NEEDED = ("upload", "row", "kg_co2e", "quality", "factor")  # columns

R = TypeVar("R")


def check_simulate(request: pb.SimulateEmissionsRequest) -> tuple[int, int]:
    """Return how many groups and draws are wanted, or raise InvalidFields."""
    problems = Problems()
    check_sums(request, problems)
    check_draws(request.draws or DRAWS, problems)
    problems.check()
    return min(request.limit or GROUPS, MOST_GROUPS), request.draws or DRAWS


def check_size(rows: int, groups: int, draws: int) -> None:
    """Raise InvalidField when it would be too much work, or too many draws to hold."""
    if rows * draws > MOST_ROW_DRAWS:
        expected = f"at most {MOST_ROW_DRAWS // rows:,} draws of {rows:,} rows; or a narrower filter"
        raise InvalidField("draws", draws, expected, reason="LIMIT_EXCEEDED")
    if groups * draws > MOST_GROUP_DRAWS:
        expected = f"at most {MOST_GROUP_DRAWS // groups:,} draws of {groups:,} groups; or fewer groups"
        raise InvalidField("draws", draws, expected, reason="LIMIT_EXCEEDED")


def check_draws(draws: int, problems: Problems) -> None:
    """Note a number of draws that is out of range."""
    if not LEAST_DRAWS <= draws <= MOST_DRAWS:
        problems.add("draws", draws, f"{LEAST_DRAWS:,} to {MOST_DRAWS:,} draws", "OUT_OF_RANGE")


def simulation_work(
    function: Callable[..., R], shared: tuple[object, ...], args: tuple[object, ...], rows: int, draws: int
) -> Work[R]:
    """Return a work that draws for rows."""
    return Work("simulate", function, args, _cpu_s(rows, draws), rows, lane="simulation", shared=shared)


def _cpu_s(rows: int, draws: int) -> float:
    return rows * (CPU_S_PER_ROW + draws * CPU_S_PER_DRAW)


@dataclass(frozen=True, slots=True)
class Plan:
    """How the rows of a filter are summed: the cell of each combination of some columns that is known.

    A row of another combination is in the cell of what is in no group, by its factor.
    """

    chosen: Filter
    columns: tuple[str, ...]
    made: Made | None
    keys: tuple[Keys, ...]  # by column, of the known combinations
    cell: Positions  # of each of them
    factors: Keys  # ascending
    rest: Positions  # the cell of each factor's rows in no group
    n_places: int


def plan_of(chosen: Filter, found: Found, sigma2: dict[int, float]) -> tuple[Plan, Cells]:
    """Return how to sum the rows of what was found, and the cells; `sigma2` by factor."""
    factors = np.unique(found.by_factor.keys["factor"])
    place = np.concatenate((found.place, np.full(len(factors), REST)))
    factor = np.concatenate((found.sums.keys["factor"], factors))
    pairs, cell = np.unique(np.stack((place, factor)), axis=1, return_inverse=True)
    cells = Cells(pairs[0].astype(np.intp), pairs[1], np.array([sigma2[number] for number in pairs[1].tolist()]))
    plan = Plan(
        chosen=chosen,
        columns=tuple(found.sums.keys),
        made=found.made,
        keys=tuple(found.sums.keys.values()),
        cell=cell[: len(found.place)],
        factors=factors,
        rest=cell[len(found.place) :],
        n_places=len(found.chosen),
    )
    return plan, cells


@dataclass(frozen=True, slots=True)
class Part:
    """The sums of some rows: of the cells that they are in."""

    rows: int
    cells: Positions
    sums: LimbArray  # [cells, limbs, draws]


def sum_draws(plan: Plan, segments: Sequence[StoredSegment], draws: Draws) -> Part:
    """Return the sums of the rows of some segments; a pure function, for a thread or Ray."""
    columns = chosen_columns(segments, plan.chosen, (*plan.columns, *NEEDED), plan.made)
    if not len(columns["row"]):
        return Part(0, np.empty(0, np.intp), np.empty((0, LIMBS, draws.count), np.int64))
    of_rows = _cells(plan, [columns[name] for name in plan.columns], columns["factor"])
    cells, cell = np.unique(of_rows, return_inverse=True)
    rows = Rows(
        upload=columns["upload"],
        row=columns["row"],
        kg_co2e=columns["kg_co2e"],
        sigma=own_sigma(columns["quality"], columns["factor"]),
        cell=cell,
    )
    return Part(len(rows), cells, cell_sums(rows, len(cells), draws))


def _cells(plan: Plan, columns: Sequence[Keys], factor: Keys) -> Positions:
    """Return the cell of each row."""
    known = len(plan.cell)
    group, first = grouped([np.concatenate(pair) for pair in zip(plan.keys, columns, strict=True)], known + len(factor))
    cell = np.full(len(first), -1, np.intp)
    cell[group[:known]] = plan.cell
    cell = cell[group[known:]]
    return np.where(cell >= 0, cell, plan.rest[np.searchsorted(plan.factors, factor)])


class StoredSimulation:
    """One simulation of a tenant's emissions, in one snapshot."""

    def __init__(self, db: Connection, executor: Executor, tenant_id: int, plan: Plan, cells: Cells) -> None:
        self._db = db
        self._executor = executor
        self._tenant_id = tenant_id
        self._plan = plan
        self._cells = cells
        self._kg: list[FloatArray] = []  # by range of draws

    async def run(self, draws: int, seed: int) -> AsyncGenerator[int]:
        """Draw; yield how many draws of rows are done since the last time."""
        version = await pin_version(self._db)
        for block in blocks(draws, len(self._cells), seed):
            sums = np.zeros((len(self._cells), LIMBS, block.count), np.int64)
            async with aclosing(self._parts(version, block)) as parts:
                async for part in parts:
                    await asyncio.to_thread(add_sums, sums, part.cells, part.sums)
                    yield part.rows * block.count
            self._kg.append(await asyncio.to_thread(place_draws, sums, self._cells, self._plan.n_places, block))

    async def result(self) -> list[Simulation]:
        """Return the simulation of each place and, last, of the total."""
        return await asyncio.to_thread(lambda: of_draws(np.concatenate(self._kg, axis=1)))

    async def _parts(self, version: int, draws: Draws) -> AsyncGenerator[Part]:
        """Yield the sums of all rows, part by part, while further parts are computed."""
        running: deque[asyncio.Task[Part]] = deque()
        ahead = _ahead(len(self._cells), draws)
        try:
            async with aclosing(self._chunks(version, draws)) as chunks:
                async for chunk in chunks:
                    rows = sum(segment.n for segment in chunk)
                    work = simulation_work(sum_draws, (self._plan,), (chunk, draws), rows, draws.count)
                    running.append(asyncio.create_task(self._executor.run(work)))
                    if len(running) == ahead:
                        yield await running.popleft()
            while running:
                yield await running.popleft()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _chunks(self, version: int, draws: Draws) -> AsyncGenerator[list[StoredSegment]]:
        """Yield the segments in chunks of WORK_S or a little more."""
        columns = [*columns_for(self._plan.chosen, self._plan.columns), "row"]
        scanned = scan(self._db, self._tenant_id, self._plan.chosen, columns, version=version)
        chunk: list[StoredSegment] = []
        rows = 0
        async with aclosing(scanned):
            async for segment in scanned:
                chunk.append(segment)
                rows += segment.n
                if _cpu_s(rows, draws.count) >= WORK_S:
                    yield chunk
                    chunk, rows = [], 0
        if chunk:
            yield chunk


def _ahead(n_cells: int, draws: Draws) -> int:
    """Return how many works may be under way: so many that their results fit the memory."""
    return max(2, min(MOST_AHEAD, AHEAD_BYTES // max(1, n_cells * LIMBS * draws.count * 8)))
