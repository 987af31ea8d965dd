"""Levers by hand, totals against the totals of sums, and moments of the difference against draws of every line."""

from dataclasses import replace
from math import exp, fsum, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.levers import EMISSION_FREE, Cell, Factor, Lever, Move, Part, Pathway, Replace, Scale, apply, at_first
from vcci_engine.scenarios import run
from vcci_engine.totals import Terms, estimate, ug_limbs, variance_limbs
from vcci_engine.uncertainty import sigma2_of_gsd2
from vcci_engine.units import parse

ALL, SOME, THERE = 0, 1, 2  # scopes


def factor(
    number: int, key: str, kg_co2e: float, unit: str, gsd2: float = 1.5, region: str = "", year: int = 2024
) -> Factor:
    parsed = parse(unit)
    assert parsed is not None
    return Factor(number, key, region, year, parsed, kg_co2e, sigma2_of_gsd2(gsd2))


FACTORS = {
    of.id: of
    for of in (
        factor(1, "freight:hgv", 0.1, "tonne*km", 2.0),
        factor(2, "freight:rail", 0.025, "kg*km", 1.3),
        factor(3, "grid:electricity", 0.4, "kWh", 1.05, "DE"),
        factor(4, "grid:electricity", 0.2, "kWh", 1.05, "FR"),
        factor(5, "naics:331110", 0.8, "USD", 1.05),
        factor(6, "freight:train", 0.02, "tonne*km", 1.3),
    )
}


def cell(factor: int, kg: float, scopes: int = 1, pool: int = 0, quantity: float = 0.0) -> Cell:
    """Lines with a spread of their own that come to so many kg."""
    spread = 0.2
    mean, variance = kg * exp(spread**2 / 2), kg * kg * exp(spread**2) * (exp(spread**2) - 1)
    ug = [round(value * 1e9) for value in (kg, mean)]
    third = kg**3 * exp(1.5 * spread**2) * (exp(spread**2) - 1) ** 2 * (exp(spread**2) + 2)
    units = round(variance * 2.0**40), round(third * 2.0**60)
    return Cell(scopes, factor, 10, ug[0], ug[1], *units, pool, quantity)


CELLS = [cell(1, 1_000, 3), cell(1, 500, 1), cell(3, 200, 1), cell(5, 4_000, 3), cell(0, 300, 1)]
TO_RAIL = Lever(ALL, Replace(0.5, (FACTORS[6],), amount=1.1), ("freight:hgv",))
GREEN = Lever(ALL, Replace(0.75), ("grid:*",))
LESS = Lever(SOME, Scale(0.9, activity=True))


def test_without_levers_the_scenario_is_the_baseline_bit_for_bit_and_that_is_the_total_of_sums() -> None:
    found = run(CELLS, [], FACTORS)
    assert found.scenario == found.baseline
    assert found.reduction.kg_co2e == found.reduction.high == 0
    assert not found.effects
    assert not found.years
    by_factor = [[of for of in CELLS if of.factor == number] for number in (0, 1, 3, 5)]
    sums = [
        tuple(sum(getattr(of, name) for of in each) for name in ("rows", "ug", "mean", "variance", "third"))
        for each in by_factor
    ]
    rows, ug, mean, variance, third = zip(*sums, strict=True)
    terms = Terms(np.array(rows), ug_limbs(ug), ug_limbs(mean), variance_limbs(variance), variance_limbs(third, 5))
    sigma2 = np.array([0, *(FACTORS[number].sigma2 for number in (1, 3, 5))])
    assert found.baseline == estimate(terms, sigma2)


def test_less_of_everything_scales_the_interval_of_the_reduction_too() -> None:
    found = run(CELLS, [Lever(ALL, Scale(0.75, activity=True))], FACTORS)
    for name in ("kg_co2e", "low", "high", "mean", "median"):
        assert getattr(found.reduction, name) == pytest.approx(getattr(found.baseline, name) / 4)
        assert getattr(found.scenario, name) == pytest.approx(getattr(found.baseline, name) * 3 / 4)


def test_half_of_the_road_goes_by_rail_a_tenth_farther() -> None:
    found = run(CELLS, [TO_RAIL], FACTORS)
    assert found.reduction.kg_co2e == pytest.approx(750 - 750 * 1.1 * 0.2)
    assert (found.effects[0].rows, found.effects[0].unchanged_rows) == (20, 0)
    assert found.reduction.low < found.reduction.kg_co2e < found.reduction.high


