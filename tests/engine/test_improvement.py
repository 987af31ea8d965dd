"""What better data is worth: against totals that are made anew, with factors that lines share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.improvement import better_scores, narrowing, sensitivity
from vcci_engine.quality import pack, unpack
from vcci_engine.totals import Terms, estimate, terms_by
from vcci_engine.uncertainty import sigma2_of_gsd2

SIGMA2 = np.array([0.0, sigma2_of_gsd2(1.05), sigma2_of_gsd2(2.0)])
ROW = st.tuples(st.floats(1, 1e6), st.integers(0, 2), st.integers(0, 0o55555 - 1).filter(lambda q: "6" not in f"{q:o}"))


def by_factor(kg: np.ndarray, quality: np.ndarray, factor: np.ndarray) -> Terms:
    return terms_by(factor.astype(np.intp), 3, kg, quality, factor)


def columns(rows: list[tuple[float, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    kg, factor, quality = zip(*rows, strict=True)
    return np.array(kg), np.array(quality, np.uint16), np.array(factor, np.uint32)


def width(terms: Terms) -> float:
    total = estimate(terms, SIGMA2)
    return total.high - total.low


def test_better_scores_are_the_better_of_each() -> None:
    table = better_scores(0x23254)
    for given_, better in ((0x00000, 0x23254), (0x11111, 0x11111), (0x55555, 0x23254), (0x31415, 0x21214)):
        packed = pack(np.array([given_], np.uint32))
        assert unpack(table[packed]).tolist() == [better]


@given(st.lists(ROW, min_size=1, max_size=12))
def test_the_narrowing_of_a_small_line_is_the_change_of_the_total(rows: list[tuple[float, int, int]]) -> None:
    kg, quality, factor = columns([*rows, (1e7, 1, 0o33333), (2e7, 2, 0o55555), (1e7, 0, 0)])
    better = better_scores(0x11111)[quality]
    line = np.zeros(len(kg), np.bool_)
    line[0] = True
    kg[0] = 100.0  # among ten million
    now, then = by_factor(kg, quality, factor), by_factor(kg, np.where(line, better, quality), factor)
    found = narrowing(kg, quality, better, factor, factor.astype(np.intp), sensitivity(now, SIGMA2))
    assert found[0] == pytest.approx(width(now) - width(then), rel=1e-3, abs=1e-5)


def test_what_lines_share_stays_and_the_poorly_known_line_comes_first() -> None:
    rows = [(1e6, 2, 0o11111), (1e6, 2, 0o55555), (1e6, 1, 0o11111), (1e6, 1, 0o44444)]
    kg, quality, factor = columns(rows)
    better = better_scores(0x11111)[quality]
    found = narrowing(
        kg, quality, better, factor, factor.astype(np.intp), sensitivity(by_factor(kg, quality, factor), SIGMA2)
    )
    assert found[0] == found[2] == 0  # nothing can be better
    assert found[1] > found[3] > 0
    best = by_factor(kg, better, factor)
    assert width(best) > 0.9 * 1e6  # the factors' own spread is still there


def test_a_certain_total_cannot_be_narrowed() -> None:
    kg, quality, factor = columns([(1e3, 1, 0o11111)])
    none = np.zeros(3)
    found = sensitivity(by_factor(kg, quality, factor), none)
    assert (found.mean.tolist(), found.variance.tolist()) == ([0, 0, 0], [0, 0, 0])


def test_credit_notes_that_outweigh_have_a_normal_interval() -> None:
    kg, quality, factor = columns([(-1e6, 1, 0o33333), (10.0, 1, 0o55555)])
    better = better_scores(0x11111)[quality]
    now, then = by_factor(kg, quality, factor), by_factor(kg, np.where([False, True], better, quality), factor)
    found = narrowing(kg, quality, better, factor, factor.astype(np.intp), sensitivity(now, SIGMA2))
    assert found[1] == pytest.approx(width(now) - width(then), rel=1e-2)
