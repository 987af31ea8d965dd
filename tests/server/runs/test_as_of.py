"""What is seen as of a run, on a real server: sums, intervals, hotspots, scenarios, draws, the dashboard."""

from collections import defaultdict
from collections.abc import Callable
from datetime import date
from typing import Any

import grpc
import pytest
from google.type.date_pb2 import Date
from vcci.v1 import activity_pb2
from vcci.v1 import emission_service_pb2 as emission_pb
from vcci.v1.emission_pb2 import EmissionFilter
from vcci.v1.hotspot_service_pb2 import ChangeQuantity, Lever, LeverScope, RunScenarioRequest
from vcci_client import AsyncClient

from tests.recalculations import (
    ROWS,
    UG_PER_KG,
    Rows,
    Seen,
    check_run,
    import_sets,
    quarter_of,
    recalculated,
    rows_of,
    ug,
    upload,
)
from tests.refusals import first, refusal
from tests.server_process import ServerProcess

PURCHASED = activity_pb2.CATEGORY_PURCHASED_GOODS_AND_SERVICES


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


async def test_a_run_that_goes_on_cannot_be_read_as_of(client: AsyncClient, server: ServerProcess) -> None:
    _, new = await import_sets(client)
    await upload(client, 100)
    run = await recalculated(client, factor_set=new)
    async with server.database() as db:
        for state in ("failed", "cancelled"):
            await db.execute("UPDATE runs SET state = $2, swept = true WHERE run_id = $1", int(run.name[5:]), state)
            for call in (
                client.aggregate_emissions(emission_filter=EmissionFilter(as_of=run.name)),
                first(client.stream_emissions(EmissionFilter(as_of=run.name))),
                first(client.list_run_differences(run.name)),
                first(client.list_run_row_errors(run.name)),
            ):
                assert await refusal(call) == (grpc.StatusCode.FAILED_PRECONDITION, "RUN_NOT_SUCCEEDED")
