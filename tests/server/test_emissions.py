"""EmissionService over a real channel: filters, sums by every dimension, and everything wrong."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date
from itertools import permutations
from typing import Any

import pytest
from google.type.date_pb2 import Date
from vcci.v1 import activity_pb2
from vcci.v1 import emission_service_pb2 as pb
from vcci_server.storage import aggregate, summing
from vcci_server.storage.pool import Pool

from tests.server.emission_reader import DIMENSIONS, Reader, as_sent, by_key, problem, refusal, serve_emissions
from tests.server.stored_emissions import CODES, Row, StoredEmissions

START, END = date(2024, 12, 20), date(2025, 3, 1)


@pytest.fixture
async def reader(pool: Pool) -> AsyncIterator[Reader]:
    """The service, with uploads at every stage."""
    async with serve_emissions(pool) as reader:
        yield reader


def _date(day: date) -> Date:
    return Date(year=day.year, month=day.month, day=day.day)


FILTERS: Sequence[tuple[dict[str, Any], Callable[[Row], bool]]] = [
    ({"supplier_codes": ["S03", "S07", "no such supplier"]}, lambda row: row.supplier in ("S03", "S07")),
    ({"supplier_codes": ["no such supplier"]}, lambda row: False),
    ({"categories": [1, 7]}, lambda row: row.category in (1, 7)),
    ({"methods": [activity_pb2.METHOD_SPEND_BASED]}, lambda row: row.method == 3),
    ({"period_start": _date(START)}, lambda row: row.period >= START),
    ({"period_start": _date(START), "period_end": _date(END)}, lambda row: START <= row.period < END),
    ({"period_start": _date(END), "period_end": _date(END)}, lambda row: False),
    ({"categories": [1, 2, 3], "supplier_codes": ["S01"]}, lambda row: row.category < 4 and row.supplier == "S01"),
]


@pytest.mark.parametrize(("asked", "meant"), FILTERS)
async def test_a_filter_chooses_the_same_rows_for_streams_and_sums(
    reader: Reader, asked: dict[str, Any], meant: Callable[[Row], bool]
) -> None:
    chosen = [row for row in reader.store.visible if meant(row)]
    assert by_key(await reader.rows(filter=asked)) == as_sent(chosen)
    total = (await reader.totals(filter=asked)).total
    assert (total.rows, total.estimate.kg_co2e) == (len(chosen), sum(row.terms[0] for row in chosen) / 10**9)


async def test_one_upload_can_be_read(reader: Reader) -> None:
    merged, unseen, going_on = reader.stages.uploads
    for upload_id, rows in ((merged, reader.store.rows[merged]), (unseen, []), (going_on, reader.store.rows[going_on])):
        asked = {"upload": f"uploads/{upload_id}"}
        assert by_key(await reader.rows(filter=asked)) == as_sent(rows)
        assert (await reader.totals(filter=asked)).total.rows == len(rows)


async def test_another_tenant_sees_nothing(reader: Reader) -> None:
    other = await StoredEmissions.of_new_tenant(reader.store.pool)
    assert await reader.rows(tenant=other.tenant) == []
    totals = await reader.totals(tenant=other.tenant, group_by=[pb.DIMENSION_SUPPLIER])
    assert (totals.total.rows, totals.group_count, [*totals.groups]) == (0, 0, [])
    asked = {"upload": f"uploads/{reader.stages.uploads[0]}"}
    for call in (reader.rows(tenant=other.tenant, filter=asked), reader.totals(tenant=other.tenant, filter=asked)):
        assert await refusal(call) == ("NOT_FOUND", "NOT_FOUND")


@pytest.mark.parametrize("size", [1, 2])
async def test_sums_by_every_dimension(reader: Reader, size: int) -> None:
    for dimensions in permutations(DIMENSIONS, size):
        totals = await reader.totals(group_by=dimensions, limit=10_000)
        found = [(tuple(group.keys), group.rows, group.estimate.kg_co2e) for group in totals.groups]
        assert found == reader.expected(dimensions, reader.store.visible)
        assert totals.group_count == len(found)


async def test_estimates_follow_the_formulas(reader: Reader) -> None:
    rows = reader.store.visible
    for dimension in (pb.DIMENSION_SUPPLIER, pb.DIMENSION_FACTOR, pb.DIMENSION_YEAR):
        totals = await reader.totals(group_by=[dimension])
        _check_estimate(totals.total, reader.store, rows)
        for group in totals.groups:
            _check_estimate(group, reader.store, [row for row in rows if DIMENSIONS[dimension](row) == group.keys[0]])


async def test_sums_do_not_depend_on_what_is_folded_and_merged(reader: Reader) -> None:
    before = [await reader.totals(group_by=[dimension]) for dimension in DIMENSIONS]
    await reader.store.finalize(reader.stages.uploads[2])
    await reader.stages.fold(1_000)
    await reader.stages.merge_all()
    assert [await reader.totals(group_by=[dimension]) for dimension in DIMENSIONS] == before


@pytest.mark.parametrize("dimension", [pb.DIMENSION_SUPPLIER, pb.DIMENSION_CATEGORY])
async def test_the_limit_keeps_the_largest_groups_and_the_whole_total(reader: Reader, dimension: int) -> None:
    every = await reader.totals(group_by=[dimension])
    few = await reader.totals(group_by=[dimension], limit=3)
    assert [*few.groups] == [*every.groups][:3]
    assert (few.total, few.group_count) == (every.total, every.group_count)


async def test_without_dimensions_there_is_only_the_total(reader: Reader) -> None:
    totals = await reader.totals()
    assert ([*totals.groups], totals.group_count) == ([], 0)
    _check_estimate(totals.total, reader.store, reader.store.visible)


async def test_more_sums_than_memory_should_hold_are_refused(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summing, "COMBINE_GROUPS", 10)
    monkeypatch.setattr(aggregate, "MOST_GROUPS", 70)
    asked = [pb.DIMENSION_SUPPLIER, pb.DIMENSION_MONTH]
    assert await problem(reader.totals(group_by=asked)) == ("group_by", "LIMIT_EXCEEDED")
    assert (await reader.totals(group_by=[pb.DIMENSION_SUPPLIER])).group_count == len(CODES)


BAD: Sequence[tuple[dict[str, Any], str, str]] = [
    ({"filter": {"upload": "upload/1"}}, "filter.upload", "MALFORMED_VALUE"),
    ({"filter": {"categories": [1, 0]}}, "filter.categories[1]", "UNKNOWN_CATEGORY"),
    ({"filter": {"categories": [16]}}, "filter.categories[0]", "UNKNOWN_CATEGORY"),
    ({"filter": {"methods": [0]}}, "filter.methods[0]", "UNKNOWN_METHOD"),
    ({"filter": {"supplier_codes": ["s"] * 1_001}}, "filter.supplier_codes", "LIMIT_EXCEEDED"),
    ({"filter": {"supplier_codes": [""]}}, "filter.supplier_codes[0]", "REQUIRED_FIELD"),
    ({"filter": {"supplier_codes": ["a\0"]}}, "filter.supplier_codes[0]", "MALFORMED_VALUE"),
    ({"filter": {"period_start": Date(year=2025, month=2, day=30)}}, "filter.period_start", "MALFORMED_VALUE"),
    ({"filter": {"period_end": Date(year=2025)}}, "filter.period_end", "MALFORMED_VALUE"),
    ({"filter": {"period_start": _date(END), "period_end": _date(START)}}, "filter.period_end", "OUT_OF_RANGE"),
]


@pytest.mark.parametrize(("request_", "field", "reason"), BAD)
async def test_a_wrong_filter_is_refused_with_its_field(
    reader: Reader, request_: dict[str, Any], field: str, reason: str
) -> None:
    for call in (reader.rows(**request_), reader.totals(**request_)):
        assert await problem(call) == (field, reason)


@pytest.mark.parametrize(
    ("request_", "field", "reason"),
    [
        ({"group_by": [0]}, "group_by[0]", "OUT_OF_RANGE"),
        ({"group_by": [99]}, "group_by[0]", "OUT_OF_RANGE"),
        ({"group_by": [2, 2]}, "group_by", "MALFORMED_VALUE"),
        ({"limit": -1}, "limit", "OUT_OF_RANGE"),
        ({"gwp_set": "AR7"}, "gwp_set", "UNKNOWN_GWP_SET"),
    ],
)
async def test_a_wrong_sum_is_refused(reader: Reader, request_: dict[str, Any], field: str, reason: str) -> None:
    assert await problem(reader.totals(**request_)) == (field, reason)


async def test_an_unknown_column_is_refused(reader: Reader) -> None:
    assert await problem(reader.rows(columns=[1, 17])) == ("columns[1]", "OUT_OF_RANGE")


def _check_estimate(group: pb.EmissionGroup, store: StoredEmissions, rows: Sequence[Row]) -> None:
    expected = store.estimate(rows)
    found = group.estimate
    assert (group.rows, found.kg_co2e) == (len(rows), expected.kg_co2e)
    values = (found.kg_co2e_low, found.kg_co2e_high, found.kg_co2e_mean, found.kg_co2e_median)
    assert values == pytest.approx((expected.low, expected.high, expected.mean, expected.median), rel=1e-12)
