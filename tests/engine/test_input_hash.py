"""The hash of a segment's inputs covers all that its results are calculated from, and nothing else."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.activities import Activities
from vcci_engine.input_hash import INPUT_COLUMNS, RESULTS, input_hash, is_unaltered
from vcci_engine.segments import COLUMNS, ROWS_PER_SEGMENT, Segment, merge

from tests.engine.samples import GOOD_BATCHES, Row, batch
from tests.engine.test_segments import cut_batch


def _segment() -> Segment:
    [segment] = cut_batch(batch(Row(quantity=2.0), Row(quantity=3.0)), 7, ROWS_PER_SEGMENT)
    return segment


def _with_last_bit_of(segment: Segment, name: str) -> Segment:
    data = bytearray(segment.columns[name])
    data[-1] ^= 1
    return replace(segment, columns={**segment.columns, name: bytes(data)})


@given(GOOD_BATCHES, st.integers(1, 10))
def test_what_is_cut_and_merged_has_its_hash(activities: Activities, rows_per_segment: int) -> None:
    segments = cut_batch(activities, 0, rows_per_segment)
    assert all(map(is_unaltered, [*segments, *merge(segments)]))


@pytest.mark.parametrize("name", INPUT_COLUMNS)
def test_a_bit_of_an_input_tells(name: str) -> None:
    segment = _segment()
    assert is_unaltered(segment)
    assert not is_unaltered(_with_last_bit_of(segment, name))


def test_results_are_not_inputs() -> None:
    assert set(INPUT_COLUMNS) | RESULTS == {name for name, _ in COLUMNS}
    for name in RESULTS:
        assert is_unaltered(_with_last_bit_of(_segment(), name))


def test_what_is_not_a_column_tells_too() -> None:
    segment = _segment()
    changes: list[dict[str, Any]] = [{"quarter": segment.quarter + 90}, {"units": ("t",)}]
    changes += [{name: b"\0"} for name in ("group", "reference", "inputs")]
    for change in changes:
        assert not is_unaltered(replace(segment, **change))


def test_bytes_cannot_move_from_one_part_to_the_next() -> None:
    columns = _segment().columns
    hashes = {input_hash(0, ("kg",), columns, *texts) for texts in ((b"ab", b"c"), (b"a", b"bc"), (b"abc", None))}
    assert len(hashes) == 3
