"""Price sets: immutable, known by the hash of their contents; at most one per tenant is active."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from operator import attrgetter

import asyncpg
from vcci_engine.errors import WrongState
from vcci_engine.prices import NO_PRICES, Prices, build_prices

from vcci_server.importers.price_record import INDEX, RATE, PriceKey, PriceRecord
from vcci_server.importers.prices_csv import write_csv
from vcci_server.storage import audit, price_activations
from vcci_server.storage.activations import LAST
from vcci_server.storage.audit import Event
from vcci_server.storage.pool import Connection, Pool, connection, transaction
from vcci_server.storage.queries import QUERIES

FIRST: PriceKey = (0, "", 0, 0)  # a key before all others
_COLUMNS = ("kind", "currency", "year", "month", "value", "source_note")
_key = attrgetter("key")
ROWS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class PriceSetRecord:
    """One set as it is stored."""

    price_set_id: int
    display_name: str
    content_hash: str  # SHA-256 of the set as a file of its own layout, in the order of the lines' keys
    base_currency: str
    rate_count: int
    index_count: int
    active: bool
    created_at: datetime


async def import_set(
    pool: Pool, tenant_id: int, display_name: str, records: Sequence[PriceRecord], *, activate: bool = False
) -> PriceSetRecord:
    """Store a set, each key once, or return the one with the same contents, all or nothing."""
    ordered, content_hash = await asyncio.to_thread(_canonical, records)
    rates = sum(record.kind == RATE for record in ordered)
    base = next((record.base_currency for record in ordered if record.kind == RATE), "")
    async with transaction(pool) as db:
        values = (tenant_id, display_name, content_hash, base, rates, len(ordered) - rates)
        set_id = await db.fetchval(QUERIES["insert_price_set"], *values)
        is_new = set_id is not None
        if not is_new:
            set_id = await db.fetchval(QUERIES["select_price_set_by_hash"], tenant_id, content_hash)
        else:
            await _store(db, tenant_id, set_id, ordered)
        events = await price_activations.activate(db, tenant_id, set_id) if activate else []
        made = await _set(db, tenant_id, set_id)
        await audit.append(db, tenant_id, *([_made_set(made)] if is_new else []), *events)
        return made


def union(base: Iterable[PriceRecord], records: Iterable[PriceRecord]) -> list[PriceRecord]:
    """Return the lines of both; of two with the same key, that of `records`."""
    return list({record.key: record for record in (*base, *records)}.values())


async def activate(pool: Pool, tenant_id: int, set_id: int) -> PriceSetRecord:
    """Make a set the active one, and tell every process that listens."""
    async with transaction(pool) as db:
        events = await price_activations.activate(db, tenant_id, set_id)
        activated = await _set(db, tenant_id, set_id)
        await audit.append(db, tenant_id, *events)
        return activated


async def deactivate(pool: Pool, tenant_id: int, set_id: int) -> PriceSetRecord:
    """Leave the tenant without an active set, if it is this one, and tell every process that listens."""
    async with transaction(pool) as db:
        events = await price_activations.deactivate(db, tenant_id, set_id)
        inactive = await _set(db, tenant_id, set_id)
        await audit.append(db, tenant_id, *events)
        return inactive


async def get_set(pool: Pool, tenant_id: int, set_id: int) -> PriceSetRecord:
    """Return a set."""
    async with connection(pool) as db:
        return await _set(db, tenant_id, set_id)


async def list_sets(pool: Pool, tenant_id: int, *, limit: int, before: int = LAST) -> list[PriceSetRecord]:
    """Return up to `limit` sets with ids below `before`, newest first."""
    async with connection(pool) as db:
        return [_set_record(row) for row in await db.fetch(QUERIES["list_price_sets"], tenant_id, before, limit)]


async def active_set_id(pool: Pool, tenant_id: int) -> int:
    """Return the active set's id, or raise WrongState."""
    async with connection(pool) as db:
        set_id: int | None = await db.fetchval(QUERIES["select_active_price_set"], tenant_id)
    if set_id is None:
        raise WrongState("No price set is active: import one and activate it.", reason="NO_ACTIVE_PRICE_SET")
    return set_id


async def list_prices(
    pool: Pool,
    tenant_id: int,
    set_id: int,
    *,
    limit: int,
    after: tuple[int | str, ...] = FIRST,
    currency: str = "",
) -> list[PriceRecord]:
    """Return up to `limit` lines behind `after`, in the order of their keys; of one currency unless it is empty."""
    async with connection(pool) as db:
        rows = await db.fetch(QUERIES["list_prices"], tenant_id, set_id, *after, currency, limit)
    return [_record(row) for row in rows]


async def read_set(pool: Pool, tenant_id: int, set_id: int) -> list[PriceRecord]:
    """Return all lines of a set."""
    async with connection(pool) as db:
        await _set(db, tenant_id, set_id)
        rows = await db.fetch(QUERIES["select_prices"], tenant_id, set_id)
    return await asyncio.to_thread(lambda: [_record(row) for row in rows])


async def set_with_lines(
    db: Connection, tenant_id: int, set_id: int, currencies: Sequence[str], years: Sequence[int]
) -> tuple[PriceSetRecord | None, list[PriceRecord]]:
    """Return a set, and its lines for some currencies and years; set 0 is none."""
    if not set_id:
        return None, []
    rows = await db.fetch(QUERIES["prices_of_row"], tenant_id, set_id, currencies, years)
    return await _set(db, tenant_id, set_id), [_record(row) for row in rows]


async def load_prices(db: Connection, tenant_id: int, set_id: int, content_hash: str) -> Prices:
    """Return a set for the engine; set 0 is none."""
    if not set_id:
        return NO_PRICES
    rows = await db.fetch(QUERIES["select_prices"], tenant_id, set_id)
    return await asyncio.to_thread(_prices, set_id, content_hash, rows)


def _prices(set_id: int, content_hash: str, rows: Sequence[asyncpg.Record]) -> Prices:
    base, rates, indices = "", {}, {}
    for kind, currency, base_currency, year, month, value, _ in rows:
        if kind == INDEX:
            indices[currency, year] = value
        else:
            base, rates[currency, year, month] = base_currency, value
    return build_prices(set_id, content_hash, base, rates, indices)


def _canonical(records: Sequence[PriceRecord]) -> tuple[list[PriceRecord], str]:
    ordered = sorted(records, key=_key)
    return ordered, sha256(write_csv(ordered)).hexdigest()


async def _store(db: Connection, tenant_id: int, set_id: int, records: Sequence[PriceRecord]) -> None:
    values = attrgetter(*_COLUMNS)
    for start in range(0, len(records), ROWS_AT_ONCE):
        columns = zip(*map(values, records[start : start + ROWS_AT_ONCE]), strict=True)
        await db.execute(QUERIES["insert_prices"], tenant_id, set_id, *map(list, columns))


def _made_set(made: PriceSetRecord) -> Event:
    names = ("display_name", "content_hash", "base_currency", "rate_count", "index_count")
    return Event(f"priceSets/{made.price_set_id}", None, {name: getattr(made, name) for name in names})


async def _set(db: Connection, tenant_id: int, set_id: int) -> PriceSetRecord:
    row = await db.fetchrow(QUERIES["select_price_set"], tenant_id, set_id)
    if row is None:
        raise price_activations.no_set(set_id)
    return _set_record(row)


def _set_record(row: asyncpg.Record) -> PriceSetRecord:
    return PriceSetRecord(**{name: row[name] for name in PriceSetRecord.__slots__})


def _record(row: asyncpg.Record) -> PriceRecord:
    return PriceRecord(*row)
