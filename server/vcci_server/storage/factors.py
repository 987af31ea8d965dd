"""Emission factors: immutable sets, known by the hash of their contents, of which one per tenant is active."""

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from operator import attrgetter
from typing import Any, NamedTuple

import asyncpg
from vcci_engine.errors import NotFound, WrongState
from vcci_engine.factors import FactorTable, build_table
from vcci_engine.prices import Prices

from vcci_server.importers import FactorRecord
from vcci_server.importers.vcci_csv import HEADER, write_lines
from vcci_server.storage import activations, audit
from vcci_server.storage import prices as price_sets
from vcci_server.storage.audit import Event
from vcci_server.storage.pool import Connection, Pool, connection, transaction
from vcci_server.storage.prices import load_prices
from vcci_server.storage.queries import QUERIES

CHANNEL = "vcci_factors"  # told of each activation
COLUMNS = (  # as the fields of FactorRecord
    *("source", "code", "display_name", "region", "year", "unit", "kg_co2e", "gases", "gwp_set", "gsd2"),
    *("price_year", "price_basis", "margins", "source_note"),
)

LINES_AT_ONCE = 5_000  # of a set's file, in memory

FactorKey = tuple[str, str, str, int]  # source, code, region, year: once in a set
FIRST: FactorKey = ("", "", "", 0)  # a key before all others
_LIKE = re.compile(r"[\\%_]")  # what means something in a pattern of LIKE
key_of: Callable[[FactorRecord], FactorKey] = attrgetter("source", "code", "region", "year")


class Version(NamedTuple):
    """What a tenant's table is made of: two tables with the same version are the same."""

    set_id: int
    content_hash: str
    uid: str  # of the set, in whatever database
    price_set_id: int  # 0: none is active
    price_hash: str
    price_uid: str


@dataclass(frozen=True, slots=True)
class FactorSetRecord:
    """One set as it is stored."""

    factor_set_id: int
    display_name: str
    content_hash: str  # SHA-256 of the set as a file of its own layout, by key, region and year
    factor_count: int
    active: bool
    created_at: datetime
    parent_set_id: int | None
    version: int


@dataclass(frozen=True, slots=True)
class StoredFactor:
    """One factor of a set."""

    factor_id: int
    factor_set_id: int
    record: FactorRecord

    @property
    def key(self) -> FactorKey:
        """Its place in the order of factors."""
        return key_of(self.record)


@dataclass(frozen=True, slots=True)
class FactorFilter:
    """Which factors of a set are wanted."""

    source: str = ""  # empty: any
    words: tuple[str, ...] = ()  # all in key or name, without regard to case
    region: str | None = None  # None: any
    year: int = 0  # 0: any
    units: tuple[str, ...] | None = None  # one of these; None: any


ALL = FactorFilter()


async def import_set(
    pool: Pool,
    tenant_id: int,
    display_name: str,
    records: Sequence[FactorRecord],
    *,
    base_id: int | None = None,
    activate: bool = False,
) -> FactorSetRecord:
    """Store a set, each key, region and year once, or return the one with the same contents, all or nothing."""
    ordered, content_hash = await asyncio.to_thread(_canonical, records)
    async with transaction(pool) as db:
        base = None if base_id is None else await read_set_record(db, tenant_id, base_id)
        set_id, is_new = await insert_set(db, tenant_id, display_name, content_hash, len(ordered), parent=base)
        if is_new:
            await store_records(db, tenant_id, set_id, ordered)
        events = await activations.activate(db, tenant_id, set_id) if activate else []
        made = await read_set_record(db, tenant_id, set_id)
        await audit.append(db, tenant_id, *([made_set(made)] if is_new else []), *events)
        return made


def union(base: Iterable[FactorRecord], records: Iterable[FactorRecord]) -> list[FactorRecord]:
    """Return the factors of both; of two with the same key, region and year, that of `records`."""
    return list({key_of(record): record for record in (*base, *records)}.values())


async def activate(pool: Pool, tenant_id: int, set_id: int) -> FactorSetRecord:
    """Make a set the active one, and tell every process that listens."""
    async with transaction(pool) as db:
        events = await activations.activate(db, tenant_id, set_id)
        activated = await read_set_record(db, tenant_id, set_id)
        await audit.append(db, tenant_id, *events)
        return activated


async def get_set(pool: Pool, tenant_id: int, set_id: int) -> FactorSetRecord:
    """Return a set."""
    async with connection(pool) as db:
        return await read_set_record(db, tenant_id, set_id)


