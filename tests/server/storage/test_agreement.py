"""The sums that are kept agree with the rows at every stage, and what does not agree is named."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from vcci_server.storage.agreement import check_agreement
from vcci_server.storage.pool import Pool

from tests.server.stages import Stages, mixed_stages


@pytest.fixture
async def stages(pool: Pool) -> AsyncIterator[Stages]:
    """Uploads at every stage."""
    async with mixed_stages(pool) as stages:
        yield stages


async def _wrong(stages: Stages) -> list[str]:
    return [*(await check_agreement(stages.store.pool, asyncio.to_thread, stages.store.tenant_id)).wrong]


async def test_sums_agree_with_the_rows_at_every_stage(stages: Stages) -> None:
    assert await _wrong(stages) == []
    await stages.fold(1_000)
    assert await _wrong(stages) == []
    await stages.count()
    found = await check_agreement(stages.store.pool, asyncio.to_thread, stages.store.tenant_id)
    assert (found.rows, found.wrong) == (len(stages.store.visible), [])
    await stages.store.abandon(stages.uploads[0])
    assert await _wrong(stages) == []
    await stages.count()
    assert await _wrong(stages) == []


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("quarter_rollups", "UPDATE quarter_rollups SET sums = set_byte(sums, length(sums) - 1, 1)"),
        ("emission_rollups", "UPDATE emission_rollups SET rows = rows + 1"),
        ("grade_rollups", "UPDATE grade_rollups SET ug_co2e = ug_co2e - 1"),
        ("supplier_summaries", "DELETE FROM supplier_summaries"),
        ("supplier_figures", "UPDATE supplier_figures SET kg_co2e = kg_co2e + 1"),
    ],
)
async def test_a_sum_that_is_wrong_is_named(stages: Stages, table: str, change: str) -> None:
    await stages.fold(1_000)
    await stages.count()
    await stages.store.pool.execute(f"{change} WHERE tenant_id = $1", stages.store.tenant_id)
    assert await _wrong(stages) == [table]
