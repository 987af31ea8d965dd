"""AnalyzeHotspots over a real channel: every figure against plain Python over the rows, and everything wrong."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from math import exp, log, sqrt
from statistics import median
from typing import Any

import numpy as np
import pytest
from google.type.date_pb2 import Date
from vcci.v1 import emission_service_pb2
from vcci.v1 import hotspot_service_pb2 as pb
from vcci_engine.improvement import better_scores
from vcci_engine.quality import VARIANCE
from vcci_engine.uncertainty import SIGMA2_BASIC
from vcci_server.storage import passes, summing
from vcci_server.storage.pool import Pool

from tests.server.emission_reader import problem
from tests.server.hotspot_caller import Caller, serve_hotspots
from tests.server.stored_emissions import CODES, Row, StoredEmissions

SUPPLIER, CATEGORY = emission_service_pb2.DIMENSION_SUPPLIER, emission_service_pb2.DIMENSION_CATEGORY
KEYS: dict[int, Callable[[Row], str]] = {SUPPLIER: lambda row: row.supplier, CATEGORY: lambda row: str(row.category)}
FILTERS: Sequence[tuple[dict[str, Any], Callable[[Row], bool]]] = [
    ({}, lambda row: True),
    ({"categories": [2, 3, 5]}, lambda row: row.category in (2, 3, 5)),
    ({"supplier_codes": ["S03", "S07", "S08"]}, lambda row: row.supplier in ("S03", "S07", "S08")),
]
POORLY_KNOWN = (pb.QUADRANT_LARGE_POORLY_KNOWN, pb.QUADRANT_SMALL_POORLY_KNOWN)
WELL_KNOWN = (pb.QUADRANT_LARGE_WELL_KNOWN, pb.QUADRANT_SMALL_WELL_KNOWN)


@pytest.fixture
async def caller(pool: Pool) -> AsyncIterator[Caller]:
    """The service, with uploads at every stage."""
    async with serve_hotspots(pool) as caller:
        yield caller


def ug_by(rows: Sequence[Row], key: Callable[[Row], Any]) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for row in rows:
        found[key(row)] += row.terms[0]
    return found


@pytest.mark.parametrize("dimension", [SUPPLIER, CATEGORY])
@pytest.mark.parametrize(("asked", "meant"), FILTERS)
async def test_the_largest_groups_their_shares_and_the_pareto_set(
    caller: Caller, dimension: int, asked: dict[str, Any], meant: Callable[[Row], bool]
) -> None:
    rows = [row for row in caller.store.visible if meant(row)]
    groups = ug_by(rows, KEYS[dimension])
    total = sum(groups.values())
    found = await caller.analyze(filter=asked, dimension=dimension, pareto_share=0.6, limit=1_000)
    ordered = sorted(groups.items(), key=lambda item: (-item[1], item[0]))
    assert [group.group.keys[0] for group in found.pareto.groups] == [key for key, _ in ordered]
    assert [group.group.estimate.kg_co2e for group in found.pareto.groups] == [ug / 10**9 for _, ug in ordered]
    assert [group.share for group in found.pareto.groups] == [ug / total if total > 0 else 0 for _, ug in ordered]
    assert found.pareto.group_count == len(ordered)
    assert found.total.composition.mixed_gwp_sets == (len({row.factor == "" for row in rows}) > 1)
    count = found.pareto.set_group_count
    so_far = [sum(ug for _, ug in ordered[:n]) for n in range(len(ordered) + 1)]
    if total > 0:
        assert count == next(n for n, ug in enumerate(so_far) if n and ug / total >= 0.6)
        assert sum(group.share for group in found.pareto.groups) == pytest.approx(1)
    assert found.pareto.set_kg_co2e == so_far[count] / 10**9
    assert [group.in_set for group in found.pareto.groups] == [place < count for place in range(len(ordered))]
    values = [max(ug, 0) for ug in groups.values()]
    assert found.concentration.herfindahl == pytest.approx(sum((ug / sum(values)) ** 2 for ug in values))
    differences = sum(abs(a - b) for a in values for b in values)
    assert found.concentration.gini == pytest.approx(differences / (2 * len(values) * sum(values)))


async def test_groups_have_the_intervals_of_sums(caller: Caller) -> None:
    rows = caller.store.visible
    found = await caller.analyze(analyses=[pb.HOTSPOT_ANALYSIS_PARETO], limit=3)
    assert len(found.pareto.groups) == 3
    for group in (found.total, *(each.group for each in found.pareto.groups)):
        mine = [row for row in rows if not group.keys or row.supplier == group.keys[0]]
        expected = caller.store.estimate(mine)
        assert group.rows == len(mine)
        interval = group.estimate.kg_co2e_low, group.estimate.kg_co2e_high
        assert interval == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert not found.HasField("data_quality")
    assert not found.trends


@pytest.mark.parametrize("dimension", [SUPPLIER, CATEGORY])
async def test_better_data_narrows_by_what_the_total_made_anew_says(caller: Caller, dimension: int) -> None:
    rows, key = caller.store.visible, KEYS[dimension]
    asked = {"categories": range(1, 13)}
    rows = [row for row in rows if row.category < 13]
    found = (await caller.analyze(filter=asked, dimension=dimension, target_quality=0x12131, limit=1_000)).data_quality
    before = caller.store.estimate(rows)
    assert found.interval_kg_co2e == pytest.approx(before.high - before.low)
    assert {group.group.keys[0] for group in found.groups} == set(map(key, rows))
    table = better_scores(0x12131)
    for group in found.groups:
        mine = [key(row) == group.group.keys[0] for row in rows]
        after = caller.store.estimate(
            _improved(row, table) if its else row for row, its in zip(rows, mine, strict=True)
        )
        assert group.total_with_better_data.kg_co2e == before.kg_co2e
        ends = group.total_with_better_data.kg_co2e_low, group.total_with_better_data.kg_co2e_high
        assert ends == pytest.approx((after.low, after.high), rel=1e-9)
        narrower = (before.high - before.low) - (after.high - after.low)
        assert group.narrowing_kg_co2e == pytest.approx(narrower, rel=1e-6, abs=1e-9 * abs(before.high))
        assert group.narrowing_share == pytest.approx(narrower / (before.high - before.low), rel=1e-6, abs=1e-9)
        weight = sum(abs(row.kg_co2e) for row, its in zip(rows, mine, strict=True) if its)
        variances = sum(abs(row.kg_co2e) * VARIANCE[row.quality] for row, its in zip(rows, mine, strict=True) if its)
        assert group.data_quality_gsd2 == pytest.approx(exp(2 * sqrt(variances / weight)), rel=1e-6)
        is_poor = variances / weight > VARIANCE[0o12131] * (1 + 1e-5)
        assert group.quadrant in (POORLY_KNOWN if is_poor else WELL_KNOWN)
    narrowings = [group.narrowing_kg_co2e for group in found.groups]
    assert narrowings == sorted(narrowings, reverse=True)
    assert sum(of.group_count for of in found.quadrants) == len(set(map(key, rows)))
    assert sum(of.kg_co2e for of in found.quadrants) == pytest.approx(before.kg_co2e)
    listed = Counter(group.quadrant for group in found.groups)
    assert {of.quadrant: of.group_count for of in found.quadrants if of.group_count} == listed


async def test_few_groups_are_those_that_better_data_does_most_about(caller: Caller) -> None:
    every = (await caller.analyze(limit=1_000)).data_quality.groups
    few = (await caller.analyze(limit=4)).data_quality.groups
    assert [group.group.keys[0] for group in few] == [group.group.keys[0] for group in every[:4]]
    assert [*few] == [*every[:4]]


class _Changed:
    """A row with other scores."""

    def __init__(self, row: Row, quality: int) -> None:
        self.factor_id = row.factor_id
        sigma2 = float(VARIANCE[quality]) + (0 if row.factor_id else SIGMA2_BASIC)
        mean = row.kg_co2e * exp(sigma2 / 2)
        variance = row.kg_co2e * row.kg_co2e * (exp(sigma2) * (exp(sigma2) - 1))
        skewness = exp(1.5 * sigma2) * (exp(sigma2) - 1) ** 2 * (exp(sigma2) + 2)
        third = row.kg_co2e * row.kg_co2e * row.kg_co2e * skewness
        self.terms = round(row.kg_co2e * 1e9), round(mean * 1e9), round(variance * 2**40), round(third * 2**60)


def _improved(row: Row, table: "np.ndarray[Any, Any]") -> Any:
    return _Changed(row, int(table[row.quality]))


async def test_the_parts_of_a_change_sum_to_it_and_factors_that_stay_change_nothing(caller: Caller) -> None:
    rows = caller.store.visible
    (change,) = (await caller.analyze(analyses=[pb.HOTSPOT_ANALYSIS_TRENDS])).trends
    assert (change.previous_year, change.year) == (2024, 2025)
    by_year = ug_by(rows, lambda row: row.period.year)
    assert (change.previous_kg_co2e, change.kg_co2e) == pytest.approx((by_year[2024] / 10**9, by_year[2025] / 10**9))
    by_category = ug_by(rows, lambda row: (row.period.year, row.category))
    assert {of.category for of in change.categories} == {category for _, category in by_category}
    changes: list[Any] = [change, *change.categories]
    for of in changes:
        parts = of.activity_kg_co2e + of.mix_kg_co2e + of.factor_kg_co2e + of.unknown_kg_co2e
        assert parts == pytest.approx(of.kg_co2e - of.previous_kg_co2e, rel=1e-9)
        assert of.factor_kg_co2e == pytest.approx(0, abs=1e-6)
    own = ug_by([row for row in rows if not row.factor_id], lambda row: row.period.year)
    assert change.unknown_kg_co2e != 0
    assert abs(own[2025] - own[2024]) / 10**9 <= sum(abs(of.unknown_kg_co2e) for of in change.categories) + 1e-6


async def test_suppliers_are_compared_with_their_industry(caller: Caller) -> None:
    codes = CODES[:8]
    await caller.store.append(caller.stages.uploads[2], 3_000, seed=5)
    await caller.store.pool.execute(
        "UPDATE suppliers SET industry = 'metals' WHERE tenant_id = $1 AND code = ANY ($2)",
        caller.store.tenant_id,
        codes,
    )
    rows = caller.store.visible
    found = (await caller.analyze(analyses=[pb.HOTSPOT_ANALYSIS_OUTLIERS], limit=1_000)).outliers
    kg, amount = ug_by(rows, _line), Counter[Any]()
    for row in rows:
        amount[_line(row)] += round(row.quantity * 1e9)
    peers: dict[Any, dict[str, float]] = {}
    for supplier, *of in kg:
        line = (supplier, *of)
        if supplier in codes and kg[line] > 0:
            peers.setdefault(tuple(of), {})[supplier] = kg[line] / amount[line]
    expected: dict[Any, float] = {}
    compared = 0
    for (category, unit), intensity in peers.items():
        if len(intensity) >= 5:
            compared += len(intensity)
            distance = {
                supplier: log(value) - median(map(log, intensity.values())) for supplier, value in intensity.items()
            }
            mad = max(median(map(abs, distance.values())) / 0.6745, sqrt(SIGMA2_BASIC))
            unlike = {supplier: value / mad for supplier, value in distance.items() if abs(value / mad) > 3.5}
            expected |= {(supplier, category, unit): score for supplier, score in unlike.items()}
    assert (found.compared_count, found.compared_count + found.not_compared_count) == (compared, len(kg))
    assert expected
    assert {(of.supplier_code, of.category, of.unit): of.score for of in found.outliers} == pytest.approx(expected)
    assert found.outlier_count == len(expected)


def _line(row: Row) -> tuple[str, int, str]:
    return row.supplier, row.category, row.unit


async def test_nothing_depends_on_what_is_folded_and_merged(caller: Caller) -> None:
    before = [await caller.analyze(dimension=dimension) for dimension in KEYS]
    await caller.store.finalize(caller.stages.uploads[2])
    await caller.stages.fold(1_000)
    await caller.stages.merge_all()
    assert [await caller.analyze(dimension=dimension) for dimension in KEYS] == before


async def test_nothing_depends_on_how_rows_are_chunked(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await caller.analyze()
    monkeypatch.setattr(summing, "CHUNK_ROWS", 10)
    monkeypatch.setattr(passes, "PARTS", 2)
    assert await caller.analyze() == before


async def test_more_groups_than_memory_should_hold_are_refused(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summing, "CHUNK_ROWS", 10)
    monkeypatch.setattr(passes, "PARTS", 2)
    monkeypatch.setattr(passes, "MOST_GROUPS", 5)
    assert await problem(caller.analyze(analyses=[pb.HOTSPOT_ANALYSIS_DATA_QUALITY])) == ("filter", "LIMIT_EXCEEDED")


async def test_another_tenant_has_no_hotspots(caller: Caller) -> None:
    other = await StoredEmissions.of_new_tenant(caller.store.pool)
    for dimension in KEYS:
        found = await caller.analyze(tenant=other.tenant, dimension=dimension)
        assert (found.total.rows, found.pareto.group_count, found.outliers.compared_count) == (0, 0, 0)
        assert ([*found.pareto.groups], [*found.data_quality.groups], [*found.trends]) == ([], [], [])


@pytest.mark.parametrize(
    ("request_", "field", "reason"),
    [
        ({"dimension": 3}, "dimension", "OUT_OF_RANGE"),
        ({"analyses": [1, 9]}, "analyses[1]", "OUT_OF_RANGE"),
        ({"pareto_share": 1.5}, "pareto_share", "OUT_OF_RANGE"),
        ({"pareto_share": -0.1}, "pareto_share", "OUT_OF_RANGE"),
        ({"pareto_share": float("nan")}, "pareto_share", "OUT_OF_RANGE"),
        ({"target_quality": 0x12340}, "target_quality", "OUT_OF_RANGE"),
        ({"target_quality": 0x123456}, "target_quality", "OUT_OF_RANGE"),
        ({"limit": -1}, "limit", "OUT_OF_RANGE"),
        ({"filter": {"categories": [16]}}, "filter.categories[0]", "UNKNOWN_CATEGORY"),
        ({"filter": {"period_start": Date(year=2025, month=2, day=30)}}, "filter.period_start", "MALFORMED_VALUE"),
    ],
)
async def test_a_wrong_question_is_refused_with_its_field(
    caller: Caller, request_: dict[str, Any], field: str, reason: str
) -> None:
    assert await problem(caller.analyze(**request_)) == (field, reason)
