"""google.longrunning.Operations: recalculations, which are the long-running operations that there are."""

import asyncio

import grpc.aio
from google.longrunning import operations_pb2_grpc
from google.longrunning import operations_proto_pb2 as pb
from google.protobuf.empty_pb2 import Empty
from vcci_engine.errors import InvalidField, NotFound

from vcci_server.auth import caller
from vcci_server.run_messages import OPERATIONS
from vcci_server.runs import WATCH_S, RunServicer
from vcci_server.storage import runs, uploads
from vcci_server.storage.pool import Pool
from vcci_server.storage.runs import RunRecord
from vcci_server.tokens import read_token, write_token
from vcci_server.validation import page_size, resource_id

LONGEST_WAIT_S = 300.0
NAMES = ("", OPERATIONS, f"{OPERATIONS}/")  # of the collection


class OperationsServicer(operations_pb2_grpc.OperationsServicer):
    """Operations of the caller's tenant."""

    def __init__(self, pool: Pool, servicer: RunServicer) -> None:
        self._pool = pool
        self._runs = servicer

    async def ListOperations(self, request: pb.ListOperationsRequest, context: object) -> pb.ListOperationsResponse:
        """List operations, newest first."""
        if request.name not in NAMES:
            raise InvalidField("name", request.name, f"`{OPERATIONS}`, or nothing", reason="MALFORMED_VALUE")
        if request.filter:
            raise InvalidField("filter", request.filter, "nothing: operations are not filtered", reason="OUT_OF_RANGE")
        tenant_id, size = caller().tenant_id, page_size(request.page_size, 50, 1_000)
        before = read_token(request.page_token, OPERATIONS, tenant_id, default=uploads.LAST)
        found = await runs.list_page(self._pool, tenant_id, limit=size + 1, before=before, forgotten=False)
        token = write_token(OPERATIONS, tenant_id, found[size - 1].run_id) if len(found) > size else ""
        return pb.ListOperationsResponse(
            operations=[await self._runs.operation(run) for run in found[:size]], next_page_token=token
        )

    async def GetOperation(self, request: pb.GetOperationRequest, context: object) -> pb.Operation:
        """Return an operation."""
        return await self._runs.operation(await self._find(request.name))

    async def DeleteOperation(self, request: pb.DeleteOperationRequest, context: object) -> Empty:
        """Forget an operation; its run goes on, and stays."""
        run = await self._find(request.name)
        await runs.forget(self._pool, run.tenant_id, run.run_id)
        return Empty()

    async def CancelOperation(self, request: pb.CancelOperationRequest, context: object) -> Empty:
        """Cancel a run, unless it has ended."""
        run = await self._find(request.name)
        await runs.cancel(self._pool, run.tenant_id, run.run_id)
        return Empty()

    async def WaitOperation(
        self, request: pb.WaitOperationRequest, context: "grpc.aio.ServicerContext[object, object]"
    ) -> pb.Operation:
        """Return an operation when it is done, or as it is when the time is up."""
        longest_s = request.timeout.ToTimedelta().total_seconds() if request.HasField("timeout") else LONGEST_WAIT_S
        until_s = asyncio.get_running_loop().time() + min(max(longest_s, 0.0), LONGEST_WAIT_S)
        run = await self._find(request.name)
        while run.state == "running" and (left_s := until_s - asyncio.get_running_loop().time()) > 0:
            await self._runs.rest(min(WATCH_S, left_s))
            run = await runs.get(self._pool, run.tenant_id, run.run_id)
        return await self._runs.operation(run)

    async def _find(self, name: str) -> RunRecord:
        try:
            run = await runs.get(self._pool, caller().tenant_id, resource_id(name, OPERATIONS))
        except NotFound:
            run = None
        if run is None or run.forgotten:
            raise NotFound("There is no such operation.", metadata={"name": name})
        return run
