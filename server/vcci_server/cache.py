"""The active factor set of each tenant as arrays: in this process, else from Redis where there is one, else made anew.

A connection of its own listens for activations, and so does one to Redis. A notification says only: look; so does a
connection made again, and the clock. What is looked at is what is active in the database, so a message that was missed
or came twice costs nothing.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple, Self

import asyncpg
from vcci_engine.factors import FactorTable

from vcci_server.metrics import Tier
from vcci_server.storage.factors import CHANNEL, Version, active_version, active_versions, read_table
from vcci_server.storage.pool import Connection, Pool, bind_tenant

if TYPE_CHECKING:
    from vcci_server.snapshots import Snapshots

APPLICATION_NAME = "vcci factors"  # of the connection that listens
MAX_TABLES = 64  # of 8,000 factors: 4 MB each
LOOK_EVERY_S = 30.0
ANSWER_WITHIN_S = 5.0
RETRY_S = 0.25

logger = logging.getLogger(__name__)


class _Known(NamedTuple):
    version: Version
    table: FactorTable


class FactorCache:
    """Tables of tenants, the least recently used ones dropped; an async context manager, which keeps them fresh.

    While the database does not answer, the last table stays in use.
    """

    def __init__(
        self,
        pool: Pool,
        database_url: str,
        *,
        tier: Tier,
        snapshots: "Snapshots | None" = None,
        max_tables: int = MAX_TABLES,
    ) -> None:
        self._pool = pool
        self._database_url = database_url
        self._tier = tier
        self._snapshots = snapshots
        self._max_tables = max_tables
        self._tables: OrderedDict[int, _Known] = OrderedDict()
        self._loads: dict[int, asyncio.Task[FactorTable]] = {}
        self._look_now = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._follower = asyncio.create_task(self._follow())
        if self._snapshots:
            self._snapshots.on_news(self._wake)
        return self

    async def __aexit__(self, *exception: object) -> None:
        tasks = [self._follower, *self._loads.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def peek(self, tenant_id: int) -> FactorTable | None:
        """Return the tenant's table if it is here."""
        known = self._tables.get(tenant_id)
        if known is None:
            return None
        self._tables.move_to_end(tenant_id)
        self._tier.hit()
        return known.table

    async def table(self, tenant_id: int) -> FactorTable:
        """Return the tenant's table, or raise WrongState when no set is active."""
        table = self.peek(tenant_id)
        if table is not None:
            return table
        self._tier.miss()
        return await self._load(tenant_id)

    async def activated(self, tenant_id: int) -> None:
        """Have what was activated before this call in use when it returns, and tell the other processes."""
        await self._refresh(tenant_id, await active_version(self._pool, tenant_id))
        if self._snapshots:
            await self._snapshots.publish()

    async def _refresh(self, tenant_id: int, version: Version) -> None:
        """Have a version that was active before this call, or a newer one, in use when it returns."""
        if running := self._loads.get(tenant_id):  # it may have begun before the activation
            await asyncio.wait([running])
        known = self._tables.get(tenant_id)
        if known is None or known.version != version:
            await self._load(tenant_id)

    async def _load(self, tenant_id: int) -> FactorTable:
        """Load the table, once for all who wait for it; one who gives up does not take it from the others."""
        load = self._loads.get(tenant_id)
        if load is None:
            load = self._loads[tenant_id] = asyncio.create_task(self._load_once(tenant_id))
            load.add_done_callback(lambda load: load.cancelled() or load.exception())  # nobody may be left to ask
        return await asyncio.shield(load)

    async def _load_once(self, tenant_id: int) -> FactorTable:
        bind_tenant(tenant_id)  # a task of its own, for whoever asked first
        try:
            version = await active_version(self._pool, tenant_id)
            table = await self._fetch(tenant_id, version)
        finally:
            del self._loads[tenant_id]
        self._tables[tenant_id] = _Known(version, table)
        self._tables.move_to_end(tenant_id)
        if len(self._tables) > self._max_tables:
            self._tables.popitem(last=False)
        self._look_now.set()  # another set may have been activated meanwhile, when this tenant was not looked at
        return table

    async def _fetch(self, tenant_id: int, version: Version) -> FactorTable:
        """Return the table from Redis; else from the database, and into Redis."""
        if self._snapshots is None:
            return await read_table(self._pool, tenant_id, version)
        table = await self._snapshots.get(tenant_id, version)
        if table is None:
            table = await read_table(self._pool, tenant_id, version)
            self._snapshots.put(tenant_id, version, table)
        return table

    async def _follow(self) -> None:
        """Look whenever there may be news, over one connection after the other."""
        following = True
        while True:
            try:
                async with self._listening() as db:
                    while not db.is_closed():
                        self._look_now.clear()
                        await self._look(db)
                        following = True
                        await self._wait()
                logger.warning("the connection that listens for activations was lost")
            except Exception as error:
                if following:
                    logger.warning("activations cannot be followed; the last factor sets stay in use", exc_info=error)
                following = False
            await asyncio.sleep(RETRY_S)

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        db = await asyncpg.connect(
            self._database_url,
            timeout=ANSWER_WITHIN_S,
            command_timeout=ANSWER_WITHIN_S,
            server_settings={"application_name": APPLICATION_NAME},
        )
        try:
            db.add_termination_listener(self._wake)
            await db.add_listener(CHANNEL, self._wake)
            yield db
        finally:
            db.terminate()

    def _wake(self, *news: object) -> None:
        self._look_now.set()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._look_now.wait()
        except TimeoutError:
            return

    async def _look(self, db: Connection) -> None:
        """Load the tables again of tenants that have something else active now."""
        active = await active_versions(db, list(self._tables))
        stale = [
            (tenant_id, version)
            for tenant_id, version in active.items()
            if tenant_id in self._tables and self._tables[tenant_id].version != version
        ]
        results = await asyncio.gather(*(self._refresh(*news) for news in stale), return_exceptions=True)
        if failures := [result for result in results if isinstance(result, Exception)]:
            raise ExceptionGroup("tables of factors could not be loaded", failures)
