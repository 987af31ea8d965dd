"""Robust z-scores of known intensities."""

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.outliers import THRESHOLD, scores
from vcci_engine.uncertainty import SIGMA2_BASIC


def test_scores_are_by_median_and_mad_of_the_logarithm() -> None:
    z, median = scores(np.array([1.0, 2.0, 4.0, 8.0, 1024.0]), np.zeros(5, np.intp))
    # ln / ln 2: 0 1 2 3 10, median 2, distances 2 1 0 1 8, MAD 1
    assert z.tolist() == pytest.approx([0.6745 * distance for distance in (-2, -1, 0, 1, 8)])
    assert median.tolist() == [4.0] * 5
    assert (np.abs(z) > THRESHOLD).tolist() == [False] * 4 + [True]


def test_equal_peers_are_no_outliers_and_one_that_differs_is_measured_by_the_factors_own_spread() -> None:
    z, _ = scores(np.array([0.5] * 6 + [0.55]), np.zeros(7, np.intp))
    assert z[:6].tolist() == [0] * 6
    assert z[6] == pytest.approx(log(1.1) / sqrt(SIGMA2_BASIC))


def test_each_group_has_its_own_median_and_a_small_one_none() -> None:
    intensity = np.array([1.0, 100.0, 1.0, 100.0, 1.0, 100.0, 1.0, 100.0, 1.0, 100.0, 7.0])
    peers = np.array([0, 1] * 5 + [4], np.intp)
    z, median = scores(intensity, peers)
    assert z[:10].tolist() == [0] * 10
    assert median[:10].tolist() == [1.0, 100.0] * 5
    assert np.isnan([z[10], median[10]]).all()


@given(
    st.lists(st.tuples(st.floats(1e-6, 1e6), st.integers(0, 2)), max_size=40),
    st.randoms(use_true_random=False),
    st.floats(0.01, 100),
)
def test_order_changes_no_bit_and_scale_no_score(rows: list[tuple[float, int]], random: object, scale: float) -> None:
    intensity, peers = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], np.intp)
    order = [*range(len(rows))]
    random.shuffle(order)  # type: ignore[attr-defined]
    for found, mixed in zip(scores(intensity, peers), scores(intensity[order], peers[order]), strict=True):
        assert found[order].tobytes() == mixed.tobytes()
    assert scores(intensity * scale, peers)[0] == pytest.approx(scores(intensity, peers)[0], abs=1e-9, nan_ok=True)
