"""Recalculations through the client, on a real server: exact differences, what is seen as of them, all refusals."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import grpc
import pytest
from google.type.date_pb2 import Date
from vcci.v1 import activity_pb2, error_pb2, run_pb2
from vcci.v1 import emission_service_pb2 as emission_pb
from vcci.v1 import factor_service_pb2 as factor_pb
from vcci.v1 import price_service_pb2 as price_pb
from vcci.v1 import run_service_pb2 as pb
from vcci.v1.emission_pb2 import EmissionFilter
from vcci.v1.hotspot_service_pb2 import ChangeQuantity, Lever, LeverScope, RunScenarioRequest
from vcci.v1.run_pb2 import Run
from vcci_client import AsyncClient
from vcci_client.errors import InvalidRequest, NotFound, ServerError, WrongState
from vcci_server.storage.embedded import embedded_database

from tests.recalculations import UG_PER_KG, Rows, Seen, check_run, factor, import_sets, quarter_of, rows_of, ug, upload
from tests.server_process import ServerProcess, running_server
from tests.waiting import until

ROWS = 3_000
PURCHASED = activity_pb2.CATEGORY_PURCHASED_GOODS_AND_SERVICES


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server() as process:
        yield process


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[AsyncClient]:
    """A client of a tenant of the test's own, in which the old factor set is active."""
    async with AsyncClient(server.listening, server.token(await new_tenant(server))) as client:
        yield client


async def new_tenant(server: ServerProcess) -> str:
    name = uuid4().hex
    async with embedded_database(server.state_dir) as url:
        db = await asyncpg.connect(url)
        await db.execute("INSERT INTO tenants (name) VALUES ($1)", name)
        await db.close()
    return name


async def recalculated(client: AsyncClient, **fields: Any) -> Run:
    """Recalculate and return the run when it has succeeded."""
    if (chosen := fields.pop("filter", None)) is not None:
        fields["emission_filter"] = EmissionFilter(**chosen)
    run = await client.wait_for_run((await client.recalculate(**fields)).name)
    assert run.state == Run.STATE_SUCCEEDED, run
    return run


def causes(run: Run) -> set[int]:
    return {of.cause for of in run.total.causes}


