"""Finds one stored emission by its row number, and reads what it was calculated with."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import asyncpg
import numpy as np
from vcci_engine.dates import EPOCH
from vcci_engine.errors import AlteredInputs, NotFound
from vcci_engine.results import Basis
from vcci_engine.segments import Segment, decode
from vcci_engine.stored_row import StoredEmission, stored_at
from vcci_engine.suppliers import Suppliers
from vcci_engine.units import parse

from vcci_server.importers.price_record import PriceRecord
from vcci_server.storage import runs
from vcci_server.storage.copy import stored_segment
from vcci_server.storage.factors import FactorSetRecord, StoredFactor, set_with_key
from vcci_server.storage.pool import Connection, Pool
from vcci_server.storage.prices import PriceSetRecord, set_with_lines
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.reading import snapshot
from vcci_server.storage.runs import RunRecord

FETCH_SEGMENTS = 10  # of up to 20,000 rows: 0.8 MB

SegmentKey = tuple[int, int, int, int, int, date]  # tenant, upload, merge version, batch offset, segment, quarter


@dataclass(frozen=True, slots=True)
class Evidence:
    """A stored emission, and all that it takes to calculate it again."""

    segment: Segment
    emission: StoredEmission
    basis: Basis
    run: RunRecord | None  # that has restated it; None: it is as ingested
    supplier: Suppliers
    factor_set: FactorSetRecord
    factors: list[StoredFactor]  # of the same key in the set, with the one used; none for the supplier's own
    price_set: PriceSetRecord | None  # None: none was active
    prices: list[PriceRecord]  # the lines for the currencies and years of the row and of its factor


async def read_evidence(pool: Pool, tenant_id: int, upload_id: int, row: int, as_of: int = 0) -> Evidence:
    """Return the emission of a row and its evidence, in one snapshot; `as_of` a run, 0 is as ingested.

    Raises NotFound, AlteredInputs, and WrongState for a run that has not succeeded.
    """
    async with snapshot(pool) as db:
        run = await runs.fetch_readable(db, tenant_id, as_of) if as_of else None
        key, place = await _find(db, tenant_id, upload_id, row)
        (record,) = await db.fetch(QUERIES["whole_segment"], *key, 0)
        emission = await _stored(record, place)
        restated = await db.fetchrow(QUERIES["whole_segment"], *key, as_of) if run else None
        if restated and (of_run := await _stored(restated, place)) != emission:
            record, emission = restated, of_run
        else:
            run = None  # it has left the emission as it was
        basis = Basis(*(record[name] for name in Basis._fields))
        factor_set, of_key = await set_with_key(db, tenant_id, basis.factor_set_id, emission.factor_id)
        price_set, prices = await set_with_lines(db, tenant_id, basis.price_set_id, *_priced(emission, of_key))
        return Evidence(
            segment=stored_segment(record),
            emission=emission,
            basis=basis,
            run=run,
            supplier=await _supplier(db, tenant_id, emission.supplier_id),
            factor_set=factor_set,
            factors=of_key,
            price_set=price_set,
            prices=prices,
        )


async def _find(db: Connection, tenant_id: int, upload_id: int, row: int) -> tuple[SegmentKey, int]:
    """Return the key of the segment that holds a row, and the row's place in it."""
    async for found in db.cursor(QUERIES["segments_with_row"], tenant_id, upload_id, row, prefetch=FETCH_SEGMENTS):
        places = np.flatnonzero(decode("row", found["row"]) == row)
        if len(places):
            key = (found["merge_version"], found["batch_offset"], found["segment"], found["quarter"])
            return (tenant_id, upload_id, *key), int(places[0])
    name = f"uploads/{upload_id}/emissions/{row}"
    raise NotFound(f"There is no {name}: no such upload or row, or the row was rejected.", metadata={"name": name})


async def _stored(record: asyncpg.Record, place: int) -> StoredEmission:
    try:
        return await asyncio.to_thread(stored_at, stored_segment(record), place)
    except (ValueError, IndexError) as error:  # columns of other lengths, texts that are none
        raise AlteredInputs from error


def _priced(emission: StoredEmission, factors: Sequence[StoredFactor]) -> tuple[list[str], list[int]]:
    """The currencies and the years that a rate or a deflator of the row may be of."""
    used = [factor.record for factor in factors if factor.factor_id == emission.factor_id]
    units = map(parse, (emission.unit, *(record.unit for record in used)))
    year = EPOCH.fromordinal(EPOCH.toordinal() + emission.period).year
    return [unit.currency for unit in units if unit], [year, *(record.price_year for record in used)]


async def _supplier(db: Connection, tenant_id: int, supplier_id: int) -> Suppliers:
    found = await db.fetchrow(QUERIES["supplier_of_row"], tenant_id, supplier_id)
    return Suppliers.of(*([text] for text in (found or ("", "", ""))))
