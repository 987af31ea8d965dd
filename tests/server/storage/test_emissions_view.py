"""The SQL view `emissions`: the same rows as the columns hold, for a person with psql."""

import struct
from collections.abc import AsyncIterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vcci_engine.quality import unpack
from vcci_server.storage.pool import Pool

from tests.server.stages import Stages, mixed_stages

COLUMNS = (
    *("upload_id", "row", "supplier_code", "category", "method", "period", "quantity", "unit", "factor", "quality"),
    *("kg_co2e", "notices", "group", "reference"),
)


@pytest.fixture
async def stages(pool: Pool) -> AsyncIterator[Stages]:
    """Uploads at every stage."""
    async with mixed_stages(pool) as stages:
        yield stages


async def test_the_view_has_every_visible_row_as_it_was_stored(stages: Stages) -> None:
    found = await stages.store.pool.fetch("SELECT * FROM emissions WHERE tenant_id = $1", stages.store.tenant_id)
    expected = [
        (
            *(row.upload_id, row.row, row.supplier, row.category, row.method, row.period, row.quantity, row.unit),
            *(row.factor, f"{unpack(np.array([row.quality], np.uint16))[0]:05x}", row.kg_co2e, row.notices),
            *(row.group or None, row.reference or None),
        )
        for row in stages.store.visible
    ]
    assert sorted(tuple(row[name] for name in COLUMNS) for row in found) == sorted(expected)
    assert {row["tenant"] for row in found} == {stages.store.tenant}
    gsd2 = {(row.upload_id, row.row): np.exp(2 * np.float64(row.sigma)) for row in stages.store.visible}
    assert all(row["gsd2"] == pytest.approx(gsd2[row["upload_id"], row["row"]], rel=1e-6) for row in found)


async def test_a_quarter_or_an_upload_prunes_partitions(stages: Stages) -> None:
    plan = await stages.store.pool.fetch(
        "EXPLAIN SELECT sum(kg_co2e) FROM emissions WHERE tenant_id = 1 AND quarter = '2025-01-01' AND upload_id = 1"
    )
    text = "\n".join(row[0] for row in plan)
    assert "emission_segments_2025q1" in text
    assert "emission_segments_2025q2" not in text


async def test_it_says_that_it_is_slow(pool: Pool) -> None:
    assert "slow" in await pool.fetchval("SELECT obj_description('emissions'::regclass)")


finite = st.floats(allow_nan=False, allow_infinity=False)
plain = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@plain
@given(values=st.lists(finite, min_size=1))
async def test_doubles_are_decoded_exactly(pool: Pool, values: list[float]) -> None:
    data = struct.pack(f"<{len(values)}d", *values)
    query = "SELECT vcci_f8($1, i) FROM generate_series(0, $2::integer - 1) AS i ORDER BY i"
    assert [row[0] for row in await pool.fetch(query, data, len(values))] == values


@plain
@given(values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
async def test_floats_are_decoded_exactly(pool: Pool, values: list[float]) -> None:
    data = struct.pack(f"<{len(values)}f", *values)
    query = "SELECT vcci_f4($1, i)::float8 FROM generate_series(0, $2::integer - 1) AS i ORDER BY i"
    assert [row[0] for row in await pool.fetch(query, data, len(values))] == values


@plain
@given(values=st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1))
async def test_integers_are_decoded(pool: Pool, values: list[int]) -> None:
    data = struct.pack(f"<{len(values)}i", *values)
    query = "SELECT vcci_i4($1, i), vcci_u4($1, i) FROM generate_series(0, $2::integer - 1) AS i ORDER BY i"
    found = [tuple(row) for row in await pool.fetch(query, data, len(values))]
    assert found == [(value, value % 2**32) for value in values]
