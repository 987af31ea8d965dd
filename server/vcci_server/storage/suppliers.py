"""Suppliers: from the codes of a batch to ids, by a cache in the process; made and renamed on the way."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import NamedTuple

import asyncpg
import numpy as np
import numpy.typing as npt
from vcci_engine.countries import alpha_2
from vcci_engine.errors import InvalidField, NotFound

from vcci_server.storage.pool import Pool, connection
from vcci_server.storage.queries import QUERIES

CACHED_SUPPLIERS = 500_000  # per process, of all tenants; about 250 bytes each


@dataclass(frozen=True, slots=True)
class SupplierRecord:
    """One supplier as it is stored."""

    supplier_id: int
    code: str
    display_name: str
    country: str
    industry: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class SupplierFields:
    """What a caller says of a supplier; empty: nothing."""

    code: str
    display_name: str = ""
    country: str = ""
    industry: str = ""


class Known(NamedTuple):
    """A supplier as the database knows it."""

    id: int
    name: str
    country: str

    def agrees(self, name: str, country: str) -> bool:
        """Tell whether what a batch says is what we know; it may say nothing."""
        return (not name or name == self.name) and (not country or country == self.country)


class Cache:
    """The known suppliers of one tenant, by code.

    A dictionary per column, so that a batch that says nothing new is looked up in C: 20,000 suppliers cost 3 ms of the
    event loop, and 6 to 10 when each is an object.
    """

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._countries: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def get(self, code: str) -> Known | None:
        """Return one supplier."""
        if code not in self._ids:
            return None
        return Known(self._ids[code], self._names[code], self._countries[code])

    def find(
        self, codes: Sequence[str], names: Sequence[str], countries: Sequence[str]
    ) -> npt.NDArray[np.int32] | None:
        """Return the ids of a batch; None when a code is unknown, or what is said may be news."""
        try:
            ids = np.fromiter(map(self._ids.__getitem__, codes), np.int32, len(codes))
        except KeyError:
            return None
        says_nothing_new = _agree(self._names, codes, names) and _agree(self._countries, codes, countries)
        return ids if says_nothing_new else None

    def update(self, learned: dict[str, Known]) -> None:
        """Take in suppliers."""
        for code, known in learned.items():
            self._ids[code] = known.id
            self._names[code] = known.name
            self._countries[code] = sys.intern(known.country)


def _agree(known: dict[str, str], codes: Sequence[str], said: Sequence[str]) -> bool:
    return not said or list(map(known.__getitem__, codes)) == list(said)


class SupplierStore:
    """The suppliers of all tenants."""

    def __init__(self, pool: Pool, *, cached_suppliers: int = CACHED_SUPPLIERS) -> None:
        self._pool = pool
        self._cached_suppliers = cached_suppliers
        self._tenants: dict[int, Cache] = {}

    async def resolve(
        self, tenant_id: int, codes: Sequence[str], names: Sequence[str] = (), countries: Sequence[str] = ()
    ) -> npt.NDArray[np.int32]:
        """Return the id of each code; make unknown suppliers, and take over names and countries that differ.

        `names` and `countries` are as many as `codes`, or none; empty ones say nothing, the last that says news wins.
        Countries are stored as alpha-2 codes.
        """
        countries = _alpha_2(countries)
        cache = self._tenants.setdefault(tenant_id, Cache())
        ids = cache.find(codes, names, countries)
        if ids is not None:
            return ids
        entries = list(map(cache.get, codes))
        told = zip(codes, names or [""] * len(codes), countries or [""] * len(codes), strict=True)
        news = [
            (code, name, country)
            for entry, (code, name, country) in zip(entries, told, strict=True)
            if entry is None or ((name or country) and not entry.agrees(name, country))
        ]
        if news:
            learned = await self._learn(tenant_id, _last_words(news))
            entries = [learned.get(code, entry) for code, entry in zip(codes, entries, strict=True)]
            self._remember(tenant_id, learned)
        return np.fromiter((entry.id for entry in entries if entry), dtype=np.int32, count=len(codes))

    async def get(self, tenant_id: int, code: str) -> SupplierRecord:
        """Return one supplier."""
        async with connection(self._pool) as db:
            rows = await db.fetch(QUERIES["select_suppliers"], tenant_id, [code])
        if not rows:
            raise NotFound("There is no such supplier.")
        return _record(rows[0])

    async def list_page(self, tenant_id: int, *, limit: int, after: str = "") -> list[SupplierRecord]:
        """Return up to `limit` suppliers with codes above `after`, by code."""
        async with connection(self._pool) as db:
            return [_record(row) for row in await db.fetch(QUERIES["list_suppliers"], tenant_id, after, limit)]

    async def upsert(self, tenant_id: int, suppliers: Sequence[SupplierFields]) -> list[SupplierRecord]:
        """Make suppliers or replace their fields, all or none, each code once; return them in the order given."""
        columns = [[getattr(supplier, field.name) for supplier in suppliers] for field in fields(SupplierFields)]
        async with connection(self._pool) as db:
            rows = await db.fetch(QUERIES["upsert_suppliers"], tenant_id, *columns)
        records = {row["code"]: _record(row) for row in rows}
        self._remember(tenant_id, _known(rows))
        return [records[supplier.code] for supplier in suppliers]

    async def _learn(self, tenant_id: int, told: dict[str, tuple[str, str]]) -> dict[str, Known]:
        """Return what the database knows of these codes after it has taken over what was told."""
        if nul := next((code for code, texts in told.items() if "\0" in "".join((code, *texts))), None):
            raise InvalidField("supplier", nul, "text without NUL characters", reason="MALFORMED_VALUE")
        async with connection(self._pool) as db:
            known = _known(await db.fetch(QUERIES["select_suppliers"], tenant_id, list(told)))
            if new := {code: texts for code, texts in told.items() if code not in known}:
                known |= _known(await db.fetch(QUERIES["insert_suppliers"], tenant_id, *_columns(new)))
                if others := [code for code in new if code not in known]:  # another connection was first
                    known |= _known(await db.fetch(QUERIES["select_suppliers"], tenant_id, others))
            if changed := {code: texts for code, texts in told.items() if not known[code].agrees(*texts)}:
                known |= _known(await db.fetch(QUERIES["update_suppliers"], tenant_id, *_columns(changed)))
        return known

    def _remember(self, tenant_id: int, learned: dict[str, Known]) -> None:
        """Put suppliers into the cache; when it is full, start it anew."""
        if sum(map(len, self._tenants.values())) + len(learned) > self._cached_suppliers:
            self._tenants.clear()
        self._tenants.setdefault(tenant_id, Cache()).update(learned)


def _alpha_2(countries: Sequence[str]) -> Sequence[str]:
    of = {country: alpha_2(country) or country for country in set(countries)}
    if all(code == country for country, code in of.items()):
        return countries
    return list(map(of.__getitem__, countries))


def _last_words(news: Iterable[tuple[str, str, str]]) -> dict[str, tuple[str, str]]:
    """Return the last name and the last country that is not empty, by code."""
    words: dict[str, tuple[str, str]] = {}
    for code, name, country in news:
        earlier_name, earlier_country = words.get(code, ("", ""))
        words[code] = (name or earlier_name, country or earlier_country)
    return words


def _columns(told: dict[str, tuple[str, str]]) -> tuple[list[str], list[str], list[str]]:
    return list(told), [name for name, _ in told.values()], [country for _, country in told.values()]


def _known(rows: Iterable[asyncpg.Record]) -> dict[str, Known]:
    return {row["code"]: Known(row["supplier_id"], row["display_name"], row["country"]) for row in rows}


def _record(row: asyncpg.Record) -> SupplierRecord:
    return SupplierRecord(**{name: row[name] for name in SupplierRecord.__slots__})
