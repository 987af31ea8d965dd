"""Operations through the client, on a real server: what each comes to, lists, cancelling, restarts, follow-ups."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.longrunning.operations_proto_pb2 import ListOperationsRequest, Operation
from vcci.v1.calculation_service_pb2 import RecalculateRequest
from vcci.v1.hotspot_service_pb2 import (
    AnalyzeHotspotsRequest,
    AnalyzeHotspotsResponse,
    ChangeQuantity,
    Lever,
    RunScenarioRequest,
    Scenario,
)
from vcci.v1.operation_pb2 import OperationProgress
from vcci.v1.operation_service_pb2 import StartOperationRequest
from vcci.v1.report_service_pb2 import REPORT_FORMAT_CSV, REPORT_FORMAT_UNSPECIFIED, Report
from vcci.v1.run_pb2 import Run
from vcci_client import AsyncClient
from vcci_client.errors import InvalidRequest, NotFound, ServerError, WrongState
from vcci_client.services.operations import operation_progress, result_of
from vcci_client.services.reports import report_request
from vcci_client.upload import UploadOptions
from vcci_client.work import Work
from vcci_server.auth import Role

from tests.recalculations import import_sets, upload
from tests.refusals import refusal
from tests.server_process import ServerProcess, running_server

ROWS = 500
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A server of this file's own, which ends."""
    with running_server() as process:
        yield process


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[AsyncClient]:
    """A client of a tenant of the test's own, which has some emissions."""
    async with AsyncClient(server.listening, server.token(await server.new_tenant())) as client:
        await import_sets(client)
        await upload(client, ROWS)
        yield client


def scenario(change: float = -0.5) -> RunScenarioRequest:
    return RunScenarioRequest(levers=[Lever(quantity=ChangeQuantity(change=change))])


async def ended(client: AsyncClient, begun: Operation) -> Operation:
    """Return an operation when it is done."""
    await client.wait_operation(begun.name, PATIENCE_S)
    found = await client.get_operation(begun.name)
    assert found.done
    return found


async def test_a_scenario_comes_to_what_its_call_answers(client: AsyncClient) -> None:
    begun = await client.start_operation(scenario())
    assert not begun.done
    assert await client.wait_for_result(begun.name) == await client.run_scenario(scenario())
    done = await client.get_operation(begun.name)
    progress = operation_progress(done)
    assert progress.state == OperationProgress.STATE_SUCCEEDED
    assert (progress.task.scenario, progress.done, progress.step) == (scenario(), ROWS, "computing")
    assert progress.create_time.ToDatetime() <= progress.start_time.ToDatetime() <= progress.end_time.ToDatetime()


async def test_hotspots_a_report_and_a_recalculation_come_to_what_their_calls_answer(client: AsyncClient) -> None:
    hotspots = result_of(await ended(client, await client.start_operation(AnalyzeHotspotsRequest())))
    assert isinstance(hotspots, AnalyzeHotspotsResponse)
    assert hotspots == await client.analyze_hotspots()
    report = result_of(await ended(client, await client.start_operation(report_request(REPORT_FORMAT_CSV))))
    assert isinstance(report, Report)
    assert (await client.download_report(report.name)).report == report
    run = result_of(await ended(client, await client.start_operation(RecalculateRequest(gwp_set=""))))
    assert isinstance(run, Run)
    assert run == await client.get_run(run.name)
    assert run.rows_done == ROWS


async def test_operations_of_every_kind_are_one_list_newest_first_page_by_page(client: AsyncClient) -> None:
    works: list[Work] = [
        scenario(),
        RecalculateRequest(),
        AnalyzeHotspotsRequest(),
        RecalculateRequest(),
        scenario(0.1),
    ]
    begun = [await client.start_operation(work) for work in works]
    for operation in begun:
        await ended(client, operation)
    listed = [found async for found in client.list_operations()]
    assert [found.name for found in listed] == [operation.name for operation in reversed(begun)]
    kinds = [operation_progress(found).task.WhichOneof("work") for found in reversed(listed)]
    assert kinds == ["scenario", "recalculation", "hotspots", "recalculation", "scenario"]
    pages = client.connection.pages(client.connection.operations.ListOperations, ListOperationsRequest(page_size=2))
    assert [len(page.operations) async for page in pages] == [2, 2, 1]


async def test_the_same_request_is_one_operation(client: AsyncClient) -> None:
    request_id = uuid4().hex
    begun = await client.start_operation(scenario(), request_id)
    assert (await client.start_operation(scenario(), request_id)).name == begun.name
    with pytest.raises(WrongState) as raised:
        await client.start_operation(scenario(0.2), request_id)
    assert raised.value.reason == "REQUEST_ID_REUSED"
    assert raised.value.metadata["operation"] == begun.name


async def test_an_operation_that_fails_has_the_error_of_its_call(client: AsyncClient) -> None:
    nowhere = RunScenarioRequest(levers=scenario().levers)
    nowhere.filter.as_of = "runs/999999"
    begun = await client.start_operation(nowhere)
    with pytest.raises(NotFound, match="no such run") as raised:
        await client.wait_for_result(begun.name)
    assert raised.value.metadata == {"name": "runs/999999"}
    assert operation_progress(await client.get_operation(begun.name)).state == OperationProgress.STATE_FAILED