async def refusal(call: Awaitable[object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(ServerError) as raised:
        await call
    return raised.value.code, raised.value.reason


async def first(items: AsyncIterator[object]) -> object:
    return await anext(items)


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


KEYS: dict["emission_pb.Dimension.ValueType", Callable[[Any], str]] = {
    emission_pb.DIMENSION_SUPPLIER: lambda row: row.supplier,
    emission_pb.DIMENSION_CATEGORY: lambda row: str(row.category),
    emission_pb.DIMENSION_MONTH: lambda row: f"{row.day:%Y-%m}",
    emission_pb.DIMENSION_QUARTER: lambda row: quarter_of(row.day),
    emission_pb.DIMENSION_METHOD: lambda row: row.method,
    emission_pb.DIMENSION_FACTOR: lambda row: row.factor,
}


def sums(rows: Rows, key: Callable[[Any], str]) -> dict[str, tuple[int, float]]:
    found: dict[str, list[int]] = defaultdict(list)
    for row in rows.values():
        found[key(row)].append(row.ug)
    return {name: (len(values), sum(values) / 10**9) for name, values in found.items()}


@pytest.mark.parametrize("dimension", KEYS)
@pytest.mark.parametrize("asked", [{}, {"categories": [1, 3]}, {"period_start": Date(year=2024, month=3, day=1)}])
async def test_sums_as_of_a_run_are_those_of_its_rows(
    client: AsyncClient, dimension: "emission_pb.Dimension.ValueType", asked: dict[str, Any]
) -> None:
    _, new = await import_sets(client)
    await upload(client, ROWS)
    await upload(client, 500, seed=3, finalize=False)  # as ingested in both
    run = await recalculated(client, factor_set=new)
    assert run.open_uploads == 1
    for as_of in ("", run.name):
        rows = await rows_of(client, as_of=as_of, **asked)
        chosen = EmissionFilter(as_of=as_of, **asked)
        answer = await client.aggregate_emissions([dimension], emission_filter=chosen, limit=10_000)
        found = {group.keys[0]: (group.rows, group.estimate.kg_co2e) for group in answer.groups}
        assert found == sums(rows, KEYS[dimension])
        assert answer.total.estimate.kg_co2e == sum(row.ug for row in rows.values()) / 10**9
        assert answer.total.estimate.kg_co2e_low < answer.total.estimate.kg_co2e_high


async def test_the_interval_as_of_a_run_is_that_of_an_inventory_calculated_so(client: AsyncClient) -> None:
    old, new = await import_sets(client)
    await upload(client, ROWS)
    run = await recalculated(client, factor_set=new, filter={"categories": [1]})
    again = await recalculated(client, factor_set=old)
    asked = EmissionFilter(categories=[PURCHASED], as_of=run.name)
    as_of = (await client.aggregate_emissions(emission_filter=asked)).total
    await client.activate_factor_set(new)
    assert (
        as_of.rows
        == (await client.aggregate_emissions(emission_filter=EmissionFilter(categories=[PURCHASED]))).total.rows
    )
    assert (await client.aggregate_emissions(emission_filter=EmissionFilter(as_of=again.name))).total == (
        await client.aggregate_emissions()
    ).total


async def test_hotspots_and_scenarios_as_of_a_run_are_of_its_rows(client: AsyncClient) -> None:
    _, new = await import_sets(client)
    await upload(client, ROWS)
    run = await recalculated(client, factor_set=new)
    chosen = EmissionFilter(as_of=run.name)
    rows = await rows_of(client, as_of=run.name)
    total = (await client.aggregate_emissions(emission_filter=chosen)).total
    found = await client.analyze_hotspots(emission_filter=chosen, limit=1_000)
    assert found.total == total
    groups = {group.group.keys[0]: (group.group.rows, group.group.estimate.kg_co2e) for group in found.pareto.groups}
    by_supplier = sums(rows, KEYS[emission_pb.DIMENSION_SUPPLIER])
    assert groups == by_supplier
    assert sum(of.kg_co2e for of in found.data_quality.quadrants) == pytest.approx(total.estimate.kg_co2e)
    supplier, (_, kg_co2e) = next(iter(by_supplier.items()))
    for scope, less in ((LeverScope(), total.estimate.kg_co2e), (LeverScope(supplier_codes=[supplier]), kg_co2e)):
        lever = Lever(scope=scope, quantity=ChangeQuantity(change=-0.5))
        scenario = await client.run_scenario(RunScenarioRequest(filter=chosen, levers=[lever]))
        assert scenario.baseline == total
        assert scenario.reduction.kg_co2e == pytest.approx(less / 2)


async def test_draws_as_of_a_run_are_of_its_rows(client: AsyncClient) -> None:
    old, new = await import_sets(client)
    await upload(client, ROWS)
    run = await recalculated(client, factor_set=new)
    back = await recalculated(client, factor_set=old)
    by = [emission_pb.DIMENSION_CATEGORY]
    ingested, restated, again = [
        await client.simulate_emissions(by, emission_filter=EmissionFilter(as_of=name), draws=2_000)
        for name in ("", run.name, back.name)
    ]
    assert again == ingested  # the same rows and factors draw the same
    total = (await client.aggregate_emissions(emission_filter=EmissionFilter(as_of=run.name))).total.estimate
    drawn = restated.total.estimate.simulation
    assert drawn.kg_co2e_mean == pytest.approx(total.kg_co2e_mean, abs=5 * drawn.kg_co2e_sd / 2_000**0.5)
    assert drawn != ingested.total.estimate.simulation


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


async def test_the_same_request_is_one_run(client: AsyncClient) -> None:
    _, new = await import_sets(client)
    await upload(client, 100)
    request_id = uuid4().hex
    one = await client.recalculate(factor_set=new, request_id=request_id)
    assert (await client.recalculate(factor_set=new, request_id=request_id)).name == one.name
    code = await refusal(client.recalculate(gwp_set="AR5", request_id=request_id))
    assert code == (grpc.StatusCode.FAILED_PRECONDITION, "REQUEST_ID_REUSED")
    assert [run.name async for run in client.list_runs()] == [one.name]


async def test_an_operation_tells_how_far_its_run_is_and_ends_with_it(client: AsyncClient) -> None:
    _, new = await import_sets(client)
    await upload(client, ROWS)
    begun = await client.recalculate(factor_set=new, display_name="restated")
    operation = await client.wait_operation(begun.operation, 60)
    assert operation.done
    run = Run()
    assert operation.response.Unpack(run)
    assert run == await client.get_run(begun.name)
    assert run.display_name == "restated"
    progress = run_pb2.RunProgress()
    assert operation.metadata.Unpack(progress)
    assert (progress.run, progress.rows_done, progress.rows_total) == (run.name, ROWS, ROWS)
    assert progress.start_time == run.start_time
    assert [listed async for listed in client.list_operations()] == [operation]
    await client.cancel_operation(operation.name)  # too late
    assert await client.get_operation(operation.name) == operation
    await client.delete_operation(operation.name)
    assert [listed async for listed in client.list_operations()] == []
    assert await refusal(client.get_operation(operation.name)) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    assert await client.get_run(run.name) == run


async def test_another_tenant_finds_nothing_of_a_run(client: AsyncClient, server: ServerProcess) -> None:
    _, new = await import_sets(client)
    await upload(client, 100)
    run = await recalculated(client, factor_set=new)
    async with AsyncClient(server.listening, server.token(await new_tenant(server))) as other:
        calls: list[Awaitable[object]] = [
            other.get_run(run.name),
            first(other.watch_run(run.name)),
            first(other.list_run_differences(run.name)),
            first(other.list_run_row_errors(run.name)),
            other.get_operation(run.operation),
            other.wait_operation(run.operation, 0),
            other.cancel_operation(run.operation),
            other.delete_operation(run.operation),
            other.aggregate_emissions(emission_filter=EmissionFilter(as_of=run.name)),
        ]
        for call in calls:
            assert await refusal(call) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
        assert [listed async for listed in other.list_runs()] == []
        assert [listed async for listed in other.list_operations()] == []
    assert await client.get_run(run.name) == run


async def test_an_abandoned_upload_is_in_no_run_any_more(client: AsyncClient) -> None:
    _, new = await import_sets(client)
    one, other = [await upload(client, 500, seed=seed) for seed in (1, 2)]
    run = await recalculated(client, factor_set=new)
    await client.abandon_upload(other)
    before, after = await rows_of(client), await rows_of(client, as_of=run.name)
    assert {name for name, _ in after} == {one}
    left = await client.get_run(run.name)
    await check_run(client, left, before, after, set(before))
    total = (await client.aggregate_emissions(emission_filter=EmissionFilter(as_of=run.name))).total
    assert (total.rows, total.estimate.kg_co2e) == (500, ug(left.total.after_kg_co2e) / 10**9)


async def test_only_a_finalized_upload_can_be_named(client: AsyncClient) -> None:
    await import_sets(client)
    name = await upload(client, 100, finalize=False)
    failure = refusal(client.recalculate(emission_filter=EmissionFilter(upload=name)))
    assert await failure == (grpc.StatusCode.FAILED_PRECONDITION, "UPLOAD_NOT_FINALIZED")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"factor_set": "sets/1"}, "factor_set"),
        ({"price_set": "priceSets/x"}, "price_set"),
        ({"gwp_set": "AR9"}, "gwp_set"),
        ({"significance_threshold": 1.5}, "significance_threshold"),
        ({"significance_threshold": float("nan")}, "significance_threshold"),
        ({"emission_filter": EmissionFilter(as_of="runs/1")}, "filter.as_of"),
        ({"emission_filter": EmissionFilter(categories=[99])}, "filter.categories[0]"),  # type: ignore[list-item]
        ({"display_name": "x" * 2_000}, "display_name"),
        ({"request_id": "x" * 200}, "request_id"),
    ],
)
async def test_a_wrong_request_is_told_its_field(client: AsyncClient, asked: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        await client.recalculate(**asked)
    assert [problem.field for problem in raised.value.problems] == [field]


async def test_what_does_not_exist_is_not_found(client: AsyncClient) -> None:
    await import_sets(client)
    for call in (
        client.recalculate(factor_set="factorSets/999999"),
        client.recalculate(price_set="priceSets/999999"),
        client.recalculate(emission_filter=EmissionFilter(upload="uploads/999999")),
        client.get_run("runs/999999"),
        client.get_operation("operations/999999"),
        client.aggregate_emissions(emission_filter=EmissionFilter(as_of="runs/999999")),
    ):
        with pytest.raises(NotFound):
            await call


async def test_a_tenant_without_factors_is_told_to_activate_some(client: AsyncClient) -> None:
    with pytest.raises(WrongState) as raised:
        await client.recalculate()
    assert raised.value.reason == "NO_ACTIVE_FACTOR_SET"


async def test_a_run_that_goes_on_cannot_be_read_as_of(client: AsyncClient, server: ServerProcess) -> None:
    _, new = await import_sets(client)
    await upload(client, 100)
    run = await recalculated(client, factor_set=new)
    async with embedded_database(server.state_dir) as url:
        db = await asyncpg.connect(url)
        try:
            for state in ("failed", "cancelled"):
                await db.execute("UPDATE runs SET state = $2, swept = true WHERE run_id = $1", int(run.name[5:]), state)
                for call in (
                    client.aggregate_emissions(emission_filter=EmissionFilter(as_of=run.name)),
                    first(client.stream_emissions(EmissionFilter(as_of=run.name))),
                    first(client.list_run_differences(run.name)),
                    first(client.list_run_row_errors(run.name)),
                ):
                    assert await refusal(call) == (grpc.StatusCode.FAILED_PRECONDITION, "RUN_NOT_SUCCEEDED")
        finally:
            await db.close()


async def test_an_altered_result_is_told_as_such_and_restated(client: AsyncClient, server: ServerProcess) -> None:
    _, new = await import_sets(client)
    number = int((await upload(client, 100)).rpartition("/")[2])
    honest = await rows_of(client)
    async with embedded_database(server.state_dir) as url:
        db = await asyncpg.connect(url)

        async def is_merged() -> bool:
            return bool(await db.fetchval("SELECT merged FROM uploads WHERE upload_id = $1", number))

        await until(is_merged, 30)
        altered = "UPDATE emission_segments SET kg_co2e = set_byte(kg_co2e, 7, 65) WHERE upload_id = $1 AND quarter = "
        await db.execute(altered + "(SELECT min(quarter) FROM emission_segments WHERE upload_id = $1)", number)
        await db.close()
    forged = await rows_of(client)
    (changed,) = [key for key, row in forged.items() if row != honest[key]]
    run = await recalculated(client, factor_set=new, filter={"supplier_codes": [forged[changed].supplier]})
    (told,) = [of for of in run.total.causes if of.cause == run_pb2.RUN_CAUSE_RESULT_ALTERED]
    assert told.rows == 1
    assert ug(told.difference_kg_co2e) == honest[changed].ug - forged[changed].ug
    restated = (await rows_of(client, as_of=run.name))[changed]
    assert 0 < restated.ug <= 2 * honest[changed].ug < forged[changed].ug


async def test_the_dashboard_is_as_of_a_run(client: AsyncClient) -> None:
    _, new = await import_sets(client)
    await upload(client, ROWS)
    ingested = await client.get_dashboard()
    run = await recalculated(client, factor_set=new)
    year = date(ingested.period_start.year, 1, 1)
    found = await client.get_dashboard((year, date(year.year + 1, 1, 1)), top_suppliers=100, as_of=run.name)
    rows = [row for row in (await rows_of(client, as_of=run.name)).values() if row.day.year == year.year]
    before = [row for row in (await rows_of(client, as_of=run.name)).values() if row.day.year == year.year - 1]

    def kg(of: list[Seen]) -> float:
        return sum(row.ug for row in of) / UG_PER_KG

    named = {of.code: (of.rows, round(of.kg_co2e * UG_PER_KG)) for of in found.top_suppliers}
    by_code = {code: [row for row in rows if row.supplier == code] for code in {row.supplier for row in rows}}

    assert (found.as_of, ingested.as_of) == (run.name, "")
    assert found.total.estimate.kg_co2e == pytest.approx(kg(rows), rel=1e-12)
    assert found.total.estimate.kg_co2e != ingested.total.estimate.kg_co2e
    assert (found.total.rows, found.previous_total.rows) == (len(rows), len(before))
    assert found.previous_total.estimate.kg_co2e == pytest.approx(kg(before), rel=1e-12)
    assert named == {code: (len(of), sum(row.ug for row in of)) for code, of in by_code.items()}
    assert sum(share.rows for share in found.data_quality) == len(rows)
    assert sum(share.kg_co2e for share in found.data_quality) == pytest.approx(kg(rows), rel=1e-12)
    assert found.coverage == ingested.coverage
    assert await client.get_dashboard(as_of=run.name, top_suppliers=100) == found, "it is kept"
    assert await client.get_dashboard() == ingested
    await client.delete_run(run.name)
    assert (await refusal(client.get_dashboard(as_of=run.name)))[0] == grpc.StatusCode.NOT_FOUND
    assert (await refusal(client.get_dashboard(as_of="3")))[0] == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_deleted_run_is_gone_and_what_was_ingested_stays(client: AsyncClient) -> None:
    _, new = await import_sets(client)
    await upload(client, ROWS)
    before = await rows_of(client)
    request_id = uuid4().hex
    deleted = await recalculated(client, factor_set=new, request_id=request_id)
    other = await recalculated(client, factor_set=new)
    changed = await rows_of(client, as_of=other.name)
    await client.delete_run(deleted.name)
    for call in (
        client.get_run(deleted.name),
        client.get_operation(deleted.operation),
        client.delete_run(deleted.name),
        client.aggregate_emissions(emission_filter=EmissionFilter(as_of=deleted.name)),
        first(client.stream_emissions(EmissionFilter(as_of=deleted.name))),
        first(client.list_run_differences(deleted.name)),
    ):
        assert await refusal(call) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    wrong = client.connection.call(client.connection.runs.DeleteRun, pb.DeleteRunRequest(name="uploads/1"))
    assert (await refusal(wrong))[0] == grpc.StatusCode.INVALID_ARGUMENT
    assert [run.name async for run in client.list_runs()] == [other.name]
    assert await rows_of(client) == before
    assert await rows_of(client, as_of=other.name) == changed
    assert await refusal(client.recalculate(factor_set=new, request_id=request_id)) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "REQUEST_ID_REUSED",
    )


