"""RunScenario over a real channel: levers against plain Python over the rows, intervals by formula, costs by hand."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date
from itertools import permutations
from math import exp, fsum, sqrt
from typing import Any

import pytest
from google.type.date_pb2 import Date
from vcci.v1 import hotspot_service_pb2 as pb
from vcci.v1.activity_pb2 import METHOD_SPEND_BASED
from vcci_server.importers import FactorRecord
from vcci_server.storage import factors as factor_sets
from vcci_server.storage import passes, summing
from vcci_server.storage.pool import Pool

from tests.server.emission_reader import problem, refusal
from tests.server.hotspot_caller import Caller, serve_hotspots
from tests.server.stored_emissions import CODES, FACTORS, Row, StoredEmissions

RAIL = FactorRecord("test", "rail", "rail", "", 2024, "tonne", 250.0, {}, "AR6", 1.2, 0, "", "", "made for a test")
GREEN = FactorRecord("test", "green", "green", "", 2024, "g", 1e-4, {}, "AR5", 1.3, 0, "", "", "made for a test")


@pytest.fixture
async def caller(pool: Pool) -> AsyncIterator[Caller]:
    """The service, with uploads at every stage, and an active set with two factors more."""
    async with serve_hotspots(pool) as caller:
        store = caller.store
        records = [
            FactorRecord("test", code, code, region, 2022, "kg", 1.0, {}, "AR5", gsd2, 0, "", "", "made for a test")
            for code, region, gsd2 in FACTORS
        ]
        made = await factor_sets.import_set(pool, store.tenant_id, "with rail", [*records, RAIL, GREEN])
        await factor_sets.activate(pool, store.tenant_id, made.factor_set_id)
        yield caller


Scenario = Callable[[Row], float]  # what becomes of a row's emissions, as a ratio


def has(row: Row, *codes: str) -> bool:
    return row.factor in {f"test:{code}" for code in codes}


def cut(change: float, **scope: Any) -> dict[str, Any]:
    return {"quantity": {"change": change}, "scope": scope}


def replaced(kind: str, of: dict[str, Any], *factors: str) -> dict[str, Any]:
    return {kind: of, "scope": {"factors": factors}}


LEVERS: Sequence[tuple[dict[str, Any], Scenario]] = [
    ({"quantity": {"change": -0.25}}, lambda row: 0.75),
    ({"intensity": {"change": 0.5}, "scope": {"categories": [2, 9]}}, lambda row: 1.5 if row.category in (2, 9) else 1),
    (cut(-1, supplier_codes=["S03", "S07"]), lambda row: row.supplier not in ("S03", "S07")),
    (cut(-0.5, countries=["DEU", "us"]), lambda row: 0.5 if row.country in ("DE", "US") else 1),
    (cut(-0.5, methods=[METHOD_SPEND_BASED]), lambda row: 0.5 if row.method == 3 else 1),
    (
        cut(-0.5, countries=["FR"], supplier_codes=["S01", "S02"], categories=[1, 2, 3]),
        lambda row: 0.5 if row.supplier == "S01" and row.category < 4 else 1,
    ),
    (replaced("factor", {"factor": "test:rail"}, "test:steel"), lambda row: 0.25 if has(row, "steel") else 1),
    (
        replaced("factor", {"factor": "test:rail", "share": 0.4, "amount_ratio": 2}, "test:*"),
        lambda row: 0.6 + 0.4 * 0.25 * 2 if has(row, "steel", "power") else 1,  # freight is per unit of money
    ),
    (replaced("renewable", {"share": 0.3}, "test:power"), lambda row: 0.7 if has(row, "power") else 1),
    (
        replaced("renewable", {"share": 0.5, "factor": "test:green"}, "test:power"),
        lambda row: 0.5 + 0.5 * 0.1 if has(row, "power") else 1,
    ),
    ({"renewable": {"share": 0.3}}, lambda row: 1),  # no grid:* here
    ({"pathway": {"base_year": 2025, "target_year": 2030}}, lambda row: 1 - 0.042 * 5),
    (
        {"pathway": {"base_year": 2025, "target_year": 2027, "annual_reduction": 0.1}, "scope": {"categories": [7]}},
        lambda row: 0.8 if row.category == 7 else 1,
    ),
]


def total(rows: Sequence[Row], ratio: Scenario) -> float:
    return fsum(row.kg_co2e * ratio(row) for row in rows)


@pytest.mark.parametrize(("lever", "ratio"), LEVERS)
async def test_a_lever_changes_the_rows_that_it_is_about(
    caller: Caller, lever: dict[str, Any], ratio: Scenario
) -> None:
    rows = caller.store.visible
    found = await caller.scenario(levers=[lever])
    assert found.baseline.rows == len(rows)
    assert found.baseline.estimate.kg_co2e == sum(row.terms[0] for row in rows) / 10**9
    assert found.scenario.kg_co2e == pytest.approx(total(rows, ratio), rel=1e-9)
    less = total(rows, lambda row: 1 - ratio(row))
    assert found.reduction.kg_co2e == pytest.approx(less, rel=1e-9, abs=1e-6)
    assert found.levers[0].reduction == found.reduction
    changed = sum(ratio(row) != 1 for row in rows)
    assert found.levers[0].rows - found.levers[0].unchanged_rows == changed


@pytest.mark.parametrize(("lever", "ratio"), LEVERS)
async def test_a_filter_restricts_the_baseline_and_the_scenario(
    caller: Caller, lever: dict[str, Any], ratio: Scenario
) -> None:
    start = date(2025, 1, 15)
    rows = [row for row in caller.store.visible if row.period >= start and row.category < 10]
    asked = {"categories": range(1, 10), "period_start": Date(year=2025, month=1, day=15)}
    found = await caller.scenario(levers=[lever], filter=asked)
    assert found.baseline.rows == len(rows)
    assert found.scenario.kg_co2e == pytest.approx(total(rows, ratio), rel=1e-9)


async def test_without_a_lever_the_scenario_is_the_baseline_bit_for_bit(caller: Caller) -> None:
    expected = (await caller.analyze(analyses=[pb.HOTSPOT_ANALYSIS_PARETO])).total
    nothing: list[list[dict[str, Any]]] = [[], [{"quantity": {}}], [cut(0, supplier_codes=["S01"])]]
    for levers in nothing:
        found = await caller.scenario(levers=levers)
        assert found.baseline == expected
        assert found.scenario == expected.estimate
        assert (found.reduction.kg_co2e, found.reduction.kg_co2e_low, found.reduction.kg_co2e_high) == (0, 0, 0)


async def test_levers_act_one_after_the_other_and_their_reductions_sum(caller: Caller) -> None:
    rows = caller.store.visible
    levers = [
        {"quantity": {"change": -0.5}, "scope": {"categories": [1, 2, 3]}, "display_name": "less"},
        {"factor": {"factor": "test:rail"}, "scope": {"factors": ["test:power"]}},
        {"quantity": {"change": -0.5}, "scope": {"factors": ["test:rail"], "supplier_codes": ["S04"]}},
    ]

    def ratio(row: Row) -> float:
        less = 0.5 if row.category < 4 else 1.0
        return less * (0.25 * (0.5 if row.supplier == "S04" else 1) if has(row, "power") else 1)

    found = await caller.scenario(levers=levers)
    assert found.scenario.kg_co2e == pytest.approx(total(rows, ratio))
    assert [lever.display_name for lever in found.levers] == ["less", "", ""]
    assert fsum(lever.reduction.kg_co2e for lever in found.levers) == pytest.approx(found.reduction.kg_co2e, abs=1e-9)
    assert found.levers[-1].scenario == found.scenario


def moments(rows: Sequence[Row], weights: Callable[[Row], dict[Any, float]]) -> tuple[float, float]:
    """Mean and variance of the sum of rows x weights by factor (its sigma2 is the key's), each row on its own."""
    by_factor: dict[Any, list[tuple[float, float]]] = {}
    covariances = []
    for row in rows:
        _, ug_mean, units, _ = row.terms
        mean, variance = ug_mean / 1e9, units / 2**40
        of = list(weights(row).items())
        for factor, weight in of:
            by_factor.setdefault(factor, []).append((mean * weight, variance * weight**2))
        for one, other in permutations(of, 2):
            covariances.append(exp((one[0][1] + other[0][1]) / 2) * one[1] * other[1] * variance)
    means, variances = [], covariances
    for (_, s2), parts in by_factor.items():
        mean, variance = fsum(part[0] for part in parts), fsum(part[1] for part in parts)
        means.append(mean * exp(s2 / 2))
        variances.append(exp(s2) * (exp(s2) * variance + (exp(s2) - 1) * mean**2))
    return fsum(means), fsum(variances)


async def test_the_interval_of_the_reduction_is_that_of_the_same_rows_with_and_without(caller: Caller) -> None:
    store = caller.store
    rail = ("rail", (0.5 * 0.18232155679395459) ** 2)  # ln 1.2

    def weights(row: Row) -> dict[Any, float]:
        of = (row.factor_id, store.factors[row.factor_id][1])
        return {of: 0.4, rail: -0.4 * 0.25} if has(row, "steel") else {}

    lever = {"factor": {"factor": "test:rail", "share": 0.4}, "scope": {"factors": ["test:steel"]}}
    found = (await caller.scenario(levers=[lever])).reduction
    mean, variance = moments(store.visible, weights)
    assert found.kg_co2e_mean == pytest.approx(mean, rel=1e-9)
    ends = mean - 2 * sqrt(variance), mean + 2 * sqrt(variance)
    assert (found.kg_co2e_low, found.kg_co2e_high) == pytest.approx(ends, rel=1e-9)


async def test_a_new_factor_brings_its_gwp_set_in(caller: Caller) -> None:
    lever = {"factor": {"factor": "test:rail"}, "scope": {"factors": ["test:steel"]}}
    found = await caller.scenario(levers=[lever])
    of_both = (found.baseline.composition, found.composition)
    before, after = ({of.gwp_set: of.kg_co2e for of in each.gwp_sets} for each in of_both)
    assert (await caller.analyze()).total.composition == found.baseline.composition
    assert set(after) == {*before, "AR6"}
    assert found.composition.mixed_gwp_sets
    moved = fsum(row.kg_co2e * 0.25 for row in caller.store.visible if has(row, "steel"))
    assert after["AR6"] == pytest.approx(moved)
    assert sum(after.values()) == pytest.approx(found.scenario.kg_co2e)


async def test_a_supplier_takes_over_at_its_own_emissions_per_quantity(caller: Caller) -> None:
    await caller.store.append(caller.stages.uploads[2], 2_000, seed=9)
    rows = caller.store.visible
    lever = {"supplier": {"supplier_code": "S05", "share": 0.6}, "scope": {"supplier_codes": ["S01", "S02"]}}
    found = await caller.scenario(levers=[lever])
    kinds: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        kinds.setdefault((row.category, row.unit), []).append(row)
    expected, about, unchanged = 0.0, 0, 0
    for of in kinds.values():
        leaving, there = ([row for row in of if row.supplier in codes] for codes in (("S01", "S02"), ("S05",)))
        moved = 0.6 if there else 0.0
        intensity = fsum(row.kg_co2e for row in there) / fsum(row.quantity for row in there) if there else 0.0
        expected += moved * (fsum(row.kg_co2e for row in leaving) - intensity * fsum(row.quantity for row in leaving))
        about += len(leaving)
        unchanged += 0 if there else len(leaving)
    assert found.reduction.kg_co2e == pytest.approx(expected, rel=1e-9)
    assert (found.levers[0].rows, found.levers[0].unchanged_rows) == (about, unchanged)
    assert 0 < unchanged < about


async def test_a_pathway_tells_every_year(caller: Caller) -> None:
    levers = [
        {"quantity": {"change": -0.5}, "scope": {"categories": [1]}},
        {"pathway": {"base_year": 2025, "target_year": 2030}},
    ]
    found = await caller.scenario(levers=levers)
    base = found.levers[0].scenario.kg_co2e
    assert [of.year for of in found.years] == [*range(2025, 2031)]
    assert [of.estimate.kg_co2e for of in found.years] == pytest.approx([base * (1 - 0.042 * n) for n in range(6)])
    assert found.years[0].estimate == found.levers[0].scenario
    assert found.years[-1].estimate == found.scenario


async def test_costs_give_a_curve_that_begins_with_what_pays(caller: Caller) -> None:
    year = {"period_start": Date(year=2024, month=6, day=1), "period_end": Date(year=2026, month=6, day=1)}
    of_dear = {"investment": 1_000, "annual_cost": 5, "lifetime_years": 10}
    of_pays = {"investment": 100, "annual_savings": 40, "lifetime_years": 5}
    levers = [
        {"display_name": "dear", "costs": of_dear, **cut(-0.5, categories=[2])},
        cut(-0.5, categories=[4]),
        {"display_name": "pays", "costs": of_pays, **cut(-0.5, categories=[6])},
        {"display_name": "more", "costs": {"annual_cost": 1, "lifetime_years": 1}, **cut(0.5, categories=[8])},
    ]
    await _make_positive(caller)
    found = await caller.scenario(levers=levers, filter=year, discount_rate=0.05)
    dear, none, pays, more = found.levers
    assert not none.HasField("abatement")
    tonnes = dear.reduction.kg_co2e / 2 / 1_000  # two years
    assert dear.abatement.annual_tonnes == pytest.approx(tonnes)
    assert dear.abatement.npv == pytest.approx(-5 * 7.721735 - 1_000, abs=1e-4)
    assert dear.abatement.cost_per_tonne == pytest.approx((1_000 / 7.721735 + 5) / tonnes, rel=1e-6)
    assert not dear.abatement.HasField("payback_years")
    assert pays.abatement.payback_years == 2.5
    assert pays.abatement.cost_per_tonne < 0 < pays.abatement.npv
    assert not more.abatement.HasField("cost_per_tonne")
    assert [(step.lever, step.display_name) for step in found.curve] == [(2, "pays"), (0, "dear")]
    assert found.curve[0].to_tonnes == found.curve[1].from_tonnes == pays.abatement.annual_tonnes


async def _make_positive(caller: Caller) -> None:
    """Add rows until the categories of the costs are above zero."""
    seed = 20
    while min(fsum(row.kg_co2e for row in caller.store.visible if row.category == each) for each in (2, 6, 8)) <= 0:
        await caller.store.append(caller.stages.uploads[2], 200, seed=seed)
        seed += 1


ALL_KINDS: list[dict[str, Any]] = [
    {"quantity": {"change": -0.3}, "scope": {"countries": ["DE"]}},
    {"factor": {"factor": "test:rail", "share": 0.5}, "scope": {"factors": ["test:steel"]}},
    {"supplier": {"supplier_code": "S05"}, "scope": {"supplier_codes": ["S01"]}},
    {"pathway": {"base_year": 2025, "target_year": 2026}, "scope": {"categories": [4, 5]}},
]


async def test_nothing_depends_on_what_is_folded_and_merged_or_how_rows_are_chunked(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenarios = [{"levers": ALL_KINDS}, {"levers": ALL_KINDS[:2]}, {"levers": ALL_KINDS[1:2]}]
    before = [await caller.scenario(**each) for each in scenarios]
    await caller.store.finalize(caller.stages.uploads[2])
    await caller.stages.fold(1_000)
    await caller.stages.merge_all()
    assert [await caller.scenario(**each) for each in scenarios] == before
    monkeypatch.setattr(summing, "CHUNK_ROWS", 10)
    monkeypatch.setattr(passes, "PARTS", 2)
    assert [await caller.scenario(**each) for each in scenarios] == before


async def test_rollups_and_rows_give_the_same_bits(caller: Caller) -> None:
    lever = ALL_KINDS[1]
    scope: dict[str, Any] = {**lever["scope"], "supplier_codes": CODES}
    every = await caller.scenario(levers=[{**lever, "scope": scope}])
    assert every == await caller.scenario(levers=[lever])


async def test_progress_comes_before_the_result(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summing, "CHUNK_ROWS", 10)
    *progress, last = await caller.events(levers=ALL_KINDS)
    assert last.HasField("result")
    assert progress
    assert all(event.HasField("progress") for event in progress)
    rows = [event.progress.rows_read for event in progress]
    assert rows == sorted(rows)
    assert progress[-1].progress.rows_read == len(caller.store.visible)
    assert progress[-1].progress.cells > 0


async def test_another_tenant_has_nothing_to_change(caller: Caller) -> None:
    other = await StoredEmissions.of_new_tenant(caller.store.pool)
    events = await caller.events(tenant=other.tenant, levers=[{"quantity": {"change": -0.5}}])
    assert events[-1].result.baseline.rows == 0
    assert events[-1].result.scenario.kg_co2e == 0
    call = caller.events(tenant=other.tenant, filter={"upload": f"uploads/{caller.stages.uploads[0]}"})
    assert await refusal(call) == ("NOT_FOUND", "NOT_FOUND")


QUARTER = {"quantity": {"change": -0.25}}
COSTLY = {"costs": {"lifetime_years": 1}, **QUARTER}
SHORT = {"period_start": Date(year=2025, month=1, day=1), "period_end": Date(year=2025, month=12, day=31)}
BAD: Sequence[tuple[dict[str, Any], str, str]] = [
    ({"filter": {"categories": [16]}}, "filter.categories[0]", "UNKNOWN_CATEGORY"),
    ({"levers": [QUARTER] * 31}, "levers", "LIMIT_EXCEEDED"),
    ({"discount_rate": -1}, "discount_rate", "OUT_OF_RANGE"),
    ({"discount_rate": float("nan")}, "discount_rate", "OUT_OF_RANGE"),
    ({"levers": [QUARTER, {}]}, "levers[1]", "REQUIRED_FIELD"),
    ({"levers": [COSTLY]}, "filter.period_end", "OUT_OF_RANGE"),
    ({"levers": [COSTLY], "filter": SHORT}, "filter.period_end", "OUT_OF_RANGE"),
]
BAD_LEVERS: Sequence[tuple[dict[str, Any], str, str]] = [
    ({"display_name": "x" * 129, **QUARTER}, "display_name", "LIMIT_EXCEEDED"),
    ({"quantity": {"change": -1.01}}, "quantity.change", "OUT_OF_RANGE"),
    ({"intensity": {"change": float("nan")}}, "intensity.change", "OUT_OF_RANGE"),
    ({"factor": {}}, "factor.factor", "REQUIRED_FIELD"),
    ({"factor": {"factor": "rail"}}, "factor.factor", "MALFORMED_VALUE"),
    ({"factor": {"factor": "test:none"}}, "factor.factor", "UNKNOWN_FACTOR"),
    ({"factor": {"factor": "test:rail", "share": 1.1}}, "factor.share", "OUT_OF_RANGE"),
    ({"factor": {"factor": "test:rail", "amount_ratio": -1}}, "factor.amount_ratio", "OUT_OF_RANGE"),
    ({"renewable": {}}, "renewable.share", "OUT_OF_RANGE"),
    ({"renewable": {"share": 1, "factor": "a:b"}}, "renewable.factor", "UNKNOWN_FACTOR"),
    ({"supplier": {}}, "supplier.supplier_code", "REQUIRED_FIELD"),
    ({"supplier": {"supplier_code": "none"}}, "supplier.supplier_code", "NOT_FOUND"),
    ({"pathway": {"base_year": 1989, "target_year": 2000}}, "pathway.base_year", "OUT_OF_RANGE"),
    ({"pathway": {"base_year": 2025, "target_year": 2024}}, "pathway.target_year", "OUT_OF_RANGE"),
    ({"pathway": {"base_year": 2025, "target_year": 2086}}, "pathway.target_year", "OUT_OF_RANGE"),
    ({"scope": {"supplier_codes": ["S01", "X"]}, **QUARTER}, "scope.supplier_codes[1]", "NOT_FOUND"),
    ({"scope": {"supplier_codes": ["s"] * 1_001}, **QUARTER}, "scope.supplier_codes", "LIMIT_EXCEEDED"),
    ({"scope": {"countries": ["DE", "XX"]}, **QUARTER}, "scope.countries[1]", "MALFORMED_VALUE"),
    ({"scope": {"categories": [0]}, **QUARTER}, "scope.categories[0]", "UNKNOWN_CATEGORY"),
    ({"scope": {"methods": [999]}, **QUARTER}, "scope.methods[0]", "UNKNOWN_METHOD"),
    ({"scope": {"factors": ["steel"]}, **QUARTER}, "scope.factors[0]", "MALFORMED_VALUE"),
    ({"costs": {}, **QUARTER}, "costs.lifetime_years", "OUT_OF_RANGE"),
    ({"costs": {"lifetime_years": 1, "investment": -1}, **QUARTER}, "costs.investment", "OUT_OF_RANGE"),
]


@pytest.mark.parametrize(("request_", "field", "reason"), BAD)
async def test_a_wrong_scenario_is_refused_with_its_field(
    caller: Caller, request_: dict[str, Any], field: str, reason: str
) -> None:
    assert await problem(caller.events(**request_)) == (field, reason)


@pytest.mark.parametrize(("lever", "field", "reason"), BAD_LEVERS)
async def test_a_wrong_lever_is_refused_with_its_field(
    caller: Caller, lever: dict[str, Any], field: str, reason: str
) -> None:
    assert await problem(caller.events(levers=[QUARTER, lever])) == (f"levers[1].{field}", reason)