async def test_a_cancelled_operation_ends_so_and_a_deleted_one_is_gone(client: AsyncClient) -> None:
    begun = [await client.start_operation(scenario(n / 100)) for n in range(6)]
    last = begun[-1]
    await client.cancel_operation(last.name)
    with pytest.raises(ServerError) as raised:
        await client.wait_for_result(last.name)
    assert raised.value.code is grpc.StatusCode.CANCELLED
    await client.delete_operation(last.name)
    assert await refusal(client.get_operation(last.name)) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    assert [found.name async for found in client.list_operations()] == [found.name for found in begun[-2::-1]]
    done = await ended(client, begun[0])
    await client.cancel_operation(done.name)  # too late
    assert await client.get_operation(done.name) == done


async def test_a_wait_ends_when_its_time_is_up(client: AsyncClient) -> None:
    begun = [await client.start_operation(scenario(n / 100)) for n in range(6)]
    assert not (await client.wait_operation(begun[-1].name, 0)).done


async def test_operations_survive_the_end_of_the_process(server: ServerProcess, client: AsyncClient) -> None:
    begun = [await client.start_operation(scenario(n / 100)) for n in range(8)]
    server.kill()
    server.start()
    for number, operation in enumerate(begun):
        found = await client.wait_for_result(operation.name)
        assert isinstance(found, Scenario)
        assert found.scenario.kg_co2e == pytest.approx(found.baseline.estimate.kg_co2e * (1 + number / 100), rel=1e-9)


async def test_another_tenant_finds_nothing(client: AsyncClient, server: ServerProcess) -> None:
    begun = await ended(client, await client.start_operation(scenario()))
    async with AsyncClient(server.listening, server.token(await server.new_tenant())) as other:
        for call in (other.get_operation, other.cancel_operation, other.delete_operation):
            assert await refusal(call(begun.name)) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
        assert [found async for found in other.list_operations()] == []
    assert await client.get_operation(begun.name) == begun


@pytest.mark.parametrize(
    ("work", "field"),
    [
        (RunScenarioRequest(discount_rate=2), "task.scenario.discount_rate"),
        (AnalyzeHotspotsRequest(pareto_share=2), "task.hotspots.pareto_share"),
        (report_request(REPORT_FORMAT_UNSPECIFIED), "task.report.format"),
        (RecalculateRequest(gwp_set="AR9"), "task.recalculation.gwp_set"),
        (scenario(-2), "task.scenario.levers[0].quantity.change"),
    ],
)
async def test_a_wrong_task_is_told_its_place(client: AsyncClient, work: Any, field: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        await client.start_operation(work)
    assert [problem.field for problem in raised.value.problems] == [field]


async def test_a_task_is_needed(client: AsyncClient) -> None:
    call, request = client.connection.tasks.StartOperation, StartOperationRequest(request_id="empty")
    with pytest.raises(InvalidRequest) as raised:
        await client.connection.call(call, request)
    assert [(problem.field, problem.reason) for problem in raised.value.problems] == [("task", "REQUIRED_FIELD")]


async def test_a_finalized_upload_is_followed_by_what_was_asked_for_once(client: AsyncClient) -> None:
    made = await client.create_upload(UploadOptions(request_id=uuid4().hex))
    works = (AnalyzeHotspotsRequest(), report_request(REPORT_FORMAT_CSV), RecalculateRequest())
    done = await client.finalize_upload(made.name, follow_ups=works)
    assert len(done.operations) == 3
    assert (await client.finalize_upload(made.name, follow_ups=works)).operations == done.operations
    kinds = [type(await client.wait_for_result(name)) for name in done.operations]
    assert kinds == [AnalyzeHotspotsResponse, Report, Run]
    assert not (await client.get_upload(made.name)).operations


async def test_who_may_not_begin_tasks_may_not_have_follow_ups(server: ServerProcess) -> None:
    async with AsyncClient(server.listening, server.token(roles=(Role.UPLOADER,))) as uploader:
        made = await uploader.create_upload(UploadOptions(request_id=uuid4().hex))
        failure = refusal(uploader.finalize_upload(made.name, follow_ups=[scenario()]))
        assert await failure == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED")
        assert (await uploader.get_upload(made.name)).state == made.state


async def test_a_wrong_follow_up_leaves_the_upload_open(client: AsyncClient, server: ServerProcess) -> None:
    made = await client.create_upload(UploadOptions(request_id=uuid4().hex))
    with pytest.raises(InvalidRequest) as raised:
        await client.finalize_upload(made.name, follow_ups=(scenario(), scenario(-2)))
    assert [of.field for of in raised.value.problems] == ["follow_ups[1].scenario.levers[0].quantity.change"]
    with pytest.raises(InvalidRequest, match="at most 8 tasks"):
        await client.finalize_upload(made.name, follow_ups=[scenario()] * 9)
    assert (await client.get_upload(made.name)).state == made.state
