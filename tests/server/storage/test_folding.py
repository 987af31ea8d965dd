"""Folding adds each batch to the rollups once, and unfolding takes it out again to the last microgram."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest
from vcci_engine.totals import ug_ints, variance_ints
from vcci_server.storage import folding
from vcci_server.storage.figures import ROLLUPS
from vcci_server.storage.pool import Pool, transaction
from vcci_server.storage.reading import Filter, snapshot
from vcci_server.storage.rollups import rolled_up
from vcci_server.storage.sums import month_start

from tests.server.stages import AT_ONCE, Stages, mixed_stages
from tests.server.stored_emissions import Row, sums_of
from tests.waiting import until


@pytest.fixture
async def stages(pool: Pool) -> AsyncIterator[Stages]:
    """Uploads at every stage."""
    async with mixed_stages(pool) as stages:
        yield stages


def _rollup_key(row: Row) -> tuple[date, int, int, int]:
    return row.period.replace(day=1), row.category, row.method, row.factor_id


async def _rollups(stages: Stages) -> dict[Any, tuple[int, ...]]:
    async with snapshot(stages.store.pool) as db:
        sums = await rolled_up(db, asyncio.to_thread, stages.store.tenant_id, Filter(), ROLLUPS)
    month, *keys = sums.keys
    values = zip(
        sums.terms.rows.tolist(),
        ug_ints(sums.terms.ug),
        ug_ints(sums.terms.mean),
        variance_ints(sums.terms.variance),
        variance_ints(sums.terms.third),
        strict=True,
    )
    places = zip(map(month_start, month.tolist()), *(key.tolist() for key in keys), strict=True)
    return dict(zip(places, values, strict=True))


async def _rows_for_sql(stages: Stages) -> dict[Any, tuple[int, ...]]:
    rows = await stages.store.pool.fetch("SELECT * FROM emission_rollups WHERE tenant_id = $1", stages.store.tenant_id)
    return {(row["month"], row["category"], row["method"]): (row["rows"], int(row["ug_co2e"])) for row in rows}


async def _summaries(stages: Stages) -> int:
    query = "SELECT count(*) FROM supplier_summaries WHERE tenant_id = $1"
    count: int = await stages.store.pool.fetchval(query, stages.store.tenant_id)
    return count


async def _folded(stages: Stages, upload_id: int) -> int:
    folded: int = await stages.store.pool.fetchval("SELECT folded_rows FROM uploads WHERE upload_id = $1", upload_id)
    return folded


async def _due(stages: Stages, idle: timedelta) -> list[int]:
    due = await folding.due(stages.store.pool, idle=idle)
    return [upload_id for tenant_id, upload_id in due if tenant_id == stages.store.tenant_id]


async def test_rollups_are_the_sums_of_the_visible_rows(stages: Stages) -> None:
    await stages.fold(1_000)
    assert await _rollups(stages) == sums_of(stages.store.visible, _rollup_key)
    by_method = sums_of(stages.store.visible, lambda row: _rollup_key(row)[:3])
    assert await _rows_for_sql(stages) == {key: terms[:2] for key, terms in by_method.items()}


async def test_a_stream_is_folded_when_it_pauses_and_a_pending_upload_when_it_is_finalized(stages: Stages) -> None:
    _, pending, going_on = stages.uploads
    assert await _due(stages, timedelta(hours=1)) == []
    assert await _due(stages, AT_ONCE) == [going_on]
    await stages.store.finalize(pending)
    assert await _due(stages, timedelta(hours=1)) == [pending]


async def test_much_at_once_is_folded_while_the_stream_goes_on(stages: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "WORTH_FOLDING_ROWS", 40)
    assert await _due(stages, timedelta(hours=1)) == [stages.uploads[2]]


async def test_a_step_folds_whole_batches(stages: Stages) -> None:
    upload_id = stages.uploads[2]
    for seed in range(4):
        await stages.store.append(upload_id, 30, seed=seed)
    reached = [await _folded(stages, upload_id)]
    while await _due(stages, AT_ONCE):
        await stages.fold(35)
        reached.append(await _folded(stages, upload_id))
    assert reached == sorted({*reached})
    assert len(reached) > 4


async def test_abandoning_leaves_nothing_of_the_upload_in_the_rollups(stages: Stages) -> None:
    merged, pending, going_on = stages.uploads
    await stages.store.abandon(merged)
    await stages.fold(1_000)
    assert await _rollups(stages) == sums_of(stages.store.rows[going_on], _rollup_key)
    await stages.store.abandon(going_on)
    await stages.store.abandon(pending)
    assert (await _rollups(stages), await _rows_for_sql(stages), await _summaries(stages)) == ({}, {}, 0)


async def test_what_is_not_seen_is_not_folded(stages: Stages) -> None:
    pending = stages.uploads[1]
    before = await _rollups(stages)
    assert await folding.fold(stages.store.pool, stages.executor, stages.store.tenant_id, pending) == 0
    assert (await _folded(stages, pending), await _rollups(stages)) == (0, before)


async def test_two_that_fold_the_same_rows_count_them_once(stages: Stages) -> None:
    upload_id = stages.uploads[2]
    arguments = (stages.store.pool, stages.executor, stages.store.tenant_id, upload_id)
    await asyncio.gather(folding.fold(*arguments), folding.fold(*arguments))
    assert await _rollups(stages) == sums_of(stages.store.visible, _rollup_key)


async def test_what_is_folded_and_merged_is_not_folded_again(stages: Stages) -> None:
    await stages.fold(1_000)
    before = await _rollups(stages)
    for rows in (1, 1_000):  # some segments are merged, then all
        await stages.merge(rows)
        for upload_id in stages.uploads:
            await folding.fold(stages.store.pool, stages.executor, stages.store.tenant_id, upload_id)
        assert await _rollups(stages) == before


async def test_an_upload_abandoned_while_it_is_folded_is_not_counted(stages: Stages) -> None:
    upload_id, pool = stages.uploads[2], stages.store.pool
    async with transaction(pool) as db:
        await folding.unfold(db, stages.store.tenant_id, upload_id)
        fold = asyncio.create_task(folding.fold(pool, stages.executor, stages.store.tenant_id, upload_id))
        await until(lambda: _waits_for_a_lock(pool))
        await db.execute("UPDATE uploads SET state = 'abandoned' WHERE upload_id = $1", upload_id)
    await fold
    assert await _rollups(stages) == sums_of(stages.store.rows[stages.uploads[0]], _rollup_key)


async def _waits_for_a_lock(pool: Pool) -> bool:
    waits: bool = await pool.fetchval("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')")
    return waits
