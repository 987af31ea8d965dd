"""Sums segments while they are read: chunk by chunk, one being computed while the next is fetched."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from vcci_cluster import Executor, Work
from vcci_engine.errors import InvalidField

from vcci_server.storage.reading import Filter, StoredSegment
from vcci_server.storage.sums import Made, Sums, combine, nothing, sum_segments

CHUNK_ROWS = 200_000  # enough for NumPy to be at full speed, and 20 ms of work
CPU_S_PER_ROW = 0.1e-6
COMBINE_GROUPS = 500_000  # of parts: about 50 MB

R = TypeVar("R")


class Run(Protocol):
    """Runs a pure function off the event loop: `asyncio.to_thread`, or the executor."""

    def __call__(self, function: Callable[..., R], /, *args: object) -> Awaitable[R]:
        """Return what the function returns."""


def on_executor(executor: Executor, lane: str) -> Run:
    """Return how to run a chunk's work on the executor."""

    def run(function: Callable[..., R], /, *args: object) -> Awaitable[R]:
        estimated_s = CHUNK_ROWS * CPU_S_PER_ROW
        return executor.run(Work("sum", function, args, estimated_s=estimated_s, rows=CHUNK_ROWS, lane=lane))

    return run


async def sum_up(
    run: Run,
    segments: AsyncIterator[StoredSegment],
    chosen: Filter,
    groupings: Sequence[Sequence[str]],
    made: Made | None = None,
    *,
    spread: bool = True,
    most_groups: int | None = None,
) -> list[Sums]:
    """Return the sums of the rows of a filter by each of several groupings (the columns of `sum_segments`).

    Without `spread` its terms are zero.
    Raises InvalidField when a grouping has about `most_groups` groups or more.
    """
    totals = [_Total(run, len(by), most_groups) for by in groupings]
    running: asyncio.Future[list[Sums]] | None = None
    try:
        async for chunk in chunks(segments):
            parts = await running if running is not None else []
            running = asyncio.ensure_future(run(_sum_chunk, chunk, chosen, groupings, made, spread))
            if parts:  # added up while the next chunk is summed
                await _add(totals, parts)
        if running is not None:
            await _add(totals, await running)
    finally:
        if running is not None:
            running.cancel()
    return [await total.get() for total in totals]


def _sum_chunk(
    segments: Sequence[StoredSegment],
    chosen: Filter,
    groupings: Sequence[Sequence[str]],
    made: Made | None,
    spread: bool,
) -> list[Sums]:
    return [sum_segments(segments, chosen, by, made, spread=spread) for by in groupings]


async def chunks(segments: AsyncIterator[StoredSegment]) -> AsyncIterator[list[StoredSegment]]:
    """Yield segments in lists of about CHUNK_ROWS rows."""
    chunk: list[StoredSegment] = []
    rows = 0
    async for segment in segments:
        chunk.append(segment)
        rows += segment.n
        if rows >= CHUNK_ROWS:
            yield chunk
            chunk, rows = [], 0
    if chunk:
        yield chunk


class _Total:
    """Parts of a sum, combined when there are many."""

    def __init__(self, run: Run, columns: int, most_groups: int | None) -> None:
        self._run = run
        self._most_groups = most_groups
        self._parts = [nothing(columns)]
        self._combine_at = COMBINE_GROUPS

    async def add(self, part: Sums) -> None:
        self._parts.append(part)
        if sum(map(len, self._parts)) > self._combine_at:
            self._parts = [await self._run(combine, self._parts)]
            groups = len(self._parts[0])
            if self._most_groups is not None and groups > self._most_groups:
                expected = f"at most {self._most_groups} sums: fewer dimensions, or a narrower filter"
                raise InvalidField("group_by", f"{groups} sums and more", expected, reason="LIMIT_EXCEEDED")
            self._combine_at = max(COMBINE_GROUPS, 2 * groups)

    async def get(self) -> Sums:
        return await self._run(combine, self._parts)


async def _add(totals: Sequence[_Total], parts: Sequence[Sums]) -> None:
    for total, part in zip(totals, parts, strict=True):
        await total.add(part)
