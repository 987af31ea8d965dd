"""GetDashboard over a real channel: equal to the rows, at every stage, and kept no longer than it is right."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Any

import pytest
from google.type.date_pb2 import Date
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vcci.v1 import emission_service_pb2 as pb
from vcci_engine.suppliers import Suppliers
from vcci_server.dashboards import Dashboards
from vcci_server.storage.agreement import check_agreement
from vcci_server.storage.labels import Labels
from vcci_server.storage.pool import Connection, Pool
from vcci_server.storage.reading import snapshot
from vcci_server.storage.standing import Quarters
from vcci_server.storage.standings import Standings
from vcci_server.storage.supplier_counts import SupplierCounts
from vcci_server.storage.suppliers import SupplierStore

from tests.server.emission_reader import DIMENSIONS, Reader, problem, serve_emissions
from tests.server.stages import Stages
from tests.server.stored_emissions import CODES, Row, StoredEmissions

YEAR, NEXT = date(2025, 1, 1), date(2026, 1, 1)
HALF = date(2025, 7, 1)


@pytest.fixture
async def reader(pool: Pool) -> AsyncIterator[Reader]:
    """The service, with uploads at every stage."""
    async with serve_emissions(pool) as reader:
        yield reader


async def _dashboard(reader: Reader, tenant: str = "", **request: Any) -> pb.Dashboard:
    message = pb.GetDashboardRequest(**request)
    return await reader.stub.GetDashboard(message, metadata=reader.metadata(tenant))


def _date(day: date) -> Date:
    return Date(year=day.year, month=day.month, day=day.day)


def _within(rows: Sequence[Row], start: date, end: date) -> list[Row]:
    return [row for row in rows if start <= row.period < end]


def _kg(rows: Sequence[Row]) -> float:
    return sum(row.terms[0] for row in rows) / 10**9


def _score(row: Row) -> int:
    scores = [row.quality >> shift & 7 or 5 for shift in (12, 9, 6, 3, 0)]
    return int(sum(scores) / 5 + 0.5)


def _check_group(group: pb.EmissionGroup, store: StoredEmissions, rows: Sequence[Row]) -> None:
    expected, found = store.estimate(rows), group.estimate
    assert (group.rows, found.kg_co2e) == (len(rows), expected.kg_co2e)
    values = (found.kg_co2e_low, found.kg_co2e_high, found.kg_co2e_mean)
    assert values == pytest.approx((expected.low, expected.high, expected.mean), rel=1e-12)


def _check(dashboard: pb.Dashboard, store: StoredEmissions, start: date, end: date, before: date) -> None:
    rows, earlier = _within(store.visible, start, end), _within(store.visible, before, start)
    assert (dashboard.period_start, dashboard.period_end) == (_date(start), _date(end))
    _check_group(dashboard.total, store, rows)
    _check_group(dashboard.previous_total, store, earlier)
    assert dashboard.change == pytest.approx(_kg(rows) / _kg(earlier) - 1)
    for groups, dimension in (
        (dashboard.categories, pb.DIMENSION_CATEGORY),
        (dashboard.method_tiers, pb.DIMENSION_METHOD_TIER),
    ):
        label = DIMENSIONS[dimension]
        assert sorted(group.keys[0] for group in groups) == sorted({label(row) for row in rows})
        for group in groups:
            _check_group(group, store, [row for row in rows if label(row) == group.keys[0]])
    values = [group.estimate.kg_co2e for group in dashboard.categories]
    assert values == sorted(values, reverse=True)
    assert [(share.score, share.rows, share.kg_co2e) for share in dashboard.data_quality] == [
        (score, len(of), _kg(of)) for score in range(1, 6) if (of := [row for row in rows if _score(row) == score])
    ]


def _largest(rows: Sequence[Row], named: int) -> list[tuple[str, int, float]]:
    by_code = {code: [row for row in rows if row.supplier == code] for code in {row.supplier for row in rows}}
    ordered = sorted(by_code, key=lambda code: (-_kg(by_code[code]), code))[:named]
    return [(code, len(by_code[code]), _kg(by_code[code])) for code in ordered]


async def test_a_dashboard_equals_the_rows_at_every_stage(reader: Reader) -> None:
    stages = reader.stages
    for _ in range(2):
        year = await _dashboard(reader, top_suppliers=3)
        _check(year, stages.store, YEAR, NEXT, date(2024, 1, 1))
        rows = _within(stages.store.visible, YEAR, NEXT)
        assert [(of.code, of.rows, of.kg_co2e) for of in year.top_suppliers] == _largest(rows, 3)
        half = await _dashboard(reader, period_start=_date(YEAR), period_end=_date(HALF))
        _check(half, stages.store, YEAR, HALF, date(2024, 7, 1))
        assert len(half.top_suppliers) == len(_largest(rows, 10))
        await stages.fold(1_000)
        await stages.merge_all()


STEPS = ("together", "together", "fold", "count", "finalize", "merge", "sweep", "abandon")
steps = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 2), st.integers(1, 40)), min_size=1, max_size=7)


async def _take(stages: Stages, step: str, number: int, size: int) -> None:
    """Take a step; `together`: all uploads append while some rows are folded, merged and counted."""
    if step == "together":
        appends = (stages.take("append", upload, size + upload) for upload in range(3))
        await asyncio.gather(*appends, stages.fold(size), stages.merge(size), stages.count())
    else:
        await stages.take(step, number, size)


ASKED = pb.GetDashboardRequest(period_start=_date(YEAR), period_end=_date(NEXT), top_suppliers=4)


async def _year(reader: Reader) -> pb.Dashboard:
    return await reader.stub.GetDashboard(ASKED, metadata=reader.metadata())


async def _made_anew(pool: Pool, store: StoredEmissions) -> pb.Dashboard:
    """Return the dashboard of a process that has kept nothing."""
    return await Dashboards(pool, asyncio.to_thread, Labels()).get(store.tenant_id, ASKED)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=steps)
async def test_every_answer_equals_the_rows_after_any_history(pool: Pool, plan: list[tuple[str, int, int]]) -> None:
    async with serve_emissions(pool) as reader:
        stages, store = reader.stages, reader.store
        dashboard = await _year(reader)
        for step in plan:
            await _take(stages, *step)
            dashboard = await _year(reader)
            assert dashboard == await _made_anew(pool, store)
        rows = _within(store.visible, YEAR, NEXT)
        assert [(of.code, of.rows, of.kg_co2e) for of in dashboard.top_suppliers] == _largest(rows, 4)
        if rows and _within(store.visible, date(2024, 1, 1), YEAR):
            _check(dashboard, store, YEAR, NEXT, date(2024, 1, 1))
        for by in ([pb.DIMENSION_SUPPLIER], [pb.DIMENSION_SUPPLIER, pb.DIMENSION_METHOD_TIER], [pb.DIMENSION_QUARTER]):
            found = await reader.totals(group_by=by)
            groups = [(tuple(group.keys), group.rows, group.estimate.kg_co2e) for group in found.groups]
            assert groups == reader.expected(by, store.visible)
            _check_group(found.total, store, store.visible)
        mine = await reader.rows(filter={"supplier_codes": [CODES[0]]})
        expected = sorted((row.upload_id, row.row) for row in store.visible if row.supplier == CODES[0])
        assert sorted((row.upload_id, row.row) for row in mine) == expected
        assert (await check_agreement(pool, asyncio.to_thread, store.tenant_id)).wrong == []


async def test_a_kept_dashboard_is_made_anew_when_emissions_change(reader: Reader) -> None:
    stages, store = reader.stages, reader.store
    await stages.fold(1_000)
    assert await _dashboard(reader) == await _dashboard(reader)
    await store.append(stages.uploads[2], 30, seed=5)
    _check(await _dashboard(reader), store, YEAR, NEXT, date(2024, 1, 1))
    await stages.fold(1_000)
    _check(await _dashboard(reader), store, YEAR, NEXT, date(2024, 1, 1))
    await store.abandon(stages.uploads[0])
    _check(await _dashboard(reader), store, YEAR, NEXT, date(2024, 1, 1))


async def test_a_dashboard_is_brought_up_to_date_without_the_rollups(reader: Reader, pool: Pool) -> None:
    stages, store = reader.stages, reader.store
    _, pending, going_on = stages.uploads
    await _year(reader)
    async with pool.acquire() as db:
        hidden = "UPDATE quarter_rollups SET sums = '', n = 0 WHERE tenant_id = $1 RETURNING quarter"
        kept = await db.fetch("SELECT * FROM quarter_rollups WHERE tenant_id = $1", store.tenant_id)
        await db.execute(hidden, store.tenant_id)  # whoever read them now would find nothing
        await store.append(going_on, 30, seed=5)
        await store.append(pending, 10, seed=6)
        await store.finalize(pending)
        _check(await _year(reader), store, YEAR, NEXT, date(2024, 1, 1))
        restored = "UPDATE quarter_rollups SET sums = $3, n = $4 WHERE tenant_id = $1 AND quarter = $2"
        await db.executemany(restored, [(store.tenant_id, row["quarter"], row["sums"], row["n"]) for row in kept])
    await stages.fold(1_000)
    await stages.merge_all()
    _check(await _year(reader), store, YEAR, NEXT, date(2024, 1, 1))
    assert await _year(reader) == await _made_anew(pool, store)


async def test_two_snapshots_that_answer_out_of_order_leave_nothing_wrong(reader: Reader, pool: Pool) -> None:
    stages, store = reader.stages, reader.store
    standings = Standings(asyncio.to_thread)
    quarters = Quarters(YEAR, NEXT, date(2024, 1, 1))

    async def answer(db: Connection) -> int:
        return int((await standings.get(db, store.tenant_id, quarters)).sums.terms.rows.sum())

    before = len(_within(store.visible, YEAR, NEXT))
    async with snapshot(pool) as old:
        assert await old.fetchval("SELECT count(*) FROM tenants")  # it is of this moment
        await store.append(stages.uploads[2], 30, seed=7)
        await stages.fold(1_000)
        async with snapshot(pool) as new:
            after = len(_within(store.visible, YEAR, NEXT))
            assert await answer(new) == after > before
        assert await answer(old) == before
    async with snapshot(pool) as newest:
        assert await answer(newest) == after


async def test_suppliers_are_counted_once_and_then_only_the_new_ones(pool: Pool) -> None:
    store = await StoredEmissions.of_new_tenant(pool)
    counts = SupplierCounts(pool)

    async def count() -> int:
        counted = await counts.counted(store.tenant_id)
        async with snapshot(pool) as db:
            return await counts.total(db, store.tenant_id, counted)

    for number in range(3):
        assert await count() == len(CODES) + number
        await SupplierStore(pool).resolve(store.tenant_id, Suppliers.of([f"new {number}"]))


async def test_coverage_counts_active_suppliers(reader: Reader, pool: Pool) -> None:
    store = reader.store
    await SupplierStore(pool).resolve(store.tenant_id, Suppliers.of(["no emissions"]))
    rows = _within(store.visible, YEAR, NEXT)
    mine = {row.supplier for row in rows}
    own = {row.supplier for row in rows if not row.factor_id}
    coverage = (await _dashboard(reader)).coverage
    assert (coverage.suppliers, coverage.with_emissions) == (len(CODES) + 1, len(mine))
    assert coverage.with_primary_data == len(own)
    gone = sorted(own)[0]
    await SupplierStore(pool).update(store.tenant_id, gone, {"status": "inactive"})
    coverage = (await _dashboard(reader)).coverage
    assert (coverage.suppliers, coverage.with_emissions) == (len(CODES), len(mine) - 1)
    assert coverage.with_primary_data == len(own) - 1


async def test_open_uploads_are_told_newest_first(reader: Reader) -> None:
    dashboard = await _dashboard(reader)
    _, pending, going_on = reader.stages.uploads
    assert [upload.name for upload in dashboard.open_uploads] == [f"uploads/{going_on}", f"uploads/{pending}"]
    assert dashboard.open_upload_count == 2


async def test_a_tenant_without_emissions_has_a_dashboard_too(reader: Reader) -> None:
    other = await StoredEmissions.of_new_tenant(reader.store.pool)
    dashboard = await _dashboard(reader, other.tenant)
    assert (dashboard.total.rows, [*dashboard.categories], dashboard.HasField("change")) == (0, [], False)
    assert dashboard.coverage == pb.SupplierCoverage(suppliers=len(CODES))
    assert dashboard.period_end.year == dashboard.period_start.year + 1


@pytest.mark.parametrize(
    ("asked", "field", "reason"),
    [
        ({"period_start": _date(YEAR)}, "period_end", "REQUIRED_FIELD"),
        ({"period_start": Date(year=2025, month=2, day=1), "period_end": _date(NEXT)}, "period_start", "OUT_OF_RANGE"),
        ({"period_start": _date(YEAR), "period_end": Date(year=2025, month=13)}, "period_end", "OUT_OF_RANGE"),
        ({"period_start": Date(year=1, month=1, day=1), "period_end": _date(NEXT)}, "period_start", "OUT_OF_RANGE"),
        ({"period_start": _date(NEXT), "period_end": _date(YEAR)}, "period_end", "OUT_OF_RANGE"),
        ({"top_suppliers": -1}, "top_suppliers", "OUT_OF_RANGE"),
    ],
)
async def test_a_wrong_dashboard_is_refused(reader: Reader, asked: dict[str, Any], field: str, reason: str) -> None:
    assert await problem(_dashboard(reader, **asked)) == (field, reason)
