"""What a tenant's emissions of some quarters come to, for the dashboard: what is folded, and what is not yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

import numpy as np
import numpy.typing as npt
from vcci_engine.totals import ug_limbs

from vcci_server.storage.aggregate import sums_by, tails
from vcci_server.storage.figures import (
    COLUMNS,
    KG,
    OWN,
    QUARTER,
    SUPPLIER,
    Folded,
    add_folded,
    by,
    fold_segments,
    no_fold,
    where,
)
from vcci_server.storage.passes import Tally, combine_tallies, no_tally, pass_over
from vcci_server.storage.pool import Connection
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.reading import Filter, pin_version, scan
from vcci_server.storage.rollups import rolled_up
from vcci_server.storage.summaries import read_summaries
from vcci_server.storage.summing import Run
from vcci_server.storage.sums import Sums, combine, month_number, regroup

CATEGORY, FACTOR = 0, 1  # keys of `sums`
_MONTH, _CATEGORY, _FACTOR = 0, 1, 3  # keys of the rollups


@dataclass(frozen=True, slots=True)
class Standing:
    """The sums of the quarters that begin in [start, end)."""

    sums: Sums  # by category and factor
    grades: Tally  # by grade: kg
    suppliers: Tally  # by supplier and own: kg


async def not_folded(db: Connection, run: Run, tenant_id: int) -> Folded:
    """Return the sums of all that is seen and not folded yet; most often nothing."""
    of_chunk = partial(fold_segments, chosen=Filter())
    return await pass_over(run, tails(db, tenant_id, Filter(), COLUMNS), of_chunk, add_folded, no_fold())


async def read_standing(
    db: Connection, run: Run, tenant_id: int, period: tuple[date, date], not_yet: Folded, *, suppliers: bool, as_of: int
) -> Standing:
    """Return the sums of a period, as of a run unless that is 0.

    Without `suppliers`, of which it has none then, nor grades as of a run, it is quicker.
    """
    start, end = period
    if as_of:
        return await _as_of(db, run, tenant_id, Filter(start=start, end=end, as_of=as_of), suppliers)
    sums = await rolled_up(db, run, tenant_id, Filter(start=start, end=end), ("category", "factor"))
    grades = await _grades(db, tenant_id, start, end)
    summaries = await read_summaries(db, tenant_id, start, end) if suppliers else []
    return await run(_with, sums, grades, summaries, not_yet, start, end)


async def _as_of(db: Connection, run: Run, tenant_id: int, chosen: Filter, suppliers: bool) -> Standing:
    """Return the sums as of a run: by supplier and grade from a pass over the rows, since it keeps none by these."""
    (sums,) = await sums_by(db, run, tenant_id, chosen, [["category", "factor"]])
    folded = no_fold()
    if suppliers:
        segments = scan(db, tenant_id, chosen, COLUMNS, version=await pin_version(db))
        folded = await pass_over(run, segments, partial(fold_segments, chosen=chosen), add_folded, folded)
    of_suppliers = by(folded.suppliers, SUPPLIER, OWN, amounts=(KG,))
    return Standing(sums, by(folded.grades, 1, amounts=(0,)), of_suppliers)


async def _grades(db: Connection, tenant_id: int, start: date, end: date) -> Tally:
    rows = await db.fetch(QUERIES["grades_of"], tenant_id, start, end)
    grade, count = (np.array([row[name] for row in rows], np.int64) for name in ("grade", "rows"))
    return Tally((grade,), count, (ug_limbs([int(row["ug_co2e"]) for row in rows]),))


def _with(sums: Sums, grades: Tally, summaries: Sequence[Tally], not_yet: Folded, start: date, end: date) -> Standing:
    first, last = month_number(start), month_number(end) - 1

    def within(months: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        return (months >= first) & (months <= last)

    tail = not_yet.rollups.where(within(not_yet.rollups.keys[_MONTH]))
    by_factor = regroup((tail.keys[_CATEGORY], tail.keys[_FACTOR]), tail.terms)
    graded = where(not_yet.grades, within(not_yet.grades.keys[0]))
    of_suppliers = where(not_yet.suppliers, within(3 * not_yet.suppliers.keys[QUARTER]))
    return Standing(
        combine([sums, by_factor]),
        combine_tallies([no_tally(1, 1), grades, by(graded, 1, amounts=(0,))]),
        combine_tallies([no_tally(2, 1), *summaries, by(of_suppliers, SUPPLIER, OWN, amounts=(KG,))]),
    )
