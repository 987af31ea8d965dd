"""Suppliers: made once whoever names them, renamed by the last word, listed by code."""

import asyncio
import random

import asyncpg
import numpy as np
import pytest
from vcci_engine.errors import InvalidField
from vcci_engine.suppliers import Suppliers
from vcci_server.storage.pool import Pool
from vcci_server.storage.suppliers import SupplierFields, SupplierStore


async def _get(pool: Pool, tenant_id: int, code: str) -> asyncpg.Record:
    row = await pool.fetchrow("SELECT * FROM suppliers WHERE tenant_id = $1 AND code = $2", tenant_id, code)
    assert row is not None
    return row


async def _count(pool: Pool, tenant_id: int) -> int:
    count: int = await pool.fetchval("SELECT count(*) FROM suppliers WHERE tenant_id = $1", tenant_id)
    return count


async def test_an_unknown_code_is_made_once_and_found_again(pool: Pool, tenant_id: int) -> None:
    store = SupplierStore(pool)
    ids = await store.resolve(tenant_id, Suppliers.of(["b", "a", "b"]))
    assert ids.dtype == np.int32
    assert ids[0] == ids[2] != ids[1]
    for again in (store, SupplierStore(pool)):
        assert (await again.resolve(tenant_id, Suppliers.of(["a", "b"]))).tolist() == [ids[1], ids[0]]
    assert await _count(pool, tenant_id) == 2


async def test_a_known_batch_asks_nothing_of_the_database(pool: Pool, tenant_id: int) -> None:
    store = SupplierStore(pool)
    ids = await store.resolve(tenant_id, Suppliers.of(["a", "b"], ["A", "B"], ["DE", ""]))
    await pool.execute("DELETE FROM suppliers WHERE tenant_id = $1", tenant_id)
    assert np.array_equal(await store.resolve(tenant_id, Suppliers.of(["a", "b"], ["", "B"], ["DE", ""])), ids)
    assert await _count(pool, tenant_id) == 0


async def test_names_and_countries_that_differ_are_taken_over(pool: Pool, tenant_id: int) -> None:
    store = SupplierStore(pool)
    await store.resolve(tenant_id, Suppliers.of(["a", "b"], ["A", "B"], ["DE", "FR"]))
    await store.resolve(tenant_id, Suppliers.of(["a", "a", "b"], ["A1", "A2", ""], ["", "", "CH"]))
    a, b = await _get(pool, tenant_id, "a"), await _get(pool, tenant_id, "b")
    assert (a["display_name"], a["country"], b["display_name"], b["country"]) == ("A2", "DE", "B", "CH")
    assert b["updated_at"] > b["created_at"]


async def test_the_same_codes_of_another_tenant_are_other_suppliers(pool: Pool, tenant_id: int) -> None:
    other = await pool.fetchval("INSERT INTO tenants (name) VALUES ('other') RETURNING tenant_id")
    store = SupplierStore(pool)
    assert await store.resolve(tenant_id, Suppliers.of(["a"])) != await store.resolve(other, Suppliers.of(["a"]))


async def test_new_codes_from_several_connections_are_made_once(pool: Pool, tenant_id: int) -> None:
    codes = [f"s{number}" for number in range(500)]
    order = random.Random(1)
    batches = [order.sample(codes, len(codes)) for _ in range(8)]
    names = [[f"name {n}"] * len(codes) for n in range(len(batches))]
    ids = await asyncio.gather(
        *(
            SupplierStore(pool).resolve(tenant_id, Suppliers.of(batch, name))
            for batch, name in zip(batches, names, strict=True)
        )
    )
    seen = {dict(zip(batch, found.tolist(), strict=True))["s7"] for batch, found in zip(batches, ids, strict=True)}
    assert len(seen) == 1
    assert await _count(pool, tenant_id) == len(codes)


async def test_a_country_is_the_same_in_every_spelling(pool: Pool, tenant_id: int) -> None:
    store = SupplierStore(pool)
    first = await store.resolve(tenant_id, Suppliers.of(["a"], ["A"], ["DEU"]))
    made = await _get(pool, tenant_id, "a")
    assert (await store.resolve(tenant_id, Suppliers.of(["a", "b"], ["A", ""], ["de", "FR"])))[0] == first[0]
    assert await _get(pool, tenant_id, "a") == made
    assert (made["country"], (await _get(pool, tenant_id, "b"))["country"]) == ("DE", "FR")


async def test_a_full_cache_starts_anew(pool: Pool, tenant_id: int) -> None:
    store = SupplierStore(pool, cached_suppliers=3)
    first = await store.resolve(tenant_id, Suppliers.of(["a", "b", "c"]))
    second = await store.resolve(tenant_id, Suppliers.of(["d", "a"]))
    assert second[1] == first[0]
    assert (await store.resolve(tenant_id, Suppliers.of(["a", "b", "c", "d"]))).tolist() == [*first.tolist(), second[0]]


async def test_a_known_code_uses_up_no_id(pool: Pool, tenant_id: int) -> None:
    await SupplierStore(pool).resolve(tenant_id, Suppliers.of(["a", "b"]))
    await SupplierStore(pool).resolve(tenant_id, Suppliers.of(["a", "b"], ["A", "B"]))
    fresh = await SupplierStore(pool).resolve(tenant_id, Suppliers.of(["a", "b", "c"]))
    assert np.diff(np.sort(fresh)).tolist() == [1, 1]


@pytest.mark.parametrize("texts", [("a\0", "", ""), ("a", "A\0", ""), ("a", "", "\0")])
async def test_a_nul_character_is_the_callers_fault(pool: Pool, tenant_id: int, texts: tuple[str, str, str]) -> None:
    code, name, country = texts
    with pytest.raises(InvalidField) as raised:
        await SupplierStore(pool).resolve(tenant_id, Suppliers.of([code], [name], [country]))
    assert raised.value.reason == "MALFORMED_VALUE"
    with pytest.raises(InvalidField):
        await SupplierStore(pool).upsert(tenant_id, [SupplierFields(code, name, country)])
    assert await _count(pool, tenant_id) == 0


async def test_upserted_suppliers_come_back_in_order_and_keep_what_is_not_said(pool: Pool, tenant_id: int) -> None:
    store = SupplierStore(pool)
    await store.upsert(tenant_id, [SupplierFields("a", "A", "DE", "331110")])
    b, a = await store.upsert(tenant_id, [SupplierFields("b"), SupplierFields("a", country="FR")])
    assert (b.code, b.display_name) == ("b", "")
    assert (a.display_name, a.country, a.industry) == ("A", "FR", "331110")
    assert (await _get(pool, tenant_id, "a"))["updated_at"] == a.updated_at
    assert (await store.resolve(tenant_id, Suppliers.of(["a"]))).tolist() == [a.supplier_id]
