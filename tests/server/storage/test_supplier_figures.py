"""Figures of suppliers, summaries and grades are the sums of the rows, whatever is folded, merged or abandoned."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vcci_cluster import open_executor
from vcci_engine.currencies import CURRENCIES
from vcci_server.filters import parse_filter
from vcci_server.storage import supplier_figures
from vcci_server.storage.figures import currency_code, currency_number
from vcci_server.storage.pool import Pool, connection
from vcci_server.storage.summaries import read_summaries
from vcci_server.storage.supplier_lists import COLUMNS, Listing, SupplierReader

from tests.server.stages import Stages, mixed_stages
from tests.server.stored_emissions import CODES, Row

STEPS = ("append", "append", "fold", "fold", "count", "finalize", "merge", "abandon")
steps = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 2), st.integers(1, 40)), max_size=14)
FIGURES = ("emission_count", "kg_co2e", "carbon_intensity", "currency", "spend", "data_quality", "primary_share")


def _mean_score(row: Row) -> float:
    scores = [row.quality >> shift & 7 for shift in (12, 9, 6, 3, 0)]
    return sum(score or 5 for score in scores) / 5


def _figures(rows: Iterable[Row]) -> dict[str, dict[str, Any]]:
    """Return the figures of each supplier, by the formulas."""
    by_code: dict[str, list[Row]] = {}
    for row in rows:
        by_code.setdefault(row.supplier, []).append(row)
    return {code: _of(rows) for code, rows in by_code.items()}


def _of(rows: list[Row]) -> dict[str, Any]:
    size = sum(abs(row.kg_co2e) for row in rows)
    money = [row for row in rows if row.unit == "EUR"]
    spend = sum(round(row.quantity * 1e6) for row in money) / 1e6
    return {
        "emission_count": len(rows),
        "kg_co2e": sum(row.terms[0] for row in rows) / 1e9,
        "currency": "EUR" if money else "",
        "spend": spend if money else None,
        "carbon_intensity": sum(row.kg_co2e for row in money) / spend if money else None,
        "data_quality": sum(abs(row.kg_co2e) * _mean_score(row) for row in rows) / size,
        "primary_share": sum(abs(row.kg_co2e) for row in rows if row.factor_id == 0) / size,
    }


async def _stored(stages: Stages) -> dict[str, dict[str, Any]]:
    reader = SupplierReader(stages.store.pool, asyncio.to_thread)
    listing = Listing(frozenset(COLUMNS), parse_filter("emission_count:*"))
    page = await reader.page(stages.store.tenant_id, listing, 100)
    return {row["code"]: {name: row[name] for name in FIGURES} for row in page.suppliers}


async def _check(stages: Stages) -> None:
    expected = _figures(stages.store.visible)
    stored = await _stored(stages)
    assert stored.keys() == expected.keys()
    for code, figures in expected.items():
        assert stored[code].pop("currency") == figures.pop("currency")
        assert _numbers(stored[code]) == pytest.approx(_numbers(figures), rel=1e-6, abs=1e-9, nan_ok=True)


def _numbers(figures: dict[str, Any]) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in figures.items()}


async def _settle(stages: Stages) -> None:
    await stages.fold(1_000)
    await stages.count()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=steps)
async def test_figures_are_those_of_the_rows_after_any_history(pool: Pool, plan: list[tuple[str, int, int]]) -> None:
    async with open_executor(None, threads=1) as executor:
        stages = await Stages.of_new_tenant(pool, executor)
        for step in plan:
            await stages.take(*step)
        await _settle(stages)
        await _check(stages)
        await _check_grades(stages)
        await _check_own(stages)


async def _check_grades(stages: Stages) -> None:
    rows = await stages.store.pool.fetch("SELECT * FROM grade_rollups WHERE tenant_id = $1", stages.store.tenant_id)
    stored = {(row["month"], row["grade"]): (row["rows"], int(row["ug_co2e"])) for row in rows}
    count: Counter[Any] = Counter()
    ug: Counter[Any] = Counter()
    for row in stages.store.visible:
        key = row.period.replace(day=1), int(_mean_score(row) + 0.5)
        count[key] += 1
        ug[key] += row.terms[0]
    assert stored == {key: (count[key], ug[key]) for key in count}


async def _check_own(stages: Stages) -> None:
    async with connection(stages.store.pool) as db:
        summaries = await read_summaries(db, stages.store.tenant_id, date.min, date.max)
    stored: Counter[Any] = Counter()
    for of in summaries:
        for supplier, own, rows in zip(*(key.tolist() for key in of.keys), of.rows.tolist(), strict=True):
            stored[supplier, own] += rows
    ids = dict(zip(CODES, stages.store.supplier_ids.tolist(), strict=True))
    assert stored == Counter((ids[row.supplier], int(row.factor_id == 0)) for row in stages.store.visible)


@pytest.fixture
async def stages(pool: Pool) -> AsyncIterator[Stages]:
    """Uploads at every stage."""
    async with mixed_stages(pool) as stages:
        yield stages


async def test_a_list_says_how_many_rows_are_not_counted_yet(stages: Stages) -> None:
    reader = SupplierReader(stages.store.pool, asyncio.to_thread)

    async def not_counted() -> int:
        page = await reader.page(stages.store.tenant_id, Listing(frozenset({"code"})), 1)
        return page.rows_not_counted

    committed = len(stages.store.visible)
    assert await not_counted() == committed + 2  # rejected ones of the batch that is not folded yet
    await stages.fold(1_000)
    assert await not_counted() == committed
    await stages.count()
    assert await not_counted() == 0
    await stages.store.abandon(stages.uploads[0])
    assert await not_counted() == len(stages.store.rows[stages.uploads[0]])
    await stages.count()
    await _check(stages)


async def test_two_that_count_the_same_changes_count_them_once(stages: Stages) -> None:
    await stages.fold(1_000)
    arguments = (stages.store.pool, stages.executor, stages.store.tenant_id)
    counted = await asyncio.gather(*(supplier_figures.count_figures(*arguments) for _ in range(3)))
    assert any(counted)
    await stages.count()
    await _check(stages)


async def test_many_changes_are_counted_in_steps(stages: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supplier_figures, "MOST_ENTRIES", 1)
    monkeypatch.setattr(supplier_figures, "UPSERT_ROWS", 5)
    await stages.fold(30)
    while await supplier_figures.due(stages.store.pool, wait=supplier_figures.LONGEST_WAIT * 0):
        await stages.fold(30)
        await stages.count()
    await _check(stages)


def test_a_currency_has_a_number_and_back() -> None:
    assert [currency_code(currency_number(code)) for code in ("", *sorted(CURRENCIES))] == ["", *sorted(CURRENCIES)]
    assert (currency_number("AAA"), currency_number("")) == (1, 0)
