"""Operations of tasks, as the contract has them."""

from collections.abc import Mapping

from google.longrunning import operations_proto_pb2 as longrunning
from google.protobuf.any_pb2 import Any
from google.rpc import code_pb2, status_pb2
from vcci.v1.operation_pb2 import OperationProgress, OperationTask

from vcci_server.run_messages import OPERATIONS, time_of
from vcci_server.storage.operations import OperationRecord
from vcci_server.storage.runs import State

__all__ = ["OPERATIONS", "task_operation"]

STATES: Mapping[State, "OperationProgress.State.ValueType"] = {
    "running": OperationProgress.STATE_RUNNING,
    "succeeded": OperationProgress.STATE_SUCCEEDED,
    "cancelled": OperationProgress.STATE_CANCELLED,
    "failed": OperationProgress.STATE_FAILED,
}
CANCELLED = status_pb2.Status(code=code_pb2.CANCELLED, message="The operation was cancelled")


def task_operation(record: OperationRecord, response: bytes | None = None) -> longrunning.Operation:
    """Return the operation of a task; one that has succeeded needs its response."""
    operation = longrunning.Operation(name=f"{OPERATIONS}/{record.operation_id}", done=record.state != "running")
    operation.metadata.Pack(
        OperationProgress(
            task=OperationTask.FromString(record.task),
            state=STATES[record.state],
            step=record.step,
            done=record.done,
            total=record.total,
            create_time=time_of(record.created_at),
            start_time=time_of(record.started_at),
            end_time=time_of(record.ended_at),
        )
    )
    if response is not None:
        operation.response.CopyFrom(Any.FromString(response))
    elif operation.done:
        operation.error.CopyFrom(status_pb2.Status.FromString(record.error) if record.error else CANCELLED)
    return operation
