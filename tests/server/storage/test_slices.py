"""Of large segments only the part is read that may hold a supplier's rows, and it holds them all."""

from collections.abc import AsyncIterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_server.storage import reading, slices
from vcci_server.storage.pool import Pool
from vcci_server.storage.reading import Filter, Position, StoredSegment, selected, snapshot
from vcci_server.storage.slices import STEP, Marks

from tests.server.stages import Stages, mixed_stages
from tests.server.stored_emissions import CODES

FIXED = ("row", "supplier", "category", "kg_co2e", "sigma", "quantity", "unit", "quality")


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=4 * STEP, unique=False).map(sorted),
    st.sets(st.integers(0, 9), min_size=1, max_size=3),
)
def test_the_part_holds_all_rows_of_the_suppliers_and_little_more(suppliers: list[int], wanted: set[int]) -> None:
    column = np.repeat(np.array(suppliers, np.int32), 97)
    marks = Marks()
    marks.add(b"hash", column)
    start, stop = marks.rows(b"hash", len(column), np.array(sorted(wanted), np.int32))
    assert np.isin(column[:start], [*wanted]).sum() == np.isin(column[stop:], [*wanted]).sum() == 0
    between = (column >= min(wanted)) & (column <= max(wanted))
    assert stop - start <= between.sum() + 2 * STEP


def test_what_was_not_asked_for_longest_is_forgotten() -> None:
    marks = Marks(most=2)
    column = np.arange(3, dtype=np.int32)
    for name in (b"one", b"two"):
        marks.add(name, column)
    marks.rows(b"one", 3, column)
    marks.add(b"three", column)
    assert [name in marks for name in (b"one", b"two", b"three")] == [True, False, True]


@pytest.fixture
async def stages(pool: Pool) -> AsyncIterator[Stages]:
    """Uploads at every stage."""
    async with mixed_stages(pool) as stages:
        yield stages


async def _scan(stages: Stages, chosen: Filter, *columns: str, after: Position = reading.START) -> list[StoredSegment]:
    async with snapshot(stages.store.pool) as db:
        version = await reading.pin_version(db)
        return [
            s async for s in reading.scan(db, stages.store.tenant_id, chosen, columns, version=version, after=after)
        ]


def _rows(segments: list[StoredSegment], chosen: Filter) -> list[tuple[Position, dict[str, list[object]]]]:
    """Return the rows of a filter, by segment."""
    found = []
    for segment in segments:
        mask = selected(segment, chosen)
        assert mask is not None
        columns = {name: segment.column(name)[mask].tolist() for name in FIXED if name != "unit"}
        columns["unit"] = [segment.units[number] for number in segment.column("unit")[mask].tolist()]
        if mask.any():
            found.append((segment.position, columns))
    return found


@pytest.mark.parametrize("count", [1, 2, reading.FEW_SUPPLIERS])
async def test_parts_have_the_rows_that_whole_segments_have(
    stages: Stages, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "STEP", 3)
    monkeypatch.setattr(reading, "WORTH_ROWS", 8)
    monkeypatch.setattr(reading, "MARKS", Marks())
    read = 0
    for supplier_ids in zip(*(np.roll(stages.store.supplier_ids, -n) for n in range(count)), strict=True):
        chosen = Filter(suppliers=np.sort(np.array(supplier_ids, np.int32)))
        parts = await _scan(stages, chosen, *FIXED)
        whole = await _scan(stages, chosen, *FIXED, "group")
        assert _rows(parts, chosen) == _rows(whole, chosen)
        assert all(before.position < after.position for before, after in pairwise(parts))
        if parts:
            assert await _scan(stages, chosen, *FIXED, after=parts[0].position) == parts[1:]
        read += sum(part.n for part in parts) < sum(segment.n for segment in whole)
    assert read > len(CODES) / 2


async def test_small_segments_without_the_suppliers_are_not_read(stages: Stages) -> None:
    left = 0
    for supplier_id in stages.store.supplier_ids:
        chosen = Filter(suppliers=np.array([supplier_id], np.int32))
        parts = await _scan(stages, chosen, *FIXED)
        whole = await _scan(stages, chosen, *FIXED, "group")
        assert _rows(parts, chosen) == _rows(whole, chosen)
        assert len(_rows(parts, chosen)) == len(parts)
        left += len(whole) - len(parts)
    assert left > 0
