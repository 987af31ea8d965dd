"""Drivers of a change: by hand, and parts that sum to it whatever comes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.drivers import Drivers, Year, drivers

KG, ACTIVITY = st.just(0.0) | st.floats(1e-3, 1e9), st.floats(1e-3, 1e9)
CELL = st.tuples(st.integers(0, 3), KG, ACTIVITY, KG, ACTIVITY, st.booleans())


def decompose(*cells: tuple[int, float, float, float, float, bool]) -> Drivers:
    """Cells as pool, kg and activity before, kg and activity after, whether the activity is known."""
    pool, *columns, known = (np.array(column) for column in zip(*cells, strict=True))
    before, after = Year(columns[0], columns[1]), Year(columns[2], columns[3])
    return drivers(before, after, pool.astype(np.intp), known.astype(np.bool_))


def totals(of: Drivers) -> tuple[float, ...]:
    return tuple(float(part.sum()) for part in (of.activity, of.mix, of.factor, of.unknown))


def test_twice_as_much_of_everything_is_activity() -> None:
    assert totals(decompose((0, 10, 5, 20, 10, True), (0, 2, 1, 4, 2, True))) == pytest.approx((12, 0, 0, 0))


def test_another_factor_is_the_factor() -> None:
    assert totals(decompose((0, 10, 5, 15, 5, True))) == pytest.approx((0, 0, 5, 0))


def test_moving_from_one_to_another_is_mix() -> None:
    """100 t*km at 0.1 and 100 at 0.02 become 50 and 150: 12 kg become 8."""
    found = decompose((0, 10, 100, 5, 50, True), (0, 2, 100, 3, 150, True))
    assert totals(found) == pytest.approx((0, -4, 0, 0))
    assert found.mix.tolist() == pytest.approx([-5, 1])


def test_two_causes_share_what_they_do_together() -> None:
    """One cell: 10 x 2 becomes 12 x 3. Activity 2 x 2.5, factor 1 x 11."""
    assert totals(decompose((0, 20, 10, 36, 12, True))) == pytest.approx((5, 0, 11, 0))


def test_what_is_new_or_gone_changes_the_mix_of_its_pool_or_is_a_pool_of_its_own() -> None:
    found = decompose((0, 10, 10, 10, 10, True), (0, 0, 0, 6, 10, True), (1, 0, 0, 7, 70, True), (2, 3, 1, 0, 0, True))
    assert found.unknown.tolist() == [0, 0, 0, 0]
    assert found.factor.tolist() == [0, 0, 0, 0]
    assert found.activity[2:].tolist() == pytest.approx([7, -3])
    assert found.mix[2:].tolist() == [0, 0]
    assert (found.activity + found.mix)[:2].tolist() == pytest.approx([0, 6])


def test_a_change_without_known_activity_is_not_explained() -> None:
    assert totals(decompose((0, 10, 0, 25, 0, False))) == (0, 0, 0, 15)
    assert totals(decompose((0, -10, -5, 20, 10, True))) == (0, 0, 0, 30)


@given(st.lists(CELL, min_size=1, max_size=20))
def test_the_parts_sum_to_the_change(cells: list[tuple[int, float, float, float, float, bool]]) -> None:
    found = decompose(*cells)
    parts = found.activity + found.mix + found.factor + found.unknown
    kg = np.array([[cell[1], cell[3]] for cell in cells])
    largest = np.abs([found.activity, found.mix, found.factor, kg[:, 0], kg[:, 1]]).max(axis=0)
    assert (np.abs(parts - (kg[:, 1] - kg[:, 0])) <= 1e-14 * largest).all()


@given(st.lists(CELL, min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_the_order_of_cells_changes_no_bit(
    cells: list[tuple[int, float, float, float, float, bool]], random: object
) -> None:
    order = [*range(len(cells))]
    random.shuffle(order)  # type: ignore[attr-defined]
    first, second = decompose(*cells), decompose(*(cells[place] for place in order))
    for name in ("activity", "mix", "factor", "unknown"):
        assert getattr(first, name)[order].tobytes() == getattr(second, name).tobytes()
