"""What draws of totals say, against closed forms."""

from collections.abc import Sequence
from math import exp, log, sqrt

import numpy as np
import pytest
from vcci_engine.activities import FloatArray
from vcci_engine.calculate import calculate
from vcci_engine.montecarlo import Draws, Rows, cell_sums
from vcci_engine.simulations import (
    BLOCK_VALUES,
    MOST_BLOCK_DRAWS,
    REST,
    Cells,
    Simulation,
    blocks,
    of_draws,
    place_draws,
    simulate,
)
from vcci_engine.uncertainty import SIGMA2_BASIC, sigma2_of_gsd2

from tests.engine.samples import TABLE, Row, batch

N = 1_000_000


def drawn(
    kg: Sequence[float], gsd2: Sequence[float], place: Sequence[int], n_places: int, draws: int = N
) -> FloatArray:
    """Draws of places, and of all, of lines that share no factor."""
    n = len(kg)
    sigma = np.sqrt([sigma2_of_gsd2(value) for value in gsd2])
    cell = np.array(place, np.intp)
    rows = Rows(np.ones(n, np.int64), np.arange(n, dtype=np.uint32), np.array(kg), sigma, cell)
    cells = Cells(np.arange(n_places), np.zeros(n_places, np.int64), np.zeros(n_places))
    parts = [place_draws(cell_sums(rows, n_places, block), cells, n_places, block) for block in blocks(N, n, 0)]
    return np.concatenate(parts, axis=1)


def test_a_sum_of_independent_amounts_has_the_closed_forms_mean_and_deviation() -> None:
    *_, total = of_draws(drawn([3e4, 6e4, 2e4, 2.5e4, 1e4], (1.2, 1.5, 2.0, 1.1, 1.3), [0] * 5, 1))
    assert total.draws == N
    assert total.mean == pytest.approx(147_723.44, abs=4 * 15_023.65 / sqrt(N))
    assert total.sd == pytest.approx(15_023.65, rel=0.005)
    found = (total.p2_5, total.p50, total.p97_5)
    assert found == pytest.approx((120_467, 146_965, 179_292), rel=0.02)  # Fenton and Wilkinson's


def test_a_product_has_the_closed_forms_percentiles() -> None:
    sigma = sqrt(sigma2_of_gsd2(1.10) + sigma2_of_gsd2(1.50))
    *_, row = of_draws(drawn([1000 * 1.85], [exp(2 * sigma)], [0], 1))
    assert row.mean == pytest.approx(1890.557, abs=4 * 398.032 / sqrt(N))
    assert row.sd == pytest.approx(398.032, rel=0.005)
    expected = [1850 * exp(z * sigma) for z in (-1.959964, -1.644854, 0, 1.644854, 1.959964)]
    assert (row.p2_5, row.p5, row.p50, row.p95, row.p97_5) == pytest.approx(expected, rel=0.002)


def test_percentiles_lie_between_draws() -> None:
    [found] = of_draws(np.arange(1, 1_002, dtype=np.float64)[None, ::-1].copy())
    assert found == Simulation(1_001, 501.0, found.sd, 26.0, 51.0, 501.0, 951.0, 976.0)
    assert found.sd == pytest.approx(sqrt(1_001 * 1_002 / 12))


def test_lines_with_the_same_factor_share_its_draw() -> None:
    emissions = calculate(batch(*[Row(1000.0, quality=0x11111)] * 50), TABLE).emissions
    result = simulate(TABLE, emissions, 100_000)
    assert log(result.total.p97_5 / result.total.p2_5) / 2 / 1.96 == pytest.approx(sqrt(SIGMA2_BASIC), rel=0.01)
    assert result.total.p50 == pytest.approx(95_000, rel=1e-3)
    assert result.rows[0] == result.rows[49]  # with the best scores they have no spread of their own


def test_suppliers_own_factors_are_independent() -> None:
    emissions = calculate(batch(*[Row(1000.0, inputs={"supplier_factor": 1.9}, quality=0x11111)] * 50), TABLE).emissions
    result = simulate(TABLE, emissions, 100_000)
    assert result.total.sd / result.total.mean == pytest.approx(sqrt((exp(SIGMA2_BASIC) - 1) / 50), rel=0.01)
    assert result.rows[0] != result.rows[49]


def test_groups_and_the_total_are_sums_of_the_same_draws() -> None:
    lines = [Row(1000.0 + k, group=("a", "", "b")[k % 3], quality=0x23451) for k in range(9)]
    lines += [Row(70.0, "kWh", "grid:electricity", group="a", category=2)]
    emissions = calculate(batch(*lines), TABLE).emissions
    result = simulate(TABLE, emissions, 2_000, seed=3)
    assert list(result.groups) == ["", "a", "b"]
    assert sum(group.mean for group in result.groups.values()) == pytest.approx(result.total.mean, rel=1e-12)
    assert sum(row.mean for row in result.rows) == pytest.approx(result.total.mean, rel=1e-12)
    alone = simulate(TABLE, calculate(batch(*lines[:1]), TABLE).emissions, 2_000, seed=3)
    assert alone.rows == [alone.total] == result.rows[:1]
    assert simulate(TABLE, emissions, 2_000, seed=4).total != result.total


def test_what_is_in_no_place_counts_in_the_total() -> None:
    kg = np.array([100.0, 10.0, 1.0])
    rows = Rows(np.ones(3, np.int64), np.arange(3, dtype=np.uint32), kg, np.zeros(3), np.arange(3))
    cells = Cells(np.array([0, REST, 1]), np.array([5, 5, 0]), np.array([0.0, 0.0, 0.0]))
    draws = Draws(0, 16)
    assert place_draws(cell_sums(rows, 3, draws), cells, 2, draws)[:, 0].tolist() == [100.0, 1.0, 111.0]


def test_credit_notes_subtract() -> None:
    rows = [Row(1000.0, quality=0x33333), Row(-900.0, quality=0x33333)]
    result = simulate(TABLE, calculate(batch(*rows), TABLE, allow_negative=True).emissions, 100_000)
    assert result.total.mean == pytest.approx(190 * exp(sigma2_of_gsd2(1.268491) / 2), rel=0.02)
    assert result.total.p2_5 < 0 < result.total.p97_5
    assert result.rows[1].p2_5 < result.rows[1].p97_5 < 0


@pytest.mark.parametrize(("draws", "cells"), [(1_000, 1), (1_000_000, 10), (1_000, 10**9), (5_000, 3_000)])
def test_blocks_are_all_draws_in_bounded_pieces(draws: int, cells: int) -> None:
    found = list(blocks(draws, cells, 7))
    assert [block.first for block in found] == np.cumsum([0, *(block.count for block in found[:-1])]).tolist()
    assert sum(block.count for block in found) == draws
    assert all(block.first % 16 == 0 and block.seed == 7 for block in found)
    assert max(block.count for block in found) <= max(min(BLOCK_VALUES // cells, MOST_BLOCK_DRAWS), 16)
