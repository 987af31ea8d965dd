"""Whether rollups, summaries and figures are the sums of the rows that they claim to count: to the last microgram."""

import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

import numpy as np
from vcci_engine.totals import ug_limbs

from vcci_server.storage.aggregate import rolled_up
from vcci_server.storage.figures import (
    KG,
    OWN,
    ROLLUPS,
    SCORED,
    SIZE,
    SUPPLIER,
    Folded,
    add_folded,
    by,
    fold_segments,
    negative,
    no_fold,
)
from vcci_server.storage.folding import batches
from vcci_server.storage.passes import Tally, combine_tallies, no_tally, pass_over
from vcci_server.storage.pool import Connection, Pool
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.reading import Filter, StoredSegment, snapshot
from vcci_server.storage.summaries import read_summaries
from vcci_server.storage.summing import Run
from vcci_server.storage.sums import Sums, combine, month_number
from vcci_server.storage.supplier_figures import pending_figures, stored_figures


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was compared, and which kinds of sums are not those of the rows."""

    rows: int
    wrong: Sequence[str]


async def check_agreement(pool: Pool, run: Run, tenant_id: int) -> Agreement:
    """Compare all sums of a tenant with its folded rows, in one snapshot; some seconds for ten million rows."""
    async with snapshot(pool) as db:
        of_chunk = partial(fold_segments, chosen=Filter())
        rows = await pass_over(run, _folded(db, tenant_id), of_chunk, add_folded, no_fold(), most_groups=math.inf)
        stored = await rolled_up(db, tenant_id, Filter(), ROLLUPS)
        grades = await _grades(db, tenant_id)
        summaries = await _summaries(db, tenant_id)
        figures = [await stored_figures(db, tenant_id), *await pending_figures(db, tenant_id)]
    return await run(_compare, rows, stored, grades, summaries, figures)


async def _folded(db: Connection, tenant_id: int) -> AsyncIterator[StoredSegment]:
    for upload_id, folded_rows in await db.fetch(QUERIES["folded_uploads"], tenant_id):
        async for segment in batches(db, tenant_id, upload_id, 0, folded_rows):
            yield segment


async def _grades(db: Connection, tenant_id: int) -> Tally:
    rows = await db.fetch(QUERIES["all_grades"], tenant_id)
    month = np.array([month_number(row["month"]) for row in rows], np.int64)
    grade, count = (np.array([row[name] for row in rows], np.int64) for name in ("grade", "rows"))
    return Tally((month, grade), count, (ug_limbs([int(row["ug_co2e"]) for row in rows]),))


async def _summaries(db: Connection, tenant_id: int) -> Tally:
    parts = [no_tally(2, 1), *await read_summaries(db, tenant_id, date.min, date.max)]
    return combine_tallies(parts)


def _compare(rows: Folded, rollups: Sums, grades: Tally, summaries: Tally, figures: Sequence[Tally]) -> Agreement:
    by_own = by(rows.suppliers, SUPPLIER, OWN, amounts=(KG,))
    by_supplier = by(rows.suppliers, SUPPLIER, amounts=(KG, SIZE, SCORED))
    differ = {
        "emission_rollups": _sums_differ(rows.rollups, rollups),
        "grade_rollups": _tallies_differ(rows.grades, [grades]),
        "supplier_summaries": _tallies_differ(by_own, [summaries]),
        "supplier_figures": _tallies_differ(by_supplier, figures),
    }
    return Agreement(int(rows.rollups.terms.rows.sum()), [name for name, differs in differ.items() if differs])


def _sums_differ(expected: Sums, stored: Sums) -> bool:
    terms = combine([expected, -stored]).terms
    return any(np.any(part) for part in (terms.rows, terms.ug, terms.mean, terms.variance))


def _tallies_differ(expected: Tally, stored: Sequence[Tally]) -> bool:
    rest = combine_tallies([expected, *map(negative, stored)])
    return any(np.any(part) for part in (rest.rows, *rest.sums))
