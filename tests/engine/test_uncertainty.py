"""Pedigree scores and products against published figures."""

from math import exp, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.quality import INVALID, SCORES, VARIANCE, pack, scores, unpack
from vcci_engine.uncertainty import SIGMA2_BASIC, of_moments, of_row, sigma2_of_gsd2

# Pedigree scores with a basic uncertainty of 1.05, and their GSD2.
PEDIGREE = [
    ((1, 1, 1, 1, 1), 1.05),
    ((2, 2, 2, 2, 2), 1.081412),
    ((3, 3, 3, 3, 3), 1.268491),
    ((1, 2, 3, 4, 5), 2.017637),
    ((5, 5, 5, 5, 5), 2.519602),
]


def wire(of: tuple[int, ...]) -> int:
    return int("".join(map(str, of)), 16)


@pytest.mark.parametrize(("of", "gsd2"), PEDIGREE)
def test_gsd2_of_pedigree_scores(of: tuple[int, ...], gsd2: float) -> None:
    variance = VARIANCE[pack(np.array([wire(of)], np.uint32))[0]] + SIGMA2_BASIC
    assert exp(2 * sqrt(variance)) == pytest.approx(gsd2, abs=5e-7)


def test_unknown_scores_count_as_the_worst() -> None:
    unknown, worst, mixed, same = VARIANCE[pack(np.array([0, 0x55555, 0x10203, 0x15253], np.uint32))]
    assert (unknown, mixed) == (worst, same)


@given(st.lists(st.integers(0, 5), min_size=5, max_size=5))
def test_scores_are_packed_and_unpacked(of: list[int]) -> None:
    packed = pack(np.array([wire(tuple(of))], np.uint32))
    assert packed[0] == of[0] << 12 | of[1] << 9 | of[2] << 6 | of[3] << 3 | of[4]
    assert unpack(packed).tolist() == [wire(tuple(of))]
    assert [scores(wire(tuple(of)))[name] for name in SCORES] == of


@given(st.integers(0, 2**32 - 1))
def test_a_score_above_five_is_invalid(value: int) -> None:
    digits = f"{value:05x}"
    right = len(digits) == 5 and all(digit <= "5" for digit in digits)
    assert (pack(np.array([value], np.uint32))[0] != INVALID) == right


def test_a_product_of_log_normals_is_exact() -> None:
    sigma = sqrt(sigma2_of_gsd2(1.10) + sigma2_of_gsd2(1.50))
    gsd2 = exp(2 * sigma)
    assert gsd2 == pytest.approx(1.516669, abs=5e-7)
    estimate = of_row(1000 * 1.85, sigma)
    assert estimate.median == 1850
    assert estimate.mean == pytest.approx(1890.557, abs=5e-4)
    assert estimate.mean * sqrt(exp(sigma * sigma) - 1) == pytest.approx(398.032, abs=5e-4)
    assert (estimate.low, estimate.high) == pytest.approx((1850 / gsd2, 1850 * gsd2))


def test_a_credit_note_has_its_interval_in_order() -> None:
    estimate = of_row(-10.0, 0.2)
    assert estimate.low < estimate.kg_co2e < estimate.high < 0


def test_a_sum_without_skewness_is_taken_as_normal() -> None:
    estimate = of_moments(-5.0, -5.25, 4.0, 0.0)
    assert (estimate.low, estimate.high, estimate.mean, estimate.median) == (-9.25, -1.25, -5.25, -5.25)