async def test_a_stream_goes_on_when_its_run_is_deleted(client: AsyncClient) -> None:
    _, new = await import_sets(client)
    for seed in (1, 2):
        await upload(client, 101_000, seed=seed)  # more than a page each
    run = await recalculated(client, factor_set=new)
    whole = await rows_of(client, as_of=run.name)
    stream = client.stream_emissions(EmissionFilter(as_of=run.name))
    kg_co2e = [*(await anext(stream)).kg_co2e]
    await client.delete_run(run.name)
    async for columns in stream:
        kg_co2e.extend(columns.kg_co2e)
    assert sorted(round(kg * UG_PER_KG) for kg in kg_co2e) == sorted(row.ug for row in whole.values())


async def test_a_run_that_goes_on_cannot_be_deleted(client: AsyncClient, server: ServerProcess) -> None:
    _, new = await import_sets(client)
    await upload(client, 100)
    run = await recalculated(client, factor_set=new)
    async with embedded_database(server.state_dir) as url:
        db = await asyncpg.connect(url)
        number = int(run.name[5:])
        await db.execute("UPDATE runs SET state = 'running', rows_done = rows_done - 1 WHERE run_id = $1", number)
        refused = await refusal(client.delete_run(run.name))
        await db.close()
    assert refused == (grpc.StatusCode.FAILED_PRECONDITION, "RUN_GOES_ON")