def test_what_has_another_dimension_or_no_factor_stays_and_is_counted() -> None:
    other = Lever(ALL, Replace(1.0, (FACTORS[6],)))
    found = run(CELLS, [other], FACTORS).effects[0]
    assert (found.rows, found.unchanged_rows) == (50, 30)
    assert found.reduction.kg_co2e == pytest.approx(1_500 * 0.8)


def test_a_factor_in_another_unit_of_the_dimension_is_converted() -> None:
    found = run([cell(1, 100)], [Lever(ALL, Replace(1.0, (FACTORS[2],)))], FACTORS)
    assert found.scenario.kg_co2e == pytest.approx(100 / 0.1 * 25)


def test_emission_free_electricity_takes_its_share_away() -> None:
    found = run(CELLS, [GREEN], FACTORS)
    assert found.reduction.kg_co2e == pytest.approx(150)
    assert found.effects[0].rows == 10


def test_a_factor_is_replaced_by_that_of_its_region_or_the_narrowest_wider_one_else_the_only_one() -> None:
    old = {9: factor(9, "grid:old", 1.0, "kWh", region="FR"), 10: factor(10, "grid:old", 1.0, "kWh", region="XX")}
    german, french, world = FACTORS[3], FACTORS[4], factor(11, "grid:electricity", 0.3, "kWh")
    newer = factor(12, "grid:electricity", 0.1, "kWh", region="FR", year=2025)
    union, western = (
        factor(13, "grid:electricity", 0.6, "kWh", region="EU"),
        factor(14, "g:e", 0.7, "kWh", region="155"),
    )
    cases = [
        (9, (german, french, newer, union), 0.1),
        (9, (german, union, western, world), 0.7),
        (9, (german, union, world), 0.6),
        (10, (german, french, world), 0.3),
        (10, (german,), 0.4),
        (10, (german, french), 1),
    ]
    more = {**FACTORS, **old, 11: world, 12: newer, 13: union, 14: western}
    for number, targets, kg in cases:
        found = run([cell(number, 1.0)], [Lever(ALL, Replace(1.0, targets))], more)
        assert found.scenario.kg_co2e == pytest.approx(kg)


def test_levers_act_on_what_is_left_by_those_before_and_their_reductions_sum() -> None:
    found = run(CELLS, [LESS, TO_RAIL, GREEN], FACTORS)
    assert found.effects[0].reduction.kg_co2e == pytest.approx(500)
    assert found.effects[1].reduction.kg_co2e == pytest.approx((900 + 500) / 2 * (1 - 1.1 * 0.2))
    assert fsum(each.reduction.kg_co2e for each in found.effects) == pytest.approx(found.reduction.kg_co2e, abs=1e-9)
    assert found.baseline.kg_co2e - found.reduction.kg_co2e == pytest.approx(found.scenario.kg_co2e, abs=1e-9)
    assert found.effects[-1].scenario == found.scenario
    twice = run(CELLS, [TO_RAIL, Lever(ALL, Replace(1.0), ("freight:train",))], FACTORS)
    assert twice.effects[1].reduction.kg_co2e == pytest.approx(750 * 1.1 * 0.2)


def test_what_is_bought_elsewhere_has_the_other_suppliers_emissions() -> None:
    """100 t of 2 kg each; half goes to one that sells 50 t of 1 kg each, so it sells 100 t."""
    here = cell(5, 200, 1 << SOME, pool=7, quantity=100)
    there = cell(1, 50, 1 << THERE, pool=7, quantity=50)
    elsewhere = cell(5, 30, 1 << SOME, pool=8, quantity=3)
    found = run([here, there, elsewhere], [Lever(SOME, Move(0.5, THERE))], FACTORS)
    assert found.scenario.kg_co2e == pytest.approx(100 + 100 + 30)
    assert (found.effects[0].rows, found.effects[0].unchanged_rows) == (20, 10)
    after_less = run([here, there], [Lever(SOME, Scale(0.5, activity=True)), Lever(SOME, Move(1.0, THERE))], FACTORS)
    assert after_less.scenario.kg_co2e == pytest.approx(50 + 50)
    better = run([here, there], [Lever(SOME, Scale(0.5, activity=False)), Lever(SOME, Move(1.0, THERE))], FACTORS)
    assert better.scenario.kg_co2e == pytest.approx(50 + 100)