async def list_sets(pool: Pool, tenant_id: int, *, limit: int, before: int = activations.LAST) -> list[FactorSetRecord]:
    """Return up to `limit` sets with ids below `before`, newest first."""
    async with connection(pool) as db:
        return [_set_record(row) for row in await db.fetch(QUERIES["list_factor_sets"], tenant_id, before, limit)]


async def active_set_id(pool: Pool, tenant_id: int) -> int:
    """Return the active set's id, or raise WrongState."""
    return (await active_version(pool, tenant_id)).set_id


async def active_version(pool: Pool, tenant_id: int) -> Version:
    """Return what the tenant calculates with, or raise WrongState."""
    async with connection(pool) as db:
        versions = await active_versions(db, [tenant_id])
    if tenant_id not in versions:
        raise WrongState("No factor set is active: import one and activate it.", reason="NO_ACTIVE_FACTOR_SET")
    return versions[tenant_id]


async def active_versions(db: Connection, tenant_ids: Sequence[int]) -> dict[int, Version]:
    """Return what each of the tenants calculates with that have an active set."""
    rows = await db.fetch(QUERIES["select_active_versions"], tenant_ids)
    return {tenant_id: Version(*version) for tenant_id, *version in rows}


async def get_factor(pool: Pool, tenant_id: int, set_id: int, factor_id: int) -> StoredFactor:
    """Return one factor of a set."""
    async with connection(pool) as db:
        row = await db.fetchrow(QUERIES["select_factor"], tenant_id, set_id, factor_id)
    if row is None:
        raise NotFound("There is no such factor.", metadata={"name": f"factorSets/{set_id}/factors/{factor_id}"})
    return stored(row)


async def list_factors(
    pool: Pool,
    tenant_id: int,
    set_id: int,
    *,
    limit: int,
    after: tuple[int | str, ...] = FIRST,
    wanted: FactorFilter = ALL,
) -> list[StoredFactor]:
    """Return up to `limit` of the wanted factors behind `after`, by source, code, region and year."""
    patterns = ["%" + _LIKE.sub(r"\\\g<0>", word) + "%" for word in wanted.words]
    restricted = (wanted.source, patterns, wanted.region, wanted.year, wanted.units)
    async with connection(pool) as db:
        rows = await db.fetch(QUERIES["list_factors"], tenant_id, set_id, *after, *restricted, limit)
    return [stored(row) for row in rows]


async def list_units(pool: Pool, tenant_id: int, set_id: int) -> tuple[str, ...]:
    """Return the different units of a set's factors."""
    async with connection(pool) as db:
        return tuple(row["unit"] for row in await db.fetch(QUERIES["select_units"], tenant_id, set_id))


async def insert_set(
    db: Connection, tenant_id: int, display_name: str, content_hash: str, count: int, parent: FactorSetRecord | None
) -> tuple[int, bool]:
    """Return the id of the set with these contents, and whether it was made by this call and has no factors yet."""
    descent = (parent.factor_set_id, parent.version + 1) if parent else (None, 1)
    made = await db.fetchval(QUERIES["insert_factor_set"], tenant_id, display_name, content_hash, count, *descent)
    if made is not None:
        return made, True
    return await db.fetchval(QUERIES["select_factor_set_by_hash"], tenant_id, content_hash), False


async def read_set(pool: Pool, tenant_id: int, set_id: int) -> list[FactorRecord]:
    """Return all factors of a set."""
    async with connection(pool) as db:
        await read_set_record(db, tenant_id, set_id)
        rows = await db.fetch(QUERIES["select_factors"], tenant_id, set_id)
    return await asyncio.to_thread(lambda: [_factor_record(row) for row in rows])


async def load_table(pool: Pool, tenant_id: int) -> FactorTable:
    """Return the active set as arrays, or raise WrongState."""
    return await read_table(pool, tenant_id, await active_version(pool, tenant_id))


async def table_of(pool: Pool, tenant_id: int, set_id: int, price_set_id: int) -> FactorTable:
    """Return a set as arrays with the prices of another (0: none), active or not."""
    found = await get_set(pool, tenant_id, set_id)
    price_hash = (await price_sets.get_set(pool, tenant_id, price_set_id)).content_hash if price_set_id else ""
    async with connection(pool) as db:
        rows = await db.fetch(QUERIES["select_factor_table"], tenant_id, set_id)
        prices = await load_prices(db, tenant_id, price_set_id, price_hash)
    return await asyncio.to_thread(_table, set_id, found.content_hash, rows, prices)


