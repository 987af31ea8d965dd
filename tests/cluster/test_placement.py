"""One rule places works, by estimated cost."""

import pytest
from vcci_cluster import DEFAULT_RAY_THRESHOLD_S, Place, Work, place

PLAIN_S_PER_ROW = 0.06e-6  # the kernel; shared figures: decoding rows, simulating with 1,000 draws a row
DECODE_S_PER_ROW = 3e-6
SIMULATE_S_PER_ROW = 30e-6


@pytest.mark.parametrize(
    ("s_per_row", "rows", "expected"),
    [
        (PLAIN_S_PER_ROW, 1_000_000_000, Place.IN_PROCESS),
        (DECODE_S_PER_ROW, 1_000, Place.IN_PROCESS),
        (DECODE_S_PER_ROW, 10_000, Place.RAY),
        (SIMULATE_S_PER_ROW, 100, Place.IN_PROCESS),
        (SIMULATE_S_PER_ROW, 1_000, Place.RAY),
    ],
)
def test_works_go_to_ray_when_computing_outweighs_passing(s_per_row: float, rows: int, expected: Place) -> None:
    work = Work("task", abs, (), estimated_s=s_per_row * rows, rows=rows)
    assert place(work, DEFAULT_RAY_THRESHOLD_S) is expected
