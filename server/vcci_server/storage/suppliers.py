"""Suppliers: from the codes of a batch to ids, by a cache in the process; made and renamed on the way."""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import repeat
from typing import Any, NamedTuple
from urllib.parse import quote

import asyncpg
import numpy as np
import numpy.typing as npt
from vcci_engine.activities import Positions
from vcci_engine.countries import alpha_2
from vcci_engine.errors import EtagMismatch, InvalidField, NotFound
from vcci_engine.suppliers import Suppliers

from vcci_server.storage import audit
from vcci_server.storage.audit import Event
from vcci_server.storage.pool import Pool, connection, transaction
from vcci_server.storage.queries import QUERIES

Hashes = npt.NDArray[np.int64]

NOTHING = hash("")
CACHED_SUPPLIERS = 500_000  # per process, of all tenants; about 180 bytes each


@dataclass(frozen=True, slots=True)
class SupplierRecord:
    """One supplier as it is stored."""

    supplier_id: int
    code: str
    display_name: str
    country: str
    industry: str
    status: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class SupplierFields:
    """What a caller says of a supplier; empty: nothing."""

    code: str
    display_name: str = ""
    country: str = ""
    industry: str = ""
    status: str = ""


WRITABLE = tuple(known.name for known in fields(SupplierFields) if known.name != "code")


def etag_of(supplier: Mapping[str, Any]) -> str:
    """Return the etag of a supplier: of what callers can write, so that counting its emissions does not change it."""
    text = "\0".join([supplier[name] for name in WRITABLE])  # which no text has
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Known(NamedTuple):
    """A supplier as the database knows it."""

    id: int
    name: str
    country: str

    def agrees(self, name: str, country: str) -> bool:
        """Tell whether what a batch says is what we know; it may say nothing."""
        return (not name or name == self.name) and (not country or country == self.country)


class Cache:
    """The known suppliers of one tenant: a place for each code, and by place its id and what was said of it last.

    A batch that says nothing new costs one look-up per code and a few passes over arrays. Names and countries are
    compared by their hashes: of two texts that differ, one pair in 2**64 is taken for the same, and a renaming missed.
    """

    def __init__(self) -> None:
        self.learning = asyncio.Lock()  # batches side by side would ask, and make, the same suppliers
        self._places: dict[str, int] = {}
        self._ids = np.empty(0, np.int32)
        self._names = np.empty(0, np.int64)
        self._countries = np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self._places)

    def find(
        self, codes: Sequence[str], names: Sequence[str], countries: Hashes | None
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.intp]]:
        """Return the ids of a batch, and where it has an unknown code or news, which has no id or an old one."""
        if not self._places:
            return np.zeros(len(codes), np.int32), np.arange(len(codes))
        places = np.fromiter(map(self._places.get, codes, repeat(-1)), np.intp, len(codes))
        news = places < 0
        for known, said in ((self._names, _hashes(names) if names else None), (self._countries, countries)):
            if said is not None:
                news |= (said != NOTHING) & (said != known.take(places, mode="clip"))
        return self._ids.take(places, mode="clip"), np.flatnonzero(news)

    def update(self, learned: Mapping[str, Known]) -> None:
        """Take in suppliers."""
        places = np.array([self._places.setdefault(code, len(self._places)) for code in learned], np.intp)
        added = len(self._places) - len(self._ids)
        known = list(learned.values())
        self._ids = np.append(self._ids, np.zeros(added, np.int32))
        self._names = np.append(self._names, np.zeros(added, np.int64))
        self._countries = np.append(self._countries, np.zeros(added, np.int64))
        self._ids[places] = [supplier.id for supplier in known]
        self._names[places] = _hashes([supplier.name for supplier in known])
        self._countries[places] = _hashes([supplier.country for supplier in known])


def _hashes(texts: Sequence[str]) -> Hashes:
    return np.fromiter(map(hash, texts), np.int64, len(texts))