async def read_table(pool: Pool, tenant_id: int, version: Version) -> FactorTable:
    """Return a set as arrays, with its prices; what is not the driver's work is done in a thread."""
    async with connection(pool) as db:
        rows = await db.fetch(QUERIES["select_factor_table"], tenant_id, version.set_id)
        prices = await load_prices(db, tenant_id, version.price_set_id, version.price_hash)
    return await asyncio.to_thread(_table, version.set_id, version.content_hash, rows, prices)


async def set_with_key(
    db: Connection, tenant_id: int, set_id: int, factor_id: int
) -> tuple[FactorSetRecord, list[StoredFactor]]:
    """Return a set, and of its factors those with the key of one of them; none for a factor that it does not have."""
    rows = await db.fetch(QUERIES["factors_of_key"], tenant_id, set_id, factor_id)
    return await read_set_record(db, tenant_id, set_id), [stored(row) for row in rows]


def _canonical(records: Sequence[FactorRecord]) -> tuple[list[FactorRecord], str]:
    ordered = sorted(records, key=key_of)
    digest = sha256(HEADER)
    for start in range(0, len(ordered), LINES_AT_ONCE):
        digest.update(write_lines(ordered[start : start + LINES_AT_ONCE]))
    return ordered, digest.hexdigest()


async def store_records(db: Connection, tenant_id: int, set_id: int, records: Iterable[FactorRecord]) -> None:
    """Store factors of a set."""
    values = attrgetter(*FactorRecord.__slots__)
    gases = COLUMNS.index("gases")

    def row(record: FactorRecord) -> tuple[object, ...]:
        fields = values(record)
        return (*fields[:gases], json.dumps(dict(record.gases)), *fields[gases + 1 :])

    rows = [row(record) for record in records]
    for start in range(0, len(rows), LINES_AT_ONCE):
        columns = zip(*rows[start : start + LINES_AT_ONCE], strict=True)
        await db.execute(QUERIES["insert_factors"], tenant_id, set_id, *map(list, columns))


async def read_set_record(db: Connection, tenant_id: int, set_id: int) -> FactorSetRecord:
    """Return a set, or raise NotFound."""
    row = await db.fetchrow(QUERIES["select_factor_set"], tenant_id, set_id)
    if row is None:
        raise activations.no_set(set_id)
    return _set_record(row)


def made_set(made: FactorSetRecord) -> Event:
    """Return the event of a set that is new."""
    facts = {name: getattr(made, name) for name in ("display_name", "content_hash", "factor_count", "version")}
    parent = f"factorSets/{made.parent_set_id}" if made.parent_set_id else None
    return Event(f"factorSets/{made.factor_set_id}", None, {**facts, "parent": parent})


def _set_record(row: asyncpg.Record) -> FactorSetRecord:
    return FactorSetRecord(**{name: row[name] for name in FactorSetRecord.__slots__})


def stored(row: asyncpg.Record) -> StoredFactor:
    """Return a row of emission_factors."""
    return StoredFactor(row["factor_id"], row["factor_set_id"], _factor_record(row))


def _factor_record(row: asyncpg.Record) -> FactorRecord:
    values = {name: row[column] for name, column in zip(FactorRecord.__slots__, COLUMNS, strict=True)}
    return FactorRecord(**{**values, "gases": read_gases(row["gases"])})


def read_gases(stored: str) -> dict[str, float]:
    """Return kg by gas of the column `gases`."""
    # jsonb turns 1e16 into digits without a point, which would be read as an int.
    return {name: float(kg) for name, kg in json.loads(stored).items()}


def _table(set_id: int, content_hash: str, rows: Sequence[asyncpg.Record], prices: Prices) -> FactorTable:
    def column(name: str) -> list[Any]:
        return [row[name] for row in rows]

    return build_table(
        *(set_id, content_hash),
        ids=column("factor_id"),
        keys=column("key"),
        regions=column("region"),
        years=column("year"),
        units=column("unit"),
        kg_co2e=column("kg_co2e"),
        gsd2=column("gsd2"),
        price_years=column("price_year"),
        price_bases=column("price_basis"),
        margins=column("margins"),
        gases=[*map(read_gases, column("gases"))],
        gwp_sets=column("gwp_set"),
        prices=prices,
    )
