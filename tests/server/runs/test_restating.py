"""What recalculations change and what they leave, on a real server: exact differences, slices, causes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import grpc
import pytest
from google.type.date_pb2 import Date
from vcci.v1 import activity_pb2, error_pb2, run_pb2
from vcci.v1 import factor_service_pb2 as factor_pb
from vcci.v1 import price_service_pb2 as price_pb
from vcci.v1 import run_service_pb2 as pb
from vcci.v1.emission_pb2 import EmissionFilter
from vcci_client import AsyncClient

from tests.recalculations import (
    ROWS,
    causes,
    check_run,
    factor,
    import_sets,
    recalculated,
    rows_of,
    ug,
    upload,
)
from tests.refusals import first, refusal
from tests.server_process import ServerProcess
from tests.waiting import until


async def test_an_inventory_is_restated_with_exact_differences_and_its_old_results_stay(client: AsyncClient) -> None:
    _, new = await import_sets(client)
    for seed in (1, 2):
        await upload(client, ROWS, seed=seed)
    before = await rows_of(client)
    run = await recalculated(client, factor_set=new, significance_threshold=0.05)
    after = await rows_of(client, as_of=run.name)
    assert await rows_of(client) == before
    assert len(before) == run.rows_total == run.rows_done == 2 * ROWS
    assert causes(run) == {
        run_pb2.RUN_CAUSE_FACTOR_VALUE,
        run_pb2.RUN_CAUSE_FACTOR_REGION_OR_YEAR,
        run_pb2.RUN_CAUSE_NOT_CALCULABLE,
    }
    await check_run(client, run, before, after, set(before))
    for key, old in before.items():
        factor_is_new = {"made:steel": 1.5, "made:power": 0.5 if int(old.supplier[1:]) % 3 == 1 else 1.0}
        assert after[key].ug == pytest.approx(old.ug * factor_is_new.get(old.factor, 1.0), abs=1)


async def test_rows_that_cannot_be_calculated_are_listed_and_keep_their_values(client: AsyncClient) -> None:
    _, new = await import_sets(client)
    name = await upload(client, ROWS)
    before = await rows_of(client)
    run = await recalculated(client, factor_set=new)
    errors = [error async for error in client.list_run_row_errors(run.name)]
    gone = {key for key, row in before.items() if row.factor == "made:gone"}
    assert {(error.upload, error.row_error.row) for error in errors} == gone
    assert len(errors) == len(gone) == run.rejected_rows > 50
    (told,) = {(of.rows, of.difference_kg_co2e.value) for of in run.total.causes if of.cause == 6}
    assert told == (len(gone), "0")
    assert {(error.row_error.reason, error.row_error.value) for error in errors} == {
        (error_pb2.ERROR_REASON_UNKNOWN_FACTOR, "made:gone")
    }
    after = await rows_of(client, as_of=run.name)
    assert all(after[key] == before[key] for key in gone)
    assert {upload for upload, _ in before} == {name}


async def test_pages_of_differences_and_errors_together_are_the_whole(client: AsyncClient) -> None:
    _, new = await import_sets(client)
    await upload(client, ROWS, suppliers=70)
    run = await recalculated(client, factor_set=new)
    whole = [difference async for difference in client.list_run_differences(run.name)]
    errors = [error async for error in client.list_run_row_errors(run.name)]
    service = client.connection.runs
    paged = [
        difference
        async for page in client.connection.pages(
            service.ListRunDifferences, pb.ListRunDifferencesRequest(run=run.name, page_size=7)
        )
        for difference in page.differences
    ]
    paged_errors = [
        error
        async for page in client.connection.pages(
            service.ListRunRowErrors, pb.ListRunRowErrorsRequest(run=run.name, page_size=7)
        )
        for error in page.row_errors
    ]
    assert paged == whole
    assert len(whole) > 100
    assert paged_errors == errors


Meant = Callable[[Any], bool]


SLICES: list[tuple[dict[str, Any], Meant]] = [
    ({"supplier_codes": ["S00003", "S00004", "nobody"]}, lambda row: row.supplier in ("S00003", "S00004")),
    ({"categories": [activity_pb2.CATEGORY_CAPITAL_GOODS]}, lambda row: row.category == 2),
    ({"methods": [activity_pb2.METHOD_SPEND_BASED]}, lambda row: row.method == "spend_based"),
    (
        {"period_start": Date(year=2024, month=5, day=17), "period_end": Date(year=2025, month=1, day=1)},
        lambda row: "2024-05-17" <= str(row.day) < "2025-01-01",
    ),
    ({"supplier_codes": ["nobody"]}, lambda row: False),
]


@pytest.mark.parametrize(("asked", "meant"), SLICES)
async def test_a_slice_is_restated_and_nothing_else(client: AsyncClient, asked: dict[str, Any], meant: Meant) -> None:
    _, new = await import_sets(client)
    await upload(client, ROWS)
    before = await rows_of(client)
    run = await recalculated(client, factor_set=new, filter=asked)
    chosen = {key for key, row in before.items() if meant(row)}
    await check_run(client, run, before, await rows_of(client, as_of=run.name), chosen)


async def test_one_upload_can_be_restated(client: AsyncClient) -> None:
    _, new = await import_sets(client)
    one, _ = [await upload(client, ROWS, seed=seed) for seed in (1, 2)]
    before = await rows_of(client)
    run = await recalculated(client, factor_set=new, filter={"upload": one})
    assert run.rows_total == ROWS
    chosen = {key for key in before if key[0] == one}
    await check_run(client, run, before, await rows_of(client, as_of=run.name), chosen)


async def test_a_second_run_gives_the_same(client: AsyncClient) -> None:
    _, new = await import_sets(client)
    await upload(client, ROWS)
    one, other = [await recalculated(client, factor_set=new) for _ in range(2)]
    assert one.name != other.name
    assert await rows_of(client, as_of=one.name) == await rows_of(client, as_of=other.name)
    assert (one.total, [*one.categories]) == (other.total, [*other.categories])


async def test_under_the_same_basis_nothing_changes(client: AsyncClient) -> None:
    await import_sets(client)
    await upload(client, ROWS)
    run = await recalculated(client)  # under the active set
    assert run.total.rows == ROWS
    assert run.total.difference_kg_co2e.value == "0"
    assert not [*run.total.causes]
    assert [difference async for difference in client.list_run_differences(run.name)] == []
    assert await rows_of(client, as_of=run.name) == await rows_of(client)


async def test_a_gwp_set_restates_what_has_gases_and_lists_the_rest(client: AsyncClient) -> None:
    await import_sets(client)
    await upload(client, ROWS)
    before = await rows_of(client)
    run = await recalculated(client, gwp_set="AR5", filter={"methods": [2]})
    after = await rows_of(client, as_of=run.name)
    meant = {key for key, row in before.items() if row.method == "average_data"}
    await check_run(client, run, before, after, meant)
    assert causes(run) == {run_pb2.RUN_CAUSE_GWP_SET, run_pb2.RUN_CAUSE_NOT_CALCULABLE}
    for key in meant:
        ratio = (1.5 + 0.02 * 28) / 2.0 if before[key].factor == "made:steel" else 1.0
        assert after[key].ug == pytest.approx(before[key].ug * ratio, abs=1)
    reasons = {error.row_error.reason async for error in client.list_run_row_errors(run.name)}
    assert reasons == {error_pb2.ERROR_REASON_GWP_SET_NOT_POSSIBLE}
    as_of = EmissionFilter(as_of=run.name)
    total = (await client.aggregate_emissions(emission_filter=as_of)).total
    assert total.composition.mixed_gwp_sets
    assert total.estimate.kg_co2e == sum(row.ug for row in after.values()) / 10**9
    for call in (
        client.aggregate_emissions(emission_filter=as_of, gwp_set="AR6"),
        client.aggregate_emissions(emission_filter=as_of, include_gases=True),
        first(client.stream_emissions(as_of, gwp_set="AR6")),
    ):
        assert await refusal(call) == (grpc.StatusCode.INVALID_ARGUMENT, "OUT_OF_RANGE")


def rates(euros: float) -> list[price_pb.Price]:
    """Euros per US dollar in both years."""
    return [
        price_pb.Price(
            kind=price_pb.PRICE_KIND_RATE,
            currency="EUR",
            base_currency="USD",
            year=year,
            value=euros,
            source_note="made for a test",
        )
        for year in (2024, 2025)
    ]


async def test_other_prices_are_told_apart_from_other_factors(client: AsyncClient) -> None:
    await import_sets(client)
    dearer = factor("spend", 1.2, "USD", price_year=0)
    new = (await client.import_factor_set(factor_pb.FactorSetSpec(display_name="dearer"), [dearer])).name
    old_prices = await client.import_price_set(price_pb.PriceSetSpec(display_name="old", activate=True), rates(0.8))
    new_prices = await client.import_price_set(price_pb.PriceSetSpec(display_name="new"), rates(0.5))
    row = {"supplier_code": "S", "category": 1, "quantity": 100, "unit": "EUR", "factor": "made:spend"}
    await client.upload([row | {"reporting_period": "2024-05-17"}])
    run = await recalculated(client, factor_set=new, price_set=new_prices.name)
    assert (run.price_set, old_prices.active) == (new_prices.name, True)
    assert (run.total.before_kg_co2e.value, run.total.after_kg_co2e.value) == ("100", "240")
    assert {of.cause: of.difference_kg_co2e.value for of in run.total.causes} == {
        run_pb2.RUN_CAUSE_PRICE_SET: "60",
        run_pb2.RUN_CAUSE_FACTOR_VALUE: "80",
    }
    assert (await recalculated(client)).total.difference_kg_co2e.value == "0"


@pytest.mark.parametrize(("threshold", "significant"), [(0.0, False), (0.05, True), (0.9, False)])
async def test_a_change_is_significant_beyond_the_threshold(
    client: AsyncClient, threshold: float, significant: bool
) -> None:
    _, new = await import_sets(client)
    await upload(client, 500)
    run = await recalculated(client, factor_set=new, significance_threshold=threshold, filter={"categories": [1, 2]})
    for change in (run.total, *run.categories):
        share = Decimal(change.difference_kg_co2e.value) / Decimal(change.before_kg_co2e.value)
        assert change.relative_difference == pytest.approx(float(share), rel=1e-12)
        assert change.significant is (0 < threshold < abs(share))
    assert run.total.significant is significant


SEGMENTS = """
FROM emission_segments WHERE upload_id = $1 AND run_id = 0
    AND quarter = (SELECT min(quarter) FROM emission_segments WHERE upload_id = $1)
