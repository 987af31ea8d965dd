"""The table of suppliers' figures: folding notes what it adds, and what it noted is written in the background.

A supplier that ten folds speak of is so written once, and a fold waits for nothing but one row.
"""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from vcci_cluster import Executor
from vcci_engine.totals import ug_limbs

from vcci_server.storage.figures import (
    AMOUNTS,
    CURRENCY,
    KG,
    MONEY,
    OWN,
    SCORED,
    SIZE,
    SUPPLIER,
    by,
    currency_code,
    where,
)
from vcci_server.storage.passes import Tally, combine_tallies, no_tally
from vcci_server.storage.pool import Connection, Pool, connection, transaction
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.summing import Run, on_executor
from vcci_server.storage.sums import Keys

LONGEST_WAIT = timedelta(seconds=10)  # while folding goes on; when it pauses, figures are written at once
MOST_ENTRIES = 500_000  # of one step: 50 MB
UPSERT_ROWS = 10_000  # of one statement: its arguments are encoded on the event loop
LOCK = 0x7663_0009  # advisory, with the tenant: who writes its figures

_KEYS = (SUPPLIER, CURRENCY, OWN)
_AMOUNTS = (KG, SIZE, SCORED, MONEY)
_SUPPLIER, _CURRENCY, _OWN = range(3)  # of the noted tallies
_COLUMNS = len(_KEYS) + 1 + 2 * AMOUNTS


async def note_change(db: Connection, run: Run, tenant_id: int, suppliers: Tally) -> None:
    """Note what a fold adds, or unfolding takes away, in its transaction."""
    n, columns = await run(_encode, suppliers)
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
        suppliers, spend = await run(_decode, [row["columns"] for row in rows])
        await _add(db, tenant_id, suppliers, spend)
    return True


async def stored_figures(db: Connection, tenant_id: int) -> Tally:
    """Return the sums of the table by supplier: kg, size and scored."""
    rows = await db.fetch(QUERIES["all_figures"], tenant_id)
    supplier, count = (np.array([row[name] for row in rows], np.int64) for name in ("supplier_id", "emission_count"))
    sums = (ug_limbs([int(row[name]) for row in rows]) for name in ("ug_co2e", "ug_size", "ug_scored"))
    return Tally((supplier,), count, tuple(sums))


async def pending_figures(db: Connection, tenant_id: int) -> list[Tally]:
    """Return what is noted and not in the table yet, in the same form."""
    rows = await db.fetch(QUERIES["pending_figure_changes"], tenant_id)
    return [by(_tally(row["columns"]), _SUPPLIER, amounts=(KG, SIZE, SCORED)) for row in rows]


async def _add(db: Connection, tenant_id: int, suppliers: list[Keys], spend: list[Keys]) -> None:
    for part in _parts(spend):
        supplier_ids, currencies, *sums = (column.tolist() for column in part)
        codes = [currency_code(number) for number in currencies]
        await db.execute(QUERIES["add_to_spend"], tenant_id, supplier_ids, codes, *sums)
        await db.execute(QUERIES["delete_empty_spend"], tenant_id, supplier_ids)
    for part in _parts(suppliers):
        supplier_ids, *sums = (column.tolist() for column in part)
        await db.execute(QUERIES["add_to_figures"], tenant_id, supplier_ids, *sums)
        await db.execute(QUERIES["delete_empty_figures"], tenant_id, supplier_ids)


def _parts(columns: Sequence[Keys]) -> list[list[Keys]]:
    starts = range(0, len(columns[0]), UPSERT_ROWS)
    return [[column[start : start + UPSERT_ROWS] for column in columns] for start in starts]


def _encode(suppliers: Tally) -> tuple[int, bytes]:
    """Return the number of entries, and the sums by supplier, currency and own as columns of eight bytes."""
    sums = by(suppliers, *_KEYS, amounts=_AMOUNTS)
    limbs = [limb for amount in sums.sums for limb in amount.T]
    return len(sums), np.stack((*sums.keys, sums.rows, *limbs)).astype("<i8").tobytes()


def _decode(changes: Sequence[bytes]) -> tuple[list[Keys], list[Keys]]:
    """Return the columns of add_to_figures, by supplier, and of add_to_spend, by supplier and currency."""
    total = combine_tallies([no_tally(len(_KEYS), AMOUNTS), *map(_tally, changes)])
    by_supplier = by(total, _SUPPLIER, amounts=(KG, SIZE, SCORED))
    own = by(where(total, total.keys[_OWN] == 1), _SUPPLIER, amounts=(SIZE,))
    own_size = np.zeros((len(by_supplier), 2), np.int64)
    own_size[np.searchsorted(by_supplier.keys[0], own.keys[0])] = own.sums[0]
    kg, size, scored = by_supplier.sums
    money = by(where(total, total.keys[_CURRENCY] > 0), _SUPPLIER, _CURRENCY, amounts=(MONEY, KG))
    return (
        [by_supplier.keys[0], by_supplier.rows, *kg.T, *size.T, *own_size.T, *scored.T],
        [*money.keys, money.rows, *money.sums[0].T, *money.sums[1].T],
    )


def _tally(columns: bytes) -> Tally:
    supplier, currency, own, rows, *limbs = np.frombuffer(columns, "<i8").reshape(_COLUMNS, -1)
    sums = tuple(np.stack(limbs[place : place + 2], axis=1) for place in range(0, len(limbs), 2))
    return Tally((supplier, currency, own), rows, sums)
