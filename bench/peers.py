"""What the service is measured against: the same emissions by bare binary COPY, as rows and as segments.

The peers have everything made beforehand (calculated, cut) and nothing else to do: no gRPC, no ledger, no checks. Each
batch is one transaction, on as many connections as the service has uploads at once.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import asyncpg
import psutil
import uvloop
from vcci_engine.results import Basis
from vcci_server.storage.copy import SegmentRow, copy_segments
from vcci_server.storage.migrate import migrate
from vcci_server.storage.partitions import PartitionKeeper
from vcci_server.storage.pool import Connection, open_pool

from bench.database import Database
from bench.harness import Figures
from bench.prepared import Batch
from bench.processes import CpuMeter
from bench.row_copy import RowCopy, create_table, rows_of
from bench.sizes import Sizes

T = TypeVar("T")
Write = Callable[[Connection, int, int, int], Awaitable[None]]  # connection, upload, offset, number of the batch


class Peers:
    """Bare writers into a database of their own."""

    def __init__(self, database: Database, batches: Sequence[Batch], sizes: Sizes) -> None:
        self._url = database.url
        self._processes = {"client": psutil.Process(os.getpid()), "postgres": database.postmaster()}
        self._segments = [batch.segments for batch in batches]
        self._rows = [rows_of(batch.segments) for batch in batches]
        self._sizes = sizes
        _run(self._create_tables())

    def copy_rows(self) -> Figures:
        """Store a turn's emissions as rows, without an index."""
        copies = [RowCopy(self._sizes.batch_rows) for _ in range(self._sizes.streams)]

        async def write(connection: Connection, upload: int, offset: int, number: int) -> None:
            await copies[upload].copy(connection, upload, offset, self._rows[number])

        return _run(self._turn(write))

    def copy_segments(self) -> Figures:
        """Store a turn's emissions as segments."""

        async def write(connection: Connection, upload: int, offset: int, number: int) -> None:
            segments = enumerate(self._segments[number])
            rows = [SegmentRow(1, upload, 0, offset, position, Basis(1), segment) for position, segment in segments]
            await copy_segments(connection, rows)

        return _run(self._turn(write))

    async def _create_tables(self) -> None:
        async with open_pool(self._url, size=1) as pool:
            async with pool.acquire() as connection:
                await migrate(connection)
                await create_table(connection, self._sizes.quarters)
            quarters = {segment.quarter for segments in self._segments for segment in segments}
            await PartitionKeeper(pool).ensure(quarters)

    async def _turn(self, write: Write) -> Figures:
        async with AsyncExitStack() as stack:
            connections = [await asyncpg.connect(self._url) for _ in range(self._sizes.streams)]
            for connection in connections:
                stack.push_async_callback(connection.close)
            await connections[0].execute("TRUNCATE emission_rows, emission_segments")
            await connections[0].execute("CHECKPOINT")
            meter, begin = CpuMeter(self._processes), time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for upload, connection in enumerate(connections):
                    group.create_task(self._upload(connection, upload, write))
            seconds, rows = time.perf_counter() - begin, self._sizes.turn_rows
            return {"rows/s": rows / seconds, **meter.per_million(rows)}

    async def _upload(self, connection: Connection, upload: int, write: Write) -> None:
        for number in range(self._sizes.batches_per_stream):
            async with connection.transaction():
                offset = number * self._sizes.batch_rows
                await write(connection, upload, offset, number % self._sizes.distinct_batches)


def _run(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
