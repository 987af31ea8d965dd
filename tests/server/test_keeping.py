"""Kept calculations: once per request, whoever keeps it, in an upload that rolls."""

import asyncio

import pytest
from google.type.date_pb2 import Date
from vcci.v1 import activity_pb2
from vcci_engine.activities import Activities
from vcci_engine.factors import build_table
from vcci_engine.results import Calculation
from vcci_server.early import EarlyErrors
from vcci_server.keeping import Keeping
from vcci_server.messages import calculate_batch
from vcci_server.row_messages import decode
from vcci_server.storage import uploads
from vcci_server.storage.partitions import PartitionKeeper
from vcci_server.storage.pool import Pool
from vcci_server.storage.suppliers import SupplierStore

TABLE = build_table(
    1, "hash", ids=[3], keys=["test:steel"], regions=[""], years=[2020], units=["kg"], kg_co2e=[2.0], gsd2=[1.1]
)


def calculated(quantity: float = 1.0) -> tuple[Activities, Calculation]:
    activity = activity_pb2.Activity(
        supplier_code="S1",
        category=activity_pb2.CATEGORY_PURCHASED_GOODS_AND_SERVICES,
        quantity=quantity,
        unit="kg",
        factor="test:steel",
        reporting_period=Date(year=2025, month=3, day=1),
    )
    activities, early = decode([activity], EarlyErrors())
    return activities, calculate_batch(activities, early, TABLE, False)


@pytest.fixture
def keepers(pool: Pool) -> list[Keeping]:
    """As many processes would have."""
    return [Keeping(pool, PartitionKeeper(pool), SupplierStore(pool)) for _ in range(3)]


async def test_what_several_processes_keep_at_once_is_stored_once(
    pool: Pool, tenant_id: int, keepers: list[Keeping]
) -> None:
    calls = [keeper.keep(tenant_id, f"request {number}", *calculated()) for number in range(30) for keeper in keepers]
    kept = await asyncio.gather(*calls)
    by_request = [set(kept[start : start + 3]) for start in range(0, 90, 3)]
    assert all(len(uploads_of_request) == 1 for uploads_of_request in by_request)
    records = await uploads.list_page(pool, tenant_id, limit=10)
    assert sum(record.accepted_rows for record in records) == 30
    assert sum(record.ug_co2e for record in records) == 60 * 10**9
    stored = await pool.fetchval("SELECT sum(n) FROM emission_segments WHERE tenant_id = $1", tenant_id)
    assert stored == 30


async def test_an_upload_is_finalized_when_its_hour_is_over(pool: Pool, tenant_id: int) -> None:
    now_s = [0.0]
    keeper = Keeping(pool, PartitionKeeper(pool), SupplierStore(pool), clock=lambda: now_s[0])
    first = await keeper.keep(tenant_id, "first", *calculated())
    second = await keeper.keep(tenant_id, "second", *calculated())
    assert (second.upload_id, second.first_row) == (first.upload_id, first.first_row + 1)
    now_s[0] = 3600.0
    third = await keeper.keep(tenant_id, "third", *calculated())
    states = {record.upload_id: record.state for record in await uploads.list_page(pool, tenant_id, limit=10)}
    assert states == {first.upload_id: "finalized", third.upload_id: "open"}
    assert await keeper.keep(tenant_id, "first", *calculated()) == first


async def test_uploads_are_finalized_when_the_server_closes(pool: Pool, tenant_id: int, keepers: list[Keeping]) -> None:
    async with keepers[0].running():
        kept = await keepers[0].keep(tenant_id, "first", *calculated())
    assert (await uploads.get(pool, tenant_id, kept.upload_id)).state == "finalized"


async def test_a_caller_who_gives_up_does_not_stop_the_others(
    pool: Pool, tenant_id: int, keepers: list[Keeping]
) -> None:
    impatient = asyncio.create_task(keepers[0].keep(tenant_id, "one", *calculated()))
    patient = asyncio.create_task(keepers[0].keep(tenant_id, "two", *calculated()))
    await asyncio.wait([impatient], timeout=0)
    impatient.cancel()
    kept = await patient
    assert (await uploads.get(pool, tenant_id, kept.upload_id)).accepted_rows >= 1
