"""Sums of a tenant's emissions, exact at the moment of the snapshot: from the rollups where they answer, and from the
segments that these do not count yet; else from the segments alone.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import date

import numpy as np
from vcci_engine.segments import decode_strings, hash_strings
from vcci_engine.totals import of_ug

from vcci_server.storage.passes import Tally, pass_over
from vcci_server.storage.pool import Connection
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.reading import Filter, Position, StoredSegment, pin_version, scan
from vcci_server.storage.rollups import regrouped, rolled_up
from vcci_server.storage.run_sums import read_rollups
from vcci_server.storage.summaries import read_summaries
from vcci_server.storage.summing import Run, sum_up
from vcci_server.storage.sums import (
    Countries,
    Groups,
    Made,
    Sums,
    columns_for,
    combine,
    nothing,
)

MOST_GROUPS = 2_000_000  # of one sum: half a gigabyte while parts are combined
MOST_NAMES = 500_000  # groups of activities that are named
ROLLED_UP = frozenset({"month", "category", "method", "factor"})


async def sums_by(
    db: Connection,
    run: Run,
    tenant_id: int,
    chosen: Filter,
    groupings: Sequence[Sequence[str]],
    made: Made | None = None,
    *,
    spread: bool = True,
) -> list[Sums]:
    """Return the sums of a filter's emissions by groupings of columns (`sum_segments`); `country`, `group`: made.

    Without `spread` the terms of the spread may be zero.
    """
    if is_rolled_up(chosen, groupings):
        counted = [await rolled_up(db, run, tenant_id, chosen, by) for by in groupings]
        not_yet = await _not_folded(db, run, tenant_id, chosen, groupings)
        added = await _added_by_run(db, run, tenant_id, chosen, groupings)
        return [await run(_total, parts) for parts in zip(counted, not_yet, added, strict=True)]
    segments = scan(db, tenant_id, chosen, _columns(chosen, groupings), version=await pin_version(db))
    return await sum_up(run, segments, chosen, groupings, made, spread=spread, most_groups=MOST_GROUPS)


def is_summarised(chosen: Filter) -> bool:
    """Tell whether the supplier summaries answer for a filter: it restricts nothing but whole quarters."""
    quarters = {1, 4, 7, 10}
    edges = [day for day in (chosen.start, chosen.end) if day is not None]
    return (
        not chosen.columns - {"period"}
        and chosen.upload_id is None
        and not chosen.as_of
        and all(day.day == 1 and day.month in quarters for day in edges)
    )


async def sums_by_supplier(db: Connection, run: Run, tenant_id: int, chosen: Filter) -> Sums:
    """Return rows and calculated values by supplier, without the terms of the spread; the filter is summarised."""
    kept = await read_summaries(db, tenant_id, chosen.start or date.min, chosen.end or date.max)
    return await run(_by_supplier, kept, await _not_folded(db, run, tenant_id, chosen, [["supplier"]]))


def _by_supplier(kept: Sequence[Tally], not_yet: Sequence[Sums]) -> Sums:
    """Add the summaries, whose suppliers may have two entries each, and what they do not count yet."""
    parts = [Sums((tally.keys[0],), of_ug(tally.rows, tally.sums[0])) for tally in kept]
    return combine([*parts, *not_yet])


async def read_countries(db: Connection, tenant_id: int) -> Countries:
    """Return the country of every supplier."""
    rows = await db.fetch(QUERIES["supplier_countries"], tenant_id)
    names = sorted({row["country"] for row in rows})
    number = {name: n for n, name in enumerate(names)}
    return Countries(
        np.array([row["supplier_id"] for row in rows], np.int32),
        np.array([number[row["country"]] for row in rows], np.int32),
        tuple(names),
    )


async def read_groups(db: Connection, run: Run, tenant_id: int, chosen: Filter) -> Groups:
    """Return the groups of a filter's segments; raise InvalidField when they are too many to name."""
    segments = scan(db, tenant_id, chosen, ["group"], version=await pin_version(db))
    names = await pass_over(run, segments, _names, _all_names, {0: ""}, most_groups=MOST_NAMES)
    hashes = np.array(sorted(names), np.uint64)
    return Groups(hashes, tuple(names[number] for number in hashes.tolist()))


def _names(segments: Sequence[StoredSegment]) -> dict[int, str]:
    """Return the groups of segments by their hashes."""
    names: dict[int, str] = {}
    for segment in segments:
        data = segment.columns["group"]
        if data is not None:
            hashes, rows = np.unique(hash_strings(data, segment.n), return_index=True)
            new = [
                (number, row) for number, row in zip(hashes.tolist(), rows.tolist(), strict=True) if number not in names
            ]
            texts = decode_strings(data, segment.n) if new else []
            names.update((number, texts[row]) for number, row in new)
    return names


def _all_names(parts: Sequence[dict[int, str]]) -> dict[int, str]:
    return {number: name for part in parts for number, name in part.items()}


async def _not_folded(
    db: Connection, run: Run, tenant_id: int, chosen: Filter, groupings: Sequence[Sequence[str]]
) -> list[Sums]:
    segments = tails(db, tenant_id, chosen, _columns(chosen, groupings))
    return await sum_up(run, segments, chosen, groupings, most_groups=MOST_GROUPS)


async def tails(db: Connection, tenant_id: int, chosen: Filter, columns: Sequence[str]) -> AsyncIterator[StoredSegment]:
    """Yield what each upload has beyond its folded rows; none of it is merged."""
    version = await pin_version(db)
    for upload_id, folded_rows, _ in await db.fetch(QUERIES["unfolded_uploads"], tenant_id):
        tail = chosen.of_upload(upload_id)
        after = Position(upload_id, 0, folded_rows)
        async for segment in scan(db, tenant_id, tail, columns, version=version, after=after):
            yield segment


async def _added_by_run(
    db: Connection, run: Run, tenant_id: int, chosen: Filter, groupings: Sequence[Sequence[str]]
) -> list[Sums]:
    """Return what the run of a filter adds to the rollups."""
    if not chosen.as_of:
        return [nothing(len(by)) for by in groupings]
    rollups = await read_rollups(db, run, tenant_id, chosen.as_of)
    return [await run(regrouped, rollups, chosen, by) for by in groupings]


def _total(parts: Sequence[Sums]) -> Sums:
    """Add up; groups without rows, which a run has left, go."""
    total = combine(parts)
    return total.where(total.terms.rows > 0)


def is_rolled_up(chosen: Filter, groupings: Sequence[Sequence[str]]) -> bool:
    """Tell whether the rollups answer for a filter and groupings."""
    whole_months = all(day is None or day.day == 1 for day in (chosen.start, chosen.end))
    columns = {name for by in groupings for name in by}
    return whole_months and columns <= ROLLED_UP and chosen.upload_id is None and chosen.suppliers is None


def _columns(chosen: Filter, groupings: Sequence[Sequence[str]]) -> list[str]:
    return columns_for(chosen, [name for by in groupings for name in by])
