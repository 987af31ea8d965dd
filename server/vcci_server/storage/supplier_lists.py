"""Reads suppliers: only what was asked for, page by page, behind a place that stays right while suppliers are added."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from vcci_engine.errors import NotFound

from vcci_server.filters import Node
from vcci_server.storage.likeness import LEAST_LIKENESS, Hits, LikenessIndex
from vcci_server.storage.pool import Connection, Pool, connection
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.run_figures import FiguresAsOf, RunFigures
from vcci_server.storage.summing import Run
from vcci_server.storage.supplier_fields import FIGURES, Condition, condition
from vcci_server.storage.supplier_orders import Ids, SupplierOrders
from vcci_server.storage.suppliers import WRITABLE

# The columns that a field of the contract's Supplier is made of.
COLUMNS: Mapping[str, Sequence[str]] = {
    "name": ("s.code",),
    "code": ("s.code",),
    **{name: (f"s.{name}",) for name in WRITABLE},
    "create_time": ("s.created_at",),
    "update_time": ("s.updated_at",),
    "etag": [f"s.{name}" for name in WRITABLE],
    **{name: (f"f.{name}",) for name in sorted(FIGURES)},
}

Row = Mapping[str, Any]  # columns by name

SUPPLIERS = "suppliers AS s"
WITH_FIGURES = "LEFT JOIN supplier_figures AS f USING (tenant_id, supplier_id)"
ORDERED = "unnest({ids}) WITH ORDINALITY AS ordered (supplier_id, place) JOIN suppliers AS s USING (supplier_id)"
ORDERED_WITH_FIGURES = f"{ORDERED} JOIN supplier_figures AS f USING (tenant_id, supplier_id)"
HITS = "unnest({ids}, {likeness}) AS hit (supplier_id, likeness) JOIN suppliers AS s USING (supplier_id)"
PROBABLE_LIKENESS = 0.7  # looked for first: where there are many such, those that are less like need no comparison
# From so many names on PostgreSQL's own index is asked where there is one, though it takes a second for a million
# names where this process takes 10 ms: here they would take 150 MB, and 4 s to be indexed first.
MOST_INDEXED = 1_000_000
FEW_CHOSEN = 5_000  # by a filter: looked up when walking so far along the order has not filled a page
MOST_WALKED = 20_000  # suppliers of one statement
ORDERS: Mapping[str, tuple[str, str]] = {  # what a place is of: SQL and its type
    "code": ("s.code", "text"),
    "display_name": ("s.sort_name", "text"),
    "kg_co2e": ("f.kg_co2e", "float8"),
    "carbon_intensity": ("f.carbon_intensity", "float8"),
}


class Place(NamedTuple):
    """Behind which supplier a page begins; of an order by figures, part 1 is the suppliers that have none."""

    part: int = 0
    key: str = ""
    supplier_id: int = 0


START = Place()


@dataclass(frozen=True, slots=True)
class Listing:
    """Which suppliers, in which order, and which fields of them."""

    wanted: frozenset[str]  # fields of COLUMNS
    tree: Node | None = None
    order_by: str = "code"
    descending: bool = False
    search: str = ""
    run_id: int = 0  # the run that figures are as of; 0: as ingested
    as_of: FiguresAsOf | None = None  # these, once they are read

    @property
    def parts(self) -> int:
        """How many parts the order has."""
        return 2 if self.order_by in FIGURES and not self.search else 1


@dataclass(frozen=True, slots=True)
class Page:
    """Some suppliers, as columns by name; where the next page begins, None at the end."""

    suppliers: Sequence[Row]
    behind: Place | None
    rows_not_counted: int


class SupplierReader:
    """Reads the suppliers of all tenants."""

    def __init__(self, pool: Pool, run: Run) -> None:
        self._pool = pool
        self._likeness = LikenessIndex(pool, run)
        self._orders = SupplierOrders(run)
        self._runs = RunFigures(run)

    async def get(self, tenant_id: int, code: str, wanted: frozenset[str], run_id: int = 0) -> Row:
        """Return the columns of the wanted fields of one supplier, its figures as of a run unless that is 0."""
        columns = [*_columns(wanted - FIGURES), "s.supplier_id"] if run_id else _columns(wanted)
        source = f"{SUPPLIERS} {WITH_FIGURES}" if wanted & FIGURES and not run_id else SUPPLIERS
        async with _snapshot(self._pool) if run_id else connection(self._pool) as db:
            query = QUERIES["get_supplier"].format(columns=", ".join(columns), source=source)
            if (row := await db.fetchrow(query, tenant_id, code)) is None:
                raise NotFound("There is no such supplier.")
            found = dict(row)
            if run_id:
                (await self._runs.get(db, tenant_id, run_id)).fill([found], wanted & FIGURES)
        return found

    async def page(self, tenant_id: int, listing: Listing, size: int, after: Place = START) -> Page:
        """Return up to `size` suppliers behind a place."""
        hits = await self._hits(tenant_id, listing.search) if listing.search else None
        async with _snapshot(self._pool) as db:
            if listing.run_id:
                listing = replace(listing, as_of=await self._runs.get(db, tenant_id, listing.run_id))
            rows_not_counted: int = await db.fetchval(QUERIES["rows_not_counted"], tenant_id, bool(listing.run_id))
            found: list[tuple[int, Row]] = []
            for part in range(after.part, listing.parts):
                place = after if part == after.part else Place(part)
                limit = size + 1 - len(found)
                if hits is not None:
                    rows = await _of_hits(db, tenant_id, listing, place, limit, hits)
                elif listing.parts == 2 and not part:
                    rows = await self._in_order(db, tenant_id, listing, place, limit)
                else:
                    rows = await _fetch(db, tenant_id, listing, place, limit)
                found += [(part, row) for row in rows]
                if len(found) > size:
                    break
        behind = None
        if len(found) > size:
            part, last = found[size - 1]
            key = last["key"]
            behind = Place(part, repr(key) if isinstance(key, float) else key, last["supplier_id"])
        return Page([row for _, row in found[:size]], behind, rows_not_counted)

    async def _in_order(self, db: Connection, tenant_id: int, listing: Listing, after: Place, limit: int) -> list[Row]:
        """Return up to `limit` suppliers that have the figure that the order is by, behind a place."""
        orders = listing.as_of.orders if listing.as_of is not None else await self._orders.get(db, tenant_id)
        order = orders[listing.order_by]
        if after == START:
            ids = order.all(descending=listing.descending)
        else:
            ids = order.behind(float(after.key), after.supplier_id, descending=listing.descending)
        found: list[Row] = []
        start, count, looked_up = 0, 2 * limit, listing.tree is None
        while len(found) < limit and start < len(ids):
            found += await _rows(db, tenant_id, listing, after, limit - len(found), ids[start : start + count])
            start += count
            count = _next_count(limit, len(found), start, count)
            if start >= FEW_CHOSEN and not looked_up and len(found) < limit:
                chosen, looked_up = await _chosen(db, tenant_id, listing), True
                if chosen is not None:
                    ids, start = ids[start:][np.isin(ids[start:], chosen)], 0
        return found

    async def _hits(self, tenant_id: int, text: str) -> Hits | None:
        """Return what the index of this process finds; None where PostgreSQL has one, and the names are too many."""
        if not self._likeness.has(tenant_id):
            async with connection(self._pool) as db:
                if await db.fetchval(QUERIES["leave_search_to_database"], tenant_id, MOST_INDEXED):
                    return None
        return await self._likeness.search(tenant_id, text)


def _next_count(limit: int, found: int, walked: int, last: int) -> int:
    """Return how many suppliers to look at next, along an order: at the rate till now enough, and some more."""
    return min((limit - found) * walked // max(1, found) + limit, 4 * last, MOST_WALKED)


async def _of_hits(db: Connection, tenant_id: int, listing: Listing, after: Place, limit: int, hits: Hits) -> list[Row]:
    """Return up to `limit` hits behind a place: the database is asked for these alone, not for all that are alike."""
    if after != START:
        hits = hits.behind(float(after.key), after.supplier_id)
    found: list[Row] = []
    start, count = 0, 2 * limit
    while len(found) < limit and start < len(hits.ids):
        found += await _rows(db, tenant_id, listing, START, limit - len(found), hits=hits.part(start, start + count))
        start += count
        count = _next_count(limit, len(found), start, count)
    return found


async def _fetch(db: Connection, tenant_id: int, listing: Listing, after: Place, limit: int) -> list[Row]:
    if not listing.search:
        return await _rows(db, tenant_id, listing, after, limit)
    rows: list[Row] = []
    for likeness in (PROBABLE_LIKENESS, LEAST_LIKENESS):
        await db.execute(QUERIES["be_forgiving"], str(likeness))
        rows = await _rows(db, tenant_id, listing, after, limit)
        if len(rows) == limit:
            break
    return rows


async def _chosen(db: Connection, tenant_id: int, listing: Listing) -> list[int] | None:
    """Return the suppliers that a filter chooses, if they are few."""
    chosen = condition(listing.tree, 3, listing.as_of)
    source = f"{SUPPLIERS} {WITH_FIGURES}" if chosen.figures else SUPPLIERS
    query = QUERIES["suppliers_chosen"].format(source=source, condition=chosen.sql)
    rows = await db.fetch(query, tenant_id, FEW_CHOSEN + 1, *chosen.values)
    return [row["supplier_id"] for row in rows] if len(rows) <= FEW_CHOSEN else None


async def _rows(
    db: Connection,
    tenant_id: int,
    listing: Listing,
    after: Place,
    limit: int,
    ordered: Ids | None = None,
    hits: Hits | None = None,
) -> list[Row]:
    """Return up to `limit` rows behind a place, or of the suppliers `ordered`, or of hits, which are."""
    as_of = listing.as_of
    chosen = condition(listing.tree, 3, as_of)
    columns = _columns(listing.wanted if as_of is None else listing.wanted - FIGURES)
    figures = as_of is None and (chosen.figures or bool(listing.wanted & FIGURES))
    if ordered is not None:
        ids = chosen.argument(ordered, "int4[]")
        source = (ORDERED_WITH_FIGURES if as_of is None else ORDERED).format(ids=ids)
        key = ORDERS[listing.order_by][0] if as_of is None else "NULL"
        order, behind = "ordered.place", "true"
    elif listing.search:
        source, key, order, behind = _by_likeness(listing.search, chosen, after, hits)
    else:
        source, key, order, behind = _in_order(listing, chosen, after)
    if figures and "supplier_figures" not in source:
        source = f"{source} {WITH_FIGURES}"
    query = QUERIES["list_suppliers"].format(
        columns=", ".join([*columns, "s.supplier_id", f"{key} AS key"]),
        source=source,
        condition=chosen.sql,
        behind=behind,
        order=order,
    )
    rows = [dict(row) for row in await db.fetch(query, tenant_id, limit, *chosen.values)]
    if as_of is not None:
        as_of.fill(rows, listing.wanted & FIGURES)
        if ordered is not None:
            as_of.fill_keys(rows, listing.order_by)
    return [*rows]


def _by_likeness(text: str, chosen: Condition, after: Place, hits: Hits | None) -> tuple[str, str, str, str]:
    """Return the tables, what a place is of, the order, and the condition that a row is behind the place."""
    if hits is None:
        asked = f"likeness_text({chosen.argument(text, 'text')})"
        source = f"suppliers_like($1, {asked}) AS hit JOIN suppliers AS s USING (supplier_id)"
    else:
        of = {"ids": chosen.argument(hits.ids, "int4[]"), "likeness": chosen.argument(hits.likeness, "float8[]")}
        source = HITS.format(**of)
    key, behind = "hit.likeness", "true"
    if after != START:
        place = f"-{chosen.argument(float(after.key), 'float8')}, {chosen.argument(after.supplier_id, 'int4')}"
        behind += f" AND (-{key}, s.supplier_id) > ({place})"
    return source, key, f"{key} DESC, s.supplier_id", behind


def _in_order(listing: Listing, chosen: Condition, after: Place) -> tuple[str, str, str, str]:
    """Return the tables, what a place is of, the order, and the condition that a row is behind the place."""
    key, kind = ORDERS[listing.order_by]
    if after.part:
        return _without_figure(key, listing, chosen, after)
    keys = [key] if listing.order_by == "code" else [key, "s.supplier_id"]  # a code is one supplier's
    order = ", ".join(f"{each} DESC" if listing.descending else each for each in keys)
    behind = "true"
    if after != START:
        place = [chosen.argument(after.key, kind)]
        if len(keys) > 1:
            place.append(chosen.argument(after.supplier_id, "int4"))
        behind = f"({', '.join(keys)}) {'<' if listing.descending else '>'} ({', '.join(place)})"
    return SUPPLIERS, key, order, behind


def _without_figure(key: str, listing: Listing, chosen: Condition, after: Place) -> tuple[str, str, str, str]:
    behind = f"s.supplier_id > {chosen.argument(after.supplier_id, 'int4')}"
    if listing.as_of is None:
        return f"{SUPPLIERS} {WITH_FIGURES}", "''", "s.supplier_id", f"{key} IS NULL AND {behind}"
    known = chosen.argument(listing.as_of.orders[listing.order_by].ids, "int4[]")
    absent = f"NOT EXISTS (SELECT FROM unnest({known}) AS known (id) WHERE id = s.supplier_id)"
    return SUPPLIERS, "''", "s.supplier_id", f"{absent} AND {behind}"


def _columns(wanted: frozenset[str]) -> list[str]:
    return list(dict.fromkeys(column for name in COLUMNS if name in wanted for column in COLUMNS[name])) or ["s.code"]


@asynccontextmanager
async def _snapshot(pool: Pool) -> AsyncIterator[Connection]:
    """One moment: the page, and what is not counted yet in its figures."""
    async with connection(pool) as db, db.transaction(isolation="repeatable_read", readonly=True):
        await db.execute(QUERIES["plan_each_time"])
        yield db
