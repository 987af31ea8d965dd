"""Merging sorts a finalized upload into larger segments; the old ones are there for an hour, then gone."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from vcci_engine.errors import VcciError
from vcci_engine.segments import COLUMNS
from vcci_server.storage import merging, reading
from vcci_server.storage.pool import Pool
from vcci_server.storage.reading import Filter, StoredSegment, snapshot

from tests.server.stages import AT_ONCE, Stages, mixed_stages

NAMES = [*(name for name, _ in COLUMNS), "group", "reference", "inputs"]


@pytest.fixture
async def stages(pool: Pool) -> AsyncIterator[Stages]:
    """Uploads at every stage."""
    async with mixed_stages(pool) as stages:
        yield stages


async def _segments(stages: Stages, upload_id: int, version: int | None = None) -> list[StoredSegment]:
    async with snapshot(stages.store.pool) as db:
        at = await reading.pin_version(db) if version is None else version
        scanned = reading.scan(db, stages.store.tenant_id, Filter(upload_id), NAMES, version=at)
        return [segment async for segment in scanned]


async def _version(stages: Stages) -> int:
    async with snapshot(stages.store.pool) as db:
        return await reading.pin_version(db)


async def _finalized(stages: Stages, *, batches: int = 4) -> int:
    """Finalize and fold an upload of several batches; it is not merged yet."""
    upload_id = await stages.store.open()
    for seed in range(batches):
        await stages.store.append(upload_id, 50, seed=seed)
    await stages.store.finalize(upload_id)
    await stages.fold(1_000)
    return upload_id


def _rows(segments: list[StoredSegment]) -> list[int]:
    return sorted(row for segment in segments for row in segment.column("row").tolist())


async def test_a_merged_upload_has_one_sorted_segment_a_quarter(stages: Stages) -> None:
    upload_id = await _finalized(stages)
    before = await _segments(stages, upload_id)
    await stages.merge_all()
    after = await _segments(stages, upload_id)
    assert len({segment.position.quarter for segment in before}) == len(after) < len(before)
    assert _rows(after) == _rows(before)
    for segment in after:
        key = segment.column("supplier").astype(np.int64) << 32 | segment.column("row")
        assert (np.diff(key) > 0).all()


async def test_a_step_takes_a_bounded_number_of_rows(stages: Stages) -> None:
    upload_id = await _finalized(stages)
    before = await _segments(stages, upload_id)
    steps = 0
    while await merging.merge_step(stages.store.pool, stages.executor, stages.store.tenant_id, upload_id, rows=30):
        steps += 1
    after = await _segments(stages, upload_id)
    assert steps > len({segment.position.quarter for segment in before})
    assert max(segment.n for segment in after) <= 30 + max(segment.n for segment in before)
    assert _rows(after) == _rows(before)


async def test_an_older_version_can_be_read_until_it_is_swept(stages: Stages) -> None:
    upload_id = await _finalized(stages)
    version = await _version(stages)
    before = await _segments(stages, upload_id)
    await stages.merge_all()
    assert await _segments(stages, upload_id, version) == before
    assert await merging.to_sweep(stages.store.pool, kept=timedelta(hours=1)) == []
    await stages.sweep()
    assert await _segments(stages, upload_id, version) == []
    assert await merging.to_sweep(stages.store.pool, kept=AT_ONCE) == []
    stored = await stages.store.pool.fetchval("SELECT sum(n) FROM emission_segments WHERE upload_id = $1", upload_id)
    assert stored == len(stages.store.rows[upload_id])


async def test_only_finalized_and_folded_uploads_are_merged(stages: Stages) -> None:
    _, pending, going_on = stages.uploads
    await stages.store.finalize(pending)
    assert not {pending, going_on} & {upload_id for _, upload_id in await merging.due(stages.store.pool)}
    for upload_id in (pending, going_on):
        assert not await _merge_step(stages, upload_id)
    await stages.fold(1_000)
    assert pending in {upload_id for _, upload_id in await merging.due(stages.store.pool)}


async def test_a_merged_upload_is_not_merged_again(stages: Stages) -> None:
    upload_id = await _finalized(stages)
    await stages.merge_all()
    version = await _version(stages)
    assert not await _merge_step(stages, upload_id)
    assert await _version(stages) == version
    assert (stages.store.tenant_id, upload_id) not in await merging.due(stages.store.pool)


async def test_a_step_that_fails_changes_nothing(stages: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    upload_id = await _finalized(stages)
    before, version = await _segments(stages, upload_id), await _version(stages)

    async def fail(*_: Any) -> None:
        raise VcciError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(merging, "copy_segments", fail)
        with pytest.raises(VcciError):
            await _merge_step(stages, upload_id)
    assert (await _segments(stages, upload_id), await _version(stages)) == (before, version)
    await stages.merge_all()
    assert _rows(await _segments(stages, upload_id)) == _rows(before)


async def test_a_merged_upload_can_be_abandoned(stages: Stages) -> None:
    upload_id = await _finalized(stages)
    assert await _merge_step(stages, upload_id)
    await stages.store.abandon(upload_id)
    assert not await _merge_step(stages, upload_id)
    await stages.sweep()
    left = await stages.store.pool.fetchval("SELECT count(*) FROM emission_segments WHERE upload_id = $1", upload_id)
    assert left == 0


async def test_totals_and_factor_sets_of_merged_segments_are_right(stages: Stages) -> None:
    upload_id = await _finalized(stages)
    query = """
        SELECT sum(ug_co2e) AS ug, sum(n) AS n, min(factor_set_id) AS set, min(supplier_min) AS low,
            max(supplier_max) AS high
        FROM emission_segments WHERE upload_id = $1 AND merged_into IS NULL
    """
    before = await stages.store.pool.fetchrow(query, upload_id)
    await stages.merge_all()
    assert await stages.store.pool.fetchrow(query, upload_id) == before
    assert before is not None
    assert before["set"] == stages.store.factor_set_id


async def test_segments_of_different_bases_are_merged_apart(stages: Stages) -> None:
    upload_id = await _finalized(stages)
    pool = stages.store.pool
    last = "SELECT max(batch_offset) FROM emission_segments WHERE upload_id = $1"
    for column, value in (("price_set_id", 9), ("method_version", 2)):
        query = f"UPDATE emission_segments SET {column} = $2 WHERE upload_id = $1 AND batch_offset = ({last})"
        await pool.execute(query, upload_id, value)
    before = _rows(await _segments(stages, upload_id))
    bases = """
        SELECT quarter, price_set_id, method_version, sum(n) AS n FROM emission_segments
        WHERE upload_id = $1 AND merged_into IS NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """
    stored = await pool.fetch(bases, upload_id)
    await stages.merge_all()
    assert await pool.fetch(bases, upload_id) == stored
    after = await _segments(stages, upload_id)
    assert len(after) == len(stored)
    assert _rows(after) == before


async def test_altered_inputs_are_not_merged_into_a_hash_of_their_own(stages: Stages) -> None:
    upload_id = await _finalized(stages)
    before = await _segments(stages, upload_id)
    altered = "UPDATE emission_segments SET quality = substr(quality || '\\x00', 2) WHERE upload_id = $1"
    await stages.store.pool.execute(altered, upload_id)
    await stages.merge_all()
    after = await _segments(stages, upload_id)
    assert [segment.position for segment in after] == [segment.position for segment in before]
    assert (stages.store.tenant_id, upload_id) not in await merging.due(stages.store.pool)


async def _merge_step(stages: Stages, upload_id: int) -> bool:
    return await merging.merge_step(stages.store.pool, stages.executor, stages.store.tenant_id, upload_id)
