"""Sums are exact at every stage of what happens to segments, whether they come from rollups, segments or both."""

from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from datetime import date
from itertools import combinations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vcci_cluster import Executor, open_executor
from vcci_engine.totals import ug_ints, variance_ints
from vcci_server.storage.aggregate import is_summarised, read_countries, sums_by, sums_by_supplier
from vcci_server.storage.pool import Pool
from vcci_server.storage.reading import Filter, snapshot
from vcci_server.storage.summing import on_executor
from vcci_server.storage.sums import Sums, month_number

from tests.server.stages import Stages, mixed_stages
from tests.server.stored_emissions import CODES, Row, StoredEmissions, sums_of

COLUMNS = ("supplier", "country", "category", "month", "quarter", "method", "factor")
STEPS = ("append", "append", "fold", "finalize", "merge", "sweep", "abandon")

steps = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 2), st.integers(1, 40)), max_size=14)


def _keys(store: StoredEmissions, names: Sequence[str]) -> Mapping[str, Callable[[Row], Hashable]]:
    return {
        "supplier": lambda row: int(store.supplier_ids[CODES.index(row.supplier)]),
        "country": lambda row: names.index(row.country),
        "category": lambda row: row.category,
        "month": lambda row: month_number(row.period),
        "quarter": lambda row: month_number(row.period) // 3,
        "method": lambda row: row.method,
        "factor": lambda row: row.factor_id,
    }


def _exact(sums: Sums) -> dict[Hashable, tuple[int, ...]]:
    terms = sums.terms
    values = zip(
        terms.rows.tolist(),
        *map(ug_ints, (terms.ug, terms.mean)),
        *map(variance_ints, (terms.variance, terms.third)),
        strict=True,
    )
    keys = zip(*(key.tolist() for key in sums.keys), strict=True) if sums.keys else [()] * len(sums)
    return dict(zip(keys, values, strict=True))


async def _check(
    store: StoredEmissions, executor: Executor, by: Sequence[str], chosen: Filter, rows: Sequence[Row]
) -> None:
    async with snapshot(store.pool) as db:
        countries = await read_countries(db, store.tenant_id)
        (sums,) = await sums_by(
            db, on_executor(executor, "reading"), store.tenant_id, chosen, [by], {"country": countries}
        )
    keys = _keys(store, countries.names)
    assert _exact(sums) == sums_of(rows, lambda row: tuple(keys[name](row) for name in by))


async def _check_suppliers(store: StoredEmissions, executor: Executor) -> None:
    async with snapshot(store.pool) as db:
        sums = await sums_by_supplier(db, on_executor(executor, "reading"), store.tenant_id, Filter())
    supplier = _keys(store, ())["supplier"]
    expected = sums_of(store.visible, lambda row: (supplier(row),))
    assert {key: value[:2] for key, value in _exact(sums).items()} == {key: v[:2] for key, v in expected.items()}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=steps, by=st.sets(st.sampled_from(COLUMNS), min_size=1).map(sorted))
async def test_sums_equal_the_rows_at_every_stage(pool: Pool, plan: list[tuple[str, int, int]], by: list[str]) -> None:
    async with open_executor(None, threads=1) as executor:
        stages = await Stages.of_new_tenant(pool, executor)
        for step in plan:
            await stages.take(*step)
            await _check(stages.store, executor, by, Filter(), stages.store.visible)
            await _check(stages.store, executor, ("category", "factor"), Filter(), stages.store.visible)
            await _check_suppliers(stages.store, executor)


@pytest.fixture
async def mixed(pool: Pool) -> AsyncIterator[Stages]:
    """Uploads at every stage."""
    async with mixed_stages(pool) as stages:
        yield stages


START, MIDDLE, END = date(2024, 12, 1), date(2025, 1, 17), date(2025, 4, 1)
FILTERS: Sequence[tuple[Filter, Callable[[Row], bool]]] = [
    (Filter(), lambda row: True),
    (Filter(categories=(1, 4, 15)), lambda row: row.category in (1, 4, 15)),
    (Filter(methods=(2,)), lambda row: row.method == 2),
    (Filter(start=START), lambda row: row.period >= START),
    (Filter(end=END), lambda row: row.period < END),
    (Filter(start=START, end=END), lambda row: START <= row.period < END),
    (Filter(start=START, end=MIDDLE), lambda row: START <= row.period < MIDDLE),
    (Filter(start=START, categories=(2, 3)), lambda row: row.period >= START and row.category in (2, 3)),
    (Filter(start=MIDDLE, end=MIDDLE), lambda row: False),
    (Filter(start=date(2030, 1, 1)), lambda row: False),
]


async def test_filters_choose_rows(mixed: Stages) -> None:
    for chosen, meant in FILTERS:
        rows = [row for row in mixed.store.visible if meant(row)]
        for by in ((), ("month", "category", "method", "factor"), ("supplier",), ("factor",)):
            await _check(mixed.store, mixed.executor, by, chosen, rows)


async def test_every_pair_of_columns_can_be_summed_by(mixed: Stages) -> None:
    for by in combinations(COLUMNS, 2):
        await _check(mixed.store, mixed.executor, by, Filter(), mixed.store.visible)


async def test_a_filter_by_upload_or_supplier_reads_segments(mixed: Stages) -> None:
    store, upload_id = mixed.store, mixed.uploads[0]
    await _check(store, mixed.executor, ("month",), Filter(upload_id=upload_id), store.rows[upload_id])
    chosen = Filter(suppliers=np.sort(store.supplier_ids[[2, 5]]))
    rows = [row for row in store.visible if row.supplier in (CODES[2], CODES[5])]
    await _check(store, mixed.executor, ("category", "factor"), chosen, rows)
    await _check(store, mixed.executor, ("factor",), Filter(suppliers=np.empty(0, np.int32)), [])


async def test_another_tenant_sees_nothing(mixed: Stages, pool: Pool, tenant_id: int) -> None:
    async with snapshot(pool) as db:
        for chosen in (Filter(), Filter(upload_id=mixed.uploads[0])):
            (sums,) = await sums_by(db, on_executor(mixed.executor, "reading"), tenant_id, chosen, [["factor"]])
            assert not len(sums)


def test_summaries_answer_for_whole_quarters_only() -> None:
    assert is_summarised(Filter())
    assert is_summarised(Filter(start=date(2025, 1, 1), end=date(2025, 7, 1)))
    assert not is_summarised(Filter(start=date(2025, 2, 1)))
    assert not is_summarised(Filter(end=date(2025, 1, 2)))
    assert not is_summarised(Filter(categories=(1,)))
    assert not is_summarised(Filter(upload_id=1))
