"""Passes over the rows of a filter that sum more than `Sums` has: what a function makes of each chunk, combined."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence, Sized
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from vcci_engine.activities import FloatArray
from vcci_engine.errors import InvalidField
from vcci_engine.totals import UG_BITS, LimbArray, carried, ug_by, ug_ints, ug_regrouped

from vcci_server.storage.reading import Filter, StoredSegment, selected
from vcci_server.storage.summing import Run, chunks
from vcci_server.storage.sums import Columns, Keys, grouped

MOST_GROUPS = 2_000_000  # of one pass: some 200 MB while parts are combined
PARTS = 8  # of chunks that are kept before they are combined

T = TypeVar("T", bound=Sized)


@dataclass(frozen=True, slots=True)
class Tally:
    """Exact sums of amounts by G groups, each amount to 1e-9 of its unit (as kg are summed in micrograms)."""

    keys: tuple[Keys, ...]  # [G] for each column that they are by
    rows: npt.NDArray[np.int64]  # [G]
    sums: tuple[LimbArray, ...]  # [G, 2] for each amount

    def __len__(self) -> int:
        return len(self.rows)

    def amounts(self, number: int) -> FloatArray:
        """Return one of the sums, [G]."""
        return np.array([ug / 10**9 for ug in ug_ints(self.sums[number])], np.float64)


def no_tally(columns: int, amounts: int) -> Tally:
    """Return the sums of no rows."""
    return tally([np.empty(0, np.int64)] * columns, [np.empty(0)] * amounts)


def tally(keys: Columns, amounts: Sequence[FloatArray]) -> Tally:
    """Sum amounts of N rows by the keys, [N] each."""
    n = len(amounts[0])
    group, first = grouped(keys, n) if n else (np.empty(0, np.intp), np.empty(0, np.intp))
    rows = np.bincount(group, minlength=len(first)).astype(np.int64)
    sums = tuple(ug_by(group, len(first), amount) for amount in amounts)
    return Tally(tuple(key[first].astype(np.int64) for key in keys), rows, sums)


def combine_tallies(parts: Sequence[Tally]) -> Tally:
    """Add tallies by the same keys; there is one at least."""
    keys = [np.concatenate(columns) for columns in zip(*(part.keys for part in parts), strict=True)]
    rows = np.concatenate([part.rows for part in parts])
    sums = [np.concatenate(columns) for columns in zip(*(part.sums for part in parts), strict=True)]
    if not len(rows):
        return parts[0]
    group, first = grouped(keys, len(rows))
    total = np.zeros(len(first), np.int64)
    np.add.at(total, group, rows)
    return Tally(tuple(key[first] for key in keys), total, tuple(ug_regrouped(of, group, len(first)) for of in sums))


def add_few(to: Tally, few: Tally) -> Tally:
    """Return the sum of a large tally and a small one by the same two keys, both ascending: a tenth of the work."""
    codes, new = (of.keys[0] << 8 | of.keys[1] for of in (to, few))  # the second key is below 256
    place = np.searchsorted(codes, new)
    if not len(codes) or not np.array_equal(codes.take(place, mode="clip"), new):
        return combine_tallies([to, few])
    rows, sums = to.rows.copy(), [of.copy() for of in to.sums]
    rows[place] += few.rows
    for total, of in zip(sums, few.sums, strict=True):
        total[place] = carried(total[place] + of, UG_BITS)
    return Tally(to.keys, rows, tuple(sums))


async def pass_over(
    run: Run,
    segments: AsyncIterator[StoredSegment],
    of_chunk: Callable[[Sequence[StoredSegment]], T],
    combine: Callable[[Sequence[T]], T],
    nothing: T,
    on_rows: Callable[[int], Any] = lambda rows: None,
    most_groups: float | None = None,
) -> T:
    """Return what `nothing` and all chunks come to; one is computed while the next is fetched.

    `on_rows` is told how many rows are done. Raises InvalidField when there are more groups than `most_groups` (None:
    MOST_GROUPS).
    """
    parts = [nothing]
    running: asyncio.Future[T] | None = None
    rows = 0
    most = MOST_GROUPS if most_groups is None else most_groups
    try:
        async for chunk in chunks(segments):
            if running is not None:
                parts = await _with(run, combine, parts, await running, most)
                on_rows(rows)
            running = asyncio.ensure_future(run(of_chunk, chunk))
            rows += sum(segment.n for segment in chunk)
        if running is not None:
            parts.append(await running)
            on_rows(rows)
    finally:
        if running is not None:
            running.cancel()
    return await run(combine, parts)


async def _with(run: Run, combine: Callable[[Sequence[T]], T], parts: list[T], part: T, most_groups: float) -> list[T]:
    parts.append(part)
    if len(parts) < PARTS:
        return parts
    combined = await run(combine, parts)
    if len(combined) > most_groups:
        expected = f"at most {most_groups} groups: a narrower filter"
        raise InvalidField("filter", f"{len(combined)} groups and more", expected, reason="LIMIT_EXCEEDED")
    return [combined]


def column(segments: Sequence[StoredSegment], chosen: Filter, name: str) -> npt.NDArray[Any]:
    """Return the rows of a filter, of a fixed-width column; there is one segment at least."""
    values = []
    for segment in segments:
        mask = selected(segment, chosen)
        values.append(segment.column(name) if mask is None else segment.column(name)[mask])
    return np.concatenate(values)
