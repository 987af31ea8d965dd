"""Suppliers listed: what a filter chooses, in which order, page by page, whatever is added meanwhile."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vcci_engine.errors import NotFound
from vcci_server.filters import parse_filter
from vcci_server.storage.pool import Pool
from vcci_server.storage.supplier_lists import COLUMNS, START, Listing, SupplierReader
from vcci_server.storage.suppliers import SupplierFields, SupplierStore

Row = Mapping[str, Any]
COUNTRIES = ("", "DE", "FR", "US")
INDUSTRIES = ("", "331110", "331210", "48%")
NAMES = ("Acme", "acme Ltd", "Ärzte", "", "Zeta", "beta")
EVERY = frozenset(COLUMNS)

INSERT_FIGURES = """
INSERT INTO supplier_figures (
    tenant_id, supplier_id, emission_count, kg_co2e, data_quality, primary_share, currency, spend, carbon_intensity
)
SELECT $1, supplier_id, $3, $4::float8, CASE WHEN $4 <> 0 THEN 3 END, CASE WHEN $4 <> 0 THEN 0.1 END, $5, $6, $7
FROM suppliers WHERE tenant_id = $1 AND code = $2
"""


@dataclass(frozen=True, slots=True)
class Listed:
    """A tenant's suppliers, and the reader of them."""

    tenant_id: int
    store: SupplierStore
    reader: SupplierReader

    async def every(self, listing: Listing, size: int = 7, between: Callable[[int], Any] | None = None) -> list[Row]:
        rows: list[Row] = []
        place = START
        while True:
            page = await self.reader.page(self.tenant_id, listing, size, place)
            assert len(page.suppliers) <= size
            rows += page.suppliers
            if page.behind is None:
                return rows
            place = page.behind
            if between is not None:
                await between(len(rows))


@pytest.fixture
async def listed(pool: Pool, tenant_id: int) -> Listed:
    """60 suppliers; a third without emissions, some of the others without money."""
    store = SupplierStore(pool)
    dice = random.Random(1)
    fields = [
        SupplierFields(
            f"s{number:02}",
            dice.choice(NAMES),
            dice.choice(COUNTRIES),
            dice.choice(INDUSTRIES),
            dice.choice(("active", "inactive")),
        )
        for number in range(60)
    ]
    await store.upsert(tenant_id, fields)
    for number in range(40):
        kg = float(dice.choice((-5, 0, 10, 10, 20, 30)))
        money = (dice.choice(("EUR", "USD")), 4.0, kg / 4) if dice.random() < 0.7 else ("", None, None)
        await pool.execute(INSERT_FIGURES, tenant_id, f"s{number:02}", number + 1, kg, *money)
    return Listed(tenant_id, store, SupplierReader(pool, asyncio.to_thread))


def _is_like(text: str) -> Callable[[Any], bool]:
    return lambda value: value is not None and str(value).startswith(text)


COMPARISONS: Sequence[tuple[str, str, Callable[[Any], bool]]] = [
    ("country = deu", "country", lambda value: value == "DE"),
    ("country != DE", "country", lambda value: value != "DE"),
    ('country = ""', "country", lambda value: value == ""),
    ("country:*", "country", lambda value: value != ""),
    ("industry = 331*", "industry", _is_like("331")),
    ('industry = "48%"', "industry", lambda value: value == "48%"),
    ("industry != 331*", "industry", lambda value: not value.startswith("331")),
    ("display_name:ACME", "display_name", lambda value: "acme" in value.lower()),
    ("status = ACTIVE", "status", lambda value: value == "active"),
    ("kg_co2e > 10", "kg_co2e", lambda value: value is not None and value > 10),
    ("kg_co2e <= 1e1", "kg_co2e", lambda value: value is not None and value <= 10),
    ("kg_co2e:*", "kg_co2e", lambda value: value is not None),
    ("carbon_intensity < 5", "carbon_intensity", lambda value: value is not None and value < 5),
    ("data_quality = 3", "data_quality", lambda value: value == 3),
    ("emission_count > 20", "emission_count", lambda value: value is not None and value > 20),
    ("primary_share = 0.1", "primary_share", lambda value: value == 0.1),
    ("currency = EUR", "currency", lambda value: value == "EUR"),
]


@st.composite
def filters(draw: st.DrawFn, depth: int = 2) -> tuple[str, Callable[[Row], bool]]:
    """A filter, and what it means."""
    kind = draw(st.sampled_from(["comparison", "NOT", "AND", "OR"])) if depth else "comparison"
    if kind == "comparison":
        text, name, holds = draw(st.sampled_from(COMPARISONS))
        return text, lambda row: holds(row[name])
    if kind == "NOT":
        text, meant = draw(filters(depth - 1))
        return f"NOT ({text})", lambda row: not meant(row)
    parts = draw(st.lists(filters(depth - 1), min_size=2, max_size=3))
    join = all if kind == "AND" else any
    return f" {kind} ".join(f"({text})" for text, _ in parts), lambda row: join(meant(row) for _, meant in parts)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    filters(),
    st.sampled_from(["code", "display_name", "kg_co2e", "carbon_intensity"]),
    st.booleans(),
    st.integers(1, 70),
)
async def test_a_filter_chooses_what_it_says_in_the_order_asked_for(
    listed: Listed, chosen: tuple[str, Callable[[Row], bool]], order_by: str, descending: bool, size: int
) -> None:
    text, meant = chosen
    found = await listed.every(Listing(EVERY, parse_filter(text), order_by, descending), size)
    every = await listed.every(Listing(EVERY), 100)
    assert sorted(row["code"] for row in found) == [row["code"] for row in every if meant(row)]
    keys = [row[order_by] for row in found]
    known = [key for key in keys if key is not None]
    assert keys[len(known) :] == [None] * (len(keys) - len(known))
    if order_by == "display_name":
        known = [key.lower().encode() for key in known]  # by bytes, whatever the locale of the database
    assert known == sorted(known, reverse=descending)


@pytest.mark.parametrize("order_by", ["code", "display_name", "kg_co2e"])
async def test_pages_are_stable_while_suppliers_are_added(listed: Listed, order_by: str) -> None:
    before = {row["code"] for row in await listed.every(Listing(EVERY), 100)}

    async def add(number: int) -> None:
        await listed.store.upsert(listed.tenant_id, [SupplierFields(f"s{number:02}x", "Acme")])

    seen = [row["code"] for row in await listed.every(Listing(frozenset({"code"}), order_by=order_by), 7, add)]
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


async def test_only_what_is_asked_for_is_read(listed: Listed) -> None:
    for wanted, columns in ((["country"], {"country"}), (["kg_co2e"], {"kg_co2e"}), (["name"], {"code"})):
        (row, *_) = (await listed.reader.page(listed.tenant_id, Listing(frozenset(wanted)), 1)).suppliers
        assert set(row) == columns | {"supplier_id", "key"}
        assert set(await listed.reader.get(listed.tenant_id, "s01", frozenset(wanted))) == columns


async def test_another_tenant_has_its_own(listed: Listed, pool: Pool) -> None:
    other: int = await pool.fetchval("INSERT INTO tenants (name) VALUES ('other') RETURNING tenant_id")
    for order_by in ("code", "kg_co2e"):
        page = await listed.reader.page(other, Listing(EVERY, order_by=order_by, search=""), 10)
        assert page.suppliers == []
    assert (await listed.reader.page(other, Listing(EVERY, search="acme"), 10)).suppliers == []
    with pytest.raises(NotFound):
        await listed.reader.get(other, "s01", EVERY)
