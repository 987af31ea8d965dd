"""The rows of an upload, in whatever batches they came and however they were cut and merged: the same draws."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.dates import EPOCH
from vcci_engine.montecarlo import LIMBS, Draws, add_sums
from vcci_engine.results import Emissions
from vcci_engine.segments import Segment, cut, merge
from vcci_engine.selection import select
from vcci_engine.totals import LimbArray
from vcci_server.simulating import Plan, sum_draws
from vcci_server.storage.reading import Filter, Position, StoredSegment

from tests.server.stored_emissions import CODES, UNITS, random_emissions

FACTORS = [0, 4, 9]
IDS = np.arange(len(CODES), dtype=np.int32)[::-1].copy()
PLAN = Plan(  # by category and factor; a third of the combinations is not known, and in the last cells
    chosen=Filter(),
    columns=("category", "factor"),
    made=None,
    keys=(np.repeat(np.arange(1, 11), 3), np.tile(FACTORS, 10)),
    cell=np.arange(30),
    factors=np.array(FACTORS),
    rest=np.array([30, 31, 32]),
    n_places=30,
)
DRAWS = Draws(32, 64, 1)


def stored(segments: Sequence[Segment], first: int = 0) -> list[StoredSegment]:
    """Segments as a reader gets them, of upload 77."""
    return [
        StoredSegment(
            Position(77, 0, first, number, EPOCH + timedelta(days=segment.quarter)),
            segment.n,
            segment.units,
            {name: bytes(data) for name, data in segment.columns.items()},
        )
        for number, segment in enumerate(segments)
    ]


def batches(emissions: Emissions, cuts: Sequence[int], rows_per_segment: int) -> list[Segment]:
    """The segments of an upload that came in several batches."""
    segments = []
    for start, stop in pairwise(sorted({0, *cuts, 1_000})):
        part = select(emissions, (emissions.row >= start) & (emissions.row < stop))
        part = replace(part, row=part.row - np.uint32(start))
        segments += cut(part, IDS, UNITS, start, rows_per_segment)
    return segments


def sums(segments: Sequence[StoredSegment], at_once: int) -> LimbArray:
    total = np.zeros((33, LIMBS, DRAWS.count), np.int64)
    for start in range(0, len(segments), at_once):
        part = sum_draws(PLAN, segments[start : start + at_once], DRAWS)
        add_sums(total, part.cells, part.sums)
    return total


@given(
    st.lists(st.integers(1, 119), max_size=4),
    st.sampled_from([3, 20, 5_000]),
    st.sampled_from([1, 2, 100]),
    st.booleans(),
)
def test_any_split_into_batches_segments_and_works_gives_the_same_bits(
    cuts: list[int], rows_per_segment: int, at_once: int, merged: bool
) -> None:
    emissions = random_emissions(110, 5, FACTORS, rejected=10)
    segments = batches(emissions, cuts, rows_per_segment)
    if merged:
        segments = merge(segments)
    assert sums(stored(segments), at_once).tobytes() == sums(stored(batches(emissions, [], 5_000)), 100).tobytes()
