"""Whether rollups, summaries and figures are the sums of the rows that they claim to count: to the last microgram."""

import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

import asyncpg
import numpy as np
from vcci_engine.totals import ug_limbs

from vcci_server.storage.figures import (
    KG,
    OWN,
    ROLLUPS,
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
from vcci_server.storage.rollups import rolled_up
from vcci_server.storage.summaries import read_summaries
from vcci_server.storage.summing import Run
from vcci_server.storage.sums import Sums, combine, month_number
from vcci_server.storage.supplier_figures import changed_totals, pending, read_totals
from vcci_server.storage.supplier_totals import Shown, Totals, shown


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was compared, and which kinds of sums are not those of the rows."""

    rows: int
    wrong: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Stored:
    """The sums as they are stored."""

    rollups: Sums  # by ROLLUPS
    by_method: Tally
    grades: Tally
    summaries: Tally
    totals: Totals  # in supplier_totals
    pending: Totals  # noted, and not in there yet
    figures: Shown


async def check_agreement(pool: Pool, run: Run, tenant_id: int) -> Agreement:
    """Compare all sums of a tenant with its folded rows, in one snapshot; some seconds for ten million rows."""
    async with snapshot(pool) as db:
        of_chunk = partial(fold_segments, chosen=Filter())
        rows = await pass_over(run, _folded(db, tenant_id), of_chunk, add_folded, no_fold(), most_groups=math.inf)
        stored = _Stored(
            rollups=await rolled_up(db, run, tenant_id, Filter(), ROLLUPS),
            by_method=_by_month(await db.fetch(QUERIES["all_rollups"], tenant_id), "category", "method"),
            grades=_by_month(await db.fetch(QUERIES["all_grades"], tenant_id), "grade"),
            summaries=combine_tallies([no_tally(2, 1), *await read_summaries(db, tenant_id, date.min, date.max)]),
            totals=await read_totals(db, run, tenant_id),
            pending=await pending(db, run, tenant_id),
            figures=_shown(await db.fetch(QUERIES["all_figures"], tenant_id)),
        )
    return await run(_compare, rows, stored)


async def _folded(db: Connection, tenant_id: int) -> AsyncIterator[StoredSegment]:
    for upload_id, folded_rows in await db.fetch(QUERIES["folded_uploads"], tenant_id):
        async for segment in batches(db, tenant_id, upload_id, 0, folded_rows):
            yield segment


def _by_month(rows: Sequence[asyncpg.Record], *names: str) -> Tally:
    month = np.array([month_number(row["month"]) for row in rows], np.int64)
    *keys, count = (np.array([row[name] for row in rows], np.int64) for name in (*names, "rows"))
    return Tally((month, *keys), count, (ug_limbs([int(row["ug_co2e"]) for row in rows]),))


def _shown(rows: Sequence[asyncpg.Record]) -> Shown:
    return Shown(*([row[name] for row in rows] for name in Shown._fields))


def _compare(rows: Folded, stored: _Stored) -> Agreement:
    terms = rows.rollups.terms
    by_method = combine_tallies([Tally(rows.rollups.keys[:3], terms.rows, (terms.ug,))])
    by_own = by(rows.suppliers, SUPPLIER, OWN, amounts=(KG,))
    totals = Totals.of_changes([changed_totals(rows.suppliers)[1]])
    kept = stored.totals
    differ = {
        "quarter_rollups": _sums_differ(rows.rollups, stored.rollups),
        "emission_rollups": _tallies_differ(by_method, [stored.by_method]),
        "grade_rollups": _tallies_differ(rows.grades, [stored.grades]),
        "supplier_summaries": _tallies_differ(by_own, [stored.summaries]),
        "supplier_totals": _tallies_differ(totals.totals, [kept.totals, stored.pending.totals])
        or _tallies_differ(totals.spend, [kept.spend, stored.pending.spend]),
        "supplier_figures": stored.figures != shown(kept, np.ones(len(kept.suppliers), np.bool_)),
    }
    return Agreement(int(terms.rows.sum()), [name for name, differs in differ.items() if differs])


def _sums_differ(expected: Sums, stored: Sums) -> bool:
    terms = combine([expected, -stored]).terms
    return any(np.any(part) for part in terms.columns)


def _tallies_differ(expected: Tally, stored: Sequence[Tally]) -> bool:
    rest = combine_tallies([expected, *map(negative, stored)])
    return any(np.any(part) for part in (rest.rows, *rest.sums))
