"""Distinct values found by marking, and by sorting them with their rows, are those found by sorting."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.distinct import distinct


@given(st.lists(st.integers(0, 999), min_size=1), st.sampled_from([1000, 10**9, 2**62]))
def test_distinct_is_unique(codes: list[int], size: int) -> None:
    values, position = distinct(np.array(codes, np.intp), size)
    expected, inverse = np.unique(codes, return_inverse=True)
    assert (values.tolist(), position.tolist()) == (expected.tolist(), inverse.tolist())
