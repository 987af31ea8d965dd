"""What can go wrong, as the caller sees it.

ClientError
├── FileProblem           the file cannot be read as it is
│   └── MappingProblem    the mapping file is wrong
├── AlreadyStarted        an unfinished upload of the same contents exists
├── BatchRefused          the server took nothing of a batch: the upload cannot go on
├── OutOfStep             the server's rows of an upload are not those that were sent
├── UploadInterrupted     the server could not be reached for too long; the upload can be resumed
└── ServerError           the server answered with a status
    ├── InvalidRequest    INVALID_ARGUMENT: mend the request
    ├── NotFound          NOT_FOUND
    ├── WrongState        FAILED_PRECONDITION: right, but not now
    ├── WriterFenced      ABORTED: another writer took the upload over
    ├── EtagMismatch      ABORTED: it was changed since it was read
    ├── Unauthenticated   UNAUTHENTICATED: no credentials, or not valid ones, or expired ones
    ├── PermissionDenied  PERMISSION_DENIED: the credentials lack the role
    ├── Overloaded        RESOURCE_EXHAUSTED: try again after `retry_after_s`
    │   └── QuotaExceeded of the tenant; without `retry_after_s`, waiting does not help
    └── Unavailable       UNAVAILABLE or DEADLINE_EXCEEDED: try again
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import grpc
import grpc.aio
from google.rpc import error_details_pb2, status_pb2
from vcci.v1.error_pb2 import ErrorReason
from vcci.v1.upload_service_pb2 import BatchRefusal

DETAILS_KEY = "grpc-status-details-bin"
DOMAIN = "vcci"


class ClientError(Exception):
    """Something that the caller can act on; the message says what to do."""


class FileProblem(ClientError):
    """A file cannot be read."""


class MappingProblem(FileProblem):
    """A mapping file is not valid."""


class AlreadyStarted(ClientError):
    """An unfinished upload of the same contents exists."""

    def __init__(self, upload: str, committed_rows: int) -> None:
        super().__init__(
            f"{upload} has {committed_rows:,} rows of the same contents, of a run that was interrupted or still goes on"
        )
        self.upload = upload
        self.committed_rows = committed_rows


class BatchRefused(ClientError):
    """The server took nothing of a batch, and sending it again would not help."""

    def __init__(self, upload: str, refusal: BatchRefusal) -> None:
        self.upload = upload
        self.reason = reason_name(refusal.reason)
        self.row_errors = tuple(refusal.row_errors)
        self.rejected_rows = refusal.rejected_rows
        super().__init__(f"{upload}: the batch at row {refusal.offset:,} was refused: {refusal.message}")


class OutOfStep(ClientError):
    """The server's rows of an upload are not those that were sent."""

    def __init__(self, server_row: int, client_row: int) -> None:
        super().__init__(
            f"the server goes on at row {server_row:,}, this upload at row {client_row:,}: another writer has sent "
            "rows, the source is another one than before, or the server has lost what it acknowledged"
        )


class UploadInterrupted(ClientError):
    """The server could not be reached for too long."""

    def __init__(self, upload: str, committed_rows: int, cause: str) -> None:
        super().__init__(f"{upload or 'the upload'} stopped after {committed_rows:,} rows: {cause}")
        self.upload = upload
        self.committed_rows = committed_rows


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One wrong field of a request: where it is, what is wrong with it, and the reason for programs."""

    field: str
    description: str
    reason: str


class ServerError(ClientError):
    """The server answered with an error."""

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode,
        reason: str = "",
        problems: Iterable[FieldProblem] = (),
        metadata: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.problems = tuple(problems)
        self.metadata = dict(metadata or {})
        self.retry_after_s = retry_after_s


class InvalidRequest(ServerError):
    """The request is wrong: mend it."""


class NotFound(ServerError):
    """There is no such resource."""


class WrongState(ServerError):
    """The resource is not in a state that allows this."""


class WriterFenced(ServerError):
    """Another writer has opened the upload since."""


class EtagMismatch(ServerError):
    """The resource was changed since its etag was read."""


class Unauthenticated(ServerError):
    """The credentials are missing or not valid."""


class PermissionDenied(ServerError):
    """The credentials are right, but lack the role that this needs."""


class TimeLimitExceeded(ServerError):
    """The work took longer than the server allows: ask for less at once."""


class Overloaded(ServerError):
    """Too much is under way."""


class QuotaExceeded(Overloaded):
    """The tenant has used up a quota: `metadata` has its name (`quota`) and its `limit`."""


class Unavailable(ServerError):
    """The server cannot be reached, or does not answer in time."""


_CLASSES = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.FAILED_PRECONDITION: WrongState,
    grpc.StatusCode.ABORTED: WriterFenced,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: Unavailable,
}
# Where a code is of several classes.
_BY_REASON = {"ETAG_MISMATCH": EtagMismatch, "TIME_LIMIT_EXCEEDED": TimeLimitExceeded, "QUOTA_EXCEEDED": QuotaExceeded}


def from_rpc(error: grpc.aio.AioRpcError) -> ServerError:
    """Return the status that the server answered with as an exception, its details unpacked."""
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY:
            status.ParseFromString(value if isinstance(value, bytes) else value.encode())
    return _with_details(error.code(), error.details() or error.code().name, status)


def from_status(status: status_pb2.Status) -> ServerError:
    """Return what an operation ended with as an exception."""
    code = next((code for code in grpc.StatusCode if code.value[0] == status.code), grpc.StatusCode.UNKNOWN)
    return _with_details(code, status.message, status)


def _with_details(code: grpc.StatusCode, message: str, status: status_pb2.Status) -> ServerError:
    info, request, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    for detail in status.details:
        detail.Unpack(info) or detail.Unpack(request) or detail.Unpack(retry)
    problems = (FieldProblem(item.field, item.description, item.reason) for item in request.field_violations)
    reason = info.reason if info.domain == DOMAIN else ""
    kind = _BY_REASON.get(reason) or _CLASSES.get(code, ServerError)
    return kind(
        message,
        code=code,
        reason=reason,
        problems=problems,
        metadata=info.metadata,
        retry_after_s=retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None,
    )


def reason_name(reason: int) -> str:
    """Return the name of an ErrorReason without its prefix; of one newer than this client, its number."""
    if reason in ErrorReason.values():
        return ErrorReason.Name(ErrorReason.ValueType(reason)).removeprefix("ERROR_REASON_")
    return str(reason)