"""
KEY = "quarter, merge_version, batch_offset, segment"
ALTER = f"""
UPDATE emission_segments SET kg_co2e = set_byte(kg_co2e, 7, 65) WHERE upload_id = $1 AND run_id = 0
    AND ({KEY}) IN (SELECT {KEY} {SEGMENTS})
"""
RESTORE = (
    f"UPDATE emission_segments SET kg_co2e = $6 WHERE upload_id = $1 AND run_id = 0 AND ({KEY}) = ($2, $3, $4, $5)"
)


@asynccontextmanager
async def altered(server: ServerProcess, upload_name: str) -> AsyncIterator[None]:
    """The first results of an upload's first quarter are far higher in the store until the end of the body."""
    number = int(upload_name.rpartition("/")[2])
    async with server.database() as db:

        async def is_merged() -> bool:
            return bool(await db.fetchval("SELECT merged FROM uploads WHERE upload_id = $1", number))

        await until(is_merged, 30)
        honest = await db.fetch(f"SELECT {KEY}, kg_co2e {SEGMENTS}", number)
        await db.execute(ALTER, number)
        try:
            yield
        finally:
            await db.executemany(RESTORE, [(number, *row) for row in honest])


async def test_an_altered_result_is_told_as_such_and_restated(client: AsyncClient, server: ServerProcess) -> None:
    _, new = await import_sets(client)
    name = await upload(client, 100)
    honest = await rows_of(client)
    async with altered(server, name):
        forged = await rows_of(client)
        (changed,) = [key for key, row in forged.items() if row != honest[key]]
        run = await recalculated(client, factor_set=new, filter={"supplier_codes": [forged[changed].supplier]})
        (told,) = [of for of in run.total.causes if of.cause == run_pb2.RUN_CAUSE_RESULT_ALTERED]
        assert told.rows == 1
        assert ug(told.difference_kg_co2e) == honest[changed].ug - forged[changed].ug
        restated = (await rows_of(client, as_of=run.name))[changed]
        assert 0 < restated.ug <= 2 * honest[changed].ug < forged[changed].ug
    assert await rows_of(client) == honest  # the server is shared
