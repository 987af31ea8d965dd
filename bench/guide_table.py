"""The table of the tuning guide: a random UUID as key, three btrees, and rows in it before anything is measured."""

import os
import time
from collections.abc import Sequence

import psutil
from vcci_server.storage.pool import Connection

from bench.database import Database
from bench.harness import Figures
from bench.prepared import Batch
from bench.processes import CpuMeter
from bench.row_copy import RowCopy, create_table, rows_of
from bench.sizes import Sizes

TABLE = "guide_rows"
FURTHER_COLUMNS = ("id uuid NOT NULL DEFAULT gen_random_uuid()", "tenant_id integer NOT NULL DEFAULT 1")
INDEXES = (
    f"ALTER TABLE {TABLE} ADD PRIMARY KEY (id, period)",
    f"CREATE INDEX ON {TABLE} (supplier, period)",
    f"CREATE INDEX ON {TABLE} (tenant_id, period)",
    f"CREATE INDEX ON {TABLE} (category, period)",
)


class GuideTable:
    """A bare writer into that table, a batch a transaction. Its indexes are built when the first rows are in it."""

    def __init__(self, database: Database, batches: Sequence[Batch], sizes: Sizes) -> None:
        self._database = database
        self._processes = {"client": psutil.Process(os.getpid()), "postgres": database.postmaster()}
        self._rows = [rows_of(batch.segments) for batch in batches]
        self._sizes = sizes
        self._stored = 0  # batches
        self._copy = RowCopy(sizes.batch_rows)
        database.run(self._fill)

    def copy(self) -> Figures:
        """Store some batches more."""
        self._database.checkpoint()
        meter, begin = CpuMeter(self._processes), time.perf_counter()
        self._database.run(lambda connection: self._store(connection, self._sizes.guide_batches))
        seconds, rows = time.perf_counter() - begin, self._sizes.guide_batches * self._sizes.batch_rows
        return {"rows/s": rows / seconds, **meter.per_million(rows)}

    async def _fill(self, connection: Connection) -> None:
        await create_table(connection, self._sizes.quarters, TABLE, FURTHER_COLUMNS)
        await self._store(connection, self._sizes.guide_rows // self._sizes.batch_rows)
        for index in INDEXES:
            await connection.execute(index)

    async def _store(self, connection: Connection, batches: int) -> None:
        for _ in range(batches):
            rows = self._rows[self._stored % len(self._rows)]
            async with connection.transaction():
                await self._copy.copy(connection, 1, self._stored * self._sizes.batch_rows, rows, TABLE)
            self._stored += 1
