"""The partition keeper: partitions before rows, once, whoever asks, and like the table that they belong to."""

import asyncio
from datetime import date

import pytest
from vcci_engine.dates import EPOCH
from vcci_server.storage.partitions import PartitionKeeper
from vcci_server.storage.pool import Pool


def _quarter(year: int, month: int = 1) -> int:
    return (date(year, month, 1) - EPOCH).days


async def _partitions(pool: Pool) -> set[str]:
    children = (
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'emission_segment_store'::regclass"
    )
    return {row["name"] for row in await pool.fetch(children)}


async def test_a_missing_partition_is_made_once(pool: Pool) -> None:
    keeper = PartitionKeeper(pool)
    assert await keeper.ensure([_quarter(1999, 4), _quarter(1999, 4)]) == [date(1999, 4, 1)]
    assert await keeper.ensure([_quarter(1999, 4)]) == []
    assert await PartitionKeeper(pool).ensure([_quarter(1999, 4)]) == []
    assert "emission_segments_1999q2" in await _partitions(pool)


async def test_keepers_at_the_same_time_make_each_partition_once(pool: Pool) -> None:
    wanted = [_quarter(1995, month) for month in (1, 4, 7, 10)]
    orders = (wanted, wanted[::-1], wanted)
    made = await asyncio.gather(*(PartitionKeeper(pool).ensure(quarters) for quarters in orders))
    assert sorted(day for days in made for day in days) == [date(1995, month, 1) for month in (1, 4, 7, 10)]


async def test_thirteen_quarters_around_now_are_made_ahead(pool: Pool) -> None:
    made = await PartitionKeeper(pool).ensure_ahead()
    assert len(made) == 13
    assert all(day.day == 1 and day.month in (1, 4, 7, 10) for day in made)
    assert made[0] < date.today() < made[-1]


async def test_a_partition_stores_its_columns_as_the_table_says(pool: Pool) -> None:
    await PartitionKeeper(pool).ensure([_quarter(2001)])
    storage = "SELECT attname, attstorage FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0"
    of_table, of_partition = [
        {row["attname"]: row["attstorage"] for row in await pool.fetch(storage, name)}
        for name in ("emission_segments", "emission_segments_2001q1")
    ]
    assert of_partition == of_table
    assert of_partition["kg_co2e"] == b"e"


async def test_partitions_are_made_while_readers_and_writers_hold_the_table(pool: Pool) -> None:
    async with pool.acquire() as reader, reader.transaction():
        await reader.execute("LOCK TABLE emission_segments IN ROW EXCLUSIVE MODE")
        made = await asyncio.wait_for(PartitionKeeper(pool).ensure([_quarter(2002)]), timeout=10)
    assert made == [date(2002, 1, 1)]


@pytest.mark.parametrize(
    ("month", "bounds"),
    [(1, "FROM ('2003-01-01') TO ('2003-04-01')"), (10, "FROM ('2003-10-01') TO ('2004-01-01')")],
)
async def test_a_partition_takes_its_whole_quarter(pool: Pool, month: int, bounds: str) -> None:
    await PartitionKeeper(pool).ensure([_quarter(2003, month)])
    found = "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = $1"
    assert await pool.fetchval(found, f"emission_segments_2003q{(month + 2) // 3}") == f"FOR VALUES {bounds}"
