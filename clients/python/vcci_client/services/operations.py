"""OperationService and google.longrunning.Operations: work that goes on without its caller."""

import uuid
from collections.abc import AsyncIterator

from google.longrunning import operations_proto_pb2 as longrunning
from google.protobuf.duration_pb2 import Duration
from vcci.v1 import hotspot_service_pb2, operation_pb2, report_service_pb2, run_pb2
from vcci.v1.operation_service_pb2 import StartOperationRequest

from vcci_client.connection import Pauses, Service, is_passing
from vcci_client.errors import ServerError, from_status
from vcci_client.work import Work, task_of

PATIENCE_S = 60.0
WAIT_S = 30.0
Result = (
    hotspot_service_pb2.Scenario | hotspot_service_pb2.AnalyzeHotspotsResponse | report_service_pb2.Report | run_pb2.Run
)
RESULTS: tuple[type[Result], ...] = (
    hotspot_service_pb2.Scenario,
    hotspot_service_pb2.AnalyzeHotspotsResponse,
    report_service_pb2.Report,
    run_pb2.Run,
)


class Operations(Service):
    """Long-running operations."""

    async def start_operation(self, work: Work, request_id: str = "") -> longrunning.Operation:
        """Begin a scenario, hotspots, a report or a recalculation, once per request id; nobody has to wait for it."""
        request = StartOperationRequest(request_id=request_id or uuid.uuid4().hex, task=task_of(work))
        call = self.connection.tasks.StartOperation
        return await self.connection.call(call, request, patience_s=PATIENCE_S)

    async def wait_for_result(self, name: str) -> Result:
        """Return what an operation comes to, over restarts of the server too; raise the error that it ends with."""
        pauses = Pauses(PATIENCE_S)
        while True:
            try:
                operation = await self.wait_operation(name, WAIT_S)
                pauses.progress()
            except ServerError as error:
                if not is_passing(error):
                    raise
                await pauses.wait(error)
            else:
                if operation.done:
                    return result_of(operation)

    async def get_operation(self, name: str) -> longrunning.Operation:
        """Return `operations/{operation}`."""
        request = longrunning.GetOperationRequest(name=name)
        return await self.connection.call(self.connection.operations.GetOperation, request)

    async def list_operations(self) -> AsyncIterator[longrunning.Operation]:
        """Yield the operations, newest first."""
        request = longrunning.ListOperationsRequest(name="operations")
        async for page in self.connection.pages(self.connection.operations.ListOperations, request):
            for operation in page.operations:
                yield operation

    async def wait_operation(self, name: str, timeout_s: float) -> longrunning.Operation:
        """Return an operation when it is done, or as it is when the time is up; of 5 minutes at most."""
        timeout = Duration()
        timeout.FromNanoseconds(int(timeout_s * 1e9))
        request = longrunning.WaitOperationRequest(name=name, timeout=timeout)
        return await self.connection.call(self.connection.operations.WaitOperation, request)

    async def cancel_operation(self, name: str) -> None:
        """Cancel an operation; one that is done stays as it is."""
        request = longrunning.CancelOperationRequest(name=name)
        await self.connection.call(self.connection.operations.CancelOperation, request)

    async def delete_operation(self, name: str) -> None:
        """Forget an operation: the run of a recalculation goes on, and stays; a task ends, and its result goes."""
        request = longrunning.DeleteOperationRequest(name=name)
        await self.connection.call(self.connection.operations.DeleteOperation, request)


def result_of(operation: longrunning.Operation) -> Result:
    """Return the result of an operation that is done; raise ServerError when it failed or was cancelled."""
    if operation.HasField("error"):
        raise from_status(operation.error)
    for kind in RESULTS:
        result = kind()
        if operation.response.Unpack(result):
            return result
    raise TypeError(f"{operation.name} has a response of another kind: {operation.response.type_url}")


def operation_progress(operation: longrunning.Operation) -> operation_pb2.OperationProgress:
    """Return how far an operation is; of a recalculation, rows."""
    progress, of_run = operation_pb2.OperationProgress(), run_pb2.RunProgress()
    if operation.metadata.Unpack(of_run):
        progress.state = operation_pb2.OperationProgress.State.ValueType(of_run.state)  # the same numbers
        progress.step, progress.done, progress.total = of_run.run, of_run.rows_done, of_run.rows_total
        progress.task.recalculation.SetInParent()
        progress.create_time.CopyFrom(of_run.create_time)
        progress.start_time.CopyFrom(of_run.start_time)
    else:
        operation.metadata.Unpack(progress)
    return progress
