"""google.longrunning.Operations, of recalculations and tasks, and OperationService, which begins tasks."""

import asyncio
from heapq import merge
from itertools import islice
from typing import TypeAlias

import grpc.aio
from google.longrunning import operations_pb2_grpc
from google.longrunning import operations_proto_pb2 as pb
from google.protobuf.empty_pb2 import Empty
from vcci.v1 import operation_pb2, operation_service_pb2, operation_service_pb2_grpc
from vcci_engine.errors import InvalidField, NotFound

from vcci_server.auth import caller
from vcci_server.operation_messages import OPERATIONS, task_operation
from vcci_server.operation_tasks import check_task, named
from vcci_server.runs import WATCH_S, RunServicer
from vcci_server.storage import operations, runs, uploads
from vcci_server.storage.operations import OperationRecord
from vcci_server.storage.pool import Pool
from vcci_server.storage.runs import RunRecord
from vcci_server.tokens import read_token, write_token
from vcci_server.validation import Problems, page_size, resource_id

LONGEST_WAIT_S = 300.0
PAGE_BYTES = 1 << 20  # a page that has more ends there
NAMES = ("", OPERATIONS, f"{OPERATIONS}/")  # of the collection

Record: TypeAlias = RunRecord | OperationRecord


class OperationsServicer(operations_pb2_grpc.OperationsServicer):
    """Operations of the caller's tenant."""

    def __init__(self, reader: Pool, writer: Pool, servicer: RunServicer) -> None:
        self._reader = reader
        self._writer = writer
        self._runs = servicer

    async def ListOperations(self, request: pb.ListOperationsRequest, context: object) -> pb.ListOperationsResponse:
        """List operations, newest first."""
        if request.name not in NAMES:
            raise InvalidField("name", request.name, f"`{OPERATIONS}`, or nothing", reason="MALFORMED_VALUE")
        if request.filter:
            raise InvalidField("filter", request.filter, "nothing: operations are not filtered", reason="OUT_OF_RANGE")
        tenant_id, size = caller().tenant_id, page_size(request.page_size, 50, 1_000)
        before = read_token(request.page_token, OPERATIONS, tenant_id, default=uploads.LAST)
        found = await self._page(tenant_id, size + 1, before)
        page, size_bytes = pb.ListOperationsResponse(), 0
        for record in found[:size]:
            page.operations.append(await self._operation(record))
            size_bytes += page.operations[-1].ByteSize()
            if size_bytes > PAGE_BYTES:
                break
        if len(page.operations) < len(found):
            last = found[len(page.operations) - 1]
            page.next_page_token = write_token(OPERATIONS, tenant_id, _number(last))
        return page

    async def GetOperation(self, request: pb.GetOperationRequest, context: object) -> pb.Operation:
        """Return an operation."""
        return await self._operation(await self._find(request.name))

    async def DeleteOperation(self, request: pb.DeleteOperationRequest, context: object) -> Empty:
        """Forget an operation: the run of a recalculation goes on, and stays; a task ends, and its response goes."""
        record = await self._find(request.name)
        if isinstance(record, RunRecord):
            await runs.forget(self._writer, record.tenant_id, record.run_id)
        else:
            await operations.delete(self._writer, record)
        return Empty()

    async def CancelOperation(self, request: pb.CancelOperationRequest, context: object) -> Empty:
        """Cancel an operation, unless it has ended."""
        record = await self._find(request.name)
        if isinstance(record, RunRecord):
            await runs.cancel(self._writer, record.tenant_id, record.run_id)
        else:
            await operations.cancel(self._writer, record)
        return Empty()

    async def WaitOperation(
        self, request: pb.WaitOperationRequest, context: "grpc.aio.ServicerContext[object, object]"
    ) -> pb.Operation:
        """Return an operation when it is done, or as it is when the time is up."""
        until_s = asyncio.get_running_loop().time() + _longest_s(request)
        record = await self._find(request.name)
        while record.state == "running" and (left_s := until_s - asyncio.get_running_loop().time()) > 0:
            await self._runs.rest(min(WATCH_S, left_s))
            record = await self._find(request.name)
        return await self._operation(record)

    async def _page(self, tenant_id: int, limit: int, before: int) -> list[Record]:
        of_runs = await runs.list_page(self._reader, tenant_id, limit=limit, before=before, forgotten=False)
        of_tasks = await operations.list_page(self._reader, tenant_id, limit=limit, before=before)
        both: list[list[Record]] = [[*of_runs], [*of_tasks]]
        return list(islice(merge(*both, key=_number, reverse=True), limit))

    async def _operation(self, record: Record) -> pb.Operation:
        if isinstance(record, RunRecord):
            return await self._runs.operation(record)
        found = await operations.response(self._reader, record) if record.state == "succeeded" else None
        return task_operation(record, found)

    async def _find(self, name: str) -> Record:
        number, tenant_id = resource_id(name, OPERATIONS), caller().tenant_id
        try:
            return await operations.get(self._reader, tenant_id, number)
        except NotFound as missing:
            try:
                run = await runs.get(self._reader, tenant_id, number)
            except NotFound:
                raise missing from None
            if run.forgotten:
                raise missing from None
            return run


class OperationServicer(operation_service_pb2_grpc.OperationServiceServicer):
    """Begins tasks of the caller's tenant."""

    def __init__(self, pool: Pool, servicer: RunServicer) -> None:
        self._pool = pool
        self._runs = servicer

    async def StartOperation(
        self, request: operation_service_pb2.StartOperationRequest, context: object
    ) -> pb.Operation:
        """Begin a task, or return what the same request has begun."""
        problems = Problems()
        problems.request_id(request.request_id)
        problems.check()
        task = named(request.task, request.request_id)
        check_task(task, "task")
        return await self.start(request.request_id, task)

    async def start(self, request_id: str, task: operation_pb2.OperationTask) -> pb.Operation:
        """Begin a checked task; a recalculation is a run, and has an operation of that kind."""
        if task.WhichOneof("work") == "recalculation":
            return await self._runs.begin(task.recalculation)
        who, asked = caller(), task.SerializeToString(deterministic=True)
        return task_operation(await operations.create(self._pool, who.tenant_id, request_id, who.subject, asked))


def _longest_s(request: pb.WaitOperationRequest) -> float:
    """Return how long to wait at most, in seconds."""
    if not request.HasField("timeout"):
        return LONGEST_WAIT_S
    longest_s = request.timeout.seconds + request.timeout.nanos / 1e9
    if longest_s < 0:
        raise InvalidField("timeout", f"{longest_s:g} s", "0 s or more", reason="OUT_OF_RANGE")
    return min(longest_s, LONGEST_WAIT_S)


def _number(record: Record) -> int:
    return record.run_id if isinstance(record, RunRecord) else record.operation_id