def test_a_pathway_falls_by_an_equal_part_of_the_base_year_each_year() -> None:
    found = run(CELLS, [Lever(ALL, Pathway(2025, 2035))], FACTORS)
    base = found.baseline.kg_co2e
    assert [year for year, _ in found.years] == [*range(2025, 2036)]
    assert [of.kg_co2e for _, of in found.years] == pytest.approx([base * (1 - 0.042 * n) for n in range(11)])
    assert found.years[0][1] == found.baseline
    assert found.years[-1][1] == found.scenario
    assert found.scenario.kg_co2e == pytest.approx(base * 0.58)
    assert run(CELLS, [Lever(ALL, Pathway(2025, 2055, 0.05))], FACTORS).scenario.kg_co2e == 0


def test_parts_hold_what_a_cell_has_become() -> None:
    parts = apply(TO_RAIL, CELLS[:1], at_first(CELLS[:1]), FACTORS).parts[0]
    assert parts == {1: Part(0.5, 0.5), 6: pytest.approx(Part(0.55, 0.11))}
    assert apply(GREEN, CELLS[2:3], at_first(CELLS[2:3]), FACTORS).parts[0] == {
        3: Part(0.25, 0.25),
        EMISSION_FREE: Part(0.75, 0.0),
    }


def test_the_interval_of_the_difference_is_that_of_the_same_lines_with_and_without_levers() -> None:
    """Draws of every cell and factor, with common random numbers for the baseline and the scenario."""
    rng, draws = np.random.default_rng(20240501), 2_000_000
    errors = {number: np.exp(rng.normal(0, sqrt(of.sigma2), draws)) for number, of in FACTORS.items()} | {0: 1.0}
    lines = [of.ug / 1e9 * np.exp(rng.normal(0, 0.2, draws)) for of in CELLS]
    levers = [LESS, TO_RAIL, GREEN]
    parts = at_first(CELLS)
    for lever in levers:
        parts = apply(lever, CELLS, parts, FACTORS).parts
    before = np.sum([line * errors[of.factor] for line, of in zip(lines, CELLS, strict=True)], axis=0)
    weights = [{f: of.weight for f, of in each.items() if of.weight} for each in parts]
    after = np.sum(
        [line * sum(w * errors[f] for f, w in of.items()) for line, of in zip(lines, weights, strict=True)], axis=0
    )
    found = run(CELLS, levers, FACTORS)
    for drawn, of in ((before, found.baseline), (after, found.scenario)):
        assert of.mean == pytest.approx(drawn.mean(), rel=2e-3)
        assert (of.low, of.high) == pytest.approx(tuple(np.percentile(drawn, (2.275, 97.725))), rel=1e-2)
    difference = before - after
    assert found.reduction.mean == pytest.approx(difference.mean(), rel=2e-3)
    assert (found.reduction.high - found.reduction.low) / 4 == pytest.approx(difference.std(), rel=1e-2)
    apart = sqrt(before.var() + after.var())
    assert difference.std() < 0.5 * apart  # as if they had nothing in common


@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 3, 5]), st.floats(1, 1e6), st.integers(0, 3)), min_size=1, max_size=12),
    st.randoms(use_true_random=False),
)
def test_the_order_of_cells_changes_no_bit(rows: list[tuple[int, float, int]], random: object) -> None:
    cells = [cell(*row) for row in rows]
    mixed = cells.copy()
    random.shuffle(mixed)  # type: ignore[attr-defined]
    levers = [LESS, TO_RAIL, GREEN, Lever(ALL, Pathway(2025, 2030))]
    assert run(mixed, levers, FACTORS) == run(cells, levers, FACTORS)


@given(st.lists(st.integers(1, 10**15), min_size=1, max_size=8))
def test_cells_that_are_divided_come_to_the_same(ug: list[int]) -> None:
    """Sums of lines are the same however lines are grouped, as long as levers treat them alike."""
    whole = replace(cell(1, 1.0), ug=sum(ug), mean=sum(ug), variance=sum(ug), third=sum(ug))
    apart = [replace(whole, ug=value, mean=value, variance=value, third=value) for value in ug]
    levers = [Lever(ALL, Scale(0.5, activity=True))]  # exact
    assert run([whole], [], FACTORS).scenario == run(apart, [], FACTORS).scenario
    assert run([whole], levers, FACTORS).scenario.kg_co2e == pytest.approx(
        run(apart, levers, FACTORS).scenario.kg_co2e, abs=1e-8
    )