async def test_runs_are_listed_newest_first_page_by_page_and_watched_to_their_end(client: AsyncClient) -> None:
    _, new = await import_sets(client)
    await upload(client, ROWS)
    names = [(await client.recalculate(factor_set=new, display_name=f"run {n}")).name for n in range(3)]
    stub, metadata = client.connection.runs, client.connection.metadata
    for name in names:
        watched = [of.run async for of in stub.WatchRun(pb.WatchRunRequest(name=name), metadata=metadata)]
        done = [run.rows_done for run in watched]
        assert done == sorted(done)
        assert watched[-1].state == Run.STATE_SUCCEEDED
        assert watched[-1] == await stub.GetRun(pb.GetRunRequest(name=name), metadata=metadata)
    request = pb.ListRunsRequest(page_size=1)
    listed = [run async for page in client.connection.pages(stub.ListRuns, request) for run in page.runs]
    assert [run.name for run in listed] == names[::-1]
    assert not any(run.HasField("total") for run in listed)


@pytest.mark.parametrize("asked", [{}, {"gwp_set": "AR5"}])
async def test_hotspots_and_simulations_are_as_of_a_run_too(client: AsyncClient, asked: dict[str, str]) -> None:
    _, new = await import_sets(client)
    await upload(client, ROWS)
    run = await recalculated(client, factor_set=new, **asked)
    chosen = EmissionFilter(as_of=run.name)
    expected = sum(row.ug for row in (await rows_of(client, as_of=run.name)).values()) / 10**9
    hotspots = (await client.analyze_hotspots(emission_filter=chosen)).total
    assert (hotspots.rows, hotspots.estimate.kg_co2e) == (ROWS, expected)
    assert hotspots.composition.mixed_gwp_sets
    simulated = (await client.simulate_emissions(emission_filter=chosen, draws=1_000)).total
    assert simulated.estimate.kg_co2e == expected
