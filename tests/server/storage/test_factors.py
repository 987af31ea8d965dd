"""Factor sets: the same contents once, whole or not at all, one of them active, read back as they were."""

import asyncio
import re
from dataclasses import replace
from hashlib import sha256

import asyncpg
import pytest
from vcci_engine.errors import NotFound, VcciError, WrongState
from vcci_server.importers import READERS, FactorRecord, starter_factors, write_csv
from vcci_server.storage import factors
from vcci_server.storage.activations import activate
from vcci_server.storage.factors import FactorFilter, FactorSetRecord
from vcci_server.storage.pool import Pool
from vcci_server.storage.queries import QUERIES

from tests.waiting import until

DIESEL = FactorRecord(
    *("fuel", "diesel", "Diesel", "GB", 2025, "litre", 2.57082),
    *({"CO2": 2.53, "CH4": 1e-05, "SF6": 1e16}, "AR5", 1.05, 0, "", "", "DESNZ 2025"),
)
STEEL = FactorRecord(
    *("naics", "331110", "Iron and Steel Mills", "", 2022, "USD", 0.1 + 0.2),
    *({}, "AR5", 1.5, 2022, "purchaser", "with", "EPA v1.3"),
)

STARTER = READERS["vcci_csv"](starter_factors())


async def _import(pool: Pool, tenant_id: int, *records: FactorRecord, activate: bool = False) -> FactorSetRecord:
    return await factors.import_set(pool, tenant_id, "A set", records, activate=activate)


async def _count(pool: Pool, table: str, tenant_id: int) -> int:
    count: int = await pool.fetchval(f"SELECT count(*) FROM {table} WHERE tenant_id = $1", tenant_id)
    return count


async def test_a_set_is_read_back_as_it_was_imported(pool: Pool, tenant_id: int) -> None:
    made = await _import(pool, tenant_id, STEEL, DIESEL)
    assert (made.display_name, made.factor_count, made.active) == ("A set", 2, False)
    assert await factors.get_set(pool, tenant_id, made.factor_set_id) == made
    assert await factors.read_set(pool, tenant_id, made.factor_set_id) == [DIESEL, STEEL]


async def test_the_starter_set_survives_the_store_with_its_hash(pool: Pool, tenant_id: int) -> None:
    first = await _import(pool, tenant_id, *STARTER)
    ordered = sorted(STARTER, key=lambda record: (record.source, record.code, record.region, record.year))
    assert first.content_hash == sha256(write_csv(ordered)).hexdigest()
    again = await _import(pool, tenant_id, *await factors.read_set(pool, tenant_id, first.factor_set_id))
    assert again == first


async def test_the_same_contents_in_any_order_are_the_same_set(pool: Pool, tenant_id: int) -> None:
    first = await _import(pool, tenant_id, DIESEL, STEEL)
    other_gases = replace(DIESEL, gases=dict(sorted(DIESEL.gases.items())))
    second = await factors.import_set(pool, tenant_id, "Another name", [STEEL, other_gases])
    assert second == first
    assert await _count(pool, "emission_factors", tenant_id) == 2


@pytest.mark.parametrize(
    "change", [{"kg_co2e": 0.3}, {"gases": {"CO2": 0.1}}, {"source_note": "EPA v1.4"}, {"region": "US"}]
)
async def test_any_difference_is_another_set(pool: Pool, tenant_id: int, change: dict[str, object]) -> None:
    first = await _import(pool, tenant_id, STEEL)
    second = await _import(pool, tenant_id, replace(STEEL, **change))  # type: ignore[arg-type]  # any field
    assert second.content_hash != first.content_hash


async def test_identical_imports_at_once_make_one_set(pool: Pool, tenant_id: int) -> None:
    made = await asyncio.gather(*(_import(pool, tenant_id, *STARTER) for _ in range(8)))
    assert len({record.factor_set_id for record in made}) == 1
    assert await _count(pool, "emission_factors", tenant_id) == made[0].factor_count
    assert await _count(pool, "factor_sets", tenant_id) == 1


async def test_an_import_that_fails_leaves_nothing(pool: Pool, tenant_id: int) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await _import(pool, tenant_id, STEEL, replace(STEEL, kg_co2e=1.0), activate=True)
    assert await _count(pool, "factor_sets", tenant_id) == 0
    assert await _count(pool, "active_factor_sets", tenant_id) == 0


async def test_tenants_with_the_same_contents_have_sets_of_their_own(pool: Pool, tenant_id: int) -> None:
    other = await pool.fetchval("INSERT INTO tenants (name) VALUES ($1) RETURNING tenant_id", f"other of {tenant_id}")
    ours = await _import(pool, tenant_id, STEEL)
    theirs = await _import(pool, other, STEEL)
    assert theirs.factor_set_id != ours.factor_set_id
    for ask in (factors.get_set, factors.read_set, factors.activate):
        with pytest.raises(NotFound):
            await ask(pool, tenant_id, theirs.factor_set_id)


def test_a_union_takes_the_file_before_the_base() -> None:
    newer = replace(STEEL, kg_co2e=1.0)
    elsewhere = replace(STEEL, region="US")
    assert factors.union([STEEL, DIESEL], [newer, elsewhere]) == [newer, DIESEL, elsewhere]


