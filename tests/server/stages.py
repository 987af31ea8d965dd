"""Uploads moved along their stages as the background does it, one step at a time."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from vcci_cluster import Executor, open_executor
from vcci_server.storage import folding, merging, supplier_figures
from vcci_server.storage.pool import Pool

from tests.server.stored_emissions import StoredEmissions

AT_ONCE = timedelta(0)


class Stages:
    """Moves a tenant's uploads along, as the background does, step by step."""

    def __init__(self, store: StoredEmissions, executor: Executor, uploads: Sequence[int]) -> None:
        self.store = store
        self.executor = executor
        self.uploads = uploads

    @classmethod
    async def of_new_tenant(cls, pool: Pool, executor: Executor) -> "Stages":
        """Make a tenant with three open uploads, of which the second is PENDING."""
        store = await StoredEmissions.of_new_tenant(pool)
        return cls(store, executor, [await store.open("committed"), await store.open("pending"), await store.open()])

    async def take(self, step: str, number: int, size: int) -> None:
        """Take one step, if it is possible now."""
        upload_id = self.uploads[number]
        is_open = self.store.uploads[upload_id].state == "open"
        if step == "append" and is_open:
            await self.store.append(upload_id, size, seed=size)
        elif step == "finalize" and is_open:
            await self.store.finalize(upload_id)
        elif step == "abandon":
            await self.store.abandon(upload_id)
        elif step in ("fold", "merge"):
            await getattr(self, step)(size)
        elif step in ("sweep", "count"):
            await getattr(self, step)()

    async def fold(self, rows: int) -> None:
        """Fold up to so many rows of each upload."""
        for tenant_id, upload_id in await folding.due(self.store.pool, idle=AT_ONCE):
            if tenant_id == self.store.tenant_id:
                await folding.fold(self.store.pool, self.executor, tenant_id, upload_id, rows=rows)

    async def merge(self, rows: int) -> None:
        """Merge up to so many rows of each upload."""
        for tenant_id, upload_id in await merging.due(self.store.pool):
            if tenant_id == self.store.tenant_id:
                await merging.merge_step(self.store.pool, self.executor, tenant_id, upload_id, rows=rows)

    async def merge_all(self, rows: int = 1_000) -> None:
        """Merge until nothing is left to merge."""
        for tenant_id, upload_id in await merging.due(self.store.pool):
            if tenant_id == self.store.tenant_id:
                while await merging.merge_step(self.store.pool, self.executor, tenant_id, upload_id, rows=rows):
                    pass

    async def count(self) -> None:
        """Write the figures of suppliers that folding has noted."""
        for tenant_id in await supplier_figures.due(self.store.pool, wait=AT_ONCE):
            if tenant_id == self.store.tenant_id:
                await supplier_figures.count_figures(self.store.pool, self.executor, tenant_id)

    async def sweep(self) -> None:
        """Delete what merges have replaced."""
        for version in await merging.to_sweep(self.store.pool, kept=AT_ONCE):
            await merging.sweep(self.store.pool, version)


@asynccontextmanager
async def mixed_stages(pool: Pool) -> AsyncIterator[Stages]:
    """Three uploads: finalized, folded and merged; open and not seen; open and folded in part."""
    async with open_executor(None, threads=1) as executor:
        stages = await Stages.of_new_tenant(pool, executor)
        merged, unseen, going_on = stages.uploads
        for upload_id in (merged, merged, unseen, going_on):
            await stages.store.append(upload_id, 60, seed=len(stages.store.rows[upload_id]))
        await stages.store.finalize(merged)
        await stages.fold(1_000)
        await stages.merge_all()
        await stages.store.append(going_on, 40, seed=1)
        yield stages
