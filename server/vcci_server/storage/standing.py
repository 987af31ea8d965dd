"""What a tenant's emissions of some quarters come to, for the dashboard: what is folded, and what is not yet."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

import numpy as np
from vcci_engine.quality import GRADE
from vcci_engine.totals import ug_limbs

from vcci_server.storage.aggregate import sums_by, tails
from vcci_server.storage.passes import Tally, add_few, column, combine_tallies, no_tally, pass_over, tally
from vcci_server.storage.pool import Connection
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.reading import Filter, StoredSegment, pin_version, scan
from vcci_server.storage.rollups import rolled_up
from vcci_server.storage.summaries import read_summaries
from vcci_server.storage.summing import Run
from vcci_server.storage.sums import Sums, combine, nothing, sum_segments

CATEGORY, FACTOR = BY = (0, 1)  # keys of `sums` and `before`
COLUMNS = ("category", "factor", "kg_co2e", "quality", "supplier")
_NAMES = ("category", "factor")


@dataclass(frozen=True, slots=True)
class Quarters:
    """Those that begin in [start, end), and those before, from `before` on."""

    start: date
    end: date
    before: date

    @property
    def all(self) -> Filter:
        """The emissions of both."""
        return Filter(start=self.before, end=self.end)


@dataclass(frozen=True, slots=True)
class Standing:
    """The sums of some quarters, and of those before."""

    sums: Sums  # by category and factor
    before: Sums  # likewise
    grades: Tally  # by grade: kg
    suppliers: Tally  # by supplier and own: kg

    def __len__(self) -> int:
        return len(self.sums) + len(self.before) + len(self.grades) + len(self.suppliers)


def no_standing() -> Standing:
    """Return the sums of no rows."""
    return Standing(nothing(len(BY)), nothing(len(BY)), no_tally(1, 1), no_tally(2, 1))


def add_standings(parts: Sequence[Standing]) -> Standing:
    """Add up; there is one at least."""
    return Standing(
        combine([part.sums for part in parts]),
        combine([part.before for part in parts]),
        combine_tallies([part.grades for part in parts]),
        combine_tallies([part.suppliers for part in parts]),
    )


def add_to(standing: Standing, added: Standing) -> Standing:
    """Return the sum of a standing and a smaller one."""
    return Standing(
        combine([standing.sums, added.sums]) if len(added.sums) else standing.sums,
        combine([standing.before, added.before]) if len(added.before) else standing.before,
        combine_tallies([standing.grades, added.grades]),
        add_few(standing.suppliers, added.suppliers),
    )


async def sum_rows(run: Run, segments: AsyncIterator[StoredSegment], quarters: Quarters) -> Standing:
    """Return what segments of the quarters come to: some 0.07 CPU-s per million rows."""
    return await pass_over(run, segments, partial(_of_chunk, quarters=quarters), add_standings, no_standing())


async def read_standing(db: Connection, run: Run, tenant_id: int, quarters: Quarters, *, as_of: int = 0) -> Standing:
    """Return what all emissions come to, as of a run unless that is 0."""
    if as_of:
        return await _as_of(db, run, tenant_id, quarters, as_of)
    start, end = quarters.start, quarters.end
    now = await rolled_up(db, run, tenant_id, Filter(start=start, end=end), _NAMES)
    before = await rolled_up(db, run, tenant_id, Filter(start=quarters.before, end=start), _NAMES)
    grades = await _grades(db, tenant_id, start, end)
    summaries = await read_summaries(db, tenant_id, start, end)
    tail = await sum_rows(run, tails(db, tenant_id, quarters.all, COLUMNS), quarters)
    return await run(_with, Standing(now, before, grades, no_tally(2, 1)), summaries, tail)


async def _as_of(db: Connection, run: Run, tenant_id: int, quarters: Quarters, as_of: int) -> Standing:
    """Return the sums as of a run: by supplier and grade from a pass over the rows, since it keeps none by these."""
    chosen = Filter(start=quarters.start, end=quarters.end, as_of=as_of)
    (now,) = await sums_by(db, run, tenant_id, chosen, [_NAMES])
    (before,) = await sums_by(
        db, run, tenant_id, Filter(start=quarters.before, end=quarters.start, as_of=as_of), [_NAMES]
    )
    rows = await sum_rows(run, scan(db, tenant_id, chosen, COLUMNS, version=await pin_version(db)), quarters)
    return Standing(now, before, rows.grades, rows.suppliers)


async def _grades(db: Connection, tenant_id: int, start: date, end: date) -> Tally:
    rows = await db.fetch(QUERIES["grades_of"], tenant_id, start, end)
    grade, count = (np.array([row[name] for row in rows], np.int64) for name in ("grade", "rows"))
    return Tally((grade,), count, (ug_limbs([int(row["ug_co2e"]) for row in rows]),))


def _with(folded: Standing, summaries: Sequence[Tally], tail: Standing) -> Standing:
    suppliers = [Standing(nothing(len(BY)), nothing(len(BY)), no_tally(1, 1), of) for of in summaries]
    return add_standings([folded, *suppliers, tail])


def _of_chunk(segments: Sequence[StoredSegment], quarters: Quarters) -> Standing:
    """Sum segments of the quarters; whole quarters are meant, so that no row of a segment is left out."""
    now = [segment for segment in segments if segment.position.quarter >= quarters.start]
    before = [segment for segment in segments if segment.position.quarter < quarters.start]
    every = Filter()
    grades, suppliers = no_tally(1, 1), no_tally(2, 1)
    if now:
        kg, own = (column(now, every, "kg_co2e"),), column(now, every, "factor") == 0
        grades = tally((GRADE.take(column(now, every, "quality")),), kg)
        suppliers = tally((column(now, every, "supplier"), own.view(np.uint8)), kg)
    sums, sums_before = (sum_segments(of, every, _NAMES) if of else nothing(len(BY)) for of in (now, before))
    return Standing(sums, sums_before, grades, suppliers)
