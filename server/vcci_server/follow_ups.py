"""What is to be done once an upload is finalized."""

from vcci.v1.operation_pb2 import OperationTask
from vcci.v1.upload_service_pb2 import FinalizeUploadRequest
from vcci_engine.errors import InvalidField

from vcci_server.auth import caller
from vcci_server.operation_tasks import check_task, named
from vcci_server.roles import check_role, roles_for

MOST = 8
START_OPERATION = "/vcci.v1.OperationService/StartOperation"


def follow_ups(request: FinalizeUploadRequest) -> list[tuple[str, OperationTask]]:
    """Return the tasks of a request, each with a request id of its own, the same each time that it is finalized.

    Raises PermissionDenied when the caller may not begin any, InvalidField and InvalidFields.
    """
    if request.follow_ups:
        check_role(caller(), roles_for(START_OPERATION), START_OPERATION)
    if len(request.follow_ups) > MOST:
        raise InvalidField("follow_ups", len(request.follow_ups), f"at most {MOST} tasks", reason="LIMIT_EXCEEDED")
    tasks = []
    for number, given in enumerate(request.follow_ups):
        request_id = f"{request.name}/followUps/{number}"
        tasks.append((request_id, named(given, request_id)))
        check_task(tasks[-1][1], f"follow_ups[{number}]")
    return tasks