class SupplierStore:
    """The suppliers of all tenants."""

    def __init__(self, pool: Pool, *, cached_suppliers: int = CACHED_SUPPLIERS) -> None:
        self._pool = pool
        self._cached_suppliers = cached_suppliers
        self._tenants: dict[int, Cache] = {}

    async def resolve(
        self, tenant_id: int, suppliers: Suppliers, entries: Positions | None = None
    ) -> npt.NDArray[np.int32]:
        """Return the ids of some entries, or of all; make unknown suppliers, and take over names and countries.

        Empty names and countries say nothing; of several for a code the last counts. Countries are stored as alpha-2.
        """
        at = np.arange(len(suppliers)) if entries is None else entries
        codes = [suppliers.codes[entry] for entry in at.tolist()]
        names = [suppliers.names[entry] for entry in at.tolist()] if suppliers.names else []
        countries = [alpha_2(country) or country for country in suppliers.countries]
        country = suppliers.country.take(at)
        asked = codes, names, _hashes(countries).take(country) if any(countries) else None
        ids, news = self._cache(tenant_id).find(*asked)
        if len(news):
            async with self._cache(tenant_id).learning:
                ids, news = self._cache(tenant_id).find(*asked)  # the batch before may have brought the same ones
                told = [(codes[n], names[n] if names else "", countries[country[n]]) for n in news.tolist()]
                learned = await self._learn(tenant_id, _last_words(told))
                ids[news] = [learned[codes[n]].id for n in news.tolist()]
                self._remember(tenant_id, learned)
        return ids

    def _cache(self, tenant_id: int) -> Cache:
        return self._tenants.setdefault(tenant_id, Cache())

    async def upsert(self, tenant_id: int, suppliers: Sequence[SupplierFields]) -> list[SupplierRecord]:
        """Make suppliers or replace their fields, all or none, each code once; return them in the order given."""
        columns = [[getattr(supplier, field.name) for supplier in suppliers] for field in fields(SupplierFields)]
        with_status = [supplier.code for supplier in suppliers if supplier.status]
        async with transaction(self._pool) as db:
            old = {row["code"]: row for row in await db.fetch(QUERIES["lock_suppliers"], tenant_id, columns[0])}
            rows = await db.fetch(QUERIES["upsert_suppliers"], tenant_id, *columns, with_status)
            events = [event for row in rows for event in _changes(old.get(row["code"]), row)]
            await audit.append(db, tenant_id, *events)
        records = {row["code"]: _record(row) for row in rows}
        self._remember(tenant_id, _known(rows))
        return [records[supplier.code] for supplier in suppliers]

    async def update(self, tenant_id: int, code: str, changes: Mapping[str, str], etag: str = "") -> None:
        """Change fields of one supplier; with an etag only if it still has that one, else raise EtagMismatch."""
        async with transaction(self._pool) as db:
            row = await db.fetchrow(QUERIES["lock_supplier"], tenant_id, code)
            if row is None:
                raise NotFound("There is no such supplier.")
            if etag and etag != (now := etag_of(dict(row))):
                raise EtagMismatch(metadata={"etag": now})
            values = [changes.get(name, row[name]) for name in WRITABLE]
            rows = await db.fetch(QUERIES["change_supplier"], tenant_id, row["supplier_id"], *values)
            await audit.append(db, tenant_id, *_changes(row, rows[0]))
        self._remember(tenant_id, _known(rows))

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
        self._cache(tenant_id).update(learned)


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


def _changes(old: asyncpg.Record | None, new: asyncpg.Record) -> list[Event]:
    """Return what to audit of a supplier that was made or changed."""
    resource, after = f"suppliers/{quote(new['code'], safe='')}", {name: new[name] for name in WRITABLE}
    if old is None:
        return [Event(resource, None, after)]
    return audit.changes(resource, {name: old[name] for name in WRITABLE}, after)


def _record(row: asyncpg.Record) -> SupplierRecord:
    return SupplierRecord(**{name: row[name] for name in SupplierRecord.__slots__})
