"""Limits of operations: how long one may take, and how many of a tenant may go on."""

from typing import Literal

import pytest
from google.rpc import code_pb2, status_pb2
from vcci.v1.hotspot_service_pb2 import RunScenarioRequest
from vcci.v1.operation_pb2 import OperationTask
from vcci_engine.errors import Overloaded
from vcci_server.hotspots import HotspotServicer
from vcci_server.operation_tasks import Tasks
from vcci_server.operation_work import OperationWork
from vcci_server.reports import ReportServicer
from vcci_server.storage import operations
from vcci_server.storage.operations import OperationRecord
from vcci_server.storage.pool import Pool
from vcci_server.tasks import running

from tests.server.stages import mixed_stages
from tests.waiting import until

TASK = OperationTask(scenario=RunScenarioRequest()).SerializeToString()


async def begin(pool: Pool, tenant_id: int, request_id: str) -> OperationRecord:
    return await operations.create(pool, tenant_id, request_id, "tester", TASK)


async def test_an_operation_over_its_limit_ends_and_the_next_goes_on(pool: Pool) -> None:
    async with mixed_stages(pool) as stages:
        tasks = Tasks(HotspotServicer(pool, stages.executor), ReportServicer(pool, pool, stages.executor))
        begun = await begin(pool, stages.store.tenant_id, "slow")

        async def ended() -> OperationRecord | Literal[False]:
            now = await operations.get(pool, begun.tenant_id, begun.operation_id)
            return now.state != "running" and now

        async with running(OperationWork(pool, tasks, time_limit_s=1e-9).run()):
            assert await until(ended)
        found = await operations.get(pool, begun.tenant_id, begun.operation_id)
        assert found.state == "failed"
        status = status_pb2.Status.FromString(found.error or b"")
        assert (status.code, "took longer than" in status.message) == (code_pb2.DEADLINE_EXCEEDED, True)
        begun = await begin(pool, stages.store.tenant_id, "quick")
        async with running(OperationWork(pool, tasks).run()):
            assert await until(ended)
        assert (await operations.get(pool, begun.tenant_id, begun.operation_id)).state == "succeeded"


async def test_a_tenant_may_have_so_many_that_go_on(
    pool: Pool, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "MOST_RUNNING", 2)
    first, _ = await begin(pool, tenant_id, "1"), await begin(pool, tenant_id, "2")
    with pytest.raises(Overloaded, match="2 operations go on already") as raised:
        await begin(pool, tenant_id, "3")
    assert raised.value.retry_after_s
    assert (await begin(pool, tenant_id, "1")).operation_id == first.operation_id
    await operations.cancel(pool, first)
    await begin(pool, tenant_id, "3")


async def test_the_oldest_of_each_tenant_come_first(pool: Pool, tenant_id: int) -> None:
    other: int = await pool.fetchval("INSERT INTO tenants (name) VALUES ('another') RETURNING tenant_id")
    mine = [await begin(pool, tenant_id, str(number)) for number in range(3)]
    theirs = await begin(pool, other, "0")
    ids = [found.operation_id for found in await operations.to_do(pool, 100, [])]
    assert ids.index(theirs.operation_id) < ids.index(mine[1].operation_id)
    under_way = mine[2].operation_id
    assert [found.operation_id for found in await operations.to_do(pool, 1, [under_way])] == [under_way]
    for found in (*mine, theirs):
        await operations.cancel(pool, found)
