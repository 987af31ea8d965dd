"""Runs as resources, on a real server: listed, watched, as operations, deleted; and all refusals."""

from collections.abc import Awaitable
from typing import Any
from uuid import uuid4

import grpc
import pytest
from vcci.v1 import run_pb2
from vcci.v1 import run_service_pb2 as pb
from vcci.v1.emission_pb2 import EmissionFilter
from vcci.v1.run_pb2 import Run
from vcci_client import AsyncClient
from vcci_client.errors import InvalidRequest, NotFound, WrongState

from tests.recalculations import (
    ROWS,
    UG_PER_KG,
    import_sets,
    recalculated,
    rows_of,
    upload,
)
from tests.refusals import first, refusal
from tests.server_process import ServerProcess


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


async def test_another_tenant_finds_nothing_of_a_run(client: AsyncClient, server: ServerProcess) -> None:
    _, new = await import_sets(client)
    await upload(client, 100)
    run = await recalculated(client, factor_set=new)
    async with AsyncClient(server.listening, server.token(await server.new_tenant())) as other:
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
    async with server.database() as db:
        number = int(run.name[5:])
        await db.execute("UPDATE runs SET state = 'running', rows_done = rows_done - 1 WHERE run_id = $1", number)
        refused = await refusal(client.delete_run(run.name))
    assert refused == (grpc.StatusCode.FAILED_PRECONDITION, "RUN_GOES_ON")
