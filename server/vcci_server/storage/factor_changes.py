"""New versions of factor sets: a set that stays, and one beside it in which some factors are changed."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256

import asyncpg

from vcci_server.importers import FactorRecord
from vcci_server.importers.vcci_csv import HEADER, write_lines
from vcci_server.storage import activations, audit
from vcci_server.storage.audit import Event
from vcci_server.storage.factors import (
    FactorKey,
    FactorSetRecord,
    StoredFactor,
    insert_set,
    key_of,
    made_set,
    read_set_record,
    store_records,
    stored,
)
from vcci_server.storage.pool import Connection, Pool, connection, transaction
from vcci_server.storage.queries import QUERIES

ROWS_AT_ONCE = 2_000  # 5 ms of the event loop


async def select(pool: Pool, tenant_id: int, set_id: int, factor_ids: Sequence[int]) -> dict[int, StoredFactor]:
    """Return those of the factors that the set has, by id."""
    async with connection(pool) as db:
        rows = await db.fetch(QUERIES["select_factors_by_id"], tenant_id, set_id, factor_ids)
    return {row["factor_id"]: stored(row) for row in rows}


async def make_version(
    pool: Pool,
    tenant_id: int,
    base_id: int,
    changed: Mapping[int, FactorRecord],
    *,
    display_name: str = "",
    activate: bool = False,
) -> tuple[FactorSetRecord, list[StoredFactor]]:
    """Return a set with the base's factors, of which those with these ids are as given, and these as they are stored.

    Their keys, regions and years are those of the base. To activate it, the base must be active: else WrongState.
    """
    async with transaction(pool) as db:
        base = await read_set_record(db, tenant_id, base_id)
        content_hash = await _content_hash(db, tenant_id, base_id, changed)
        set_id, is_new = await insert_set(
            db, tenant_id, display_name or base.display_name, content_hash, base.factor_count, parent=base
        )
        if is_new:
            await db.execute(QUERIES["copy_factors"], tenant_id, base_id, set_id, list(changed))
            await store_records(db, tenant_id, set_id, changed.values())
        activated = await activations.activate(db, tenant_id, set_id, instead_of=base_id) if activate else []
        factors = await _by_keys(db, tenant_id, set_id, [key_of(record) for record in changed.values()])
        made = await read_set_record(db, tenant_id, set_id)
        events = [made_set(made), *await _changes(db, tenant_id, base_id, list(changed), factors)] if is_new else []
        await audit.append(db, tenant_id, *events, *activated)
        return made, factors


async def _changes(
    db: Connection, tenant_id: int, base_id: int, factor_ids: Sequence[int], factors: Sequence[StoredFactor]
) -> list[Event]:
    """Return what to audit of factors that are parallel to those of the base."""
    rows = await db.fetch(QUERIES["select_factors_by_id"], tenant_id, base_id, factor_ids)
    old = {row["factor_id"]: asdict(stored(row).record) for row in rows}
    return [
        event
        for factor_id, new in zip(factor_ids, factors, strict=True)
        for event in audit.changes(
            f"factorSets/{new.factor_set_id}/factors/{new.factor_id}", old[factor_id], asdict(new.record)
        )
    ]


async def _content_hash(db: Connection, tenant_id: int, base_id: int, changed: Mapping[int, FactorRecord]) -> str:
    """Return the hash of the base's file with changed lines; of the set no more than some rows are in memory."""
    digest = sha256(HEADER)

    def add(rows: Sequence[asyncpg.Record]) -> None:
        digest.update(write_lines(changed.get(row["factor_id"]) or stored(row).record for row in rows))

    cursor = await db.cursor(QUERIES["select_factors_in_file_order"], tenant_id, base_id)
    while rows := await cursor.fetch(ROWS_AT_ONCE):
        await asyncio.to_thread(add, rows)
    return digest.hexdigest()


async def _by_keys(db: Connection, tenant_id: int, set_id: int, keys: Sequence[FactorKey]) -> list[StoredFactor]:
    rows = await db.fetch(QUERIES["select_factors_by_key"], tenant_id, set_id, *map(list, zip(*keys, strict=True)))
    found = {factor.key: factor for factor in map(stored, rows)}
    return [found[key] for key in keys]
