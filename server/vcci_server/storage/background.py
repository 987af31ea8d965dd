"""What one process per database does in the background: partitions ahead, folding, figures, merging, sweeping.

The leader holds a session advisory lock on a connection of its own; when that is lost, another takes over. The lock
only spares double work: every step is a transaction that is right whoever else runs it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from time import perf_counter
from typing import Any, NoReturn

import asyncpg
from vcci_cluster import Executor, Observe, Place
from vcci_cluster.work import unobserved
from vcci_engine.errors import Unavailable

from vcci_server.storage import folding, merging, supplier_figures
from vcci_server.storage.partitions import PartitionKeeper
from vcci_server.storage.pool import Pool, storage_errors
from vcci_server.storage.queries import QUERIES
from vcci_server.tasks import running

logger = logging.getLogger(__name__)

NAME = "vcci background"  # of the connection, in pg_stat_activity
LEADER_LOCK = 0x7663_6369_0003  # advisory lock of the leader
POLL_S = 1.0  # how often a leader looks for work, and others whether there is a leader: one indexed query
ANSWER_S = 10.0  # a connection that says nothing for longer is lost
SLOWEST_RETRY_S = 60.0
PARTITIONS_EVERY_S = 3_600.0  # a quarter begins less often


class Background:
    """The background work of a database, for whichever process leads."""

    def __init__(
        self,
        database_url: str,
        pool: Pool,
        keeper: PartitionKeeper,
        executor: Executor,
        *,
        observe: Observe = unobserved,
        idle: timedelta = folding.IDLE,
        kept: timedelta = merging.KEPT,
        beside: Sequence[Callable[[], Coroutine[Any, Any, NoReturn]]] = (),
    ) -> None:
        self._database_url = database_url
        self._pool = pool
        self._keeper = keeper
        self._executor = executor
        self._observe = observe
        self._idle = idle
        self._kept = kept
        self._beside = beside  # what the leader does at the same time
        self._failed = False
        self._partitions_due_s = 0.0  # of the loop's clock

    async def run(self) -> NoReturn:
        """Lead whenever nobody else does, until cancelled."""
        rest_s = POLL_S
        while True:
            started = perf_counter()
            try:
                await self._stand()
            except Unavailable as error:
                logger.warning("the leader's connection failed: %s", error.__cause__ or error)
            except Exception:
                logger.exception("the background failed; it starts again")
            rest_s = POLL_S if perf_counter() - started > SLOWEST_RETRY_S else min(2 * rest_s, SLOWEST_RETRY_S)
            await asyncio.sleep(rest_s)

    async def _stand(self) -> NoReturn:
        """Wait until nobody leads, then lead, until the connection is lost."""
        with storage_errors():
            connection = await asyncpg.connect(
                self._database_url, command_timeout=ANSWER_S, server_settings={"application_name": NAME}
            )
            try:
                while True:
                    if await connection.fetchval(QUERIES["try_to_lead"], LEADER_LOCK):
                        await self._lead(connection)
                    await asyncio.sleep(POLL_S)
            finally:
                connection.terminate()

    async def _lead(self, connection: "asyncpg.Connection[asyncpg.Record]") -> NoReturn:
        logger.info("this process leads the background work")
        async with AsyncExitStack() as stack:
            for work in self._beside:
                await stack.enter_async_context(running(work()))
            await self._go_on(connection)

    async def _go_on(self, connection: "asyncpg.Connection[asyncpg.Record]") -> NoReturn:
        rest_s = POLL_S
        while True:
            self._failed = False
            await connection.fetchval(QUERIES["still_leading"])
            busy = await self._round()
            if self._failed:
                await asyncio.sleep(rest_s)
                rest_s = min(2 * rest_s, SLOWEST_RETRY_S)
            else:
                rest_s = POLL_S
                if not busy:
                    await asyncio.sleep(POLL_S)

    async def _round(self) -> bool:
        """Do what is due, each upload one step; return whether there was anything."""
        await self._make_partitions()
        folds = await folding.due(self._pool, idle=self._idle)
        for upload in folds:
            await self._attempt("fold", folding.fold(self._pool, self._executor, *upload))
        wait = supplier_figures.LONGEST_WAIT if folds else timedelta(0)
        counts = await supplier_figures.due(self._pool, wait=wait)
        for tenant_id in counts:
            await self._attempt("figures", supplier_figures.count_figures(self._pool, self._executor, tenant_id))
        merges = await merging.due(self._pool)
        for upload in merges:
            await self._attempt("merge", merging.merge_step(self._pool, self._executor, *upload))
        sweeps = await merging.to_sweep(self._pool, kept=self._kept)
        for old in sweeps:
            await self._attempt("sweep", merging.sweep(self._pool, old))
        return bool(folds or counts or merges or sweeps)

    async def _make_partitions(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s < self._partitions_due_s:
            return
        if await self._attempt("partitions", self._keeper.ensure_ahead()):
            self._partitions_due_s = now_s + PARTITIONS_EVERY_S

    async def _attempt(self, task_name: str, task: Awaitable[object]) -> bool:
        """Run one task; its failure is logged and counted, and does not stop the others."""
        started = perf_counter()
        status = "cancelled"
        try:
            await task
            status = "success"
        except Exception:
            status = "failure"
            self._failed = True
            logger.exception("a background task failed; it is tried again", extra={"task": task_name})
        finally:
            self._observe(task_name, Place.IN_PROCESS, status, perf_counter() - started)
        return status == "success"
