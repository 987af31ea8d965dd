"""Carries recalculations on, in the process that leads: whatever run goes on is done part by part, to its end.

What is under way is lost with the process, never what is stored: the next leader goes on behind it.
"""

import asyncio
import logging
from collections import deque
from functools import partial
from typing import NoReturn

from vcci_cluster import Executor, Work
from vcci_engine.errors import Overloaded, Unavailable, VcciError
from vcci_engine.factors import FactorTable
from vcci_engine.restatement import Tables
from vcci_engine.results import Basis

from vcci_server.emission_filters import read_filter
from vcci_server.run_messages import request_of
from vcci_server.status import details_of
from vcci_server.storage import factors, runs
from vcci_server.storage.aggregate import read_countries
from vcci_server.storage.pool import Pool, connection
from vcci_server.storage.reading import Filter, Position
from vcci_server.storage.restated import CPU_S_PER_ROW, Restated, restate_part
from vcci_server.storage.restating import PART_ROWS, Part, read_part, settle, store_part
from vcci_server.storage.runs import RunRecord
from vcci_server.storage.summing import on_executor
from vcci_server.storage.sums import Countries

POLL_S = 0.5  # how often the leader looks for runs: one query of a partial index
MOST_RUNS = 4  # at once
IN_FLIGHT = 3  # parts of a run: one is stored while two are calculated
TABLES = 4  # pairs of factor and price sets of old results kept: a run goes through one basis after the other

logger = logging.getLogger(__name__)


class Recalculation:
    """The runs of all tenants."""

    def __init__(self, pool: Pool, executor: Executor, *, part_rows: int = PART_ROWS) -> None:
        self._pool = pool
        self._executor = executor
        self._part_rows = part_rows

    async def run(self) -> NoReturn:
        """Carry on whatever run goes on, until cancelled."""
        going: dict[int, asyncio.Task[None]] = {}
        try:
            while True:
                try:
                    await self._begin(going)
                    await runs.sweep(self._pool)
                except Unavailable as error:
                    logger.warning("recalculations wait: %s", error.__cause__ or error)
                except Exception:
                    logger.exception("runs could not be begun or swept; it is tried again")
                await asyncio.sleep(POLL_S)
        finally:
            for task in going.values():
                task.cancel()
            await asyncio.gather(*going.values(), return_exceptions=True)

    async def _begin(self, going: dict[int, asyncio.Task[None]]) -> None:
        for run_id in [run_id for run_id, task in going.items() if task.done()]:
            del going[run_id]
        for run in await runs.to_do(self._pool, MOST_RUNS):
            if run.run_id not in going:
                going[run.run_id] = asyncio.create_task(self._carry_on(run))

    async def _carry_on(self, run: RunRecord) -> None:
        """Bring a run to its end, or leave it for another attempt when what it needs does not answer."""
        work = _Work(self._pool, self._executor, run, self._part_rows)
        try:
            await work.do()
        except (Unavailable, Overloaded) as error:
            logger.warning("runs/%d waits: %s", run.run_id, error)
        except VcciError as error:
            await work.fail(error)
        except Exception:
            logger.exception("runs/%d failed", run.run_id)
            await work.fail(VcciError())


class _Work:
    """One run, from where it is."""

    def __init__(self, pool: Pool, executor: Executor, run: RunRecord, part_rows: int) -> None:
        self._pool = pool
        self._executor = executor
        self._run = run
        self._part_rows = part_rows
        self._done = run.done
        self._tables: dict[tuple[int, int], Tables] = {}  # by old factor and price set
        self._parts: deque[tuple[Part, asyncio.Task[Restated]]] = deque()

    async def do(self) -> None:
        run, pool = self._run, self._pool
        await runs.begin(pool, run)
        async with connection(pool) as db:
            chosen = await read_filter(db, run.tenant_id, request_of(run).filter)
            countries = await read_countries(db, run.tenant_id)
        new = await factors.table_of(pool, run.tenant_id, run.factor_set_id, run.price_set_id)
        try:
            if await self._restate(chosen, countries, new):
                await runs.end(pool, run, self._done, "succeeded")
        finally:
            for _, task in self._parts:
                task.cancel()

    async def fail(self, error: VcciError) -> None:
        """End the run with an error."""
        await runs.end(self._pool, self._run, self._done, "failed", details_of(error))

    async def _restate(self, chosen: Filter, countries: Countries, new: FactorTable) -> bool:
        """Restate all parts; return whether the run was not ended meanwhile, nor carried on by another."""
        behind = self._done
        while True:
            while len(self._parts) < IN_FLIGHT and (part := await self._next(chosen, behind)) is not None:
                behind = part.end
                tables = await self._tables_for(part.held[0].basis, new)
                restated = self._calculate(part, tables, countries, chosen)
                self._parts.append((part, asyncio.create_task(restated)))
            if not self._parts:
                return True
            part, task = self._parts.popleft()
            if not await self._store(part, await task):
                return False

    async def _next(self, chosen: Filter, behind: Position) -> Part | None:
        """Return the next part; None at the end, or while what comes before an unmerged upload is under way."""
        part = await read_part(self._pool, self._run, chosen, behind, rows=self._part_rows)
        while part.unmerged is not None:
            if self._parts:
                return None
            await settle(self._pool, self._executor, self._run.tenant_id, part.unmerged)
            part = await read_part(self._pool, self._run, chosen, behind, rows=self._part_rows)
        return part if part.held else None

    async def _tables_for(self, basis: Basis, new: FactorTable) -> Tables:
        version = (basis.factor_set_id, basis.price_set_id)
        if version not in self._tables:
            if len(self._tables) >= TABLES:
                del self._tables[next(iter(self._tables))]
            of_set = partial(factors.table_of, self._pool, self._run.tenant_id, basis.factor_set_id)
            old = priced = await of_set(basis.price_set_id)
            if basis.price_set_id != self._run.price_set_id:
                priced = await of_set(self._run.price_set_id)
            self._tables[version] = Tables(old, priced, new)
        return self._tables[version]

    async def _calculate(self, part: Part, tables: Tables, countries: Countries, chosen: Filter) -> Restated:
        work = Work(
            name="recalculate",
            function=restate_part,
            args=(part.held, chosen, request_of(self._run).gwp_set),
            shared=(tables, countries),
            estimated_s=part.rows * CPU_S_PER_ROW,
            rows=part.rows,
        )
        return await self._executor.run(work)

    async def _store(self, part: Part, restated: Restated) -> bool:
        on = on_executor(self._executor, "calculator")
        if not await store_part(self._pool, on, self._run, self._done, part, restated):
            return False
        self._done = part.end
        return True
