"""Draws against plain Python: random bits by the published algorithm, exact sums, the same bits in any split."""

from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine import montecarlo
from vcci_engine.montecarlo import Draws, Rows, add_sums, cell_sums, factor_draws, kg_of, own_sigma, summed
from vcci_engine.quality import VARIANCE
from vcci_engine.totals import LimbArray
from vcci_engine.uncertainty import SIGMA2_BASIC

MASK = (1 << 64) - 1
UPLOADS = st.integers(1, 2**40)
Line = tuple[int, int, float, int, int]  # upload, row, kg CO2e, packed quality, cell
LINES = st.lists(
    st.tuples(
        UPLOADS,
        st.integers(0, 2**32 - 1),
        st.floats(-5e11, 5e11) | st.sampled_from([0.0, 5e11, -5e11, 1e-9, 123.456]),
        st.sampled_from([0, 0o11111, 0o23451, 0o55555]),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=40,
)


def rows_of(lines: list[Line]) -> Rows:
    upload, row, kg, quality, cell = (list(column) for column in zip(*lines, strict=True))
    sigma = own_sigma(np.array(quality, np.uint16), np.ones(len(lines), np.uint32))
    return Rows(np.array(upload), np.array(row, np.uint32), np.array(kg), sigma, np.array(cell, np.intp))


def integers(sums: LimbArray) -> list[list[int]]:
    """Sums by cell and draw as Python's integers, in 2^-20 micrograms."""
    return [[(h << 46) + (m << 23) + lo for h, m, lo in cell.T.tolist()] for cell in sums]


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x64-10 (Salmon, Moraes, Dror, Shaw 2011, section 3.3) in Python's integers."""
    a, b, c, d = counter
    k, m = key
    for _ in range(10):
        first, second = a * 0xD2E7470EE14C6C93, c * 0xCA5A826395121157
        a, b, c, d = (second >> 64) ^ b ^ k, second & MASK, (first >> 64) ^ d ^ m, first & MASK
        k, m = (k + 0x9E3779B97F4A7C15) & MASK, (m + 0xBB67AE8584CAA73B) & MASK
    return [a, b, c, d]


@pytest.mark.parametrize(("first", "seed"), [(0, 0), (32, 0), (160, 2**64 - 1)])
def test_a_rows_draws_are_those_of_its_documented_key(first: int, seed: int) -> None:
    upload, row, kg, quality = 12345678901, 4_000_000_000, 250.5, 0o23451
    sums = kg_of(cell_sums(rows_of([(upload, row, kg, quality, 0)]), 1, Draws(first, 32, seed)))[0]
    words = [word for block in (1, 2) for word in philox([first // 16 + block, row, upload, 0], [seed, montecarlo.ROW])]
    slices = [word >> shift & 0xFFFF for word in words for shift in (0, 16, 32, 48)]
    sigma = sqrt(VARIANCE[quality])
    expected = [kg * exp(sigma * montecarlo._normals()[number]) for number in slices]
    assert sums.tolist() == pytest.approx(expected, rel=2e-6)


def test_a_factors_draws_are_those_of_its_documented_key() -> None:
    words = [word for block in (3, 4) for word in philox([block, 77, 0, 0], [9, montecarlo.FACTOR])]
    normals = montecarlo._normals()
    z = [sum(normals[word >> shift & 0xFFFF] for shift in (0, 16, 32, 48)) / 2 for word in words]
    expected = [exp(0.7 * value) for value in z]
    assert factor_draws(77, 0.7**2, Draws(8, 8, 9))[:8].tolist() == pytest.approx(expected, rel=1e-12)


@given(LINES)
def test_sums_are_pythons_integers(lines: list[Line]) -> None:
    draws = Draws(16, 16)
    expected = np.full((3, 16), 0, object)
    for upload, row, kg, quality, cell in lines:
        [multipliers] = integers(cell_sums(rows_of([(upload, row, 1e-9, quality, 0)]), 1, draws))
        expected[cell] += np.array([int(np.rint(kg * 1e9)) * e for e in multipliers], object)  # else floats from 2^63
    assert integers(cell_sums(rows_of(lines), 3, draws)) == expected.tolist()


@given(LINES, st.randoms(use_true_random=False), st.integers(0, 40))
def test_the_order_and_the_split_of_rows_change_no_bit(lines: list[Line], random: object, cut: int) -> None:
    draws = Draws(0, 48)
    whole = cell_sums(rows_of(lines), 3, draws)
    mixed = sorted(lines, key=lambda _: random.random())  # type: ignore[attr-defined]
    sums = np.zeros_like(whole)
    for part in (mixed[:cut], mixed[cut:]):
        if part:
            add_sums(sums, np.arange(3), cell_sums(rows_of(part), 3, draws))
    assert sums.tobytes() == whole.tobytes()


def test_the_range_of_draws_changes_no_bit() -> None:
    rows = rows_of([(3, number, 1.5 * number, 0o12345, number % 2) for number in range(300)])
    whole = cell_sums(rows, 2, Draws(0, 1_000, 5))
    parts = [cell_sums(rows, 2, Draws(first, count, 5)) for first, count in ((0, 16), (16, 624), (640, 360))]
    assert np.concatenate(parts, axis=2).tobytes() == whole.tobytes()
    factor = [factor_draws(4, 0.1, Draws(first, count, 5)) for first, count in ((0, 16), (16, 984))]
    assert np.concatenate(factor).tobytes() == factor_draws(4, 0.1, Draws(0, 1_000, 5)).tobytes()


def test_many_chunks_of_the_largest_rows_do_not_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(montecarlo, "CARRY_EVERY", 4)
    lines: list[Line] = [(1, number, 5e11, 0o55555, 0) for number in range(3_000)]
    [sums] = integers(cell_sums(rows_of(lines), 1, Draws(0, 16)))
    alone = [integers(cell_sums(rows_of([line]), 1, Draws(0, 16)))[0] for line in lines]
    assert sums == [sum(column) for column in zip(*alone, strict=True)]


def test_a_rows_multiplier_stays_below_what_the_limbs_leave_it() -> None:
    worst = sqrt(VARIANCE.max() + SIGMA2_BASIC)
    assert exp(worst * montecarlo._normals()[-1]) < 2.0 ** (53 - 7 - montecarlo.LIMB_BITS - montecarlo.FRACTION_BITS)
    assert 2.0 ** (3 * montecarlo.LIMB_BITS) > 5e11 * 1e9


def test_slices_of_the_normal_distribution_have_its_moments() -> None:
    z = montecarlo._normals()
    assert (z == -z[::-1]).all()
    assert (z**2).mean() == pytest.approx(1, abs=2e-6)
    assert (z**4).mean() == pytest.approx(3, abs=3e-4)
    sigma = 0.47
    e = np.exp(sigma * z)
    assert e.mean() == pytest.approx(exp(sigma**2 / 2), rel=1e-6)
    assert e.var() == pytest.approx(exp(sigma**2) * (exp(sigma**2) - 1), rel=1e-4)


@pytest.mark.parametrize("gsd2", [1.05, 2.0, 100.0])
def test_a_factors_draws_are_log_normal(gsd2: float) -> None:
    sigma, n = log(gsd2) / 2, 1 << 20
    z = np.log(factor_draws(12, sigma * sigma, Draws(0, n))) / sigma
    assert z.mean() == pytest.approx(0, abs=4 / sqrt(n))
    assert z.std() == pytest.approx(1, abs=3 / sqrt(n))
    assert (z**4).mean() == pytest.approx(3, abs=4 * sqrt(96 / n))
    quantiles = np.quantile(z, (0.001, 0.025, 0.5, 0.975, 0.999))
    assert quantiles == pytest.approx((-3.0902, -1.9600, 0, 1.9600, 3.0902), abs=0.02)


def test_the_suppliers_own_factor_has_no_spread_of_its_own() -> None:
    assert (factor_draws(0, 0.0, Draws(0, 16)) == 1).all()
    own, shared = own_sigma(np.array([0o11111, 0o11111], np.uint16), np.array([0, 8], np.uint32)).tolist()
    assert (own, shared) == (pytest.approx(sqrt(SIGMA2_BASIC)), 0.0)


def test_rows_uploads_and_seeds_draw_apart() -> None:
    lines: list[Line] = [(1, 0, 1.0, 0, 0), (1, 1, 1.0, 0, 1), (2, 0, 1.0, 0, 2)]
    draws = [kg_of(cell_sums(rows_of(lines), 3, Draws(0, 4_096, seed))) for seed in (0, 1)]
    correlation = np.corrcoef(np.log(np.concatenate(draws)))
    assert np.abs(correlation - np.eye(6)).max() < 0.07


def test_sums_of_cells_are_added() -> None:
    rows = rows_of([(3, number, -1e6 * number, 0o12345, number % 3) for number in range(30)])
    sums = cell_sums(rows, 3, Draws(0, 16))
    together = cell_sums(Rows(rows.upload, rows.row, rows.kg_co2e, rows.sigma, np.zeros(30, np.intp)), 1, Draws(0, 16))
    assert summed(sums, np.arange(3)).tobytes() == together[0].tobytes()
