"""The table of suppliers' figures: folding notes what it adds, and what it noted is written in the background.

A supplier that ten folds speak of is so written once, and a fold waits for nothing but one row.
"""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from vcci_cluster import Executor

from vcci_server.storage.blocks import pack_tally
from vcci_server.storage.figures import CURRENCY, KG, MONEY, OWN, SCORED, SIZE, SUPPLIER, by
from vcci_server.storage.passes import Tally
from vcci_server.storage.pool import Connection, Pool, connection, transaction
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.summing import Run, on_executor
from vcci_server.storage.supplier_totals import Shown, Totals, added

LONGEST_WAIT = timedelta(seconds=10)  # while folding goes on; when it pauses, figures are written at once
MOST_ENTRIES = 500_000  # of one step: 50 MB
UPSERT_ROWS = 10_000  # of one statement: its arguments are encoded on the event loop
LOCK = 0x7663_0009  # advisory, with the tenant: who writes its figures

_KEYS = (SUPPLIER, CURRENCY, OWN)
_AMOUNTS = (KG, SIZE, SCORED, MONEY)


async def note_change(db: Connection, run: Run, tenant_id: int, suppliers: Tally) -> None:
    """Note what a fold adds, or unfolding takes away, in its transaction."""
    n, columns = await run(changed_totals, suppliers)
    if n:
        await db.execute(QUERIES["note_figure_change"], tenant_id, abs(int(suppliers.rows.sum())), n, columns)


async def due(pool: Pool, *, wait: timedelta = LONGEST_WAIT) -> list[int]:
    """Return the tenants whose noted changes are older than `wait`."""
    async with connection(pool) as db:
        return [row["tenant_id"] for row in await db.fetch(QUERIES["tenants_with_figure_changes"], wait)]


async def count_figures(pool: Pool, executor: Executor, tenant_id: int) -> bool:
    """Write the oldest noted changes of a tenant; return whether there were any, and nobody else writes them."""
    run = on_executor(executor, "upkeep")
    async with transaction(pool) as db:
        if not await db.fetchval(QUERIES["try_to_count_figures"], LOCK, tenant_id):
            return False
        rows = await db.fetch(QUERIES["take_figure_changes"], tenant_id, MOST_ENTRIES)
        if not rows:
            return False
        change = await run(Totals.of_changes, [row["columns"] for row in rows])
        await _add(db, run, tenant_id, change)
    return True


async def read_totals(db: Connection, run: Run, tenant_id: int) -> Totals:
    """Return the exact sums behind the table."""
    rows = await db.fetch(QUERIES["all_totals"], tenant_id)
    return await run(_total, [(row["totals"], row["spend"]) for row in rows])


async def pending(db: Connection, run: Run, tenant_id: int) -> Totals:
    """Return what is noted and not in the table yet."""
    rows = await db.fetch(QUERIES["pending_figure_changes"], tenant_id)
    return await run(Totals.of_changes, [row["columns"] for row in rows])


def changed_totals(suppliers: Tally) -> tuple[int, bytes]:
    """Return the number of entries, and the sums by supplier, currency and own as a block."""
    sums = by(suppliers, *_KEYS, amounts=_AMOUNTS)
    return len(sums), pack_tally(sums)


async def _add(db: Connection, run: Run, tenant_id: int, change: Totals) -> None:
    buckets = await run(_buckets, change)
    rows = await db.fetch(QUERIES["totals_of_buckets"], tenant_id, buckets)
    blocks, shown = await run(added, {row["bucket"]: (row["totals"], row["spend"]) for row in rows}, change)
    await db.execute(QUERIES["put_totals"], tenant_id, *([block[part] for block in blocks] for part in range(3)))
    for start in range(0, len(shown.supplier_id), UPSERT_ROWS):
        await db.execute(QUERIES["put_figures"], tenant_id, *(column[start : start + UPSERT_ROWS] for column in shown))
    gone = await run(_gone, change, shown)
    await db.execute(QUERIES["delete_figures"], tenant_id, gone)
    await db.execute(QUERIES["count_change_of_figures"], tenant_id)


def _buckets(change: Totals) -> list[int]:
    return [*change.by_bucket()]


def _gone(change: Totals, shown: Shown) -> list[int]:
    """Return the suppliers that were changed and have no emissions any more."""
    gone: list[int] = np.setdiff1d(change.suppliers, np.array(shown.supplier_id, np.int64)).tolist()
    return gone


def _total(blocks: Sequence[tuple[bytes, bytes]]) -> Totals:
    return Totals.nothing().plus([Totals.of_blocks(*block) for block in blocks])
