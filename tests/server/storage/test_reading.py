"""Scans: in the order of the key, only what a filter may mean, only the columns asked for, bounded in memory."""

from collections.abc import AsyncIterator
from datetime import date

import numpy as np
import pytest
from vcci_server.storage import reading
from vcci_server.storage.pool import Pool
from vcci_server.storage.reading import START, Filter, Position, StoredSegment, selected, snapshot

from tests.server.stages import Stages, mixed_stages
from tests.server.stored_emissions import CODES, Row


@pytest.fixture
async def stages(pool: Pool) -> AsyncIterator[Stages]:
    """Uploads at every stage."""
    async with mixed_stages(pool) as stages:
        yield stages


async def _scan(
    stages: Stages, chosen: Filter, *columns: str, after: Position = START, tenant_id: int | None = None
) -> list[StoredSegment]:
    async with snapshot(stages.store.pool) as db:
        version = await reading.pin_version(db)
        tenant = stages.store.tenant_id if tenant_id is None else tenant_id
        return [s async for s in reading.scan(db, tenant, chosen, columns, version=version, after=after)]


def _rows(segments: list[StoredSegment], chosen: Filter) -> set[tuple[int, int]]:
    found = [
        (segment.position.upload_id, row)
        for segment in segments
        for row in segment.column("row")[_all(selected(segment, chosen), segment.n)].tolist()
    ]
    assert len(found) == len({*found})
    return {*found}


def _all(mask: np.ndarray | None, n: int) -> np.ndarray:
    return np.ones(n, np.bool_) if mask is None else mask


def _keys(rows: list[Row]) -> set[tuple[int, int]]:
    return {(row.upload_id, row.row) for row in rows}


async def test_segments_come_in_the_order_of_their_key_and_from_any_position(stages: Stages) -> None:
    segments = await _scan(stages, Filter(), "row")
    positions = [segment.position for segment in segments]
    assert positions == sorted({*positions})
    assert _rows(segments, Filter()) == _keys(stages.store.visible)
    for place in range(0, len(segments), 5):
        assert await _scan(stages, Filter(), "row", after=positions[place]) == segments[place + 1 :]


async def test_only_the_columns_asked_for_are_fetched(stages: Stages) -> None:
    for segment in await _scan(stages, Filter(), "kg_co2e", "group"):
        assert set(segment.columns) == {"kg_co2e", "group"}
        assert len(segment.columns["kg_co2e"] or b"") == 8 * segment.n


async def test_few_segments_are_fetched_at_a_time_when_they_are_large(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = await _scan(stages, Filter(), "row")
    monkeypatch.setattr(reading, "FETCH_ROWS", 10)
    assert await _scan(stages, Filter(), "row") == everything


async def test_partitions_suppliers_and_uploads_that_cannot_matter_are_skipped(stages: Stages) -> None:
    everything = await _scan(stages, Filter(), "row")
    quarter = date(2025, 1, 1)
    of_quarter = await _scan(stages, Filter(start=date(2025, 2, 3), end=date(2025, 3, 9)), "row", "period")
    assert {segment.position.quarter for segment in of_quarter} == {quarter}
    of_supplier = await _scan(stages, Filter(suppliers=stages.store.supplier_ids[[0]]), "row")
    assert 0 < len(of_supplier) < len(everything)
    merged = stages.uploads[0]
    of_upload = await _scan(stages, Filter(upload_id=merged), "row")
    assert {segment.position.upload_id for segment in of_upload} == {merged}


async def test_a_filter_selects_its_rows_of_each_segment(stages: Stages) -> None:
    suppliers = np.sort(stages.store.supplier_ids[[1, 4, 9]])
    chosen = Filter(None, suppliers, (1, 2, 3, 4, 5, 6, 7), (1, 3), date(2024, 12, 5), date(2025, 5, 2))
    segments = await _scan(stages, chosen, "row", *chosen.columns)
    assert chosen.columns == {"supplier", "category", "method", "period"}
    assert _rows(segments, chosen) == _keys(
        [
            row
            for row in stages.store.visible
            if row.supplier in (CODES[1], CODES[4], CODES[9])
            and (row.category < 8 and row.method != 2)
            and date(2024, 12, 5) <= row.period < date(2025, 5, 2)
        ]
    )


async def test_another_tenant_has_no_segments(stages: Stages, tenant_id: int) -> None:
    assert await _scan(stages, Filter(), "row", tenant_id=tenant_id) == []