async def test_a_copy_of_a_set_has_every_column(pool: Pool) -> None:
    columns = "SELECT column_name FROM information_schema.columns WHERE table_name = 'emission_factors'"
    names = {row["column_name"] for row in await pool.fetch(columns)} - {"factor_id", "factor_set_id"}
    into, values = QUERIES["copy_factors"].split("SELECT", 1)
    assert not [name for name in names if not re.search(rf"\b{name}\b", into) or not re.search(rf"\b{name}\b", values)]


async def test_sets_are_listed_newest_first_page_by_page(pool: Pool, tenant_id: int) -> None:
    made = [await _import(pool, tenant_id, replace(STEEL, year=year)) for year in range(2018, 2023)]
    first = await factors.list_sets(pool, tenant_id, limit=3)
    rest = await factors.list_sets(pool, tenant_id, limit=3, before=first[-1].factor_set_id)
    assert first + rest == made[::-1]


async def test_factors_are_listed_by_key_region_and_year_page_by_page(pool: Pool, tenant_id: int) -> None:
    made = await _import(pool, tenant_id, *STARTER)
    listed: list[factors.StoredFactor] = []
    while page := await factors.list_factors(
        pool, tenant_id, made.factor_set_id, limit=100, after=listed[-1].key if listed else factors.FIRST
    ):
        listed += page
    assert listed == await factors.list_factors(pool, tenant_id, made.factor_set_id, limit=1_000)
    assert len(listed) == len(STARTER)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (FactorFilter(), {"diesel", "331110"}),
        (FactorFilter(source="naics"), {"331110"}),
        (FactorFilter(source="nai"), set()),
        (FactorFilter(words=("IRON",)), {"331110"}),
        (FactorFilter(words=("mills", "iron")), {"331110"}),
        (FactorFilter(words=("iron", "diesel")), set()),
        (FactorFilter(words=("uel:DIE",)), {"diesel"}),
        (FactorFilter(source="naics", words=("diesel",)), set()),
        (FactorFilter(words=("%",)), set()),
        (FactorFilter(words=("dies_l",)), set()),
        (FactorFilter(words=("\\",)), set()),
        (FactorFilter(region="GB"), {"diesel"}),
        (FactorFilter(region=""), {"331110"}),
        (FactorFilter(year=2022), {"331110"}),
        (FactorFilter(units=("kg", "litre")), {"diesel"}),
        (FactorFilter(units=()), set()),
    ],
)
async def test_factors_are_found_by_what_is_wanted(
    pool: Pool, tenant_id: int, wanted: FactorFilter, found: set[str]
) -> None:
    made = await _import(pool, tenant_id, DIESEL, STEEL)
    listed = await factors.list_factors(pool, tenant_id, made.factor_set_id, limit=10, wanted=wanted)
    assert {factor.record.code for factor in listed} == found


async def test_one_factor_is_read_by_its_set_and_id(pool: Pool, tenant_id: int) -> None:
    made = await _import(pool, tenant_id, DIESEL)
    [listed] = await factors.list_factors(pool, tenant_id, made.factor_set_id, limit=10)
    assert await factors.get_factor(pool, tenant_id, made.factor_set_id, listed.factor_id) == listed
    for set_id, factor_id in [(made.factor_set_id, 0), (made.factor_set_id + 1, listed.factor_id), (10**17, 10**17)]:
        with pytest.raises(NotFound):
            await factors.get_factor(pool, tenant_id, set_id, factor_id)


async def test_the_last_activated_set_is_the_active_one(pool: Pool, tenant_id: int) -> None:
    old = await _import(pool, tenant_id, STEEL, activate=True)
    new = await _import(pool, tenant_id, DIESEL)
    assert await factors.activate(pool, tenant_id, new.factor_set_id) == replace(new, active=True)
    assert await factors.list_sets(pool, tenant_id, limit=9) == [replace(new, active=True), replace(old, active=False)]


async def test_activation_is_told_when_it_commits(pool: Pool, tenant_id: int) -> None:
    made = await _import(pool, tenant_id, STEEL)
    told: list[object] = []
    async with pool.acquire() as listener:
        await listener.add_listener(factors.CHANNEL, lambda *news: told.append(news[-1]))
        async with pool.acquire() as db, db.transaction():
            await activate(db, tenant_id, made.factor_set_id)
            await listener.fetch("SELECT 1")  # by which an early notification would have come
            assert told == []
        await until(lambda: told)
        await listener.reset()
    assert told == [str(tenant_id)]


async def test_the_active_set_is_loaded_as_a_table(pool: Pool, tenant_id: int) -> None:
    made = await _import(pool, tenant_id, STEEL, DIESEL, activate=True)
    table = await factors.load_table(pool, tenant_id)
    assert (table.set_id, table.content_hash) == (made.factor_set_id, made.content_hash)
    assert (table.key, table.region, table.unit) == (("fuel:diesel", "naics:331110"), ("GB", ""), ("litre", "USD"))
    assert table.kg_co2e.tolist() == [2.57082, 0.1 + 0.2]
    listed = await factors.list_factors(pool, tenant_id, made.factor_set_id, limit=10)
    assert table.id.tolist() == [factor.factor_id for factor in listed]


async def test_without_an_active_set_there_is_no_table(pool: Pool, tenant_id: int) -> None:
    await _import(pool, tenant_id, STEEL)
    for ask in (factors.load_table, factors.active_set_id):
        with pytest.raises(WrongState) as raised:
            await ask(pool, tenant_id)
        assert isinstance(raised.value, VcciError)
        assert raised.value.reason == "NO_ACTIVE_FACTOR_SET"
