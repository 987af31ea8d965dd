"""Binary COPY of segments: what PostgreSQL reads is what was in memory."""

from decimal import Decimal

import numpy as np
import pytest
from vcci_engine.results import Basis
from vcci_engine.segments import COLUMNS
from vcci_server.storage.copy import SEGMENT_COLUMNS, SegmentRow, chunks, copy_segments, numeric, text_array
from vcci_server.storage.partitions import PartitionKeeper
from vcci_server.storage.pool import Pool

from tests.server.storage.samples import QUARTER, segment

FILLED_LATER = {"merged_into"}  # by merging


@pytest.fixture(autouse=True)
async def partition(pool: Pool) -> None:
    await PartitionKeeper(pool).ensure([QUARTER])


async def test_the_columns_copied_are_the_tables(pool: Pool) -> None:
    columns = "SELECT column_name FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position"
    table = {row["column_name"] for row in await pool.fetch(columns, "emission_segments")}
    assert set(SEGMENT_COLUMNS) == table - FILLED_LATER
    assert len(SEGMENT_COLUMNS) == len(set(SEGMENT_COLUMNS))


async def test_a_segment_is_stored_as_it_was_in_memory(pool: Pool, tenant_id: int) -> None:
    kept = segment(5_000, first_row=7)
    async with pool.acquire() as connection:
        await copy_segments(connection, [SegmentRow(tenant_id, 2**40, 3, 2**41, 5, Basis(6, 7, 8), kept, 2**42)])
    row = await pool.fetchrow("SELECT * FROM emission_segments WHERE tenant_id = $1", tenant_id)
    assert row is not None
    place = [row[name] for name in ("upload_id", "run_id", "merge_version", "batch_offset", "segment")]
    assert place == [2**40, 2**42, 3, 2**41, 5]
    assert [row[name] for name in ("factor_set_id", "price_set_id", "method_version")] == [6, 7, 8]
    assert [row[name] for name in ("n", "supplier_min", "supplier_max")] == [5_000, 7, 5_006]
    assert [row[name] for name in ("row_min", "row_max", "input_hash")] == [7, 5_006, b"hash"]
    assert row["quarter"].isoformat() == "2026-01-01"
    assert (row["ug_co2e"], row["units"], row["totals"]) == (Decimal(10**18 + 1), ["kg", "m²"], b"totals")
    assert (row["group"], row["reference"], row["inputs"], row["merged_into"]) == (None, b"reference", None, None)
    for name, dtype in COLUMNS:
        assert np.array_equal(np.frombuffer(row[name], dtype), np.arange(7, 5_007).astype(dtype)), name


def test_the_stream_is_cut_between_segments() -> None:
    rows = [SegmentRow(1, 1, 0, 0, number, Basis(1), segment(5_000)) for number in range(13)]
    pieces = list(chunks(rows))
    assert len(pieces) == 3
    assert b"".join(pieces) == b"".join(chunks(rows))
    assert list(chunks([])) == [b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\xff\xff"]


@pytest.mark.parametrize("value", [0, 1, -1, 9_999, 10_000, 100_000_000, -(10**30), 2**127 - 1, 123_400_005_678])
async def test_an_integer_of_any_size_is_stored_exactly(pool: Pool, tenant_id: int, value: int) -> None:
    async with pool.acquire() as connection:
        await copy_segments(connection, [SegmentRow(tenant_id, 1, 0, 0, 0, Basis(1), segment(ug_co2e=value))])
    stored = await pool.fetchval("SELECT ug_co2e::text FROM emission_segments WHERE tenant_id = $1", tenant_id)
    assert stored == str(value)


def test_numbers_are_written_as_base_10000_digits() -> None:
    assert numeric(0).hex() == "0000ffff00000000"
    assert numeric(-120_003).hex() == "0002000140000000000c0003"


def test_an_empty_array_has_no_dimension() -> None:
    assert text_array(()).hex() == "000000000000000000000019"
